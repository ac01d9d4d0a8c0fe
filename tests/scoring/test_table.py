import numpy as np
import pandas as pd
import pytest

from merbench.scoring.metrics import scores
from merbench.scoring.table import part_scores, pooled_confusion, subject_confusions

CLASSES = ("negative", "positive", "surprise")
PARTS = {"full": "Full", "samm": "SAMM", "casme2": "CASME II", "casme2-b": "Another"}


@pytest.fixture
def seeds() -> list[pd.DataFrame]:
    """Return three seeds' predictions of 60 clips; subjects of all datasets are called alike."""
    rng = np.random.default_rng(11)
    dataset = rng.choice(["samm", "casme2", "casme2-b"], 60)
    clips = {"dataset": dataset, "subject": rng.choice(["6", "06", "006"], 60), "clip": [str(i) for i in range(60)]}
    truth = np.where(dataset == "casme2-b", rng.choice(CLASSES[:2], 60), rng.choice(CLASSES, 60))
    said = [np.where(rng.random(60) < 0.6, truth, rng.choice(CLASSES, 60)) for _ in range(3)]
    return [pd.DataFrame(clips | {"truth": truth, "predicted": predicted}) for predicted in said]


def _plain_figures(rows: list[tuple[str, str]]) -> tuple[float, float, float, int]:
    """Compute UF1, UAR, accuracy and the number of classes with clips, class by class."""
    f1, recall = [], []
    for name in CLASSES:
        hits = sum(t == p == name for t, p in rows)
        shown, given = sum(t == name for t, _ in rows), sum(p == name for _, p in rows)
        if shown:
            f1.append(2 * hits / (shown + given))
            recall.append(hits / shown)
    return sum(f1) / len(f1), sum(recall) / len(recall), sum(t == p for t, p in rows) / len(rows), len(f1)


def test_a_part_is_a_restriction_and_a_mean_over_seeds(seeds):
    for found, part in zip(part_scores(seeds, CLASSES, PARTS), PARTS, strict=True):
        plain = []
        for table in seeds:
            rows = [(r.truth, r.predicted) for r in table.itertuples() if part in ("full", r.dataset)]
            plain.append(_plain_figures(rows))
            assert found.clips == len(rows)
        assert found.part == part
        assert (found.uf1, found.uar, found.acc) == pytest.approx(tuple(np.mean(plain, axis=0)[:3]), abs=1e-12)
        assert found.classes_scored == plain[0][3]
        mean = sum(uf1 for uf1, *_ in plain) / 3
        assert found.seed_sd == pytest.approx((sum((uf1 - mean) ** 2 for uf1, *_ in plain) / 2) ** 0.5, abs=1e-12)
    found = {part.part: part for part in part_scores(seeds, CLASSES, PARTS)}
    assert (found["full"].clips, found["full"].classes_scored, found["casme2-b"].classes_scored) == (60, 3, 2)
    assert sum(found[part].clips for part in ("samm", "casme2", "casme2-b")) == 60
    turned = [table.sample(frac=1, random_state=index) for index, table in enumerate(seeds)]
    assert part_scores(turned, CLASSES, PARTS) == part_scores(seeds, CLASSES, PARTS)


def test_the_interval_of_a_part_is_that_of_its_predictions_alone(seeds):
    for found in part_scores(seeds, CLASSES, {"samm": "SAMM", "casme2": "CASME II"}):
        (alone,) = part_scores([table[table.dataset == found.part] for table in seeds], CLASSES, {"full": "Full"})
        assert found.uf1_interval == alone.uf1_interval
        assert found.uar_interval == alone.uar_interval
        assert alone.uf1_interval != alone.uar_interval


def test_missing_clips_and_seeds_have_no_figures(seeds):
    (found,) = part_scores(seeds, CLASSES, {"smic-hs": "SMIC"})
    assert (found.clips, found.classes_scored) == (0, 0)
    ends = [found.uf1_interval.low, found.uf1_interval.high, found.uar_interval.low, found.uar_interval.high]
    assert np.isnan([found.uf1, found.uar, found.acc, *ends]).all()
    (found,) = part_scores(seeds[:1], CLASSES, {"full": "Full"})
    assert np.isnan(found.seed_sd)  # of one seed
    assert found.uf1 == scores(pooled_confusion(seeds[0], CLASSES)).uf1
    holed = [seeds[0], seeds[1][seeds[1].subject != "6"]]  # a row counts the clips that every seed has
    (found,) = part_scores(holed, CLASSES, {"full": "Full"})
    assert found.clips == len(holed[1]) < 60


def test_subjects_of_one_name_are_people_of_their_datasets(seeds):
    counts, datasets = subject_confusions(seeds, CLASSES)
    people = sorted(set(zip(seeds[0].dataset, seeds[0].subject, strict=True)))
    assert len(people) == 9
    assert datasets == [dataset for dataset, _ in people]
    assert counts.shape == (3, 9, 3, 3)
    for seed, table in zip(counts, seeds, strict=True):
        for person, matrix in zip(people, seed, strict=True):
            theirs = table[(table.dataset == person[0]) & (table.subject == person[1])]
            assert matrix.tolist() == pooled_confusion(theirs, CLASSES).tolist()
