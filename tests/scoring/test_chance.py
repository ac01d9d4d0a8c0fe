"""Chance and its spread, held against loops over every renaming of classes and every exchange of shown with not."""

from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from merbench.contracts.methods import Problem
from merbench.scoring.chance import by_chance

CLASSES = Problem("classification", ("negative", "positive", "surprise"))
UNITS = Problem("au-detection", ("AU1", "AU4", "AU12"))


def fold_of_classes(rng: np.random.Generator, clips: int = 12) -> pd.DataFrame:
    truth = np.array(CLASSES.outputs)[np.arange(clips) % 3]
    predicted = np.where(rng.random(clips) < 0.5, truth, rng.choice(CLASSES.outputs, clips))
    return pd.DataFrame({"truth": truth, "predicted": predicted})


def fold_of_units(rng: np.random.Generator, clips: int = 10) -> pd.DataFrame:
    columns = {}
    for unit in UNITS.outputs:
        truth = np.arange(clips) % 2 == 0
        columns[f"truth_{unit}"] = truth.astype(float)
        columns[f"score_{unit}"] = np.where(rng.random(clips) < 0.7, truth, ~truth) - 0.5
    table = pd.DataFrame(columns)
    table.loc[0, "truth_AU4"] = np.nan  # not coded
    return table


def test_chance_of_classes_is_that_of_every_renaming():
    rng = np.random.default_rng(0)
    folds = [fold_of_classes(rng) for _ in range(3)]
    each = []
    for table in folds:
        found = []
        for names in permutations(CLASSES.outputs):
            renamed = [names[CLASSES.outputs.index(truth)] for truth in table.truth]
            found.append(balanced_accuracy_score(renamed, table.predicted))
        each.append(found)
    # Folds are renamed independently of each other: every combination once.
    means = [np.mean(combination) for combination in product(*each)]

    reached = by_chance(CLASSES, folds)

    assert reached.folds == 3
    assert reached.uar == pytest.approx(
        np.mean([balanced_accuracy_score(table.truth, table.predicted) for table in folds])
    )
    assert reached.chance == pytest.approx(1 / 3)
    assert reached.chance == pytest.approx(np.mean(means))
    assert reached.sd == pytest.approx(np.std(means))
    assert reached.bound == pytest.approx(1 / 3 + 3 * np.std(means))


def test_chance_of_action_units_is_that_of_every_exchange():
    rng = np.random.default_rng(1)
    folds = [fold_of_units(rng) for _ in range(2)]
    each = []
    for table in folds:
        found = []
        for changes in product([False, True], repeat=3):
            uars = []
            for unit, change in zip(UNITS.outputs, changes, strict=True):
                coded = table[table[f"truth_{unit}"].notna()]
                truth = (coded[f"truth_{unit}"] == 1) ^ change
                uars.append(balanced_accuracy_score(truth, coded[f"score_{unit}"] > 0))
            found.append(np.mean(uars))
        each.append(found)
    means = [np.mean(combination) for combination in product(*each)]

    reached = by_chance(UNITS, folds)

    assert reached.uar == pytest.approx(np.mean([found[0] for found in each]))
    assert reached.chance == pytest.approx(np.mean(means)) == pytest.approx(0.5)
    assert reached.sd == pytest.approx(np.std(means))


def test_constant_predictions_are_at_chance_without_spread():
    table = fold_of_classes(np.random.default_rng(2)).assign(predicted="negative")

    reached = by_chance(CLASSES, [table, table])

    assert reached.uar == pytest.approx(1 / 3)
    assert reached.sd == pytest.approx(0, abs=1e-12)
