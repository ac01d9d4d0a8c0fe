"""What every method that comes with merbench must bear."""

import pandas as pd
import pytest

from merbench.contracts.protocols import load_protocol
from merbench.engine.catalogue import METHODS
from merbench.engine.data import choose_data
from merbench.engine.folds import run_fold
from merbench.engine.plan import PreparedProtocol, Request, plan_runs

BUILT_IN = [entry.name for entry in METHODS.entries() if entry.origin == "merbench"]
FOLDS = ["casme2/sub06", "smic-hs/s11"]


@pytest.fixture
def plan_of(small_release, small_protocol):
    spec = load_protocol(small_protocol)
    prepared = PreparedProtocol.of(spec, choose_data(str(small_release), [spec]))

    def plan(name, seed=0, **request):
        settings = {"epochs": "2"} if "epochs" in METHODS.get(name).cls.Config.model_fields else {}
        return plan_runs(Request((name,), settings=settings, seeds=(seed,), **request), [prepared])[0]

    return plan


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_method_runs_and_gives_the_same_again(plan_of, name):
    plan = plan_of(name)
    for fold in FOLDS:
        first, second = (run_fold(plan.task, fold) for _ in range(2))
        assert first.failure is None, first.failure.traceback
        assert len(first.predictions) == plan.file.folds[fold]
        pd.testing.assert_frame_equal(first.predictions, second.predictions, check_exact=True)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_method_is_random_exactly_if_its_card_says_so(plan_of, name):
    tables = [run_fold(plan_of(name, seed).task, "casme2/sub06").predictions for seed in range(8)]
    same = all(table.equals(tables[0]) for table in tables)
    assert same is METHODS.get(name).card.deterministic


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_named_configuration_of_a_card_holds(plan_of, name):
    for configuration in METHODS.get(name).card.configurations:
        outcome = run_fold(plan_of(name, config=configuration).task, "smic-hs/s11")
        assert outcome.failure is None, outcome.failure.traceback
