"""An epoch selected within the training fold: who is held out, what is scored and trained, what is out of reach."""

from functools import partial

import numpy as np
import pytest
from sklearn.metrics import f1_score
from support.cases import each
from support.folds import CLASSES, auxiliary_data, noting, outcome, scores, spec, table
from support.nets import STSTNET, short

from merbench.contracts.databases import persons
from merbench.contracts.errors import MerbenchError, SetupError
from merbench.contracts.methods import MethodConfig, Prediction, Problem
from merbench.engine.fold.folds import run_fold
from merbench.engine.fold.selection import inner_fold, inner_uf1
from merbench.records.outcome import FoldOutcome
from merbench.splits.folds import Fold
from merbench.splits.split import make_split

#: Subjects of each database; those of the first two are the same people.
PEOPLE = {"smic-hs": 6, "smic-vis": 4, "samm": 10, "casme2": 1}
ALIASES = {"smic-hs": "smic", "smic-vis": "smic"}
CLIPS = 4  # of each subject
FOLD = "samm/s03"
INNER = ["inner", "inner-keep"]


@pytest.fixture(scope="module")
def split():
    subjects = {database: [f"s{n:02d}" for n in range(1, count + 1)] for database, count in PEOPLE.items()}
    return make_split(spec(PEOPLE), table(subjects, CLIPS))


@pytest.fixture(scope="module")
def people(split):
    return persons(split.clips, ALIASES)


@pytest.fixture
def task(task):
    return partial(task, same_people=ALIASES)


# --- who is held out -------------------------------------------------------------------------------------------------


def test_a_fifth_of_each_databases_people_is_held_out(split, people):
    fold = split.fold(FOLD)
    tested = fold.test[:1]  # one of the person's clips, as of a fold of one video
    of_video = Fold(f"{FOLD}/s03_0", np.setdiff1d(np.flatnonzero(split.datasets == "samm"), tested), tested)
    two = np.flatnonzero(np.isin(split.subjects, ["smic-hs/s05", "smic-hs/s01", "smic-vis/s01"]))
    both = {f"smic/s{n:02d}" for n in range(1, 5)}
    found = []
    for seed in each((*range(40), 0)):
        inner = inner_fold(split, fold, people, seed)
        found.append(tuple(inner.test))
        assert sorted([*inner.train, *inner.test]) == sorted(fold.train)
        held_out = set(people[inner.test])
        assert not set(people[inner.train]) & held_out
        # Of SMIC's six people four are in both recordings; there are nine others in SAMM and one in CASME II.
        of_smic = {person for person in held_out if person.startswith("smic/")}
        assert both & of_smic
        assert len(of_smic) in (1, 2)
        assert len({person for person in held_out if person.startswith("samm/")}) == len(held_out - of_smic) == 2
        assert FOLD not in set(people[inner_fold(split, of_video, people, seed).test])  # a tested person never is
        inner = inner_fold(split, Fold(FOLD, two, fold.test), people, seed)  # one of a database's two people
        assert len(set(people[inner.test])) == len(set(people[inner.train])) == 1
    assert found[0] == found[-1]
    assert len(set(found)) > 20
    rows = np.flatnonzero(np.isin(split.subjects, ["samm/s01", "casme2/s01"]))
    with pytest.raises(MerbenchError, match=r"fold samm/s03 trains on 2 subjects: none can be held out .*last"):
        inner_fold(split, Fold(FOLD, rows, fold.test), people, 0)


# --- what is scored --------------------------------------------------------------------------------------------------


def test_held_out_clips_are_scored_over_the_classes_they_have():
    rng, problem = np.random.default_rng(3), Problem("classification", CLASSES)
    for classes in (3, 2, 1):
        truth, scores = rng.integers(0, classes, 40), rng.normal(size=(40, 3))
        expected = f1_score(truth, scores.argmax(axis=1), labels=sorted(set(truth)), average="macro", zero_division=0)
        assert inner_uf1(Prediction(scores), truth, problem) == pytest.approx(expected, abs=1e-12)
        assert inner_uf1(Prediction(scores, truth), truth, problem) == 1.0  # a method's own decisions count


def test_action_units_are_scored_on_the_clips_that_are_coded():
    rng, problem = np.random.default_rng(4), Problem("au-detection", ("1", "2", "4"))
    truth, scores = rng.choice([0.0, 1.0, np.nan], (50, 3)), rng.normal(size=(50, 3))
    known = ~np.isnan(truth)
    each = [f1_score(truth[known[:, unit], unit], scores[known[:, unit], unit] > 0) for unit in range(3)]
    assert inner_uf1(Prediction(scores), truth, problem) == pytest.approx(np.mean(each), abs=1e-12)


def test_the_first_of_the_best_epochs_counts():
    for uf1, epoch in (([0.2, 0.5, 0.4, 0.5], 2), ([0.1], 1)):
        assert FoldOutcome("f", 1, 1, {}, inner=np.array(uf1)).selected_epoch == epoch


# --- what is trained -------------------------------------------------------------------------------------------------


