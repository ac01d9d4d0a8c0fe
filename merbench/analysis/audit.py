"""The audit of a method: the scores that selection rules report from the predictions kept after every epoch.

Nothing is trained here. The rules are those of :mod:`merbench.analysis.selection_rules`; this module scores their picks
and the difference from the last epoch (the lift), with intervals over subjects.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.analysis.kept_epochs import Kept, Seed, picks
from merbench.analysis.rows import Row
from merbench.analysis.selection_rules import RULES, Picks, SelectionRule, TrainingCourse, Values, fold_f1
from merbench.contracts.notes import Note
from merbench.records.model import RunFile
from merbench.scoring.intervals import interval_of, resampled, subject_draws
from merbench.scoring.metrics import Counts, accuracy, unweighted_f1, unweighted_recall

FIGURES: dict[str, Callable[[Counts], Values]] = {"uf1": unweighted_f1, "uar": unweighted_recall, "acc": accuracy}
_ENDS = ("", "_low", "_high", "_lift", "_lift_low", "_lift_high")


def picked_epochs(kept: Kept) -> pd.DataFrame:
    """Return which epoch each rule picks in each fold: ``seed, selection, fold, epoch`` (counted from 1)."""
    tables = [
        pd.DataFrame({"seed": seed.seed, "selection": name, "fold": kept.folds, "epoch": picked[:, -1] + 1})
        for seed in kept.seeds
        for name, picked in picks(kept, seed).items()
    ]
    return pd.concat(tables, ignore_index=True)


def selection_curves(kept: Kept) -> pd.DataFrame:
    """Return the pooled ``uf1`` that each rule would report, had training ended after each epoch.

    The columns are ``seed, selection, epoch`` (counted from 1) and ``uf1``.
    """
    everyone, tables = np.zeros(len(kept.clips), dtype=np.int64), []
    for seed in kept.seeds:
        for name, picked in picks(kept, seed).items():
            (counts,) = kept.confusions(everyone, 1, kept.classes_at(seed, picked))
            epochs = np.arange(1, len(counts) + 1)
            uf1 = unweighted_f1(counts)
            tables.append(pd.DataFrame({"seed": seed.seed, "selection": name, "epoch": epochs, "uf1": uf1}))
    return pd.concat(tables, ignore_index=True)


def selection_rows(kept: Kept, parts: Sequence[str] = ("full",)) -> pd.DataFrame:
    """Score every rule, and subtract the last epoch's scores from it.

    A rule that not all seeds were recorded under (``inner``) is compared with the last epoch of the same seeds. `parts`
    are ``full`` and datasets: restrictions of the predictions picked over all clips.

    The columns are ``part, selection, oracle, pooled, seeds, clips``; of each figure in ``uf1``, ``uar`` and ``acc``
    the value (a mean over seeds), the ends of its interval, the lift over the last epoch and the ends of the lift's
    interval; the spread of UF1 over seeds, ``seed_sd``; and ``epoch_median, epoch_first, epoch_last`` of the picks of
    all folds and seeds. NaN where a rule has none. Intervals are 95 % over subjects, given the trained folds and the
    picks; the lifts' are paired.
    """
    courses = {seed.seed: kept.course(seed) for seed in kept.seeds}
    rows = []
    for part in parts:
        scorer = _Scorer(kept, part, courses)
        for rule in RULES:
            seeds = [seed for seed in kept.seeds if not rule.recorded or rule.recorded in seed.recorded]
            if seeds and len(scorer.clips.clips):
                rows.append(
                    {"part": part, "selection": rule.name, "oracle": rule.sees_test_labels, "pooled": rule.pools}
                    | {"seeds": len(seeds), "clips": len(scorer.clips.clips)}
                    | scorer.figures(rule, seeds)
                    | _epochs([rule.pick(courses[seed.seed]) for seed in seeds])
                )
    return pd.DataFrame(rows)


class _Scorer:
    """Scores rules on one part; figures that several rules share are computed once."""

    def __init__(self, kept: Kept, part: str, courses: Mapping[int, TrainingCourse]) -> None:
        self.kept, self.courses, self.clips = kept, courses, kept.part(part)
        self.inside = (kept.clips.dataset == part).to_numpy() | (part == "full")
        self._known: dict[tuple[str, str, tuple[int, ...]], tuple[Values, Values]] = {}

    def figures(self, rule: SelectionRule, seeds: Sequence[Seed]) -> dict[str, float]:
        """Compute the columns of `selection_rows` that are figures."""
        columns = {f"{figure}{end}": float("nan") for figure in FIGURES for end in _ENDS}
        for figure in FIGURES:
            source = rule.source(figure)
            if source is None:
                continue
            (values, draws), (last, last_draws) = (self._scored(of, figure, seeds) for of in (source, RULES[0]))
            interval, lift = (interval_of(each, self.clips.sizes) for each in (draws, draws - last_draws))
            found = [values.mean(), interval.low, interval.high, (values - last).mean(), lift.low, lift.high]
            columns |= {f"{figure}{end}": float(value) for end, value in zip(_ENDS, found, strict=True)}
            if figure == "uf1":
                columns["seed_sd"] = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
        return columns

    def _scored(self, rule: SelectionRule, figure: str, seeds: Sequence[Seed]) -> tuple[Values, Values]:
        """Return a figure of each seed, and averaged over seeds in each draw of subjects."""
        key = (rule.name, figure, tuple(seed.seed for seed in seeds))
        if key not in self._known:
            given = np.stack([self._classes(rule, seed) for seed in seeds], axis=1)
            self._known[key] = self._pooled(given, FIGURES[figure]) if rule.pools else self._averaged(given)
        return self._known[key]

    def _classes(self, rule: SelectionRule, seed: Seed) -> npt.NDArray[np.int64]:
        if rule.recorded:  # it reports the predictions recorded under that selection
            return np.asarray(seed.recorded[rule.recorded], dtype=np.int64)[self.inside]
        picked = rule.pick(self.courses[seed.seed])
        assert picked is not None
        return self.kept.classes_at(seed, picked[:, -1])[self.inside]

    def _pooled(self, given: npt.NDArray[np.int64], compute: Callable[[Counts], Values]) -> tuple[Values, Values]:
        clips = self.clips
        counts = np.moveaxis(clips.confusions(clips.subject_of, len(clips.subjects), given), 1, 0)
        return compute(counts.sum(axis=1)), resampled(counts, clips.sizes, compute)

    def _averaged(self, given: npt.NDArray[np.int64]) -> tuple[Values, Values]:
        """Average the folds' F1; in a draw of subjects a fold counts as often as its subjects are drawn."""
        clips, drawn = self.clips, subject_draws(self.clips.sizes)
        values, total, weights = [], 0.0, 0.0
        for fold in np.unique(clips.fold_of):
            rows = clips.fold_of == fold
            people, place = np.unique(clips.subject_of[rows], return_inverse=True)
            part = Kept(clips.clips[rows], clips.folds, clips.classes, ())
            counts = part.confusions(place, len(people), given[rows])
            values.append(fold_f1(counts.sum(axis=0)))
            times = drawn[:, people]
            weight = times.mean(axis=1)[:, None]
            total = total + weight * np.nan_to_num(fold_f1(np.tensordot(times, counts, axes=1)))
            weights = weights + weight
        return np.mean(values, axis=0), np.mean(total / weights, axis=1)


