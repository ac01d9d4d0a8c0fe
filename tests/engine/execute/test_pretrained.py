"""A method with both kinds of pretraining under every option of ``run``: the same predictions, trained as seldom."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest
from support.cases import each
from support.grid import go, predictions, same, undisturbed
from support.phased import OTHERS, SHARED, plug_in_database, plug_in_phased

from merbench.contracts.protocols import load_protocol
from merbench.databases.registrations import home
from merbench.engine.execute.grid import execute
from merbench.engine.execute.jobs import Executor
from merbench.engine.fold.folds import run_folds
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs
from merbench.records.folder import RunFolder

FOLDS = ["casme2/sub06", "samm/006", "smic-hs/s06"]


@pytest.fixture
def log(tmp_path, monkeypatch):
    """Return what reads the seeds of pretraining so far, from a file that every process appends to."""
    path = tmp_path / "pretrained.log"
    path.touch()
    monkeypatch.setenv("PHASED_LOG", str(path))
    return lambda: path.read_text().split()


@pytest.fixture
def planned(small_release, small_protocol, tmp_path, monkeypatch, log):
    """Return what plans runs of the toy, with auxiliary data of some people."""
    plug_in_phased(tmp_path, monkeypatch)
    people = plug_in_database(tmp_path, monkeypatch)

    def plan(config="default", shared=False, **request):
        people.write_text(SHARED if shared else OTHERS)
        spec = load_protocol(small_protocol)
        prepared = PreparedProtocol.of(spec, choose_data(str(small_release), [spec]))
        return plan_runs(Request.named(("phased",), config=config, **request), [prepared])

    return plan


def ran(plans, runs, *args, **options):
    states, watcher = go(plans, runs, *args, **options)
    assert [outcome.failure and outcome.failure.traceback for outcome in watcher.outcomes if outcome.failure] == []
    return states, watcher


def test_a_grid_pretrains_once_a_run_or_once_a_fold(planned, tmp_path, log):
    for shared in each((False, True)):
        plans = planned(seeds=(0, 1), shared=shared)
        before = len(log())
        ran(plans, tmp_path / "runs")
        seeds = log()[before:]
        folds = len(plans[0].file.folds)
        assert len(seeds) == len(set(seeds)) == (2 * folds if shared else 2)
        for plan in plans:
            found, expected = predictions(plan, tmp_path / "runs"), [undisturbed_fold(plan, fold) for fold in FOLDS]
            mine = [found[(found.dataset + "/" + found.subject) == fold].reset_index(drop=True) for fold in FOLDS]
            same(pd.concat(mine, ignore_index=True), pd.concat(expected, ignore_index=True))
    assert len(list(home().glob("pretrained/*/*.safetensors"))) == 2


def test_pretraining_is_ablated_with_paired_random_numbers(planned, tmp_path):
    """Without in-fold pretraining, of the seed's numbers the last phase draws the same."""
    plans = [planned(config)[0] for config in ("default", "external", "none")]
    for plan in plans:
        ran([plan], tmp_path / "runs", FOLDS)
    tables = [RunFolder(tmp_path / "runs" / plan.run_id).read_fold(FOLDS[0], plan.file)[1] for plan in plans]
    found = [table.filter(like="score_").to_numpy() for table in tables]
    assert not np.allclose(found[0], found[1])
    assert not np.allclose(found[1], found[2])
    assert [plan.file.disclosures for plan in plans] == [["pretrained on more"]] * 2 + [[]]


def test_every_option_gives_the_predictions_of_the_plain_run(planned, tmp_path, log):
    (plain,) = planned()
    expected = pd.concat([undisturbed_fold(plain, fold) for fold in FOLDS], ignore_index=True)
    for name, options in each({"keep": {"keep_epochs": True}, "diagnose": {"diagnose": True}, "pack": {}}.items()):
        (plan,) = planned(**options)
        if name == "pack":
            outcomes = run_folds(plan.task, FOLDS, pytest.fail)
        else:
            _, watcher = ran([plan], tmp_path / name, FOLDS)
            outcomes = watcher.outcomes
            assert set(watcher.steps) == {(5, 5)}  # the epochs of both phases in the fold
        assert [outcome.packed for outcome in outcomes] == [3 if name == "pack" else 1] * 3
        found = pd.concat([outcome.predictions for outcome in outcomes], ignore_index=True)
        pd.testing.assert_frame_equal(found, expected, check_exact=name != "pack", rtol=0, atol=1e-9)
        if name == "keep":
            assert all(outcome.epochs.shape == (3, outcome.clips, 3) for outcome in outcomes)
        if name == "diagnose":
            assert all(outcome.diagnostics["test/feature/hidden"].shape[1] == 8 for outcome in outcomes)
    assert len(log()) == 1 + len(FOLDS)  # once kept, and in each fold of the plain run, which keeps nothing


def undisturbed_fold(plan, fold):
    file, task = plan.file.model_copy(update={"folds": {fold: 1}}), replace(plan.task, kept=None)
    return undisturbed(replace(plan, file=file, task=task))


def test_epochs_of_the_last_phase_are_selected(planned, tmp_path, log):
    for shared, selection in each([(False, "inner"), (True, "inner"), (True, "inner-keep")]):
        (plan,) = planned(shared=shared, selection=selection)
        before = len(log())
        _, watcher = ran([plan], tmp_path / "runs", FOLDS)
        for outcome in watcher.outcomes:
            assert outcome.inner.shape == (3,)
            assert 1 <= outcome.selected_epoch <= 3
        assert len(log()) - before == (6 if shared else 1)


