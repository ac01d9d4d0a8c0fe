"""Random streams of a fold, and its threads."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from support.cases import each
from support.folds import FOLDS, Plain, noting, outcome, scores
from support.nets import STSTNET, PlainNet, random_states, short

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


def test_streams_are_those_of_recorded_results_for_every_method_and_configuration(rows_of, task):
    """Whoever changes them on purpose counts ``merbench.engine.CODE_VERSION`` up."""

    class Sized(MethodConfig):
        size: int = 1

    order = [25, 26, 27, 32, 35, 33, 29, 34, 31, 28, 24, 30]
    for config, base in each([(MethodConfig(), Plain), (Sized(size=1), PlainNet), (Sized(size=2), PlainNet)]):
        seen = []
        method = noting(
            lambda _, train, run: seen.extend([run.seed, np.random.random()]),  # noqa: B023, NPY002
            lambda _, inputs: seen.append(rows_of(inputs)),  # noqa: B023
            base,
        )
        outcome(task(method, 3, config, transductive=True))
        assert seen == [803611222450718832, 0.41108934964848554, order]


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
import numpy as np
from support.folds import Plain, flow, outcome, scores, spec, table
from merbench.contracts.methods import MethodConfig, Prediction
from merbench.engine.fold.opening import FoldTask
from merbench.splits.split import make_split

class Late(Plain):
    def fit(self, train, run):
        import torch  # as a lazy import in a library does
        self.drawn = [*torch.rand(2).tolist(), torch.get_num_threads()]
    def predict(self, inputs):
        return Prediction(np.tile(self.drawn, (inputs.clips, 1)))

assert "torch" not in sys.modules
split = make_split(spec(), table())
for time in range(2):
    print(*scores(outcome(FoldTask(Late, MethodConfig(), split, flow(len(split.clips)), 0)).predictions)[0])
"""


@pytest.mark.slow
def test_torch_imported_by_a_fold_is_seeded_in_that_fold_too():
    tests = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=True, cwd=tests)
    first, second = (line.split() for line in done.stdout.splitlines())
    assert first == second
    assert first[2] == "1.0"
