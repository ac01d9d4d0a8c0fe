"""Table rows: seeds of one configuration, scored part by part."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from merbench.analysis.cache import make_room, row_scores
from merbench.analysis.held import HeldRun, why_not_held
from merbench.analysis.repeats import unlike
from merbench.contracts.errors import listed
from merbench.records.declared import Declared
from merbench.records.model import RunFile
from merbench.records.read import RecordedRun
from merbench.records.select import Runs
from merbench.records.states import State, state_of
from merbench.scoring.metrics import unweighted_f1
from merbench.scoring.permutation import MOST_ROWS, below_the_best
from merbench.scoring.table import PartScore

#: The fields of a row in JSON and CSV, in order.
FIELDS = (
    "method", "config", "variant", "protocol", "task", "data", "synthetic", "part", "selection", "origin", "status",
    "clips", "folds", "seeds", "classes_scored", "uf1", "uf1_low", "uf1_high", "uar", "uar_low", "uar_high", "acc",
    "seed_sd", "run_ids", "p_best", "sanity", "compared_with",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One method configuration on one protocol and data, over its seeds; `label` is its name in tables.

    `scores` are by part, empty where nothing could be scored. Rows with the same `comparable` rank together: task,
    meaning of the protocol, each clip's label and fold, and data, since other data are other copies or preparations of
    the same clips; synthetic data, methods with disclosures and imported logs are ranked apart. `status` is
    ``complete``, ``partial`` (folds are missing) or ``failed`` (folds failed); `remarks` are for the reader:
    disclosures, missing folds, mixed packages. Only complete rows whose runs are all
    :class:`~merbench.analysis.held.HeldRun` are ranked, unless there is a reason against it, see `unranked`. `p_best`
    is of UF1 on all clips being equal to that of the best row it ranks with, see
    :func:`merbench.scoring.permutation.below_the_best`; None for the best row and for one without rank. `by_subject`
    are each subject's confusion matrices, see :func:`merbench.analysis.cache.row_scores`. Where rows were declared,
    `tries` counts those of the same method, and `undeclared` are reasons why a committed one is not ranked. `repeats`
    are whole runs of further seeds of a deterministic method, whose figures are not shown.
    """

    label: str
    runs: list[RecordedRun]
    scores: dict[str, PartScore]
    comparable: tuple[str, ...]
    status: str
    folds: int
    remarks: list[str] = field(default_factory=list)
    p_best: float | None = None
    tries: int | None = None
    undeclared: tuple[str, ...] = ()
    by_subject: npt.NDArray[np.float64] | None = field(default=None, repr=False, compare=False)
    repeats: tuple[RecordedRun, ...] = ()

    @property
    def sanity(self) -> bool:
        """Whether it is a sanity row: shown beneath the others, never ranked, never tested."""
        return self.runs[0].file.sanity

    @property
    def compared_with(self) -> str | None:
        """The list or the data with which the clips and labels of its runs agree; None if one was not compared."""
        origins = [run.origin_of_truth if isinstance(run, HeldRun) else None for run in self.runs]
        return None if None in origins else ", ".join(dict.fromkeys(filter(None, origins)))

    @property
    def ranked(self) -> bool:
        """Whether it gets a rank: it is complete, compared with its protocol, and neither unranked nor a sanity row."""
        whole = self.status == "complete" and bool(self.scores) and not self.sanity
        return whole and self.compared_with is not None and not self.unranked

    @property
    def unranked(self) -> list[str]:
        """Why it gets no rank though it may be complete: by its card, its files, or the declaration of the rows."""
        return list(dict.fromkeys([*(reason for run in self.runs for reason in unranked(run)), *self.undeclared]))

    @property
    def state(self) -> State:
        """How far a committed row was verified; see :mod:`merbench.records.states`."""
        return state_of(self.runs)

    @property
    def isolated(self) -> bool:
        """Whether all its folds were run without test labels, data and network in reach (``run --isolated``)."""
        return all(run.mark is not None and run.mark.isolated for run in self.runs)

    @property
    def balanced(self) -> bool | None:
        """Whether it balances the classes, by its settings or its name; None if that is not known."""
        file = self.runs[0].file
        config = file.key.config
        weights = [config[name] for name in ("class_weight", "class_weights") if name in config]
        if file.imported:
            return None
        by_name = file.method.endswith("-balanced")
        return by_name or bool(config.get("balanced")) or any(each not in (None, "none") for each in weights)

    @property
    def holes(self) -> list[str]:
        """Which seeds are not whole, and how many folds they have."""
        return [_hole(run) for run in self.runs if not run.complete]

    @property
    def parts(self) -> dict[str, str]:
        """Reporting parts and their titles."""
        return self.runs[0].file.parts

    def records(self) -> list[dict[str, Any]]:
        """Return the row's objects for JSON and CSV, one a part, with the keys of `FIELDS`."""
        file = self.runs[0].file
        same = ("method", "variant", "protocol", "task", "data", "synthetic", "sanity")
        shared = {name: getattr(file, name) for name in same} | {
            "config": file.config_name, "selection": file.key.selection, "origin": self.runs[0].origin,
            "status": self.status, "folds": self.folds, "seeds": len(self.runs),
            "run_ids": [run.file.run_id for run in self.runs], "compared_with": self.compared_with,
        }  # fmt: skip
        shared |= {"warnings": file.warnings} if file.warnings else {}
        shared |= {"not_ranked": self.unranked} if self.unranked else {}
        shared |= {"balanced": self.balanced, "tries": self.tries} if self.tries else {}
        shared |= {"state": self.state.text} if self.state.word else {}
        shared |= {"isolated": True} if self.isolated else {}
        return [
            ordered(shared | figures_of(score) | {"part": part, "p_best": self.p_best if part == "full" else None})
            for part, score in ((part, self.scores.get(part)) for part in self.parts)
        ]


