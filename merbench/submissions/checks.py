"""What is looked at before a submitted row is believed, in order; nothing of it is imported, unpickled or evaluated."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from merbench.analysis.cache import row_scores
from merbench.analysis.held import HeldRun, hold, why_not_held
from merbench.contracts.clips import clip_names
from merbench.contracts.errors import MerbenchError, listed, readable
from merbench.contracts.names import checked_name
from merbench.databases import DATABASES
from merbench.engine.plan.catalogue import METHODS, method_folder, protocol
from merbench.engine.plan.code import code_digest
from merbench.engine.plan.runs import ROOMS
from merbench.records.entries import read_entry
from merbench.records.files import read_json
from merbench.records.model import Verification
from merbench.records.read import RecordedRun
from merbench.records.select import Runs
from merbench.records.states import FILE as KEPT
from merbench.records.truth import Truth
from merbench.submissions.bounds import CODE, check_shapes
from merbench.submissions.model import FILE, Submission

Result = Literal["ok", "failed", "noted", "skipped"]


class Looked(NamedTuple):
    """What a check found: ``ok``, ``failed``, ``noted`` (pointed out, not judged) or ``skipped``, and the evidence."""

    result: Result
    check: str
    evidence: str


@dataclass
class Submitted:
    """A taken submission: `place` has its files, `folder` is where they were, `others` are its other seeds."""

    folder: Path
    place: Path
    truth_of: Callable[..., Truth | str]
    board: Runs
    others: "list[Submitted]" = field(default_factory=list)

    @cached_property
    def run(self) -> RecordedRun:
        """The run, its files verified against one another; RecordError if they do not."""
        return read_entry(self.place, self.folder)

    @cached_property
    def held(self) -> tuple[RecordedRun, str]:
        """The run compared with the truth of its protocol, and how it differs."""
        return hold(self.run, self.truth_of(self.run.file))

    @cached_property
    def about(self) -> Submission | None:
        """What goes with the row."""
        return read_json(self.place / FILE, Submission) if (self.place / FILE).exists() else None

    @cached_property
    def kept(self) -> Verification | None:
        """What came with the row of an earlier verification, which anybody can have written."""
        return read_json(self.place / KEPT, Verification) if (self.place / KEPT).exists() else None

    @property
    def seeds(self) -> "list[Submitted]":
        """All seeds of the row that are looked at together."""
        return [self, *self.others]


Evidence = Iterator[tuple[Result, str]]
#: Name -> what looks, in order; the first three must hold before others look.
CHECKS: dict[str, Callable[[Submitted], Evidence]] = {}
_FIRST = ("bounds", "schema", "texts")
#: What hostile values make pandas and NumPy raise: a failed check, not the end of the others.
_RAISED = (MerbenchError, ValueError, ArithmeticError, LookupError, TypeError, RecursionError, MemoryError)


def _check(name: str) -> Callable[[Callable[[Submitted], Evidence]], Callable[[Submitted], Evidence]]:
    def added(look: Callable[[Submitted], Evidence]) -> Callable[[Submitted], Evidence]:
        CHECKS[name] = look
        return look

    return added


def looked(submitted: Submitted) -> Iterator[Looked]:
    """Yield a line or more a check."""
    stopped = ""
    for name, look in CHECKS.items():
        if stopped:
            yield Looked("skipped", name, f"{stopped} failed")
            continue
        lines = []
        try:
            lines = [Looked(result, name, evidence) for result, evidence in look(submitted)]
        except _RAISED as error:
            text = str(error) if isinstance(error, MerbenchError) else f"{type(error).__name__}: {readable(str, error)}"
            lines.append(Looked("failed", name, text))
        yield from lines or [Looked("ok", name, "")]
        if name in _FIRST and any(line.result == "failed" for line in lines):
            stopped = name


@_check("bounds")
def _bounds(submitted: Submitted) -> Evidence:
    check_shapes(submitted.place)
    size = sum(path.stat().st_size for path in submitted.place.rglob("*") if path.is_file())
    yield "ok", f"{size >> 10} KiB"


@_check("schema")
def _schema(submitted: Submitted) -> Evidence:
    run = submitted.run
    if run.mark is None:
        raise MerbenchError("; ".join(run.problems) or "the run is not whole")
    yield "ok", f"{run.file.run_id}: {len(run.predictions)} clips, {len(run.file.folds)} folds"
    if run.file.imported or run.file.synthetic or run.file.key.shuffled:
        yield "failed", "imported logs, synthetic data and shuffled labels are not rows of the leaderboard"
    if submitted.about is None:
        yield "failed", f"{FILE} is missing: submit the row again with merbench submit"
    elif submitted.about.run_id != run.file.run_id:
        yield "failed", f"{FILE} is about {submitted.about.run_id}"


#: What plain text does not have: HTML, markup of terminals, LaTeX commands.
_MARKUP = re.compile(r"<[A-Za-z!/?]|\[/?[A-Za-z@#][^\]]*\]|\\[A-Za-z]|&[#A-Za-z]\w*;")


def strange(text: str) -> str:
    """Say what a text has that a table, a terminal or a page may take for more than text; empty if nothing."""
    if any(unicodedata.category(char)[0] == "C" or char in "\u2028\u2029" for char in text):
        return "control characters"
    if text[:1] in tuple("=+-@\t") and len(text) > 1:
        return "the beginning of a formula"
    return "markup" if _MARKUP.search(text) else ""


def _texts(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield f"{where}, a key", str(key)
            yield from _texts(each, f"{where}.{key}"[:80])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each, where)


@_check("texts")
def _plain(submitted: Submitted) -> Evidence:
    file = submitted.run.file
    content = {"run.json": file.model_dump(mode="json"), "complete.json": submitted.run.mark.model_dump(mode="json")}  # type: ignore[union-attr]
    if submitted.about is not None:
        content[FILE] = submitted.about.model_dump(mode="json", exclude={"card"})
    if submitted.kept is not None:
        content[KEPT] = submitted.kept.model_dump(mode="json", exclude={"reasons"})
    texts = [(name, text) for part, found in content.items() for name, text in _texts(found, part)]
    texts += [
        ("predictions.csv", text) for name in ("dataset", "subject", "clip") for text in submitted.run.predictions[name]
    ]
    for where, text in texts:
        if what := strange(text):
            raise MerbenchError(f"{where} has {what}: {ascii(text)[:100]}")
    for kind, name in (("method", file.method), ("protocol", file.protocol), ("configuration", file.config_name)):
        checked_name(name, kind)
    yield "ok", f"{len(texts)} texts are plain"


@_check("clips, labels, folds")
def _identities(submitted: Submitted) -> Evidence:
    found, difference = submitted.held
    if difference:
        raise MerbenchError(difference)
    if not isinstance(found, HeldRun):
        raise MerbenchError(f"could not be compared with its protocol: {why_not_held([found])}")
    yield "ok", f"those of {found.origin_of_truth}"


@_check("key")
def _key(submitted: Submitted) -> Evidence:
    """Make the parts of the key again that do not need the method's code to run."""
    file, key = submitted.run.file, submitted.run.file.key
    spec = protocol(file.protocol).spec_digest()
    if spec != key.spec_digest:
        yield "failed", f"the protocol's specification is {spec[:8]}, the key's {key.spec_digest[:8]}"
    versions = {name: room.CODE_VERSION for name, room in ROOMS.items()}
    if versions != key.code_versions:
        yield "failed", f"code versions are {versions}, the key's {key.code_versions}"
    if unknown := sorted(set(file.data.split("+")) - set(DATABASES.names())):
        yield "failed", f"{listed(unknown)} is not a database or a published release"
    digests = {code_digest(place, package) for place, package in code_of(submitted)}
    if not digests:
        yield "failed", f"method {file.method} is not installed, and its code is not in the folder {CODE}"
    elif key.code_digest not in digests:
        named = listed(sorted(each[:8] for each in digests))
        yield "failed", f"the method's code has the digest {named}, the key's {key.code_digest[:8]}"
    yield "ok", "specification, split, code and its versions"
    yield "noted", "settings and prepared inputs are made again by --rerun only"


