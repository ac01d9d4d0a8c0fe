"""Shared by the benchmarks of methods: a fold of synthetic clips for any method, timed epoch by epoch."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from merbench.checks.synthetic_clips import synthetic_task
from merbench.contracts.cards import Task
from merbench.contracts.methods import Progress, RunContext
from merbench.engine.fold.folds import run_fold, run_folds
from merbench.engine.fold.opening import FoldTask, open_fold
from merbench.engine.plan.catalogue import METHODS, RegisteredMethod

#: Folds of MEGC 2019, to which all figures for a whole protocol are extrapolated.
FOLDS = 68
#: Synthetic people, of 6 clips each, or 8 for action units: 444 or 440 clips, as many as MEGC 2019 has.
_PEOPLE = {"classification": 74, "au-detection": 55}


def task_of(method: RegisteredMethod) -> Task:
    """Return the task that a method is measured under."""
    return "classification" if "classification" in method.card.tasks else method.card.tasks[0]


def fold_task(
    name: str, configuration: str, settings: Mapping[str, str], device: str = "cpu", repeated: bool = False
) -> FoldTask:
    """Return the task of running a method on as many clips as MEGC 2019 has.

    With `repeated`, the arrays of 36 clips stand for all: large ones are made in a moment, and a net takes as long.
    """
    method = METHODS.get(name)
    config, task = method.resolve(configuration, dict(settings)), task_of(method)
    names = tuple(f"s{number:02d}" for number in range(_PEOPLE[task]))
    people = {"trial-one": names[::2], "trial-two": names[1::2]}
    if not repeated:
        return replace(synthetic_task(method, config, task, people), device=device)
    plain = METHODS.get("majority")  # of a method without inputs, the split alone
    split = synthetic_task(plain, plain.resolve(), "classification", people).split
    few = synthetic_task(method, config, "classification")
    rows = np.resize(np.arange(few.inputs.clips), len(split.clips))
    return replace(few, split=split, inputs=few.inputs.take(rows), device=device)


def few_epochs(name: str, configuration: str) -> dict[str, str]:
    """Return the settings that let a configuration train for two epochs, to warm up; none where it has no epochs."""
    fields = type(METHODS.get(name).resolve(configuration)).model_fields
    few = {"epochs": "2", "warmup_epochs": "0", "least_steps": "0"}
    return {key: value for key, value in few.items() if key in fields}


def random_weights(name: str, configuration: str) -> dict[str, str]:
    """Return the setting that starts a configuration from random weights, of as many parameters; none if it does."""
    return {"pretrained": "false"} if getattr(METHODS.get(name).resolve(configuration), "pretrained", False) else {}


def net_of(task: FoldTask) -> tuple[int | None, float | None]:
    """Return the parameters of a net, and the multiply-adds (10^9) by which it predicts one clip; None for others.

    The multiply-adds are those of convolutions, matrix products and attention, as torch counts them.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from merbench.training.phases import set_heads
    from merbench.training.torch_method import TorchMethod

    if not issubclass(task.method, TorchMethod):
        return None, None
    fold = task.split.folds[-1]
    train, test, _ = open_fold(task, fold, fold)
    method = task.method(task.config, task.split.problem)
    method._device = torch.device("cpu")  # as `fit` sets it, before it begins
    method.begin(train)
    method.net = method.module()
    set_heads(method.net, method.phases(train, RunContext(0))[-1].heads, {})
    net = method.net.eval()
    batch = method.tensors(test.take(np.arange(1)))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        method.scores(net, batch)
    return sum(values.numel() for values in net.parameters()), counter.get_total_flops() / 2e9


class _EnoughError(BaseException):
    """Ends a fold whose epochs have been timed; not an exception that the engine would record."""


class _Clock(Progress):
    """Note when each epoch ends; after so many seconds, and three epochs, end the fold."""

    def __init__(self, seconds: float, device: str) -> None:
        super().__init__()
        self._device, self._now = device, time.process_time if device == "cpu" else time.perf_counter
        self._begin, self._until = self._now(), time.monotonic() + seconds
        self.ends: list[float] = []

    def since(self) -> float:
        """Return the seconds since it was made."""
        return self._now() - self._begin

    def __call__(self, done: int, total: int) -> None:
        super().__call__(done, total)
        late = time.monotonic() > self._until and len(self.ends) >= 2
        if self._device != "cpu" and (late or done == total):
            import torch

            torch.cuda.synchronize(self._device)  # work is queued there: only now has the epoch ended
        self.ends.append(self.since())
        if late and done < total:
            raise _EnoughError


def timed_folds(task: FoldTask, seconds: float, pack: int = 1) -> dict[str, Any]:
    """Train and test one fold, or a pack of folds, and time its epochs; a fold that takes longer is extrapolated.

    On a CPU, seconds are those of the processor, which other work on the machine hardly changes; a fold has one thread.

    Returns ``epochs``, those of all phases; ``timed_epochs``; ``epoch_s``, their mean without the first; ``fold_s``,
    one fold's share; ``measured``, whether it was trained to its end; ``memory_mb``, the peak of the process.
    """
    names = [fold.name for fold in task.split.folds[:pack]]
    clock = _Clock(seconds, task.device)
    outcomes: Sequence[Any] = ()
    notes: list[str] = []
    with suppress(_EnoughError):
        outcomes = run_folds(task, names, notes.append, clock) if pack > 1 else [run_fold(task, names[0], clock)]
    took = clock.since()
    for outcome in outcomes:
        if outcome.failure:
            raise RuntimeError(f"{outcome.failure.type}: {outcome.failure.message.splitlines()[0]}")
        if outcome.packed < pack:
            raise RuntimeError(f"the folds were not packed: {' '.join(notes)}")
    epoch = (clock.ends[-1] - clock.ends[0]) / (len(clock.ends) - 1) if len(clock.ends) > 1 else None
    if not outcomes and epoch:
        took = clock.ends[0] + epoch * (clock.total - 1)
    return {
        "epochs": clock.total or None,
        "epoch_s": epoch,
        "timed_epochs": len(clock.ends),
        "fold_s": took / pack,
        "measured": bool(outcomes),
        "memory_mb": _peak_memory_mb(),
    }


def _peak_memory_mb() -> float | None:
    """Return the highest resident memory of this process, in MiB; that of the process which started it is not counted.

    (The system's usual figure begins with the latter.)
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM")), None)