def ordered(record: dict[str, Any]) -> dict[str, Any]:
    """Put the fields of a row in order, those of `FIELDS` first; None for one that it lacks."""
    return {name: record.get(name) for name in (*FIELDS, *(name for name in record if name not in FIELDS))}


def figures_of(score: PartScore | None) -> dict[str, Any]:
    """Return the figures of a part as fields of a row; none for a part that is not scored."""
    if score is None:
        return {"clips": 0, "classes_scored": 0}
    figures = {name: getattr(score, name) for name in ("uf1", "uar", "acc", "seed_sd")}
    for name, interval in (("uf1", score.uf1_interval), ("uar", score.uar_interval)):
        figures |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    known = {name: finite(value) for name, value in figures.items()}
    return {"clips": score.clips, "classes_scored": score.classes_scored} | known


def finite(value: float) -> float | None:
    """Return a figure for JSON: None for NaN."""
    return None if math.isnan(value) else value


def measured_rows(
    runs: Iterable[RecordedRun], older: bool = False, cache: Path | None = None, declared: Declared | None = None
) -> tuple[list[Row], list[str]]:
    """Group runs into rows and score them; `cache` is the folder where scores are kept between commands.

    Returns the rows, those that rank together next to each other, best UF1 first, those with holes last, sanity rows
    beneath them; and notes on rows that are not shown: those of earlier code or data where a newer row has the same
    label, unless `older` asks for them. Runs that were not held, see :func:`merbench.analysis.held.hold_all`, get no
    rank; nor do, where rows were `declared`, other committed ones.
    """
    rows, notes = unscored_rows(runs, older)
    rows = _against_declared(rows, declared) if declared else rows
    with threadpool_limits(1):  # the products are small: several threads mostly wait for one another
        rows = sorted((scored(row, cache) for row in rows), key=_order)
    if cache:
        make_room(cache)
    ranked = [_tested(list(group)) for _, group in groupby(rows, key=lambda row: row.comparable)]
    return [row for group in ranked for row in group], notes + _untested(ranked) + _apart(ranked)


def unscored_rows(runs: Iterable[RecordedRun], older: bool = False) -> tuple[list[Row], list[str]]:
    """Group runs into labelled rows, without reading any prediction; see :func:`measured_rows`."""
    rows, notes = [], []
    for row in Runs(runs).distinct().rows():
        versions = row.versions()
        shown = versions if older else versions[:1]
        rows += [_row(list(group)) for group in shown]
        if len(versions) > len(shown):
            hidden, method = len(versions) - len(shown), versions[0][0].file.method
            notes.append(f"{method}: {hidden} older rows of other code or data are not shown (--older shows them)")
    return _told_apart(rows), notes


def _against_declared(rows: list[Row], declared: Declared) -> list[Row]:
    """Count the rows of each method, and say why committed ones are not ranked."""

    def group(row: Row) -> tuple[str, ...]:
        file = row.runs[0].file
        return file.method, file.protocol, file.data, file.key.spec_digest, file.key.split_digest

    tries = Counter(map(group, rows))
    found = []
    for row in rows:
        file, reasons = row.runs[0].file, []
        if row.runs[0].origin == "leaderboard":
            reasons += ["not a declared row"] * (not declared.includes(file))
            reasons += ["one seed of a random method"] * (len(row.runs) == 1 and not file.deterministic)
            reasons += filter(None, [row.state.unranked])
        found.append(replace(row, tries=tries[group(row)], undeclared=tuple(reasons)))
    return found


