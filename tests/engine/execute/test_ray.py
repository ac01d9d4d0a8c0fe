"""Many workers give what one gives, whatever becomes of them: two Ray nodes are started here as a user starts them."""

import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.grid import FOLDS, Counted, predictions, toy_plans
from support.raynodes import kill, until
from support.toy import prepared

from merbench.contracts.errors import SetupError
from merbench.engine.execute.grid import execute
from merbench.engine.execute.state import run_state
from merbench.engine.plan.runs import Request, plan_runs
from merbench.records.folder import RunFolder


class Watcher:
    """Keeps all that the driver reports."""

    def __init__(self):
        self.notes, self.outcomes, self.workers, self.steps = [], [], set(), set()
        self.note = self.notes.append

    def run_started(self, *args): ...

    run_finished = waiting = run_started

    def working(self, workers):
        self.workers |= {at.worker for at in workers}
        self.steps |= {(at.job.fold, at.progress.done, at.progress.total) for at in workers}

    def fold_finished(self, plan, outcome):
        self.outcomes.append(outcome)


def go(plans, runs, executor=None):
    watcher = Watcher()
    return execute(plans, runs, watcher, executor=executor), watcher


def record_of(plan, runs, fold):
    return RunFolder(runs / plan.run_id).read_record(fold, plan.key_digest)


def same(plans, one, other):
    for plan in plans:
        pd.testing.assert_frame_equal(predictions(plan, one), predictions(plan, other), check_exact=True)


def test_a_worker_that_lacks_a_required_package_refuses_the_method(monkeypatch):
    from merbench.engine.execute import ray_worker

    def get(name):
        raise SetupError(f"{name} is not installed")

    (plan,) = toy_plans(Counted)
    monkeypatch.setattr(ray_worker.METHODS, "get", get)
    with pytest.raises(SetupError, match="is not installed"):
        ray_worker.sent_task(plan, plan.task, put=lambda array: array).rebuild()


PACKING = """
import torch
from torch import nn
from merbench.training.torch_method import TorchConfig, TorchMethod

class Config(TorchConfig):
    epochs: int = 2

class Linear(TorchMethod):
    Config = Config
    packs = True

    def module(self):
        return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28 * 3, 3)).double()

    def tensors(self, inputs, rng=None):
        return {"flow": torch.from_numpy(inputs["flow"].batch(rng=rng)).double() / 255}

class Failing(Linear):
    def loss(self, module, batch, labels):
        return super().loss(module, batch, labels) * float(labels.sum())  # which no stack of folds has as one number
"""


@pytest.mark.slow
def test_a_worker_trains_packs_and_passes_on_its_notes(tmp_path, executor, monkeypatch):
    (tmp_path / "packing_nets.py").write_text(PACKING)  # workers find it where the driver does
    monkeypatch.syspath_prepend(tmp_path)
    import packing_nets

    packing = executor(workers=1, gpus=0, pack=4)
    (plan,) = toy_plans(packing_nets.Linear)
    _, watcher = go([plan], tmp_path / "packed", packing)
    assert watcher.notes == []
    assert sorted(outcome.packed for outcome in watcher.outcomes) == [2, 2, 4, 4, 4, 4]
    go([plan], tmp_path / "alone")
    alone, packed = (predictions(plan, tmp_path / name) for name in ("alone", "packed"))
    pd.testing.assert_frame_equal(alone, packed, rtol=1e-6)  # the same up to rounding

    (plan,) = toy_plans(packing_nets.Failing)
    _, watcher = go([plan], tmp_path / "failing", packing)
    assert [outcome.packed for outcome in watcher.outcomes] == [1] * 6
    assert len(watcher.notes) == 2
    assert watcher.notes[0].startswith("worker 1: 4 folds could not be trained together")
    assert predictions(plan, tmp_path / "failing") is not None


@pytest.mark.slow
def test_workers_predict_the_same_bit_for_bit(tmp_path, two_workers):
    settings = {"ststnet:epochs": "2"}
    request = Request.named(("majority", "svm-flow", "ststnet"), settings=settings, keep_epochs=True)
    plans = plan_runs(request, [prepared(*FOLDS)])
    go(plans, tmp_path / "serial")
    states, watcher = go(plans, tmp_path / "ray", two_workers)
    assert [outcome.failure for outcome in watcher.outcomes] == [None] * 18
    assert all(state.complete and state.recorded == tuple(FOLDS) for state in states)
    same(plans, tmp_path / "ray", tmp_path / "serial")
    for plan in plans:
        here, there = (record_of(plan, tmp_path / name, "toy/a") for name in ("serial", "ray"))
        assert (here.packages, here.hardware, here.threads) == (there.packages, there.hardware, there.threads)
        assert there.peak_memory_mb > 0
    for epochs in (tmp_path / "serial").glob("*/folds/*/epochs.npz"):
        other = tmp_path / "ray" / epochs.relative_to(tmp_path / "serial")
        with np.load(epochs) as one, np.load(other) as two:
            np.testing.assert_array_equal(one["scores"], two["scores"])


