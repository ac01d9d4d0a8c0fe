"""Two rows compared: differences, their significance, and reasons against the comparison."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.analysis.held import why_not_held
from merbench.analysis.rows import Row, differing, finite, scored, unscored_rows
from merbench.contracts.clips import IDENTITY
from merbench.contracts.errors import MerbenchError, listed, suggestion
from merbench.contracts.yamlfiles import settings_text
from merbench.records.read import RecordedRun
from merbench.records.select import the_one
from merbench.scoring.metrics import Counts, unweighted_f1, unweighted_recall
from merbench.scoring.moves import moved_clips, moved_subjects
from merbench.scoring.paired import Difference, Identity, paired_difference, restricted
from merbench.scoring.permutation import holm, permutation_tests
from merbench.scoring.table import subject_confusions

#: The value of what is not known of an imported row.
UNKNOWN = "unknown"


@dataclass(frozen=True)
class _PartDifference:
    """One part: the figures of both rows, averaged over seeds, their difference, and p-values.

    The p-values of the databases are adjusted for how many databases there are (Holm).
    """

    part: str
    uf1: tuple[float, float]
    uar: tuple[float, float]
    difference: Difference
    uf1_p: float
    uar_p: float


@dataclass(frozen=True)
class _ClassDifference:
    """One class: clips, and recall and F1 of both rows, pooled and averaged over seeds; NaN without clips."""

    clips: int
    recall: tuple[float, float]
    f1: tuple[float, float]


@dataclass(frozen=True)
class Explanation:
    """How one row differs from another; differences are the first minus the second.

    `titles` are those of the parts; `agreement` gives protocol, data, settings and the like -> the values of both,
    `UNKNOWN` where an import does not say.
    `against` are reasons against comparing them, where the comparison was forced; `excluded` counts the clips that only
    one of them has, or that have another class there. `confusion`, (n_classes, n_classes), is that of the first minus
    that of the second, each averaged over its seeds; `seeds` are UF1 of each row's seeds; `subjects` and `clips` are
    from :mod:`merbench.scoring.moves`.
    """

    one: Row
    two: Row
    titles: dict[str, str]
    agreement: dict[str, tuple[str, str]]
    against: list[str]
    excluded: int
    parts: list[_PartDifference]
    classes: dict[str, _ClassDifference]
    confusion: npt.NDArray[np.float64]
    seeds: tuple[list[float], list[float]]
    subjects: pd.DataFrame
    clips: pd.DataFrame

    def record(self) -> dict[str, Any]:
        """Return everything as an object for JSON."""
        return {
            "one": _row(self.one, self.seeds[0]),
            "two": _row(self.two, self.seeds[1]),
            "forced_despite": self.against,
            "clips_left_out": self.excluded,
            "agreement": [
                {"what": name, "agree": None if UNKNOWN in (one, two) else one == two, "one": one, "two": two}
                for name, (one, two) in self.agreement.items()
            ],
            "parts": [_part(part) for part in self.parts],
            "classes": [
                {"class": name, "clips": found.clips}
                | {f"{figure}_{which}": finite(getattr(found, figure)[i])
                   for figure in ("recall", "f1") for i, which in enumerate(("one", "two"))}
                for name, found in self.classes.items()
            ],
            "confusion_difference": {"classes": list(self.classes), "clips": self.confusion.round(6).tolist()},
            "subjects": self.subjects.round(6).to_dict("records"),
            "clips": self.clips.round(6).to_dict("records"),
        }  # fmt: skip


def find_rows(runs: Sequence[RecordedRun], one: str, two: str) -> tuple[Row, Row]:
    """Find two rows, as `find_row`; of a name with rows on several data, the one on the data of the other."""
    first, second = named_rows(runs, one, two)
    return scored(first), scored(second)


def named_rows(runs: Sequence[RecordedRun], one: str, two: str) -> tuple[Row, Row]:
    """Find two rows as `find_rows`, without reading any prediction."""
    data = {row.runs[0].file.data for row in _matching(runs, two)}
    if not data and _matching(runs, one):  # a run's id, or nothing
        second = _named(runs, two)
        return _named(runs, one, {second.runs[0].file.data}), second
    first = _named(runs, one, data)
    return first, _named(runs, two, {first.runs[0].file.data})


def _matching(runs: Sequence[RecordedRun], name: str) -> list[Row]:
    """Return the rows that a label or a method names, not scored."""
    rows, _ = unscored_rows(runs)
    found = [row for row in rows if name in _names(row, row.label)]
    found = found or [row for row in rows if name in _names(row, row.runs[0].file.method)]
    return [row for row in found if not row.sanity] or found


def find_row(runs: Sequence[RecordedRun], name: str, data: Collection[str] = ()) -> Row:
    """Find a row by a run's id, a row's label, a method, or the beginning of a run's id.

    A label or a method gives all seeds of the row, in its newest version; a run's id gives that run alone. Both may be
    followed by `` on `` and the data, where there are rows on several; else one on `data` is preferred. Raises
    MerbenchError if no row matches, or several do.
    """
    return scored(_named(runs, name, data))


def _named(runs: Sequence[RecordedRun], name: str, data: Collection[str] = ()) -> Row:
    ids = {run.file.run_id: run for run in runs}
    if name in ids:
        return unscored_rows([ids[name]])[0][0]
    found = _matching(runs, name)
    preferred = [row for row in found if row.runs[0].file.data in data]
    found = preferred if len(preferred) == 1 else found
    if len(found) == 1:
        return found[0]
    if found:
        several = len({row.runs[0].file.data for row in found}) > 1
        which = [
            f"{_names(row, row.label)[several]} ({row.runs[0].file.protocol}, {row.runs[0].file.run_id})"
            for row in found
        ]
        raise MerbenchError(f"{name!r} is ambiguous: {listed(which)}; give a run's id, --protocol or --data")
    begun = the_one(ids, name)
    if begun is None:
        known = sorted({*ids, *(run.file.method for run in runs)})
        raise MerbenchError(f"no recorded method or run is named {name!r}{suggestion(name, known)}")
    return unscored_rows([ids[begun]])[0][0]


def _names(row: Row, name: str) -> tuple[str, str]:
    return name, f"{name} on {row.runs[0].file.data}"


def explain_rows(one: Row, two: Row, force: bool = False) -> Explanation:
    """Compare `one` with `two`, both of classification.

    With `force` also rows that do not rank together, or lack folds, over the clips that all their seeds have in common.
    Raises MerbenchError if they can't be compared, or only if forced; the message names the differences.
    """
    files = one.runs[0].file, two.runs[0].file
    for row, file in zip((one, two), files, strict=True):
        if file.task != "classification":
            raise MerbenchError(
                f"{row.label} is for AU detection, explain compares classes: use merbench compare --protocol "
                f"{file.protocol}, or merbench show {row.runs[0].file.run_id} for each action unit"
            )
    against = differing(*files, ranking=False)
    against += dict.fromkeys(f"{row.label}: {listed(row.holes)}" for row in (one, two) if row.holes)
    compared = {row.label: why_not_held(row.runs) for row in (one, two)}
    against += [f"{label}: clips and labels could not be compared with the protocol: {why}"
                for label, why in compared.items() if why]  # fmt: skip
    if against and not force:
        raise MerbenchError(
            f"{one.label} and {two.label} can't be compared: {'; '.join(against)} "
            "(--force compares them on their common clips)"
        )
    tables = [[run.predictions for run in row.runs if len(run.predictions)] for row in (one, two)]
    common, excluded = _common([*tables[0], *tables[1]]) if all(tables) else (set(), 0)
    if not common:
        raise MerbenchError(f"{one.label} and {two.label} have no clips in common")
    first, second = ([restricted(table, common) for table in row] for row in tables)
    classes = list(dict.fromkeys([*files[0].outputs, *files[1].outputs]))
    counts, _ = subject_confusions([*first, *second], classes)
    pooled = counts.sum(axis=1)
    halves = pooled[: len(first)], pooled[len(first) :]
    return Explanation(
        one, two, files[0].parts, _agreement(one, two), against, excluded,
        _parts(first, second, classes, files[0].parts),
        {name: _class(index, *halves) for index, name in enumerate(classes)},
        halves[0].mean(axis=0) - halves[1].mean(axis=0),
        (unweighted_f1(halves[0]).tolist(), unweighted_f1(halves[1]).tolist()),
        moved_subjects(first, second), moved_clips(first, second),
    )  # fmt: skip


def _common(tables: Sequence[pd.DataFrame]) -> tuple[set[Identity], int]:
    """Return the clips that all tables have with the same class, and how many others there are."""
    labelled = [set(zip(*(table[name] for name in (*IDENTITY, "truth")), strict=True)) for table in tables]
    common = {clip[:3] for clip in set.intersection(*labelled)}
    return common, len({clip[:3] for clips in labelled for clip in clips} - common)


def _agreement(one: Row, two: Row) -> dict[str, tuple[str, str]]:
    other = facts_of(two)
    return {name: (value, other[name]) for name, value in facts_of(one).items()}


def facts_of(row: Row) -> dict[str, str]:
    """Return protocol, data, settings and the like of a row, in words; `UNKNOWN` where an import does not say."""
    file, key = row.runs[0].file, row.runs[0].file.key
    config, versions = dict(sorted(key.config.items())), sorted(key.code_versions.items())
    unknown = ["inputs", "selection", "settings", "merbench code"] * bool(file.imported)
    unknown += ["data"] * (file.data == UNKNOWN)
    found = {
        "protocol": f"{file.protocol}, specification {key.spec_digest[:8]}",
        "split": f"{key.split_digest[:8]}, {sum(file.folds.values())} clips in {len(file.folds)} folds",
        "data": f"{file.data}, {key.data_digest[:8]}",
        "inputs": ", ".join(f"{name} {value[:8]}" for name, value in sorted(key.input_digests.items())) or "none",
        "selection": key.selection,
        "method": f"{file.method}, code {key.code_digest[:8]}",
        "settings": ", ".join(filter(None, [settings_text(config), "labels shuffled" * key.shuffled])) or "none",
        "merbench code": ", ".join(f"{name} version {value}" for name, value in versions) or "none",
        "seeds": ", ".join(str(run.file.key.seed) for run in row.runs),
    }
    named = {"method": f"{file.method}, imported from {file.imported}"} if file.imported else {}
    return found | dict.fromkeys(unknown, UNKNOWN) | named


def _parts(
    one: Sequence[pd.DataFrame], two: Sequence[pd.DataFrame], classes: Sequence[str], parts: dict[str, str]
) -> list[_PartDifference]:
    found = []
    for part in parts:
        first, second = ([t if part == "full" else t[t.dataset == part] for t in tables] for tables in (one, two))
        if not len(first[0]):
            continue
        counts, _ = subject_confusions([*first, *second], classes)
        halves = counts[: len(one)], counts[len(one) :]
        uf1, uar = (_means(*halves, figure) for figure in (unweighted_f1, unweighted_recall))
        rows = np.stack([half.mean(axis=0) for half in halves])
        uf1_p, uar_p = (float(permutation_tests(rows, figure)[0, 1]) for figure in (unweighted_f1, unweighted_recall))
        found.append(_PartDifference(part, uf1, uar, paired_difference(first, second, classes), uf1_p, uar_p))
    whole, datasets = ([part for part in found if (part.part == "full") == full] for full in (True, False))
    ps = zip(holm([part.uf1_p for part in datasets]), holm([part.uar_p for part in datasets]), strict=True)
    adjusted = [replace(part, uf1_p=float(p), uar_p=float(q)) for part, (p, q) in zip(datasets, ps, strict=True)]
    return [*whole, *adjusted]


def _means(one: Counts, two: Counts, figure: Callable[[Counts], npt.NDArray[np.float64]]) -> tuple[float, float]:
    """Compute a figure of two rows' subjects pooled, (n_seeds, n_subjects, n, n), averaged over seeds."""
    return float(figure(one.sum(axis=1)).mean()), float(figure(two.sum(axis=1)).mean())


