"""Score rows: the predictions of one configuration over its seeds -> one row per part, with intervals."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.cards import Task
from merbench.scoring.detection import balanced_recall, mean_known, mean_over, shown_f1, subject_unit_counts
from merbench.scoring.intervals import Interval, bootstrap_intervals
from merbench.scoring.metrics import Counts, accuracy, confusion_matrix, scores, unweighted_f1, unweighted_recall


@dataclass(frozen=True)
class PartScore:
    """One part of one row: the scores of a restriction of the pooled predictions.

    `part` is ``full`` or a dataset; for AU detection also ``mean``, over datasets. `classes_scored` are the classes
    with clips; for AU detection, action units that clips show. `uf1`, `uar` and `acc` are means over seeds; for AU
    detection, means over action units of: F1 of "shown"; the mean recall of shown and not shown; the share of correct
    decisions. Intervals are by subject-level bootstrap, conditional on the trained models; `seed_sd` is the standard
    deviation of UF1 over seeds (n - 1), NaN with one seed.
    """

    part: str
    clips: int
    classes_scored: int
    uf1: float
    uar: float
    acc: float
    uf1_interval: Interval
    uar_interval: Interval
    seed_sd: float


def subject_confusions(seeds: Sequence[pd.DataFrame], classes: Sequence[str]) -> tuple[Counts, list[str]]:
    """Count the clips of each subject by truth and prediction, in a table per seed; they may cover different subjects.

    Returns confusion matrices, int, shape (n_seeds, n_subjects, n_classes, n_classes), and the dataset of each subject;
    subjects are sorted by dataset and name.
    """
    size = len(classes)
    codes = {name: index for index, name in enumerate(classes)}
    keys = [list(zip(table.dataset.tolist(), table.subject.tolist(), strict=True)) for table in seeds]
    subjects = sorted({key for seed in keys for key in seed})
    place = {subject: index for index, subject in enumerate(subjects)}
    counts = np.zeros((len(seeds), len(subjects), size, size), dtype=np.int64)
    for index, (table, seed) in enumerate(zip(seeds, keys, strict=True)):
        truth, predicted = ([codes[name] for name in column.tolist()] for column in (table.truth, table.predicted))
        np.add.at(counts[index], ([place[key] for key in seed], truth, predicted), 1)
    return counts, [dataset for dataset, _ in subjects]


def part_scores(
    seeds: Sequence[pd.DataFrame], classes: Sequence[str], parts: Mapping[str, str], task: Task = "classification"
) -> list[PartScore]:
    """Score the parts of one row, each a restriction of the pooled predictions.

    `seeds` are prediction tables, ``dataset, subject, clip, truth, predicted, ...``; `classes` the protocol's class
    set, or the action units of AU detection; `parts` are ``full`` and datasets, with their titles.
    """
    if task == "au-detection":
        return _detection_scores(seeds, classes, parts)
    counts, datasets = subject_confusions(seeds, classes)
    dataset_of = np.array(datasets, dtype=object)
    rows = []
    for part in parts:
        inside = (dataset_of == part) | (part == "full")
        rows.append(_part_score(part, counts[:, inside], dataset_of[inside]))
    return rows


def _part_score(part: str, counts: Counts, dataset_of: npt.NDArray[Any]) -> PartScore:
    sizes = tuple(Counter(dataset_of.tolist()).values())  # subjects are sorted by dataset, and so are the sizes
    pooled = counts.sum(axis=1)
    each = [scores(confusion) for confusion in pooled]
    uf1 = [score.uf1 for score in each]
    uf1_interval, uar_interval = bootstrap_intervals(counts, sizes, unweighted_f1, unweighted_recall)
    return PartScore(
        part,
        int(pooled.sum(axis=(1, 2)).min()),
        max(score.classes_scored for score in each),
        float(np.mean(uf1)),
        float(np.mean([score.uar for score in each])),
        float(np.mean([score.acc for score in each])),
        uf1_interval,
        uar_interval,
        float(np.std(uf1, ddof=1)) if len(uf1) > 1 else float("nan"),
    )


def _detection_scores(seeds: Sequence[pd.DataFrame], units: Sequence[str], parts: Mapping[str, str]) -> list[PartScore]:
    counts, datasets = subject_unit_counts(seeds, units)
    dataset_of = np.array(datasets, dtype=object)
    clips = {name: min(int((table.dataset == name).sum()) for table in seeds) for name in sorted(set(datasets))}
    rows = []
    for part in parts:
        if part in ("full", "mean"):
            inside = np.ones(len(dataset_of), dtype=bool)
            groups = [inside] if part == "full" else [dataset_of == name for name in clips]
        else:
            inside = dataset_of == part
            groups = [inside]
        rows.append(
            _detection_score(
                part, counts, groups, inside, dataset_of, sum(clips.get(d, 0) for d in set(dataset_of[inside]))
            )
        )
    return rows


def _detection_score(
    part: str,
    counts: Counts,
    groups: Sequence[npt.NDArray[np.bool_]],
    inside: npt.NDArray[np.bool_],
    dataset_of: npt.NDArray[Any],
    clips: int,
) -> PartScore:
    """Average scores over action units and groups of subjects; the counts of each group are pooled first."""
    if not inside.any():
        nothing, none = Interval(float("nan"), float("nan")), float("nan")
        return PartScore(part, 0, 0, none, none, none, nothing, nothing, none)
    apart = np.stack([counts * group[:, None, None] for group in groups], axis=1)  # seed, group, unit, subject, 2, 2
    pooled = apart.sum(axis=3)
    by_seed = pooled.reshape(len(counts), -1, 2, 2)
    f1, recall, right = (
        mean_over(figure, len(groups))(by_seed)[:, 0] for figure in (shown_f1, balanced_recall, accuracy)
    )
    stacked = apart[..., inside, :, :].reshape(-1, int(inside.sum()), 2, 2)
    of_all = len(counts) * len(groups)
    sizes = tuple(Counter(dataset_of[inside].tolist()).values())
    figures = mean_over(shown_f1, of_all), mean_over(balanced_recall, of_all)
    f1_interval, recall_interval = bootstrap_intervals(stacked, sizes, *figures)
    return PartScore(
        part,
        clips,
        int((counts[0][:, inside, 1].sum(axis=(1, 2)) > 0).sum()),
        float(f1.mean()),
        float(mean_known(recall)),
        float(mean_known(right)),
        f1_interval,
        recall_interval,
        float(np.std(f1, ddof=1)) if len(f1) > 1 else float("nan"),
    )


def pooled_confusion(predictions: pd.DataFrame, classes: Sequence[str]) -> Counts:
    """Return the confusion matrix of one prediction table."""
    return confusion_matrix(predictions.truth.tolist(), predictions.predicted.tolist(), tuple(classes))
