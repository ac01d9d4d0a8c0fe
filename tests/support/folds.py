"""A split of six subjects with images of noise, and methods on it; without torch."""

import numpy as np
import pandas as pd

from merbench.contracts.clips import clip_table
from merbench.contracts.inputs import ArrayInput, Flow, Inputs
from merbench.contracts.methods import AuxiliaryData, MethodConfig, Prediction, Problem, TrainingData
from merbench.contracts.protocols import ProtocolSpec
from merbench.engine.fold.folds import run_fold

FLOW = Flow()
CLASSES = ("negative", "positive", "surprise")
PEOPLE = {"casme2": ("sub06", "sub07"), "samm": ("006", "007"), "smic-hs": ("s06", "s07")}
CLIPS = 12  # of each subject; no other sequence that a method is handed has this length
PROBLEM = Problem("classification", CLASSES)
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


def training_data(inputs, labels):
    """Return training clips, all of one person."""
    people = np.array(["x/1"] * inputs.clips, dtype=object)
    return TrainingData(inputs, np.asarray(labels), PROBLEM, people, people)


def auxiliary_data(clips, inputs=None):
    """Return clips to pretrain on, with the labels of their words."""
    labels = np.array([CLASSES.index(word) for word in clips.emotion])
    names = (clips.emotion, clips.dataset + "/" + clips.subject, clips.dataset)
    inputs = inputs or flow(len(clips), labels, seed=8)
    return AuxiliaryData(inputs, labels, *[values.to_numpy(dtype=object) for values in names])


class Plain:
    """Answers a made-up but fixed function of each clip."""

    Config = MethodConfig

    def __init__(self, config, problem):
        self.problem = problem

    def fit(self, train, run):
        pass

    def predict(self, inputs):
        return Prediction(inputs["flow"].batch().mean(axis=(1, 2)) / 255)


def outcome(task, fold="samm/006"):
    found = run_fold(task, fold)
    assert found.failure is None, found.failure.traceback
    return found


def scores(predictions):
    return predictions[[f"score_{name}" for name in CLASSES]].to_numpy()


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
