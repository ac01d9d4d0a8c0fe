"""Folds in processes of their own that hold no label of a test clip: ``merbench run --isolated``."""

import pickle
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from merbench.contracts.errors import MerbenchError
from merbench.contracts.methods import Progress
from merbench.engine.execute.jobs import Executor, Job, Observer, Working
from merbench.engine.execute.sandbox import isolation, run_apart
from merbench.engine.fold.handed import hand_over, outcome_of, read_answer
from merbench.engine.fold.opening import FoldTask
from merbench.records.outcome import FoldOutcome


def run_fold_apart(
    task: FoldTask,
    fold: str,
    target: str,
    folders: Sequence[Path] = (),
    path: str | None = None,
    rng: np.random.Generator | None = None,
    watch: bool = False,
) -> tuple[FoldOutcome, dict[str, Any]]:
    """Run a fold in a process of its own; return its outcome, scored with nothing that the process said of labels.

    `target` names the method's class, ``module:class``, which is imported there only, from `path` if it is given;
    `folders` hold its code. `rng` draws another order of the test clips than that of a run; `watch` lets the answer
    name parts of merbench that the method replaced. Also returns the answer.
    """
    handed, started = hand_over(task, fold, rng), time.perf_counter()
    config = task.config.model_dump(mode="json")
    order = {"what": "fold", "target": target, "path": path, "config": config, "name": fold, "watch": watch}
    try:
        answer = read_answer(run_apart({**order, "content": pickle.dumps(handed.task, protocol=5)}, folders))
    except MerbenchError as error:
        answer = {"failure": {"type": "ProcessError", "message": str(error), "traceback": str(error)}}
    outcome = outcome_of(task, handed, answer, isolation().whole)
    return replace(outcome, seconds={**outcome.seconds, "total": time.perf_counter() - started}), answer


def target_of(method: type) -> tuple[str, list[Path]]:
    """Name the class of an imported method, and the folder of the package that holds it, unless that is merbench."""
    module, package = sys.modules[method.__module__], method.__module__.partition(".")[0]
    if package == "merbench":
        return f"{method.__module__}:{method.__qualname__}", []
    top = sys.modules.get(package)
    places = [Path(place) for place in getattr(top, "__path__", [])]
    if not places and module.__file__:
        places = [Path(module.__file__).parent]
    return f"{method.__module__}:{method.__qualname__}", places


class IsolatedExecutor(Executor):
    """Runs jobs one by one, each in a process that sees no test label, data, result or network."""

    def __call__(self, jobs: Sequence[Job], observer: Observer) -> Generator[tuple[Job, FoldOutcome], None, None]:
        """Execute in the order given."""
        if jobs:
            observer.note(isolation().text)
        for job in jobs:
            observer.working([Working("", job, Progress(), 0)])
            target, folders = target_of(job.task.method)
            yield job, run_fold_apart(job.task, job.fold, target, folders)[0]
