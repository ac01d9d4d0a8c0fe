"""The table P(emotion class | action units, database), the draw from it, and the best scores that it allows.

The numbers of clips a class and database are fixed, and action units are drawn given the class, from the same joint
distribution. A class's own distribution of action unit sets is mixed with a common one, by the share ``MIXED``: the
larger the share, the less informative action units are. Sets are common ones of the databases' sheets, with synthetic
weights. Sides and intensities are drawn independently of the class.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from merbench.scoring.metrics import accuracy, unweighted_f1, unweighted_recall

CLASSES = ("negative", "positive", "surprise")
DATASETS = ("casme2", "samm", "smic-hs")

#: Share of the distribution that all classes have in common.
MIXED = {"default": 0.31, "ambiguous": 0.6}

#: Weights of a class's own action unit sets in CASME II, SAMM and SMIC-HS.
OWN: dict[str, dict[str, tuple[float, float, float]]] = {
    "negative": {
        "4": (20, 21, 20),
        "4+7": (18, 19, 16),
        "4+9": (8, 4, 6),
        "9": (8, 5, 7),
        "10": (5, 3, 5),
        "14": (12, 14, 9),
        "15": (6, 6, 9),
        "17": (9, 9, 10),
        "7": (7, 8, 8),
        "20": (2, 4, 4),
        "23": (3, 4, 3),
        "24": (2, 3, 3),
    },
    "positive": {
        "12": (46, 50, 46),
        "6+12": (32, 26, 30),
        "12+25": (6, 8, 10),
        "6": (4, 4, 4),
        "14": (8, 8, 6),
        "7": (4, 4, 4),
    },
    "surprise": {
        "1+2": (46, 44, 44),
        "1+2+5": (12, 14, 12),
        "1+2+25": (8, 10, 12),
        "5": (8, 8, 8),
        "2": (8, 8, 8),
        "1": (8, 8, 8),
        "4": (6, 4, 4),
        "25": (4, 4, 4),
    },
}

#: Weights of the sets that any class may show.
SHARED = dict(
    zip(
        ("4", "4+7", "14", "12", "1+2", "7", "6+12", "17", "9", "1", "2", "15", "5", "10"),
        (15, 11, 11, 13, 11, 8, 6, 5, 4, 4, 4, 4, 2, 2),
        strict=True,
    )
)

#: Clips a class, in the order of `CLASSES`. ``full`` is MEGC 2019.
COUNTS = {
    "full": {"casme2": (88, 32, 25), "samm": (92, 26, 15), "smic-hs": (70, 51, 43)},
    "small": {"casme2": (16, 10, 8), "samm": (16, 10, 7), "smic-hs": (14, 11, 8)},
}

#: Each database's own emotion words and their weights, of classes with other words than their names; within a class
#: they are independent of the action units.
WORDS: dict[str, dict[str, dict[str, float]]] = {
    "casme2": {"negative": {"disgust": 61, "repression": 27}, "positive": {"happiness": 1}},
    "samm": {
        "negative": {"anger": 57, "contempt": 12, "disgust": 9, "fear": 8, "sadness": 6},
        "positive": {"happiness": 1},
    },
    "smic-hs": {},
}

#: Objective classes of Davison et al. 2018, of the sets above; all others are VII.
OBJECTIVE = {
    **dict.fromkeys(("12", "6+12", "12+25"), "I"),
    **dict.fromkeys(("1+2", "5", "25", "1+2+25", "1+2+5"), "II"),
    **dict.fromkeys(("4", "4+7", "23"), "III"),
    **dict.fromkeys(("9", "10", "4+9"), "IV"),
    **dict.fromkeys(("1", "15"), "V"),
    "20": "VI",
}

#: All action unit sets, in the order of the columns below.
SETS = tuple(dict.fromkeys([*(name for own in OWN.values() for name in own), *SHARED]))


def sets_given_class(table: str, dataset: str) -> npt.NDArray[np.float64]:
    """Return P(action unit set | class) in a database, shape (n_classes, n_sets)."""
    column = DATASETS.index(dataset)
    own = np.array([[OWN[name].get(units, (0, 0, 0))[column] for units in SETS] for name in CLASSES], dtype=float)
    shared = np.array([SHARED.get(units, 0) for units in SETS], dtype=float)
    mixed = MIXED[table]
    return np.asarray((1 - mixed) * own / own.sum(axis=1, keepdims=True) + mixed * shared / shared.sum())


def class_given_sets(table: str, dataset: str) -> npt.NDArray[np.float64]:
    """Return the table itself: P(class | action unit set) in a database, shape (n_classes, n_sets)."""
    clips = _expected(table, dataset)
    return np.asarray(clips / clips.sum(axis=0))


def _expected(table: str, dataset: str) -> npt.NDArray[np.float64]:
    """Return the expected clips of each class and action unit set in the size ``full``."""
    return np.asarray(COUNTS["full"][dataset], dtype=float)[:, None] * sets_given_class(table, dataset)


def ambiguous(clips: Iterable[tuple[str, str, str]]) -> list[bool]:
    """Return for each clip (dataset, action unit set, class) whether its set occurs with several classes there."""
    clips = list(clips)
    found = Counter((dataset, units) for dataset, units, _ in set(clips))
    return [found[dataset, units] > 1 for dataset, units, _ in clips]


def ceiling(table: str) -> dict[str, float]:
    """Return the scores of always predicting the likeliest class given action units, database and table.

    The confusion matrix is the expected one, pooled over the databases, so no draw of labels enters. The likeliest
    class maximises accuracy, not UF1: weights on the classes, tuned on the same labels, gain .01 to .06 in UF1.
    """
    clips = [_expected(table, dataset) for dataset in DATASETS]
    return scores(np.sum([each @ np.eye(len(CLASSES))[each.argmax(axis=0)] for each in clips], axis=0))


def scores(confusion: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return UF1, UAR and accuracy of a confusion matrix, which may hold expected counts."""
    measures: dict[str, Callable[[Any], Any]] = {"uf1": unweighted_f1, "uar": unweighted_recall, "acc": accuracy}
    return {name: float(measure(confusion)) for name, measure in measures.items()}
