"""What a method can find in what it is handed."""

import gc
import types

import numpy as np
import pandas as pd
import torch

from merbench.contracts.inputs import Flow
from merbench.engine.fold.opening import FoldTask
from merbench.splits.folds import Fold
from merbench.splits.split import Split
from support.folds import CLIPS, TOTAL, Plain


def reachable(*roots):
    """Give everything that can be reached from objects, by whatever way, save through modules and classes."""
    seen, todo = {}, list(roots)
    while todo:
        item = todo.pop()
        if id(item) in seen or isinstance(item, type | types.ModuleType | types.CodeType):
            continue
        seen[id(item)] = item  # kept alive, so that no id is used again
        assert len(seen) < 100_000, "the search has left what was handed over"
        yield item
        if isinstance(item, types.FunctionType):
            todo += [item.__closure__, item.__defaults__, item.__kwdefaults__, item.__dict__]
        elif isinstance(item, dict):
            todo += [*item.keys(), *item.values()]
        elif isinstance(item, types.GeneratorType):
            todo += item.gi_frame.f_locals.values()
        elif isinstance(item, np.ndarray):
            todo.append(item.base)
            todo += item.ravel().tolist() if item.dtype.kind in "OUSM" else []
        elif isinstance(item, memoryview):
            todo.append(item.obj)
        elif isinstance(item, torch.Tensor):
            todo.append(item._base)
        else:
            todo += gc.get_referents(item)


def identities(fold):
    subject = fold.split("/")[1]
    return [subject, fold, *(f"{subject}_take{n:02d}" for n in range(CLIPS)), "_take"]


def findings(roots, fold):
    """Name what gives a test clip of `fold` away: its names, its label, or the table of all clips."""
    found = []
    for item in reachable(*roots):
        if isinstance(item, str | bytes):
            text = item if isinstance(item, str) else item.decode("latin-1")
            found += [f"the text {text!r}" for secret in identities(fold) if secret in text]
        elif isinstance(item, pd.DataFrame | pd.Series | pd.Index | Split | Fold | FoldTask):
            found.append(f"a {type(item).__name__}")
        elif isinstance(item, np.ndarray | torch.Tensor):
            # Only the images come one a test clip; row numbers, labels, names would be vectors.
            if item.ndim and (len(item) == TOTAL or (len(item) == CLIPS and item.ndim == 1)):
                found.append(f"an array of shape {tuple(item.shape)}")
        elif isinstance(item, dict) and item.keys() == Flow.model_fields.keys():
            pass  # the settings of an input, which happen to be as many as there are clips
        elif isinstance(item, list | tuple | set | frozenset | dict) and len(item) in (CLIPS, TOTAL):
            found.append(f"a {type(item).__name__} of {len(item)} things")
    return found


def prying(handed):
    """Make a method that keeps all it is handed."""

    class Prying(Plain):
        def __init__(self, config, problem):
            super().__init__(config, problem)
            handed.append((config, problem))

        def fit(self, train, run):
            handed.append((train, run, run.rng("any"), run.progress, run.auxiliary, run.on_epoch, run.epoch_end))
            handed.extend(run.auxiliary(name) for name in type(self).asked)
            for epoch in (1, 2):
                if run.epoch_end(epoch, self):
                    break

        def predict(self, inputs):
            handed.append((inputs, inputs["flow"], inputs["flow"].batch()))
            return super().predict(inputs)

    Prying.asked = ()
    return Prying