def code_of(submitted: Submitted) -> list[tuple[Path, str]]:
    """Return the folders of a method's code, each with its name as a package: the submitted ones, the installed one."""
    found = [
        (each.place / CODE, each.about.package if each.about else "")
        for each in submitted.seeds
        if (each.place / CODE).is_dir()
    ]
    name = submitted.run.file.method
    return [*found, method_folder(METHODS.entry(name))] if name in METHODS.names() else found


@_check("code")
def _data_files(submitted: Submitted) -> Evidence:
    """Name data files in the method's folder that the card does not disclose."""
    places = code_of(submitted)
    if not places:
        yield "skipped", "the code is not here"
        return
    place, _ = places[0]
    paths = [path for path in place.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    data = [path.relative_to(place).as_posix() for path in paths if path.suffix not in (".py", ".md", ".yaml", ".pyc")]
    discloses = any(said.startswith("weights have seen") for said in submitted.run.file.disclosures)
    if data and not discloses:
        yield "failed", f"data files whose origin the card does not disclose (data_seen): {listed(data, most=3)}"
    else:
        yield "ok", f"{len(paths)} files" + f", {len(data)} of data, disclosed" * bool(data)


@_check("scores")
def _scores(submitted: Submitted) -> Evidence:
    scores, _ = row_scores([submitted.run])
    shown = "; ".join(f"{score.part} {score.uf1:.4f} {score.uar:.4f}" for score in scores)
    claimed = submitted.about.figures if submitted.about else {}
    for score in scores:
        one = claimed.get(score.part)
        if one is not None and max(abs(one[0] - score.uf1), abs(one[1] - score.uar)) > 5e-5:
            yield "failed", f"{score.part}: claimed {one[0]:.4f} {one[1]:.4f}, computed {score.uf1:.4f} {score.uar:.4f}"
    yield "ok", f"UF1 and UAR computed from the predictions: {shown}"


@_check("probabilities and labels")
def _decisions(submitted: Submitted) -> Evidence:
    run = submitted.run
    if run.file.task != "classification":
        yield "ok", "action units are decided by the sign of their scores"
        return
    table = run.predictions
    scores = table[[f"score_{name}" for name in run.file.outputs]].to_numpy(dtype=float)
    best = scores.max(axis=1)
    decided = scores[np.arange(len(table)), [run.file.outputs.index(name) for name in table.predicted]]
    other = decided < best - 1e-6 * np.maximum(1, np.abs(best))
    sums = np.abs(scores.sum(axis=1) - 1) < 1e-3
    if other.any() and (sums & (scores >= 0).all(axis=1)).all():
        named = listed(clip_names(table[other]), most=3)
        yield "failed", f"scores are probabilities, and {other.sum()} clips are decided otherwise: {named}"
    elif other.any():
        yield "noted", f"{other.sum()} of {len(table)} clips are decided otherwise than by the highest score"
    else:
        yield "ok", "every clip has the class of its highest score"


@_check("epochs")
def _epochs(submitted: Submitted) -> Evidence:
    run = submitted.run
    epochs, inner = run.epochs(), run.inner()
    if epochs is None:
        yield "ok", "none are given"
        return
    labels, table = epochs[0], run.predictions
    decided = np.array([run.file.outputs.index(name) for name in table.predicted])
    if inner is None:
        shown = labels[:, -1]
    else:
        picked = dict(zip(run.file.folds, np.nanargmax(inner, axis=1), strict=True))
        shown = labels[np.arange(len(table)), [picked[fold] for fold in run.clips().fold]]
    if inner is None or run.file.key.selection == "inner":  # inner-keep tests another model
        differ = int((shown != decided).sum())
        if differ:
            raise MerbenchError(f"{differ} clips have another class after the epoch that counts")
    yield "ok", f"{labels.shape[1]} epochs, the one that counts has the predicted classes"


@_check("seeds")
def _seeds(submitted: Submitted) -> Evidence:
    file, group = submitted.run.file, submitted.run.group
    seeds = sorted(each.run.file.key.seed for each in submitted.seeds)
    if file.deterministic and seeds != [0]:
        yield "failed", f"a deterministic method has seed 0 only, not {listed(seeds)}"
    if seeds != list(range(len(seeds))):
        yield "failed", f"seeds count from 0, all of them, not {listed(seeds)}: the best of several is not a row"
    if any(each.run.group != group for each in submitted.others):
        yield "failed", "its seeds have other settings, code or data"
    said = {tuple(each.about.seeds) for each in submitted.seeds if each.about}
    if said - {tuple(seeds)}:
        named = listed(min(said - {tuple(seeds)}))
        yield "failed", f"{FILE} names the seeds {named}, here are {listed(seeds)}: name all of them in one command"
    if not file.deterministic and len(seeds) == 1:
        yield "noted", "one seed of a random method: it is not ranked"
    tries = max((each.about.tries for each in submitted.seeds if each.about), default=0)
    yield "ok", f"{listed(seeds)}; the author recorded {tries} rows of the method"


@_check("kept state")
def _kept(submitted: Submitted) -> Evidence:
    """Point out a state that came with the row: only a maintainer keeps one."""
    if (kept := submitted.kept) is None:
        yield "ok", "none: the row is claimed"
    else:
        yield "noted", f"{KEPT} says {kept.text}, by {kept.by}: believe it only if you know who committed it"


@_check("duplicates")
def _duplicates(submitted: Submitted) -> Evidence:
    run = submitted.run
    known = [each for each in submitted.board if each.place.path.resolve() != submitted.folder.resolve()]
    for each in known:
        if each.key_digest == run.key_digest and each.file.data == run.file.data:
            same = _answers(each) == _answers(run)
            words = ", equal to it" if same else " with other predictions"
            yield ("noted" if same else "failed"), f"{each.file.run_id} is on the board{words}"
    mine = _answers(run)
    alike = [each.file.run_id for each in known if each.key_digest != run.key_digest and _answers(each) == mine]
    for name in alike[:3]:
        yield "noted", f"every clip is predicted as in {name}"


def _answers(run: RecordedRun) -> list[tuple[Any, ...]]:
    names = [
        name
        for name in map(str, run.predictions)
        if name in ("dataset", "subject", "clip", "predicted") or name.startswith("score_")
    ]
    return sorted(map(tuple, run.predictions[names].round(6).astype(str).to_numpy().tolist()))


@_check("distribution")
def _distribution(submitted: Submitted) -> Evidence:
    """Point out what no training gives; not judged."""
    run = submitted.run
    if run.file.task != "classification":
        return
    answers = [_answers(each.run) for each in submitted.seeds]
    if len(answers) > 1 and any(one == answers[0] for one in answers[1:]):
        yield "noted", "seeds have identical predictions"
    table = run.predictions
    right = float((table.truth == table.predicted).mean())
    scores = table[[f"score_{name}" for name in run.file.outputs]].to_numpy(dtype=float)
    if right == 1 or (right > 0.9 and len(np.unique(scores.round(3))) <= 2):
        yield (
            "noted",
            f"{right:.0%} of the clips are right, or scores copy the truth: no training is known to give this",
        )
    full = {score.part: score.uf1 for score in row_scores([run])[0]}.get("full", 0.0)
    others = _best(submitted.board, run)
    if others and full > max(others) + 0.1:
        yield "noted", f"UF1 {full:.4f}, the best committed row has {max(others):.4f}"


def _best(board: Sequence[RecordedRun], run: RecordedRun) -> list[float]:
    alike = [
        each for each in board if each.file.key.split_digest == run.file.key.split_digest and each.group != run.group
    ]
    return [score.uf1 for each in alike for score in row_scores([each])[0] if score.part == "full"]