def _class(index: int, one: Counts, two: Counts) -> _ClassDifference:
    def figures(seeds: Counts) -> tuple[float, float]:
        hits, actual, given = seeds[:, index, index], seeds[:, index].sum(axis=-1), seeds[:, :, index].sum(axis=-1)
        if not actual.any():
            return float("nan"), float("nan")
        return float((hits / actual).mean()), float((2 * hits / (actual + given)).mean())

    mine, yours = figures(one), figures(two)
    return _ClassDifference(int(one[0, index].sum()), (mine[0], yours[0]), (mine[1], yours[1]))


def _row(row: Row, seeds: list[float]) -> dict[str, Any]:
    spread = float(np.std(seeds, ddof=1)) if len(seeds) > 1 else None
    file = row.runs[0].file
    return {
        "label": row.label, "run_ids": [run.file.run_id for run in row.runs], "seeds_uf1": seeds, "seed_sd": spread,
        "protocol": file.protocol, "data": file.data, "synthetic": file.synthetic, "warnings": file.warnings,
    }  # fmt: skip


def _part(part: _PartDifference) -> dict[str, Any]:
    record: dict[str, Any] = {"part": part.part, "clips": part.difference.clips}
    for name in ("uf1", "uar"):
        interval = getattr(part.difference, f"{name}_interval")
        record |= {
            f"{name}_one": finite(getattr(part, name)[0]),
            f"{name}_two": finite(getattr(part, name)[1]),
            f"{name}_difference": finite(getattr(part.difference, name)),
            f"{name}_low": finite(interval.low),
            f"{name}_high": finite(interval.high),
            f"{name}_p": getattr(part, f"{name}_p"),
        }
    return record
