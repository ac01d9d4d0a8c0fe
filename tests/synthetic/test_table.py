import itertools

import numpy as np
import pytest

from merbench.scoring.metrics import confusion_matrix
from merbench.synthetic import table
from merbench.synthetic.clips import plan
from merbench.synthetic.settings import SyntheticSettings

TABLES = ("default", "ambiguous")


def test_the_table_is_the_posterior_of_the_drawn_distribution():
    for name, dataset in itertools.product(TABLES, table.DATASETS):
        posterior = table.class_given_sets(name, dataset)
        assert posterior.shape == (len(table.CLASSES), len(table.SETS)), (name, dataset)
        assert (posterior >= 0).all(), (name, dataset)
        np.testing.assert_allclose(posterior.sum(axis=0), 1)
        joint = table.sets_given_class(name, dataset) * np.array(table.COUNTS["full"][dataset])[:, None]
        np.testing.assert_allclose(posterior * joint.sum(axis=0), joint)


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
    assert 0.75 <= table.ceiling("default")["uf1"] <= 0.82
    assert table.ceiling("ambiguous")["uf1"] < 0.65


def test_the_ambiguous_table_has_the_share_of_cas_me_3():
    def share(**settings):
        clips = plan(SyntheticSettings(size="full", **settings))
        return np.mean(table.ambiguous([(clip.dataset, clip.au_set, clip.label) for clip in clips]))

    mean = np.mean([share(table="ambiguous", seed=seed) for seed in range(6)])
    assert mean == pytest.approx(0.888, abs=0.03)
    assert share() < mean
    clips = [("casme2", "4", "negative"), ("casme2", "4", "surprise"), ("samm", "4", "negative")]
    assert table.ambiguous([*clips, *[("samm", "12", "positive")] * 2]) == [True, True, False, False, False]


def test_every_class_has_its_number_of_clips():
    for size, name in itertools.product(("small", "full"), TABLES):
        clips = plan(SyntheticSettings(size=size, table=name, seed=3))
        drawn = [(clip.dataset, clip.label) for clip in clips]
        for dataset, counts in table.COUNTS[size].items():
            assert tuple(drawn.count((dataset, label)) for label in table.CLASSES) == counts, (size, name)
    assert [sum(counts) for counts in table.COUNTS["full"].values()] == [145, 133, 164]
    assert np.sum(list(table.COUNTS["full"].values()), axis=0).tolist() == [250, 109, 83]
    assert set(table.OBJECTIVE) <= set(table.SETS)
    assert (table.OBJECTIVE["6+12"], table.OBJECTIVE.get("14")) == ("I", None)  # None: VII
