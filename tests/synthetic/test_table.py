import itertools

import numpy as np
import pytest

from merbench.scoring.metrics import confusion_matrix
from merbench.synthetic import table
from merbench.synthetic.clips import plan
from merbench.synthetic.settings import SyntheticSettings

TABLES = ("default", "ambiguous")
EACH = list(itertools.product(TABLES, table.DATASETS))


def _triples(clips):
    return [(clip.dataset, clip.au_set, clip.label) for clip in clips]


def test_the_table_is_a_distribution_over_classes():
    for name, dataset in EACH:
        posterior = table.class_given_sets(name, dataset)
        assert posterior.shape == (len(table.CLASSES), len(table.SETS)), (name, dataset)
        assert (posterior >= 0).all(), (name, dataset)
        np.testing.assert_allclose(posterior.sum(axis=0), 1)


def test_the_table_agrees_with_the_drawn_distribution():
    for name, dataset in EACH:
        counts = np.array(table.COUNTS["full"][dataset])
        joint = table.sets_given_class(name, dataset) * counts[:, None]
        np.testing.assert_allclose(table.class_given_sets(name, dataset) * joint.sum(axis=0), joint)


def test_action_units_alone_reach_the_stated_scores():
    assert 0.75 <= table.ceiling("default")["uf1"] <= 0.82
    assert table.ceiling("ambiguous")["uf1"] < 0.65


def test_the_ceiling_is_the_score_of_the_likeliest_class():
    rng = np.random.default_rng(1)
    truth, named = [], []
    for dataset in table.DATASETS:
        choice = table.class_given_sets("default", dataset).argmax(axis=0)
        for label, count in enumerate(table.COUNTS["full"][dataset]):
            sets = rng.choice(len(table.SETS), size=200 * count, p=table.sets_given_class("default", dataset)[label])
            truth += [table.CLASSES[label]] * len(sets)
            named += [table.CLASSES[index] for index in choice[sets]]
    drawn = table.scores(confusion_matrix(truth, named, table.CLASSES))
    assert drawn == pytest.approx(table.ceiling("default"), abs=0.01)


def test_the_ambiguous_table_has_the_share_of_cas_me_3():
    shares = [
        np.mean(table.ambiguous(_triples(plan(SyntheticSettings(size="full", table="ambiguous", seed=seed)))))
        for seed in range(6)
    ]
    assert np.mean(shares) == pytest.approx(0.888, abs=0.03)
    assert np.mean(table.ambiguous(_triples(plan(SyntheticSettings(size="full"))))) < np.mean(shares)


def test_a_clip_is_ambiguous_if_its_set_has_two_classes():
    clips = [
        ("casme2", "4", "negative"),
        ("casme2", "4", "surprise"),
        ("samm", "4", "negative"),
        ("samm", "12", "positive"),
        ("samm", "12", "positive"),
    ]
    assert table.ambiguous(clips) == [True, True, False, False, False]


def test_objective_classes_are_named_for_sets_that_are_drawn():
    assert set(table.OBJECTIVE) <= set(table.SETS)
    assert table.OBJECTIVE["6+12"] == "I"
    assert "14" not in table.OBJECTIVE  # VII


def test_every_class_has_its_number_of_clips():
    for size in ("small", "full"):
        for name in TABLES:
            clips = plan(SyntheticSettings(size=size, table=name, seed=3))
            for dataset, counts in table.COUNTS[size].items():
                drawn = [
                    sum(clip.dataset == dataset and clip.label == label for clip in clips) for label in table.CLASSES
                ]
                assert tuple(drawn) == counts, (size, name)


def test_full_has_the_counts_of_megc_2019():
    assert [sum(counts) for counts in table.COUNTS["full"].values()] == [145, 133, 164]
    assert np.sum(list(table.COUNTS["full"].values()), axis=0).tolist() == [250, 109, 83]
