"""Every method of merbench runs on prepared data in all of its configurations and tasks; tests/checks has the rest."""

import json

import pytest
from support.cases import each

from merbench.checks.synthetic_clips import synthetic_task
from merbench.contracts.errors import MerbenchError
from merbench.contracts.protocols import ProtocolSpec, load_protocol
from merbench.databases.registrations import open_source
from merbench.engine.environment import uses_torch
from merbench.engine.fold.folds import run_fold
from merbench.engine.plan.catalogue import METHODS
from merbench.engine.plan.data import Data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs
from merbench.prepare.kinds.kind import kind_of

BUILT_IN = [entry.name for entry in METHODS.entries() if entry.origin == "merbench"]


def has_tiny(name):
    return "tiny" in METHODS.get(name).card.configurations


@pytest.fixture(scope="module")
def data(tmp_path_factory, miniature):
    """Return the three databases in miniature, with frames and action units, so that every method can run."""
    folder = tmp_path_factory.mktemp("miniatures")
    rows = [*miniature.CASME2_ROWS[:4:3], miniature.CASME2_ROWS[1]]
    folders = {
        "casme2": miniature.write_casme2(folder / "c", rows, tree="Cropped", prefix="reg_img"),
        "samm": miniature.write_samm(folder / "s", miniature.SAMM_ROWS[:3], tree="SAMM_CROP"),
        "smic-hs": miniature.write_smic(folder / "m", tree="SMIC_all_cropped/HS", prefix="reg_image"),
    }
    return Data("miniature", "three databases", tuple(open_source(name, path) for name, path in folders.items()))


_PREPARED = {}  # what is built stays in memory for all methods


@pytest.fixture
def prepared(data, small_protocol):
    if not _PREPARED:
        units = ProtocolSpec(
            name="units", title="Units", summary="x", source={"text": "x"}, task="au-detection", units=(4, 10, 12, 15),
            datasets={"casme2": {"title": "CASME II"}, "samm": {"title": "SAMM"}}, folds="leave-one-subject-out",
        )  # fmt: skip
        _PREPARED["classification"] = PreparedProtocol.of(load_protocol(small_protocol), data)
        _PREPARED["au-detection"] = PreparedProtocol.of(units, data)
    return _PREPARED


def test_every_card_says_a_family_that_its_code_is_of():
    for name in each(BUILT_IN):
        method = METHODS.get(name)
        assert (method.card.family == "net") is uses_torch(method.cls), name
        assert method.card.kind in ("net", "classical", "floor", "sanity")


def _task(name):
    tasks = METHODS.get(name).card.tasks
    return "classification" if "classification" in tasks else "au-detection"


def _few_epochs(method):
    few = {"epochs": "2", "least_steps": "0"}
    return {key: value for key, value in few.items() if key in method.cls.Config.model_fields}


@pytest.fixture
def plan_of(prepared, quick_flow):
    def plan(name, config=None, task=None):
        method = METHODS.get(name)
        config = config or ("tiny" if has_tiny(name) else None)
        request = Request.named((name,), config, settings=_few_epochs(method))
        return plan_runs(request, [prepared[task or _task(name)]])[0]

    return plan


NAMES = [pytest.param(name, marks=[pytest.mark.slow] * has_tiny(name)) for name in BUILT_IN]


@pytest.mark.parametrize("name", NAMES)
def test_every_configuration_on_the_card_runs(plan_of, name):
    """Of methods with a configuration for tests, the others are slow; `test_only_the_tasks...` runs that one."""
    method = METHODS.get(name)
    for configuration in method.card.configurations:
        if method.card.needs_gpu(configuration):
            continue  # the method's own tests run a batch of it
        config = method.resolve(configuration, _few_epochs(method))
        inputs = method.inputs(config, _task(name)).values()
        if any(kind_of(spec).needs_landmarks(spec) or spec.kind == "motion-positions" for spec in inputs):
            # The miniatures show no face, and only a release has those maps.
            task = synthetic_task(method, config, _task(name))
            fold = task.split.folds[0].name
        else:
            task = plan_of(name, config=configuration).task
            fold = {"classification": "smic-hs/s11", "au-detection": "samm/006"}[_task(name)]
        outcome = run_fold(task, fold)
        assert outcome.failure is None, outcome.failure.traceback


@pytest.mark.parametrize("name", BUILT_IN)
def test_only_the_tasks_on_the_card_can_be_run(plan_of, name):
    for task in ("classification", "au-detection"):
        if task not in METHODS.get(name).card.tasks:
            with pytest.raises(MerbenchError, match=rf"^method {name} .*{task}") as raised:
                plan_of(name, task=task)
            assert len(str(raised.value).splitlines()) == 1
            continue
        if task == _task(name) and not has_tiny(name):
            continue  # run above
        plan = plan_of(name, task=task)
        outcome = run_fold(plan.task, next(iter(plan.file.folds)))
        assert outcome.failure is None, outcome.failure.traceback


def test_every_ablation_is_valid_and_changes_a_configuration():
    for name in BUILT_IN:
        method = METHODS.get(name)
        for group, rows in method.card.ablations.items():
            for row, changes in rows.items():
                settings = {key: json.dumps(value) for key, value in changes.items()}
                changed = {each: method.resolve(each, settings) for each in method.card.configurations}
                assert any(config != method.resolve(each) for each, config in changed.items()), (group, row)
                for config in changed.values():
                    assert json.loads(config.model_dump_json()).items() >= changes.items()
