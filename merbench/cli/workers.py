"""The executor that the options of ``run`` and ``ablate`` choose: this process, or Ray workers."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from merbench.cli.options import one_of
from merbench.contracts.errors import MerbenchError

if TYPE_CHECKING:
    from merbench.cli.asked import AblateOptions, RunOptions
    from merbench.engine.execute.jobs import Executor
    from merbench.engine.plan.runs import RunPlan

    Start = Callable[[Sequence[RunPlan]], AbstractContextManager[Executor]]


def workforce(options: "RunOptions | AblateOptions") -> "Start":
    """Check the options; must run before torch looks for GPUs.

    The result starts the executor for some runs: by default Ray where runs use GPUs and the machine has several, else
    this process. MerbenchError for an option that is not a number, or that the chosen executor does not support.
    """
    workers, gpus, folds_per_gpu, executor = options.workers, options.gpus, options.folds_per_gpu, options.executor
    if folds_per_gpu not in (None, "auto") and not (folds_per_gpu.isdecimal() and int(folds_per_gpu)):
        raise MerbenchError(f"--folds-per-gpu {folds_per_gpu!r}: expected auto, or a whole number from 1")
    need_ray = {
        f"--workers {workers}": workers is not None and workers > 1,
        f"--gpus {gpus}": gpus is not None and gpus > 1,
        f"--folds-per-gpu {folds_per_gpu}": folds_per_gpu is not None,
        f"--ray-address {options.ray_address}": options.ray_address is not None,
    }
    asked = [option for option, needed in need_ray.items() if needed]
    if executor is not None:
        one_of(executor, "--executor", ("serial", "ray"))
    elif asked:
        executor = "ray"
    elif workers == 1 or gpus is not None:
        executor = "serial"
    if executor == "serial" and asked:
        raise MerbenchError(f"--executor serial trains one fold at a time in one process: {asked[0]} needs ray")
    if gpus == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # for methods, and for the choice of a configuration without a GPU
    _check_isolated(options, asked)
    sharing = int(folds_per_gpu) if folds_per_gpu not in (None, "auto") else None

    @contextmanager
    def started(plans: "Sequence[RunPlan]") -> Iterator["Executor"]:
        from merbench.engine import environment

        if options.isolated:
            from merbench.engine.execute.apart import IsolatedExecutor

            yield IsolatedExecutor()
            return
        several = any(plan.task.device != "cpu" for plan in plans) and environment.gpus() > 1
        if (executor or ("ray" if several else "serial")) == "serial":
            from merbench.engine.execute.jobs import Executor

            yield Executor(options.pack)
            return
        from merbench.engine.execute.ray_session import ray_workers

        with ray_workers(workers, gpus, sharing, options.ray_address, options.pack) as found:
            yield found

    return started


def _check_isolated(options: "RunOptions | AblateOptions", asked: list[str]) -> None:
    """Refuse what processes of their own do not offer."""
    asked = [*asked, *(["--diagnose"] if options.diagnose else []), *(["--pack"] if options.pack else [])]
    if options.isolated and (asked or options.executor == "ray"):
        word = next(iter(asked), "--executor ray")
        raise MerbenchError(f"--isolated runs one fold at a time in a process of its own: leave out {word}")
