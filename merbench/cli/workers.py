"""The executor that the options of ``run`` and ``ablate`` choose: this process, or Ray workers."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from merbench.cli.options import one_of
from merbench.contracts.errors import MerbenchError

if TYPE_CHECKING:
    from merbench.cli.asked import GridOptions
    from merbench.engine.execute.jobs import Executor
    from merbench.engine.plan.runs import RunPlan


@dataclass(frozen=True)
class Workforce:
    """The checked options; nothing is started yet.

    Attributes
    ----------
    executor : str, optional
        By default Ray where runs use GPUs and the machine has several, else this process.
    workers, gpus, folds_per_gpu : int, optional
        By default as many as the machine has, or as fit.
    pack : int, optional
        Folds trained together in one program; the default depends on the device.
    """

    executor: str | None
    workers: int | None
    gpus: int | None
    folds_per_gpu: int | None
    ray_address: str | None
    pack: int | None

    @contextmanager
    def started(self, plans: "Sequence[RunPlan]") -> Iterator["Executor"]:
        """Start the executor for these runs, and stop it at the end."""
        from merbench.engine import environment

        several = any(plan.task.device != "cpu" for plan in plans) and environment.gpus() > 1
        if (self.executor or ("ray" if several else "serial")) == "serial":
            from merbench.engine.execute.jobs import Serial

            yield Serial(self.pack)
            return
        from merbench.engine.execute.ray_session import ray_workers

        with ray_workers(self.workers, self.gpus, self.folds_per_gpu, self.ray_address, self.pack) as executor:
            yield executor


def workforce(options: "GridOptions") -> Workforce:
    """Check the options; must run before torch looks for GPUs.

    Raises
    ------
    MerbenchError
        An option that is not a number, or that the chosen executor does not support.
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
    sharing = int(folds_per_gpu) if folds_per_gpu not in (None, "auto") else None
    return Workforce(executor, workers, gpus, sharing, options.ray_address, options.pack)