@pytest.fixture
def knowing(split, rows_of):
    """Make a method that knows the labels of all clips, and is right after one epoch only; it logs itself."""

    def make(log=None, best=3, epochs=6):
        class Knowing:
            Config = MethodConfig

            def __init__(self, config, problem):
                self.epoch, self.heard = 0, []
                (log if log is not None else []).append(self)

            def fit(self, train, run):
                self.rows, self.labels, self.subjects = rows_of(train.inputs), train.labels, set(train.subjects)
                self.drawn = run.rng("any").random(), np.random.random()  # noqa: NPY002 - as some methods draw
                for self.epoch in range(1, epochs + 1):
                    self.heard.append(run.epoch_end(self.epoch, self))
                    if self.heard[-1]:
                        return

            def predict(self, inputs):
                labels = split.labels[rows_of(inputs)]
                return Prediction(np.eye(3)[labels if self.epoch == best else (labels + 1) % 3])

        return Knowing

    return make


def test_training_is_repeated_up_to_the_selected_epoch(task, split, people, knowing):
    for selection in each(INNER):
        log = []
        found = outcome(task(knowing(log), selection=selection, keep_epochs=True), FOLD)
        train, (first, second) = split.fold(FOLD).train.tolist(), log
        assert len(set(people[sorted(set(train) - set(first.rows))])) in (3, 4)
        assert first.heard == [False] * 6
        assert second.heard == [False, False, True]
        assert second.rows == (train if selection == "inner" else first.rows)
        assert first.drawn == second.drawn  # the same random streams
        assert found.selected_epoch == 3
        np.testing.assert_allclose(found.inner, [0, 0, 1, 0, 0, 0])
        assert (found.predictions.truth == found.predictions.predicted).all()
        assert found.epochs.shape == (3, CLIPS, 3)
        np.testing.assert_array_equal(found.epochs[-1], scores(found.predictions))
        assert set(found.seconds) == {"select", "fit", "predict", "total"}
        assert outcome(task(knowing(best=4), selection=selection), FOLD).epochs is None

    log = []  # the last epoch counts unless another is selected
    found = outcome(task(knowing(log)), FOLD)
    assert (len(log), log[0].heard, found.inner) == (1, [False] * 6, None)
    assert not (found.predictions.truth == found.predictions.predicted).any()


def test_shuffled_labels_are_shuffled_for_held_out_clips_too(task, split, knowing):
    log = []
    found = outcome(task(knowing(log), selection="inner", shuffled=True), FOLD)
    first, second = log
    shuffled = dict(zip(second.rows, second.labels.tolist(), strict=True))
    assert [shuffled[row] for row in first.rows] == first.labels.tolist()
    rows = sorted(set(second.rows) - set(first.rows))
    truth, said = np.array([shuffled[row] for row in rows]), split.labels[rows]
    assert (truth != said).any()
    assert found.inner[2] == pytest.approx(f1_score(truth, said, labels=sorted(set(truth)), average="macro"))


SHORT = {"config": short(epochs="12", learning_rate="0.001"), "keep_epochs": True}


def test_the_repeated_training_equals_the_run_up_to_that_epoch(task):
    whole = outcome(task(STSTNET.cls, **SHORT), FOLD)
    found = outcome(task(STSTNET.cls, selection="inner", **SHORT), FOLD)
    assert found.inner.shape == (12,)
    np.testing.assert_array_equal(found.epochs, whole.epochs[: found.selected_epoch])


def test_inner_keep_keeps_the_selected_weights_bit_for_bit(task):
    nets, states = [], {}

    def state(net):
        return np.concatenate([values.numpy().ravel().astype(float) for values in net.net.state_dict().values()])

    watched = noting(
        lambda net, *_: nets.append(net), lambda net, _: states.setdefault(id(net), []).append(state(net)), STSTNET.cls
    )
    found = outcome(task(watched, config=SHORT["config"], selection="inner-keep"), FOLD)
    selected, kept = nets
    assert len(states[id(selected)]) == 12
    np.testing.assert_array_equal(states[id(selected)][found.selected_epoch - 1], state(kept))


# --- what is out of reach --------------------------------------------------------------------------------------------


def test_pretraining_clips_exclude_the_people_held_out(task, split, inputs, people, knowing):
    person = dict(zip(split.subjects, people, strict=True))
    for selection in each(INNER):
        log, handed = [], []
        method = noting(lambda _, train, run: handed.append(set(run.auxiliary("extra").subjects)), base=knowing(log))  # noqa: B023
        outcome(task(method, selection=selection, auxiliary={"extra": auxiliary_data(split.clips, inputs)}), FOLD)
        for fitted, given in zip(log, handed, strict=True):
            allowed = {person[subject] for subject in fitted.subjects}
            assert given == {subject for subject in split.subjects if person[subject] in allowed}
        assert len(handed[0]) < len(handed[1]) if selection == "inner" else handed[0] == handed[1]


def test_mistakes_with_selected_epochs_fail_the_fold(task, knowing):
    with pytest.raises(SetupError, match=r"the method does not report epochs.*--select last"):  # so would every fold
        run_fold(task(knowing(epochs=0), selection="inner"), FOLD)

    class Deaf(knowing()):
        def fit(self, train, run):
            for self.epoch in range(1, 7):
                run.epoch_end(self.epoch, self)

    class Early(knowing(best=5)):
        def fit(self, train, run):
            for self.epoch in range(1, 7 if len(train) < 70 else 3):
                run.epoch_end(self.epoch, self)

    class Wrong(knowing()):
        def predict(self, inputs):
            return Prediction(np.full((inputs.clips, 3), np.nan))

    for method, message in (
        (Deaf, "fit continued after epoch 3, where epoch_end returned True"),
        (Early, "fit ended after epoch 2, though epoch 5 was selected"),
        (Wrong, "NaN"),
    ):
        assert message in run_fold(task(method, selection="inner"), FOLD).failure.message
