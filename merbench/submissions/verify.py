"""``merbench verify``: take submitted rows, look at them, run their methods again, and say what state they have."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from merbench import __version__
from merbench.contracts.errors import MerbenchError
from merbench.contracts.notes import shortened
from merbench.engine import environment
from merbench.engine.execute.sandbox import isolation
from merbench.engine.plan.truths import truths
from merbench.records.files import now
from merbench.records.model import Verification
from merbench.records.select import Runs
from merbench.submissions.bounds import take
from merbench.submissions.checks import looked
from merbench.submissions.rerun import CHEATS, run_again
from merbench.submissions.submitted import Looked, Submitted

#: So many runs are verified in one call.
_MOST = 500


@dataclass
class Verdict:
    """What was found of one submitted run; `run_again` are folds that agree, of `of`."""

    folder: Path
    lines: list[Looked]
    submitted: Submitted | None = None
    run_again: int = 0
    of: int = 0
    isolated: bool = False
    agreement: str = ""

    @property
    def failed(self) -> bool:
        """Whether a check failed."""
        return any(line.result == "failed" for line in self.lines)

    @property
    def state(self) -> str:
        """The state of the run; ``failed`` whatever else was found."""
        if self.failed or self.submitted is None:
            return "failed"
        if not self.run_again:
            return "consistent"
        unjudged = any(line.check in CHEATS and line.result == "noted" for line in self.lines)  # too few clips
        return "verified" if self.isolated and self.run_again == self.of and not unjudged else "rerun"

    def run_method_again(self, count: int | None) -> None:
        """Run drawn folds of the method again, all if `count` is None; what is found are further lines."""
        assert self.submitted is not None
        lines, rerun = run_again(self.submitted, count)
        self.lines += lines
        if rerun is not None and not self.failed:
            self.run_again, self.agreement, self.isolated = rerun.agreeing, rerun.agreement, isolation().whole
            self.of = len(self.submitted.run.file.folds)

    def verification(self, by: str) -> Verification | None:
        """Return what is kept beside the record; None where its files can't even be read."""
        try:
            run = None if self.submitted is None else self.submitted.run
        except MerbenchError:
            return None
        if run is None or run.mark is None:
            return None
        said = [line for line in self.lines if line.result in ("failed", "noted") and line.check != "kept state"]
        return Verification.model_validate({
            "run_id": run.file.run_id, "key_digest": run.mark.key_digest, "sha256": run.mark.sha256,
            "state": self.state, "folds": self.run_again, "of": len(run.file.folds), "isolated": self.isolated,
            "isolated_by": (self.isolated and isolation().way) or "", "agreement": self.agreement, "by": by,
            "when": now(), "merbench": __version__,
            "reasons": [shortened(f"{line.check}: {line.evidence}") for line in said[:20]],
            "git_commit": environment.git_commit(),
        })  # fmt: skip


def submitted_runs(folders: Sequence[Path]) -> list[Path]:
    """Return the folders of submitted runs: those given, or below a board or a protocol's folder.

    MerbenchError names one that has none, or too much. Links are not followed.
    """
    found: list[Path] = []
    for folder in folders:
        below = list(_below(folder))
        if not below:
            raise MerbenchError(f"{folder} is not a submission, and has none: expected what merbench submit wrote")
        found += below
    if len(found) > _MOST:
        raise MerbenchError(
            f"{len(found)} runs are more than the {_MOST} that are verified at once: name fewer folders"
        )
    return list(dict.fromkeys(found))


def _below(folder: Path, depth: int = 2) -> Iterator[Path]:
    place = Path(os.path.abspath(folder))  # noqa: PTH100 - links stay
    if place.is_symlink():
        raise MerbenchError(f"{folder} is a link, expected a folder")
    if not place.is_dir():
        raise MerbenchError(f"{folder} is not a folder: expected what merbench submit wrote")
    if os.path.lexists(place / "run.json"):
        yield place
        return
    try:
        with os.scandir(place) as listing:
            entries = list(islice(listing, _MOST + 1))
    except OSError as error:
        raise MerbenchError(f"{folder} can't be read: {error.strerror or error}") from error
    if len(entries) > _MOST:
        raise MerbenchError(f"{folder} has more than {_MOST} entries, too many for submitted runs")
    for entry in sorted(entries, key=lambda entry: entry.name) if depth else ():
        if entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path), depth - 1)


@contextmanager
def taken(folders: Sequence[Path], board: Runs) -> Iterator[list[Verdict]]:
    """Copy submissions, bounded, and look at each; the copies are removed in the end."""
    truth_of = truths()
    with ExitStack() as copies:
        verdicts = []
        for folder in folders:
            place = Path(copies.enter_context(tempfile.TemporaryDirectory(prefix="merbench-verify-")))
            try:
                take(folder, place)
            except MerbenchError as error:
                verdicts.append(Verdict(folder, [Looked("failed", "bounds", str(error))]))
                continue
            verdicts.append(Verdict(folder, [], Submitted(folder, place, truth_of, board)))
        _introduce([verdict.submitted for verdict in verdicts if verdict.submitted is not None])
        for verdict in verdicts:
            if verdict.submitted is not None:
                verdict.lines += looked(verdict.submitted)
        yield verdicts


def _introduce(every: list[Submitted]) -> None:
    """Let the seeds of a row know of one another."""
    rows: dict[str, list[Submitted]] = {}
    for each in every:
        try:
            rows.setdefault(each.run.group, []).append(each)
        except MerbenchError:
            continue  # it says so itself
    for row in rows.values():
        for each in row:
            each.others = [other for other in row if other is not each]
