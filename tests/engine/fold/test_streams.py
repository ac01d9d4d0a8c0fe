"""Random streams of a fold, and its threads."""

import random
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from support.cases import each
from support.folds import FOLDS, STSTNET, Plain, PlainNet, noting, outcome, random_states, scores, short

from merbench.contracts.methods import MethodConfig, Prediction
from merbench.engine.fold.folds import run_fold


class FromTheRun(Plain):
    def fit(self, train, run):
        self.shift = run.rng("shift").random(3)

    def predict(self, inputs):
        return Prediction(super().predict(inputs).scores + self.shift)


class FromGlobals(FromTheRun):
    """Draws from every global generator, when built, when fitted, and differently often in each fold."""

    def __init__(self, config, problem):
        super().__init__(config, problem)
        self.first = np.random.default_rng(np.random.randint(2**31)).random()  # noqa: NPY002

    def fit(self, train, run):
        for _ in range(1 + len(train.subjects[0]) % 3):
            self.shift = np.array([random.random(), np.random.random() + self.first, torch.rand(()).item()])  # noqa: NPY002


def test_predictions_depend_on_the_seed_and_on_nothing_else_run(task):
    for method, config in each([(FromTheRun, None), (FromGlobals, None), (STSTNET.cls, short(epochs="2"))]):
        folds = FOLDS[:3]
        forward = {fold: outcome(task(method, 3, config), fold).predictions for fold in folds}
        torch.rand(7), np.random.random(7), random.random()  # noqa: NPY002
        backward = {fold: outcome(task(method, 3, config), fold).predictions for fold in reversed(folds)}
        alone = {folds[1]: outcome(task(method, 3, config, keep_epochs=True), folds[1]).predictions}
        for fold, predictions in [*backward.items(), *alone.items()]:
            pd.testing.assert_frame_equal(predictions, forward[fold], check_exact=True)
        other = outcome(task(method, 4, config), folds[0]).predictions
        assert not np.array_equal(scores(other), scores(forward[folds[0]]))


def test_folds_draw_differently(task):
    for method in each([FromTheRun, FromGlobals]):
        both = [[scores(outcome(task(one), fold).predictions)[0, 0] for one in (method, Plain)] for fold in FOLDS]
        assert len({round(float(shifted - plain), 9) for shifted, plain in both}) == len(FOLDS)


def test_streams_are_paired_between_methods_and_configurations(task):
    class Sized(MethodConfig):
        size: int = 1

    seeds, orders = [], []
    for config in (MethodConfig(), Sized(size=1), Sized(size=2)):
        method = noting(
            lambda _, train, run: seeds.append(run.seed),
            lambda _, inputs: orders.append(inputs["flow"].batch().tobytes()),
        )
        outcome(task(method, 5, config, transductive=True))
    assert len(seeds) == len(orders) == 3
    assert len(set(seeds)) == len(set(orders)) == 1


def test_seeds_and_orders_are_those_of_recorded_results(rows_of, task):
    """Whoever changes them on purpose counts ``merbench.engine.CODE_VERSION`` up."""
    seen = []
    method = noting(
        lambda _, train, run: seen.extend([run.seed, np.random.random()]),  # noqa: NPY002
        lambda _, inputs: seen.append(rows_of(inputs)),
    )
    outcome(task(method, seed=3))
    order = [25, 26, 27, 32, 35, 33, 29, 34, 31, 28, 24, 30]
    assert seen[:3] == [803611222450718832, 0.41108934964848554, order]


class FailingAfterDraws(FromGlobals):
    def fit(self, train, run):
        super().fit(train, run)
        raise RuntimeError("no")


def test_global_generators_are_as_they_were_after_a_fold(task):
    for method in each([FromGlobals, FailingAfterDraws, PlainNet]):
        before = random_states()
        failure = run_fold(task(method, keep_epochs=True), "samm/006").failure
        assert (failure is not None) is (method is FailingAfterDraws)
        assert random_states() == before


def test_a_fold_computes_with_its_number_of_threads(task):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        for threads in each([1, 2]):
            counts = []
            notes = [lambda *_: counts.append(torch.get_num_threads())] * 2  # noqa: B023
            outcome(task(noting(*notes, PlainNet), threads=threads))
            assert set(counts) == {threads}
            assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


LATE = """
import sys
import numpy as np, pandas as pd
from merbench.contracts.clips import clip_table
from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import MethodConfig, Prediction
from merbench.contracts.protocols import ProtocolSpec
from merbench.engine.fold.folds import run_fold
from merbench.engine.fold.opening import FoldTask
from merbench.splits.split import make_split

class Late:
    Config = MethodConfig
    def __init__(self, config, problem): pass
    def fit(self, train, run):
        import torch  # what a lazy import in a library does
        self.shift, self.threads = torch.rand(3).tolist(), torch.get_num_threads()
    def predict(self, inputs):
        return Prediction(np.tile([*self.shift[:2], self.threads], (inputs.clips, 1)))

assert "torch" not in sys.modules
spec = ProtocolSpec(name="late", title="Toy", summary="A toy.", source={"text": "tests"}, classes=("a", "b", "c"),
                    datasets={"d": {"title": "Toy", "classes": {}}}, folds="leave-one-subject-out")
rows = pd.DataFrame({"dataset": "d", "subject": ["1", "2"], "clip": "x", "emotion": "a"})
task = FoldTask(Late, MethodConfig(), make_split(spec, clip_table(rows, "")), Inputs({}, 2), 0)
for time in range(2):
    found = run_fold(task, "d/1").predictions
    print(*found[["score_a", "score_b", "score_c"]].iloc[0])
"""


@pytest.mark.slow
def test_torch_imported_by_a_fold_is_seeded_in_that_fold_too():
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=True)
    first, second = (line.split() for line in done.stdout.splitlines())
    assert first[:2] == second[:2]
    assert first[2] == second[2] == "1.0"