class _Interrupting(Executor):
    """Stops after two folds, as by Ctrl-C."""

    def __call__(self, jobs, observer):
        for number, ended in enumerate(super().__call__(jobs, observer)):
            if number == 2:
                raise KeyboardInterrupt
            yield ended


def test_a_run_that_is_resumed_finds_its_pretraining(planned, tmp_path, log):
    plans = planned()
    with pytest.raises(KeyboardInterrupt):
        ran(plans, tmp_path / "runs", executor=_Interrupting())
    states, _ = ran(planned(), tmp_path / "runs")
    assert states[0].complete
    assert len(log()) == 1
    (kept,) = home().glob("pretrained/*/*.safetensors")
    kept.unlink()  # may be deleted at any time
    again, _ = ran(planned(), tmp_path / "runs", existing="redo")
    assert (again[0].complete, len(log())) == (True, 2)
    same(predictions(plans[0], tmp_path / "runs"), undisturbed(plans[0]))


SCRIPT = """
import sys
from pathlib import Path
import pandas as pd
from merbench.contracts.protocols import load_protocol
from merbench.engine.fold.folds import run_fold
from merbench.engine.fold.folds import run_folds
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs
spec = load_protocol(Path(sys.argv[1]))
prepared = PreparedProtocol.of(spec, choose_data(sys.argv[2], [spec]))
(plan,) = plan_runs(Request.named(("phased",)), [prepared])
found = run_fold(plan.task, sys.argv[3])
assert found.failure is None, found.failure.traceback
found.predictions.to_parquet(sys.argv[4])
"""


@pytest.mark.slow
def test_one_process_pretrains_while_others_wait(planned, small_protocol, small_release, tmp_path, log):
    (plan,) = planned()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    script = [sys.executable, "-c", SCRIPT, small_protocol, small_release]
    started = [subprocess.Popen([*script, fold, tmp_path / f"{n}"], env=environment) for n, fold in enumerate(FOLDS)]
    assert [process.wait(300) for process in started] == [0, 0, 0]
    assert len(log()) == 1
    for n, fold in enumerate(FOLDS):
        same(pd.read_parquet(tmp_path / f"{n}"), undisturbed_fold(plan, fold))


KILLED = """
import json, os, signal, sys
from pathlib import Path
from unittest.mock import MagicMock
import torch
from merbench.contracts.protocols import load_protocol
from merbench.engine.execute.grid import execute
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs
from support.killing import at_change
torch.set_num_threads(1)  # no threads before a fork
spec = load_protocol(Path(sys.argv[1]))
prepared = PreparedProtocol.of(spec, choose_data(sys.argv[2], [spec]))
(plan,) = plan_runs(Request.named(("phased",)), [prepared])
runs, write, number = Path(sys.argv[3]), Path.write_bytes, 0

def half(path, content):
    write(path, content[: len(content) // 2])
    os.kill(os.getpid(), signal.SIGKILL)

while True:  # killed at each change of the folder of kept pretraining, one after the other; at 0 half way in a file
    if os.fork() == 0:
        at_change(r"/pretrained(/|$)", number or 999, lambda _: os.kill(os.getpid(), signal.SIGKILL))
        Path.write_bytes = write if number else lambda path, content: (
            half if "/pretrained/" in str(path) else write)(path, content)
        execute([plan], runs, MagicMock(), folds=sys.argv[4:])
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.wait()[1])
    kept = plan.task.kept
    print(json.dumps([number, status, sorted(path.name for path in kept.glob("*")) if kept.is_dir() else []]))
    if status == 0:
        break
    for path in kept.glob("*.safetensors"):
        path.unlink()
    number += 1
"""


@pytest.mark.slow
def test_a_kill_while_pretraining_is_kept_leaves_nothing_half_written(
    planned, small_protocol, small_release, tmp_path, log
):
    (plan,) = planned()
    path = os.pathsep.join(filter(None, [*sys.path, str(Path(__file__).parents[2])]))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    script = [sys.executable, "-c", KILLED, small_protocol, small_release, tmp_path / "runs", *FOLDS]
    ended = subprocess.run(script, env=environment, capture_output=True, text=True, check=True)
    kills = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [status for _, status, _ in kills] == [-signal.SIGKILL] * (len(kills) - 1) + [0]
    assert len(kills) > 3, kills
    for number, status, files in each(kills):
        whole = [name for name in files if name.endswith(".safetensors")]
        assert len(whole) == (status == 0)
        assert number or any(name.endswith(".tmp") for name in files)  # the half of it was written
    assert not [name for name in kills[-1][2] if name.endswith(".tmp")]
    before = len(log())
    states, watcher = ran([plan], tmp_path / "runs")
    assert states[0].complete
    assert len(watcher.outcomes) == len(plan.file.folds) - len(FOLDS)
    assert len(log()) == before
    same(predictions(plan, tmp_path / "runs"), undisturbed(replace(plan, task=replace(plan.task, kept=None))))


@pytest.mark.slow
def test_workers_pretrain_once_and_give_the_same(planned, tmp_path, executor):
    (plan,) = planned()
    two = executor(workers=2, gpus=0)
    states = execute([plan], tmp_path / "runs", MagicMock(), executor=two)
    two.close()  # its workers have both processors
    assert states[0].complete
    same(predictions(plan, tmp_path / "runs"), undisturbed(plan))
    (kept,) = home().glob("pretrained/*/*.safetensors")
    before = kept.stat().st_mtime_ns
    execute(planned(seeds=(0, 1)), tmp_path / "runs", MagicMock(), executor=executor(workers=2, gpus=0, pack=3))
    assert len(list(home().glob("pretrained/*/*.safetensors"))) == 2
    assert kept.stat().st_mtime_ns == before