def _epochs(found: Sequence[Picks | None]) -> dict[str, float]:
    """Summarise the epochs picked in all folds and seeds, counted from 1."""
    known = [picked[:, -1] + 1 for picked in found if picked is not None]
    names = ("epoch_median", "epoch_first", "epoch_last")
    if not known:
        return dict.fromkeys(names, float("nan"))
    every = np.concatenate(known)
    return dict(zip(names, (float(np.median(every)), float(every.min()), float(every.max())), strict=True))


@dataclass(frozen=True)
class Audit:
    """One method under all selection rules.

    `row` is the row of the last epoch, as `compare` has it; `kept` the predictions after every epoch; `inner_runs` are
    those read for ``inner`` and ``inner-keep``; `notes` name seeds and runs that are missing, and those that disagree.
    """

    row: Row
    kept: Kept
    inner_runs: tuple[str, ...]
    notes: tuple[Note, ...]

    @property
    def file(self) -> RunFile:
        """The run of the first seed."""
        return self.row.runs[0].file

    @property
    def epochs(self) -> int:
        """For how many epochs the longest fold was trained."""
        return max(int(seed.predicted.shape[1]) for seed in self.kept.seeds)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """A row a part and rule, see :func:`selection_rows`."""
        return selection_rows(self.kept, list(self.file.parts))

    @cached_property
    def curves(self) -> pd.DataFrame:
        """UF1 of each rule after each epoch, see :func:`selection_curves`."""
        return selection_curves(self.kept)

    @cached_property
    def picked(self) -> pd.DataFrame:
        """The epoch that each rule picks in each fold, see :func:`picked_epochs`."""
        return picked_epochs(self.kept)


def records(audit: Audit) -> list[dict[str, Any]]:
    """Return a row a part and rule, None for a figure that it does not have; figures to six decimals."""
    titles = {rule.name: rule.title for rule in RULES}
    first = ("part", "selection", "title")
    found = []
    for row in audit.rows.to_dict("records"):
        plain = {str(name): _plain(value) for name, value in row.items()} | {"title": titles[row["selection"]]}
        found.append({name: plain[name] for name in (*first, *(name for name in plain if name not in first))})
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    return value
