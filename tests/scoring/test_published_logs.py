"""The figures that authors state are what their own published prediction logs give."""

import ast
from pathlib import Path

import pandas as pd
import pytest
from merbench.protocols import megc2019

from merbench.contracts.protocols import load_protocol
from merbench.databases.readers.identity import normalised
from merbench.scoring.metrics import confusion_matrix, scores
from merbench.scoring.table import part_scores, pooled_confusion

CLASSES = ("negative", "positive", "surprise")


def _challenge_log(path: Path) -> pd.DataFrame:
    """Read the challenge's format: ``<database> <subject>`` heads a fold of ``<clip> <truth> <prediction>`` lines."""
    rows, fold = [], ("", "")
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) == 2:
            fold = (words[0], words[1])
        elif words:
            clip, truth, predicted = words
            rows.append([*normalised(*fold, clip), CLASSES[int(truth)], CLASSES[int(predicted)]])
    return pd.DataFrame(rows, columns=["dataset", "subject", "clip", "truth", "predicted"])


def _figures(table: pd.DataFrame) -> tuple[float, float]:
    found = scores(pooled_confusion(table, CLASSES))
    return round(found.uf1, 4), round(found.uar, 4)


@pytest.fixture
def matlab(shared) -> pd.DataFrame:
    return _challenge_log(shared / "data/published-logs/ststnet_matlab.txt")


def test_ststnets_log_gives_its_published_figures_and_parts(matlab):
    assert _figures(matlab) == (0.7353, 0.7186)
    found = part_scores([matlab], CLASSES, load_protocol(megc2019).parts)
    rows = {part.part: (round(part.uf1, 4), round(part.uar, 4), part.clips, part.classes_scored) for part in found}
    assert rows == {
        "full": (0.7353, 0.7186, 442, 3),
        "smic-hs": (0.6801, 0.6703, 164, 3),
        "casme2": (0.8382, 0.8190, 145, 3),
        "samm": (0.6588, 0.6415, 133, 3),
    }
    logged = matlab.drop(columns="predicted").rename(columns={"truth": "class"})
    official = load_protocol(megc2019).official()
    assert logged.sort_values(["dataset", "subject", "clip"]).to_numpy().tolist() == official.to_numpy().tolist()
    for part in found:
        assert part.uf1_interval.low < part.uf1 < part.uf1_interval.high
        assert part.uar_interval.low < part.uar < part.uar_interval.high
        assert 0.03 < part.uf1_interval.high - part.uf1_interval.low < 0.5


def test_capsulenets_log_gives_its_published_figures(shared):
    table = _challenge_log(shared / "data/published-logs/capsulenet.csv")
    assert len(table) == 435
    assert _figures(table) == (0.6520, 0.6506)


def test_ststnets_pytorch_log_gives_its_published_figures(shared):
    lists = {"Predicted": [], "Ground Truth": []}
    for line in (shared / "data/published-logs/ststnet_pytorch.txt").read_text().splitlines():
        kind, _, numbers = line.partition(":")
        if kind.strip() in lists:
            lists[kind.strip()].extend(CLASSES[number] for number in ast.literal_eval(numbers.strip()))
    found = scores(confusion_matrix(lists["Ground Truth"], lists["Predicted"], CLASSES))
    assert len(lists["Predicted"]) == 442
    assert (round(found.uf1, 4), round(found.uar, 4)) == (0.7209, 0.7250)
