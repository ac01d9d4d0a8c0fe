"""An epoch selected within the training fold: who is held out, what is scored and trained, what is out of reach."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from support.cases import each

from merbench.contracts.clips import clip_table
from merbench.contracts.databases import persons
from merbench.contracts.errors import MerbenchError, SetupError
from merbench.contracts.inputs import ArrayInput, Flow, Inputs
from merbench.contracts.methods import MethodConfig, Prediction, Problem
from merbench.contracts.protocols import ProtocolSpec
from merbench.engine.fold.folds import run_fold
from merbench.engine.fold.opening import FoldTask
from merbench.engine.fold.selection import inner_fold, inner_uf1
from merbench.engine.plan.catalogue import METHODS
from merbench.records.outcome import FoldOutcome
from merbench.splits.split import make_split

CLASSES = ("negative", "positive", "surprise")
#: Subjects of each database; those of the first two are the same people.
PEOPLE = {"smic-hs": 6, "smic-vis": 4, "samm": 10, "casme2": 1}
ALIASES = {"smic-hs": "smic", "smic-vis": "smic"}
CLIPS = 4  # of each subject


@pytest.fixture(scope="module")
def split():
    rng = np.random.default_rng(5)
    rows = [
        {"dataset": d, "subject": f"s{s:02d}", "clip": f"s{s:02d}_{n}", "emotion": CLASSES[rng.integers(3)]}
        for d, subjects in PEOPLE.items()
        for s in range(1, subjects + 1)
        for n in range(CLIPS)
    ]
    rules = {name: {"title": name, "classes": {}} for name in PEOPLE}
    content = {"name": "toy", "title": "Toy", "summary": "A toy.", "source": {"text": "tests"}, "classes": CLASSES}
    spec = content | {"datasets": rules, "folds": "leave-one-subject-out"}
    return make_split(ProtocolSpec.model_validate(spec), clip_table(pd.DataFrame(rows), "toy"))


@pytest.fixture(scope="module")
def people(split):
    return persons(split.clips, ALIASES)


@pytest.fixture(scope="module")
def inputs(split):
    values = np.random.default_rng(7).integers(0, 256, (len(split.clips), 28, 28, 3), dtype=np.uint8)
    return Inputs({"flow": ArrayInput(Flow(), values)}, len(values))


@pytest.fixture
def task(split, inputs):
    def make(method, seed=0, **options):
        config = options.pop("config", None) or method.Config()
        return FoldTask(method, config, split, inputs, seed, same_people=ALIASES, **options)

    return make


# --- who is held out -------------------------------------------------------------------------------------------------


def test_a_fifth_of_each_databases_people_is_held_out(split, people):
    for seed in each(range(4)):
        fold = split.fold("samm/s03")
        inner = inner_fold(split, fold, people, seed)
        assert sorted([*inner.train, *inner.test]) == sorted(fold.train)
        assert not set(people[inner.train]) & set(people[inner.test])
        held_out = sorted(set(people[inner.test]))
        # Of SMIC's six people four are in both recordings; there are nine others in SAMM and one in CASME II.
        both = {f"smic/s{n:02d}" for n in range(1, 5)}
        found = [person for person in held_out if person.startswith("smic/")]
        assert both & set(found)
        assert len(found) in (1, 2)
        assert len(held_out) == len(found) + 2
        assert not [person for person in held_out if person.startswith("casme2/")]


def test_a_tested_person_is_never_held_out(split, people):
    tested = split.fold("samm/s03").test[:1]  # one of the person's clips, as of a fold of one video
    rows = np.setdiff1d(np.flatnonzero(split.datasets == "samm"), tested)
    fold = type(split.folds[0])("samm/s03/s03_0", rows, tested)
    for seed in range(40):
        assert "samm/s03" not in set(people[inner_fold(split, fold, people, seed).test])


def test_one_of_two_people_is_held_out_of_each_database(split, people):
    smic = np.flatnonzero(np.isin(split.subjects, ["smic-hs/s05", "smic-hs/s01", "smic-vis/s01"]))
    fold = type(split.folds[0])("samm/s03", smic, split.fold("samm/s03").test)
    for seed in range(10):
        inner = inner_fold(split, fold, people, seed)
        assert len(set(people[inner.test])) == len(set(people[inner.train])) == 1


def test_the_people_held_out_depend_on_the_seed(split, people):
    fold = split.fold("samm/s03")
    found = [tuple(inner_fold(split, fold, people, seed).test) for seed in (*range(20), 0)]
    assert found[0] == found[-1]
    assert len(set(found)) > 10


def test_one_person_of_each_database_is_too_few_to_select(split, people):
    rows = np.flatnonzero(np.isin(split.subjects, ["samm/s01", "casme2/s01"]))
    fold = type(split.folds[0])("samm/s03", rows, split.fold("samm/s03").test)
    with pytest.raises(MerbenchError, match=r"fold samm/s03 trains on 2 subjects: none can be held out .*last"):
        inner_fold(split, fold, people, 0)


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


def ripening(log, best=3, epochs=6):
    """Make a method that knows the labels of all clips, and is right after one epoch only; it logs what it is given."""

    class Ripening:
        Config = MethodConfig
        answers: dict[bytes, int]

        def __init__(self, config, problem):
            self.epoch, self.heard = 0, []
            log.append(self)

        def fit(self, train, run):
            self.clips, self.draw, self.total = (
                train.inputs["flow"].batch(),
                run.rng("any").random(),
                np.random.random(),  # noqa: NPY002 - what a method should not do, and some do
            )
            self.labels = train.labels
            for self.epoch in range(1, epochs + 1):
                self.heard.append(run.epoch_end(self.epoch, self))
                if self.heard[-1]:
                    return

        def predict(self, inputs):
            labels = np.array([self.answers[clip.tobytes()] for clip in inputs["flow"].batch()])
            wrong = (labels + 1) % 3
            return Prediction(np.eye(3)[labels if self.epoch == best else wrong])

    return Ripening


def knowing(log, split, inputs, **options):
    method = ripening(log, **options)
    keys = (clip.tobytes() for clip in inputs["flow"].batch())
    method.answers = dict(zip(keys, split.labels.tolist(), strict=True))
    return method


def rows_of(clips, inputs):
    row_of = {clip.tobytes(): row for row, clip in enumerate(inputs["flow"].batch())}
    return [row_of[clip.tobytes()] for clip in clips]


def test_training_is_repeated_up_to_the_selected_epoch(task, split, inputs, people):
    for selection in each(["inner", "inner-keep"]):
        log = []
        found = run_fold(task(knowing(log, split, inputs), selection=selection), "samm/s03")
        assert found.failure is None, found.failure.traceback
        fold, (first, second) = split.fold("samm/s03"), log
        held_out = set(fold.train) - set(rows_of(first.clips, inputs))
        assert len(set(people[sorted(held_out)])) in (3, 4)
        assert first.heard == [False] * 6
        assert second.heard == [False, False, True]
        assert rows_of(second.clips, inputs) == (
            fold.train.tolist() if selection == "inner" else rows_of(first.clips, inputs)
        )
        assert (first.draw, first.total) == (second.draw, second.total)  # the same random streams
        assert found.selected_epoch == 3
        np.testing.assert_allclose(found.inner, [0, 0, 1, 0, 0, 0])
        assert (found.predictions.truth == found.predictions.predicted).all()
        assert set(found.seconds) == {"select", "fit", "predict", "total"}


def test_the_last_epoch_counts_unless_another_is_selected(task, split, inputs):
    log = []
    found = run_fold(task(knowing(log, split, inputs)), "samm/s03")
    assert (len(log), log[0].heard, found.inner) == (1, [False] * 6, None)
    assert not (found.predictions.truth == found.predictions.predicted).any()


def test_epochs_that_are_kept_end_with_the_one_that_counts(task, split, inputs):
    for selection in each(["inner", "inner-keep"]):
        found = run_fold(task(knowing([], split, inputs, best=4), selection=selection, keep_epochs=True), "samm/s03")
        assert found.epochs.shape == (4, CLIPS, 3)
        scores = found.predictions[[f"score_{name}" for name in CLASSES]]
        np.testing.assert_array_equal(found.epochs[-1], scores)


def test_shuffled_labels_are_shuffled_for_held_out_clips_too(task, split, inputs):
    log = []
    found = run_fold(task(knowing(log, split, inputs), selection="inner", shuffled=True), "samm/s03")
    fold, (first, second) = split.fold("samm/s03"), log
    shuffled = dict(zip(fold.train.tolist(), second.labels.tolist(), strict=True))
    assert [shuffled[row] for row in rows_of(first.clips, inputs)] == first.labels.tolist()
    rows = sorted(set(fold.train) - set(rows_of(first.clips, inputs)))
    truth, said = np.array([shuffled[row] for row in rows]), split.labels[rows]
    assert (truth != said).any()
    assert found.inner[2] == pytest.approx(f1_score(truth, said, labels=sorted(set(truth)), average="macro"))


@pytest.fixture(scope="module")
def short():
    method = METHODS.get("ststnet")
    return method.cls, method.resolve("quick", {"epochs": "12", "batch_size": "16", "learning_rate": "0.001"})


def test_the_repeated_training_equals_the_run_up_to_that_epoch(task, short):
    method, config = short
    whole = run_fold(task(method, config=config, keep_epochs=True), "samm/s03")
    found = run_fold(task(method, config=config, keep_epochs=True, selection="inner"), "samm/s03")
    assert found.inner.shape == (12,)
    np.testing.assert_array_equal(found.epochs, whole.epochs[: found.selected_epoch])


def test_inner_keep_keeps_the_selected_weights_bit_for_bit(task, short):
    method, config = short
    nets, states = [], {}

    def state(net):
        return np.concatenate([values.numpy().ravel().astype(float) for values in net.net.state_dict().values()])

    class Watched(method):
        def fit(self, train, run):
            nets.append(self)
            super().fit(train, run)

        def predict(self, inputs):
            states.setdefault(id(self), []).append(state(self))
            return super().predict(inputs)

    found = run_fold(task(Watched, config=config, selection="inner-keep"), "samm/s03")
    selected, kept = nets
    assert len(states[id(selected)]) == 12
    np.testing.assert_array_equal(states[id(selected)][found.selected_epoch - 1], state(kept))


# --- what is out of reach --------------------------------------------------------------------------------------------


def test_pretraining_clips_exclude_the_people_held_out(task, split, inputs, people):
    for selection in each(["inner", "inner-keep"]):
        extra = (split.clips, inputs)
        handed, trained = [], []

        class Asking(ripening([])):
            def fit(self, train, run):
                handed.append(set(run.auxiliary("extra").subjects))  # noqa: B023
                trained.append(set(train.subjects))  # noqa: B023
                super().fit(train, run)

            def predict(self, inputs):
                return Prediction(np.eye(3)[np.zeros(inputs.clips, dtype=int)])

        found = run_fold(task(Asking, selection=selection, auxiliary={"extra": extra}), "samm/s03")
        assert found.failure is None, found.failure.traceback
        everyone = set(split.subjects)
        person = dict(zip(split.subjects, people, strict=True))
        for subjects, given in zip(trained, handed, strict=True):
            allowed = {person[subject] for subject in subjects}
            assert given == {subject for subject in everyone if person[subject] in allowed}
        assert len(handed[0]) < len(handed[1]) if selection == "inner" else handed[0] == handed[1]


def test_a_method_without_epochs_stops_the_run_and_says_so(task):
    class Silent(ripening([], epochs=0)):
        pass

    with pytest.raises(SetupError, match=r"Silent does not report epochs.*--select last"):
        run_fold(task(Silent, selection="inner"), "samm/s03")


def test_mistakes_with_selected_epochs_fail_the_fold(task, split, inputs):
    class Deaf(knowing([], split, inputs)):
        def fit(self, train, run):
            for self.epoch in range(1, 7):
                run.epoch_end(self.epoch, self)

    class Early(knowing([], split, inputs, best=5)):
        def fit(self, train, run):
            for self.epoch in range(1, 7 if len(train) < 70 else 3):
                run.epoch_end(self.epoch, self)

    class Wrong(ripening([])):
        def predict(self, inputs):
            return Prediction(np.full((inputs.clips, 3), np.nan))

    for method, message in (
        (Deaf, "fit continued after epoch 3, where epoch_end returned True"),
        (Early, "fit ended after epoch 2, though epoch 5 was selected"),
        (Wrong, "NaN"),
    ):
        found = run_fold(task(method, selection="inner"), "samm/s03")
        assert message in found.failure.message
