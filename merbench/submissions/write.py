"""What goes with a submitted row beside its records: environment, seeds, tries, and where its code is."""

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from merbench.analysis.cache import row_scores
from merbench.analysis.held import hold, why_not_held
from merbench.analysis.rows import undisclosed_text
from merbench.contracts.digests import code_files
from merbench.contracts.errors import MerbenchError, RecordError, listed
from merbench.databases import DATABASES
from merbench.engine import environment
from merbench.engine.plan.catalogue import METHODS, RegisteredMethod
from merbench.engine.plan.code import code_digest
from merbench.engine.plan.truths import truths
from merbench.records.compact import check_merged
from merbench.records.entries import completed, write_entry
from merbench.records.files import write_whole
from merbench.records.folder import RunFolder
from merbench.records.model import FoldRecord
from merbench.records.read import RecordedRun
from merbench.records.select import Runs
from merbench.submissions.bounds import CODE
from merbench.submissions.model import FILE, Submission

#: Addresses of repositories that others can read; never with a password.
_PUBLIC = re.compile(r"(https://|ssh://|git@)[^\s]+")


def row_of(run: RecordedRun, recorded: Runs) -> list[RecordedRun]:
    """Return all seeds of a run's row that are recorded; MerbenchError if one is not whole, or lower ones are missing.

    All seeds that were recorded are submitted, and they count from 0: the best of many is not a row.
    """
    completed(run)
    if run.file.deterministic:
        return [run]
    row = sorted(recorded.where(group=run.group, data=run.file.data), key=lambda each: each.file.key.seed)
    for each in row:
        completed(each)
    seeds = {each.file.key.seed for each in row}
    if lower := [str(seed) for seed in range(max(seeds)) if seed not in seeds]:
        raise MerbenchError(
            f"{run.file.run_id} can't be submitted: seeds count from 0, all of them, and seeds {listed(lower, most=3)} "
            f"are not recorded: run them first (--seeds 0-{max(seeds)}); the best of several seeds is not a row"
        )
    return row


def check_row(row: Sequence[RecordedRun]) -> None:
    """Refuse a row that a reader of the leaderboard could not repeat or verify; MerbenchError says why."""
    truth_of = truths()
    environments = set()
    for run in row:
        truth = truth_of(run.file)
        compared, difference = hold(run, truth)
        reasons = [difference] if difference else [*_reasons(compared)]
        if not difference and not isinstance(truth, str):
            try:
                check_merged(RunFolder(run.place.path), run.file, truth.clips)
            except RecordError as error:
                reasons.append(str(error))
        if reasons:
            raise MerbenchError(f"{run.file.run_id} can't be submitted: {'; '.join(reasons)}")
        record = _record(run)
        environments.add(tuple(sorted(record.packages.items())))
    if len(environments) > 1:
        differ = sorted({name for one in environments for name, _ in set(one) ^ set(min(environments))})
        raise MerbenchError(
            f"{row[0].file.run_id} can't be submitted: its seeds were run with other versions of {listed(differ)}: "
            "run them again in one environment (--existing redo)"
        )


def _reasons(run: RecordedRun) -> Iterator[str]:
    file = run.file
    if why := why_not_held([run]):
        yield f"its clips and labels could not be compared with its protocol: {why}"
    if strange := set(file.data.split("+")) - set(DATABASES.names()):
        yield f"{', '.join(sorted(strange))} is not a database or a published release"
    if run.undisclosed:
        yield undisclosed_text(run.undisclosed)
    if run.mark is not None and run.mark.mixed:
        yield f"its folds differ in {listed(run.mark.mixed)}: run it again on one machine (--existing redo)"
    for what, commit in (("merbench", file.git_commit), (file.method, file.method_source)):
        if commit and commit.endswith("-dirty"):
            step = "commit the changes and run all its folds again (--existing redo)"
            yield f"the code of {what} differed from its commit {commit.removesuffix('-dirty')[-40:][:12]}: {step}"


def _record(run: RecordedRun) -> FoldRecord:
    record = run.first_record()
    if record is None:
        raise MerbenchError(f"{run.file.run_id} has no record of its folds: run it again")
    return record


def write_row(row: Sequence[RecordedRun], recorded: Runs, to: Path) -> list[Path]:
    """Write all seeds of a row, each in its folder, with what goes with it; its code, unless that is merbench's own."""
    method, written = METHODS.get(row[0].file.method), []
    tries = len({each.group for each in recorded.where(method=row[0].file.method, protocol=row[0].file.protocol)})
    if method.origin != "merbench":
        _check_code(method, row[0])
    for number, run in enumerate(row):
        about = _about(run, method, [each.file.key.seed for each in row], tries)
        target = write_entry(run, to)
        write_whole(target / FILE, (about.model_dump_json(indent=1, exclude_none=True) + "\n").encode())
        if number == 0 and method.origin != "merbench":
            _copy_code(method.folder, target / CODE)
        written.append(target)
    return written


def _about(run: RecordedRun, method: RegisteredMethod, seeds: list[int], tries: int) -> Submission:
    record, (repository, commit) = _record(run), environment.repository(method.folder)
    return Submission(
        run_id=run.file.run_id,
        seeds=seeds,
        tries=tries,
        card=(method.folder / "card.yaml").read_text(encoding="utf-8"),
        target=f"{method.cls.__module__}:{method.cls.__qualname__}",
        package=method.package,
        repository=repository if repository and _PUBLIC.fullmatch(repository) else None,
        commit=commit,
        packages=record.packages,
        hardware={name: value for name, value in record.hardware.items() if isinstance(value, str | int)},
        device=record.device,
        threads=record.threads,
        seconds=0.0 if run.mark is None else run.mark.seconds,
        figures={score.part: (round(score.uf1, 6), round(score.uar, 6)) for score in row_scores([run])[0]},
        merbench=run.file.merbench,
    )


def _check_code(method: RegisteredMethod, run: RecordedRun) -> None:
    """Refuse a row whose code can't be verified from the files that are submitted; MerbenchError says why."""
    with tempfile.TemporaryDirectory(prefix="merbench-submit-") as place:
        copy = Path(place) / CODE
        _copy_code(method.folder, copy)
        try:
            same, why = code_digest(copy, method.package) == run.file.key.code_digest, "it has changed since the run"
        except MerbenchError as error:
            same, why = False, str(error).replace(str(copy), str(method.folder))
    if not same:
        raise MerbenchError(f"{run.file.run_id} can't be submitted: its code can't be verified from its folder: {why}")


def _copy_code(folder: Path, to: Path) -> None:
    """Copy what the code digest covers, the card and notes."""
    shutil.rmtree(to, ignore_errors=True)
    paths = [path for path, _ in code_files(folder)] + [folder / "card.yaml", *folder.glob("*.md")]
    for path in paths:
        place = to / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
