"""A split of six subjects with images of noise, and two methods on it."""

import random

import numpy as np
import pandas as pd
import torch
from torch import nn

from merbench.contracts.clips import clip_table
from merbench.contracts.inputs import ArrayInput, Flow, Inputs
from merbench.contracts.methods import MethodConfig, Prediction
from merbench.contracts.protocols import ProtocolSpec
from merbench.engine.fold.folds import run_fold
from merbench.engine.plan.catalogue import METHODS

FLOW = Flow()
CLASSES = ("negative", "positive", "surprise")
PEOPLE = {"casme2": ("sub06", "sub07"), "samm": ("006", "007"), "smic-hs": ("s06", "s07")}
CLIPS = 12  # of each subject; no other sequence that a method is handed has this length
FOLDS = [f"{dataset}/{subject}" for dataset, subjects in PEOPLE.items() for subject in subjects]
TOTAL = CLIPS * len(FOLDS)


def spec(people=PEOPLE, **changes):
    rules = {name: {"title": name, "classes": {}} for name in people}
    content = {"name": "toy", "title": "Toy", "summary": "A toy.", "source": {"text": "tests"}, "classes": CLASSES}
    return ProtocolSpec.model_validate(content | {"datasets": rules, "folds": "leave-one-subject-out"} | changes)


def table(people=PEOPLE, clips=CLIPS):
    rng = np.random.default_rng(5)
    rows = [
        {"dataset": d, "subject": s, "clip": f"{s}_take{n:02d}", "emotion": CLASSES[rng.integers(3)]}
        for d, subjects in people.items()
        for s in subjects
        for n in range(clips)
    ]
    return clip_table(pd.DataFrame(rows), "toy")


def flow(clips, labels=None, seed=7):
    """Images of noise; a label brightens one channel."""
    values = np.random.default_rng(seed).integers(0, 120, (clips, 28, 28, 3), dtype=np.uint8)
    for row, label in enumerate([] if labels is None else labels):
        values[row, :14, :, label] += 90
    return Inputs({"flow": ArrayInput(FLOW, values)}, clips)


class Plain:
    """Answers a made-up but fixed function of each clip."""

    Config = MethodConfig

    def __init__(self, config, problem):
        self.problem = problem

    def fit(self, train, run):
        pass

    def predict(self, inputs):
        return Prediction(inputs["flow"].batch().mean(axis=(1, 2)) / 255)


class PlainNet(Plain):
    """A net with batch norm and dropout, trained by a loop of its own, which sets the mode once at the start."""

    def fit(self, train, run):
        torch.manual_seed(run.stream_seed("torch"))
        self.net = nn.Sequential(
            nn.Conv2d(3, 4, 5, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.LazyLinear(3)
        )
        values, labels = self.tensor(train.inputs), torch.from_numpy(train.labels)
        self.net(values[:2])
        optimiser = torch.optim.Adam(self.net.parameters(), lr=0.01)
        self.net.train()
        for epoch in range(1, 4):
            optimiser.zero_grad()
            nn.functional.cross_entropy(self.net(values), labels).backward()
            optimiser.step()
            run.epoch_end(epoch, self)

    @staticmethod
    def tensor(inputs):
        return torch.from_numpy(inputs["flow"].batch()).permute(0, 3, 1, 2).float() / 255

    def predict(self, inputs):
        self.net.eval()
        with torch.no_grad():
            return Prediction(self.net(self.tensor(inputs)).numpy())


def outcome(task, fold="samm/006"):
    found = run_fold(task, fold)
    assert found.failure is None, found.failure.traceback
    return found


def scores(predictions):
    return predictions[[f"score_{name}" for name in CLASSES]].to_numpy()


# --- predictions per epoch ------------------------------------------------------------------------------------------

STSTNET = METHODS.get("ststnet")


def short(**settings):
    return STSTNET.resolve("quick", {"epochs": "3", "batch_size": "16", **settings})


def noting(fit=lambda *_: None, predict=lambda *_: None, base=Plain):
    """Make a method that shows itself and what it is handed, before it works as `base` does."""

    class Noting(base):
        def fit(self, train, run):
            fit(self, train, run)
            super().fit(train, run)

        def predict(self, inputs):
            predict(self, inputs)
            return super().predict(inputs)

    return Noting


def random_states():
    """Return the states of the global generators."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    return python, numpy[1].tolist(), numpy[2:], torch.get_rng_state().tolist()