def scored(row: Row, cache: Path | None = None) -> Row:
    """Score a row; its predictions are read one row at a time, and not kept."""
    file = row.runs[0].file
    parts, by_subject = row_scores(row.runs, cache)
    scores = {score.part: score for score in parts}
    failed = any(run.failed for run in row.runs)
    status = "complete" if all(run.complete for run in row.runs) else "failed" if failed else "partial"
    remarks = _remarks(row.runs) + list(unlike(row.runs[0], row.repeats))
    remarks += [f"not ranked: {reason}" for reason in row.unranked] * (not file.sanity)
    remarks += ["its folds were run without test labels, data and network in reach"] * row.isolated
    remarks += [f"{row.state.text}: {row.state.found}"] * bool(row.state.found)
    remarks += [] if file.sanity else _unseen(file, scores)  # the rows above a sanity row say it
    folds = min(run.folds for run in row.runs)
    for run in (*row.runs, *row.repeats):
        run.forget()
    return replace(row, scores=scores, by_subject=by_subject, status=status, folds=folds, remarks=remarks)


def _tested(rows: list[Row]) -> list[Row]:
    """Hold the rows of one group, best first, against the best of them; those without rank are excluded."""
    fit = [row for row in rows if row.ranked]
    if rows[0].runs[0].file.task != "classification" or not 1 < len(fit) <= MOST_ROWS:
        return rows
    p = below_the_best(np.stack([row.by_subject for row in fit if row.by_subject is not None]), 0, unweighted_f1)
    tested = [replace(row, p_best=float(value)) for row, value in zip(fit[1:], p[1:], strict=True)]
    return [fit[0], *tested, *rows[len(fit) :]]


def _untested(groups: list[list[Row]]) -> list[str]:
    """Say in which groups there are too many rows for the test against the best one."""
    counts = [(rows[0].runs[0].file.protocol, sum(row.ranked for row in rows)) for rows in groups]
    most = f"at most {MOST_ROWS} are tested against the best one: name fewer methods"
    return [
        f"{protocol}: {count} rows are ranked together, and {most}" for protocol, count in counts if count > MOST_ROWS
    ]


def _apart(groups: list[list[Row]]) -> list[str]:
    """Say which rows of one protocol's name are not ranked together, and what they differ in."""
    notes = []
    ranked = [found for rows in groups if (found := [row for row in rows if not row.sanity])]
    for protocol, same in groupby(ranked, key=lambda rows: rows[0].runs[0].file.protocol):
        first, *others = list(same)
        for rows in others:
            one, two = (listed([row.label for row in each], most=3) for each in (first, rows))
            reasons = "; ".join(differing(first[0].runs[0].file, rows[0].runs[0].file))
            notes.append(f"{protocol}: {two} not ranked with {one}: {reasons}")
    return notes


def differing(one: RunFile, two: RunFile, ranking: bool = True) -> list[str]:
    """Say in words what keeps two runs from being ranked together: nothing if they may be.

    Without `ranking`, what keeps them from being compared: an imported log may be compared with measured runs.
    """
    imported = [file.method for file in (one, two) if file.imported]
    key, other = one.key, two.key
    clips, more = (sum(file.folds.values()) for file in (one, two))
    found = {
        f"the protocols are called {one.protocol} and {two.protocol}": one.protocol != two.protocol,
        f"the tasks are {one.task} and {two.task}": one.task != two.task,
        f"the meaning of the protocol differs (specification {key.spec_digest[:8]} and {other.spec_digest[:8]})": (
            key.spec_digest != other.spec_digest
        ),
        f"clips, labels or folds differ (split {key.split_digest[:8]} of {clips} clips in {len(one.folds)} folds and "
        f"{other.split_digest[:8]} of {more} in {len(two.folds)})": key.split_digest != other.split_digest,
        "one is on synthetic data": one.synthetic != two.synthetic,
        f"only one has disclosures ({', '.join([*one.disclosures, *two.disclosures])})": (
            bool(one.disclosures) != bool(two.disclosures) and not imported
        ),
        "imported logs are not ranked with runs": ranking and len(imported) == 1,
        f"the data is {one.data} and {two.data}": ranking and not imported and one.data != two.data,
    }
    return [words for words, so in found.items() if so]