@pytest.mark.slow
def test_two_workers_run_a_class_that_only_the_driver_has(tmp_path, two_workers):
    met, driver = tmp_path / "met", os.getpid()
    met.mkdir()

    class Local(Counted):
        def fit(self, train, run):
            super().fit(train, run)
            if os.getpid() != driver:  # without waiting one worker may finish before the other has started
                (met / str(os.getpid())).touch()
                end = time.monotonic() + 120
                while len(list(met.iterdir())) < 2 and time.monotonic() < end:
                    time.sleep(0.02)

    plans = toy_plans(Local, seeds=(0, 1))
    go(plans, tmp_path / "serial")
    states, watcher = go(plans, tmp_path / "ray", two_workers)
    assert all(state.complete for state in states)
    assert len(watcher.workers) == 2
    assert {step[2] for step in watcher.steps} <= {0, 2}
    same(plans, tmp_path / "ray", tmp_path / "serial")
    assert go(plans, tmp_path / "ray")[1].outcomes == []


@pytest.mark.slow
def test_a_setup_error_ends_the_run_and_a_failing_fold_does_not(tmp_path, two_workers):
    class Failing(Counted):
        def predict(self, inputs):
            if self.fold == "toy/c":
                raise ZeroDivisionError("in the middle of it")
            return super().predict(inputs)

    class Unmet(Counted):
        def fit(self, train, run):
            raise SetupError("float16 needs a GPU")

    (plan,) = toy_plans(Failing)
    (state,), _ = go([plan], tmp_path / "failing", two_workers)
    assert (state.failed, len(state.recorded)) == (("toy/c",), 5)
    failure = record_of(plan, tmp_path / "failing", "toy/c").failure
    assert (failure.type, failure.message) == ("ZeroDivisionError", "in the middle of it")
    assert "in predict" in failure.traceback
    with pytest.raises(SetupError, match=r"^float16 needs a GPU$"):
        go(toy_plans(Unmet), tmp_path / "unmet", two_workers)


@pytest.mark.slow
def test_a_killed_workers_fold_runs_again_up_to_three_times(tmp_path, two_workers):
    once = tmp_path / "once"

    class Deadly(Counted):
        def fit(self, train, run):
            super().fit(train, run)
            if self.fold == "toy/c" or (self.fold == "toy/a" and not once.exists()):
                once.touch()
                os.kill(os.getpid(), signal.SIGKILL)

    (plan,) = toy_plans(Deadly)
    (state,), watcher = go([plan], tmp_path / "runs", two_workers)
    assert state.failed == ("toy/c",)
    assert state.recorded == tuple(fold for fold in FOLDS if fold != "toy/c")
    failure = record_of(plan, tmp_path / "runs", "toy/c").failure
    assert failure.type == "WorkerDied"
    assert failure.message.startswith("its worker died 3 times, the last time: ")
    again = [note for note in watcher.notes if note.endswith("run again")]
    assert sum("toy/a" in note for note in again) == 1
    assert sum("toy/c" in note for note in again) == 2


@pytest.mark.slow
def test_the_folds_of_a_lost_machine_run_elsewhere(tmp_path, nodes, joined, executor):
    go_on, begun = tmp_path / "go on", tmp_path / "begun"
    begun.mkdir()
    here = joined.get_runtime_context().get_node_id()

    class Slow(Counted):
        def fit(self, train, run):
            import ray

            super().fit(train, run)
            if ray.get_runtime_context().get_node_id() != here:
                (begun / self.fold.replace("/", "-")).touch()
                time.sleep(300)
            while not go_on.exists():
                time.sleep(0.05)

    second = nodes.start_another()
    until(lambda: joined.cluster_resources().get("CPU") == 3, 120)

    class Killing(Watcher):
        def working(self, workers):
            super().working(workers)
            if list(begun.iterdir()) and not go_on.exists():
                kill(second, signal.SIGKILL)
                go_on.touch()

    (plan,) = toy_plans(Slow)
    watcher = Killing()
    (state,) = execute([plan], tmp_path / "runs", watcher, executor=executor(workers=3))
    assert state.complete
    assert len(list(begun.iterdir())) == 1
    assert any("is run again" in note for note in watcher.notes)
    assert any("(" in name for name in watcher.workers)  # it is named with its machine
    here_alone = toy_plans(Counted)
    go(here_alone, tmp_path / "serial")
    same(here_alone, tmp_path / "runs", tmp_path / "serial")
    until(lambda: joined.cluster_resources().get("CPU") == 2, 120)  # as other tests expect it


@pytest.mark.slow
def test_a_stopped_driver_keeps_records_and_frees_its_workers(tmp_path, two_workers):
    class Slow(Counted):
        def fit(self, train, run):
            super().fit(train, run)
            time.sleep(300 if self.fold in ("toy/e", "toy/f") else 0)

    class Stopping(Watcher):
        def working(self, workers):
            super().working(workers)
            if len(self.outcomes) == 4:
                raise KeyboardInterrupt

    (plan,) = toy_plans(Slow)
    with pytest.raises(KeyboardInterrupt):
        execute([plan], tmp_path, Stopping(), executor=two_workers)
    assert run_state(plan, tmp_path).recorded == tuple(FOLDS[:4])
    (state,), _ = go(toy_plans(Counted), tmp_path, two_workers)
    assert state.complete