def _told_apart(rows: list[Row]) -> list[Row]:
    """Add data and origin to the labels where rows that rank together differ in them: of imports also the data."""
    data: dict[tuple[str, ...], set[str]] = {}
    origins: dict[tuple[str, ...], set[str]] = {}
    for row in rows:
        data.setdefault(row.comparable, set()).add(row.runs[0].file.data)
        origins.setdefault(row.comparable, set()).add(row.runs[0].origin)

    def label(row: Row) -> str:
        on = f" on {row.runs[0].file.data}" if len(data[row.comparable]) > 1 else ""
        return row.label + on + (f" [{row.runs[0].origin}]" if len(origins[row.comparable]) > 1 else "")

    return [replace(row, label=label(row)) for row in rows]


def _order(row: Row) -> tuple[Any, ...]:
    score = row.scores.get("full")
    last = row.status != "complete" or row.compared_with is None or bool(row.unranked)
    return (row.comparable, row.sanity, last, -(score.uf1 if score else -1.0), row.label)


def _row(group: list[RecordedRun]) -> Row:
    file = group[0].file
    repeats: tuple[RecordedRun, ...] = ()
    if file.deterministic and len(group) > 1:  # one seed is all there is: a whole one, if any
        shown = max(group, key=lambda run: (isinstance(run, HeldRun), run.complete, run.folds))
        repeats = tuple(run for run in group if run is not shown and run.complete)
        group = [shown]
    apart = ["synthetic"] * file.synthetic + ["disclosures"] * bool(file.disclosures)
    apart += ["imported"] * bool(file.imported)
    data = "" if file.imported else file.data
    comparable = (file.protocol, file.task, file.key.spec_digest, file.key.split_digest, data, *apart)
    label = file.method + (f" ({', '.join(file.apart())})" if file.apart() else "")
    return Row(label, group, {}, comparable, "not scored", 0, repeats=repeats)


def _unseen(file: RunFile, scores: dict[str, PartScore]) -> list[str]:
    """Say in which parts, and of how many classes or units, no clip is one: what figures there are means over."""
    seen = {part: score.classes_scored for part, score in scores.items() if score.clips and part != "mean"}
    every = len(file.outputs)
    found = {file.parts[part]: number for part, number in seen.items() if number < every}
    if not found:
        return []
    if file.task == "classification":
        means = ", ".join(f"{number} of {every} in {title}" for title, number in found.items())
        return [f"UF1 and UAR are means over the classes that have clips: {means}"]
    lacking = ", ".join(f"{every - number} of {every} in {title}" for title, number in found.items())
    return [f"action units that no clip shows count as 0 in F1 and are excluded from UAR: {lacking}"]


def _remarks(group: list[RecordedRun]) -> list[str]:
    """Say what a reader of the row should know: what the card says, holes, what does not verify, mixed machines."""
    file = group[0].file
    said = [*file.disclosures, *filter(None, [file.remark]), *file.warnings]
    said += ["synthetic data"] * (file.synthetic and not file.sanity)  # the title says so, too
    holes = [_hole(run) for run in group if not run.complete]
    failed = sorted({f"{fold}: {why}" for run in group for fold, why in run.failed.items()})
    if holes:
        said.append(f"not ranked: {', '.join(holes)}" + (f"; failed {listed(failed, most=1)}" if failed else ""))
    seeds = {run.file.key.seed for run in group}
    if lower := [str(seed) for seed in range(max(seeds)) if seed not in seeds]:
        said += [f"seeds {listed(lower, most=3)} are not recorded: the best of several seeds is not a result"] * (
            not file.deterministic and not file.sanity
        )
    if (why := why_not_held(group)) and not file.sanity:
        said.append(f"not ranked: its clips and labels could not be compared with its protocol: {why}")
    said += [f"does not verify: {problem}" for run in group for problem in run.problems]
    mixed = sorted({name for run in group if run.mark for name in run.mark.mixed})
    return said + ([f"folds differ in {', '.join(mixed)}"] if mixed else [])


def unranked(run: RecordedRun) -> list[str]:
    """Return why a run that may be complete gets no rank, each reason in a few words or a line."""
    return [*run.file.not_ranked, *([undisclosed_text(run.undisclosed)] if run.undisclosed else [])]


def undisclosed_text(files: Mapping[str, str]) -> str:
    """Say which files a method read, and what its card should say."""
    named = listed([f"{path} ({sha256[:8]})" for path, sha256 in files.items()], most=3)
    return f"it read files outside its folder, and its card does not say what they have seen (data_seen): {named}"


def _hole(run: RecordedRun) -> str:
    total = len(run.asked_folds)
    return f"seed {run.file.key.seed} " + (
        f"has {run.folds} of {total} folds" if run.folds < total else "is not yet merged"
    )