class OnGpu(Counted):
    """Uses a GPU of 16 GB as far as can be told; writes down how many of its kind are at it at the same time."""

    peak_mb, fits = 3000.0, 99
    folder = Path()

    def fit(self, train, run):
        import torch  # noqa: F401

        from merbench.engine import environment

        environment.peak_gpu_memory_mb = lambda device: None if device == "cpu" else self.peak_mb
        environment.gpu_memory_mb = lambda device: None if device == "cpu" else 16000.0
        super().fit(train, run)
        mine = self.folder / f"at-{self.fold.replace('/', '-')}"
        mine.touch()
        for _ in range(10):
            at_once = len(list(self.folder.glob("at-*")))
            with (self.folder / "log").open("a") as log:
                log.write(f"{self.fold} {run.device} {os.environ['CUDA_VISIBLE_DEVICES']} {at_once}\n")
            if at_once > self.fits:
                mine.unlink()
                raise type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to allocate 2 GiB")
            time.sleep(0.05)
        mine.unlink()


def seen_by_folds(folder):
    lines = [line.split() for line in (folder / "log").read_text().splitlines()]
    assert {(device, visible) for _, device, visible, _ in lines} == {("cuda:0", "0")}
    return [(fold, int(at_once)) for fold, _, _, at_once in lines]


@pytest.mark.slow
def test_as_many_folds_share_a_gpu_as_fit(tmp_path, executor):
    class Fitting(OnGpu):
        folder = tmp_path
        peak_mb = 4000.0  # of 16 GB: two folds, with what a process needs besides

    (plan,) = toy_plans(Fitting, device="cuda:0")
    (state,), _ = go([plan], tmp_path / "runs", executor())
    assert state.complete
    seen = seen_by_folds(tmp_path)
    first = seen[0][0]
    assert {at_once for fold, at_once in seen if fold == first} == {1}
    assert max(at_once for _, at_once in seen) == 2
    record = record_of(plan, tmp_path / "runs", "toy/a")
    assert (record.device, record.peak_gpu_memory_mb) == ("cuda:0", 4000.0)


@pytest.mark.slow
def test_after_running_out_of_memory_fewer_folds_share_a_gpu(tmp_path, executor):
    class Full(OnGpu):
        folder = tmp_path

        def fit(self, train, run):
            self.fits = 1 if "toy/c" in set(train.subjects) else 0
            (tmp_path / f"at-{min(set(FOLDS) - set(train.subjects)).replace('/', '-')}").touch()
            while not (tmp_path / "met").exists():  # the first fold waits for a second beside it
                if len(list(tmp_path.glob("at-*"))) == 2:
                    (tmp_path / "met").touch()
                time.sleep(0.02)
            super().fit(train, run)

    (plan,) = toy_plans(Full, device="cuda:0")
    (state,), watcher = go([plan], tmp_path / "runs", executor(folds_per_gpu=2))
    assert state.failed == ("toy/c",)
    assert len(state.recorded) == 5
    assert record_of(plan, tmp_path / "runs", "toy/c").failure.type == "OutOfMemoryError"
    assert watcher.notes == ["2 folds of stratified-random exceed the memory of a GPU: continuing with 1"]
    after_both_failed = seen_by_folds(tmp_path)[2:]
    assert {at_once for _, at_once in after_both_failed} == {1}


@pytest.mark.slow
def test_the_command_line_joins_a_cluster_with_its_token_only(tmp_path, nodes, executor, small_release, small_protocol):
    command = [sys.executable, "-m", "merbench", "run", "majority", "--protocol", small_protocol]
    command += ["--data", small_release, "--ray-address", nodes.address]
    changes = {"right": {}, "wrong": {"RAY_AUTH_TOKEN": secrets.token_hex(32)}, "none": {"RAY_AUTH_MODE": ""}}
    started = {}
    for name, change in changes.items():
        env = {key: value for key, value in (os.environ | change).items() if value}
        started[name] = subprocess.Popen(
            [*command, "--results", tmp_path / name], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    said = {name: (*process.communicate(timeout=240), process.returncode) for name, process in started.items()}
    assert said["right"][1:] == ("", 0)
    assert f"joining the Ray cluster at {nodes.address}" in said["right"][0]
    assert "9/9 folds" in said["right"][0]
    for name in ("wrong", "none"):
        assert said[name][1:] == (
            f"error: Ray at {nodes.address} refused the connection (authentication): set RAY_AUTH_MODE=token, and "
            "RAY_AUTH_TOKEN as on the cluster\n", 2,
        )  # fmt: skip
        assert not list(tmp_path.glob(f"{name}/runs/*/folds/*/record.json"))
