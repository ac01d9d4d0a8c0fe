"""Methods with one planted fault each, that another process can import; and sound ones that do what is unusual."""

import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import torch
from torch import nn

from merbench.contracts.cards import Card
from merbench.contracts.inputs import ActionUnits, Flow
from merbench.contracts.methods import MethodConfig, Prediction
from merbench.engine.plan.catalogue import RegisteredMethod

HERE = Path(__file__).parent
ANSWERS = {}


def registered(cls, folder=HERE, package="", **card):
    """Return the method as the registry would."""
    content = {"name": "faulty", "title": "Faulty", "summary": "Planted.", "implementation": f"faulty:{cls.__name__}"}
    content |= {"inputs": {"flow": Flow()}, "deterministic": True} | card
    return RegisteredMethod(Card.model_validate(content), cls, cls.Config, folder, "tests", package)


class Sound:
    """The nearest mean; `spoil` is called after each training."""

    Config = MethodConfig

    def __init__(self, config, problem):
        self.config, self.problem = config, problem

    def fit(self, train, run):
        x = self.values(train.inputs)
        if self.problem.task == "classification":
            self.means = np.array([x[train.labels == k].mean(axis=0) for k in range(len(self.problem.outputs))])
        else:
            self.means = np.array([x[unit == 1].mean(axis=0) - x[unit == 0].mean(axis=0) for unit in train.labels.T])
            self.middle = x.mean(axis=0)
        self.spoil(train, run)

    def spoil(self, train, run):
        """Do nothing: the faulty ones do."""

    def blur(self, rng):
        self.means = self.means + rng.normal(size=self.means.shape) * 1e-2

    def predict(self, inputs):
        return Prediction(self.scores(self.values(inputs)))

    def scores(self, x):
        if self.problem.task == "au-detection":
            return (x - self.middle) @ self.means.T
        return -np.linalg.norm(x[:, None] - self.means, axis=2)

    def values(self, inputs):
        return inputs["flow"].batch().reshape(inputs.clips, -1).astype(float) / 255


class WrongShape(Sound):
    def scores(self, x):
        return super().scores(x)[:, :2]


class NotAPrediction(Sound):
    def predict(self, inputs):
        return super().predict(inputs).scores


class BatchStatistics(Sound):
    def scores(self, x):
        return super().scores(x - x.mean(axis=0))


class FittedAtTest(Sound):
    """Takes statistics of the clips that it is first asked for, and keeps them."""

    shift = None

    def scores(self, x):
        self.shift = x.mean(axis=0) if self.shift is None else self.shift
        return super().scores(x - self.shift)


class ItsOwnCopy(FittedAtTest):
    def __deepcopy__(self, memo):
        return self


class SoundBehindALock(Sound):
    def spoil(self, train, run):
        self.lock = threading.Lock()


class KeptBehindALock(SoundBehindALock, FittedAtTest):
    """Can't be copied."""


class NeverTheSameBehindALock(KeptBehindALock):
    """Its fits differ too, so that none reveals another."""

    def spoil(self, train, run):
        super().spoil(train, run)
        self.blur(np.random.default_rng())


class KeptInAModule(Sound):
    """Keeps answers, by weights and clip, which it first gives from the batch: copies share them."""

    def scores(self, x):
        weights = self.means.tobytes()
        new = [n for n, clip in enumerate(x) if (weights, clip.tobytes()) not in ANSWERS]
        for n in new:
            shifted = x[n] - x[new].mean(axis=0) + self.means.mean(axis=0)
            ANSWERS[weights, x[n].tobytes()] = -np.linalg.norm(shifted - self.means, axis=1)
        return np.array([ANSWERS[weights, clip.tobytes()] for clip in x])


class InOneFold(Sound):
    """Takes statistics of the batch in a single fold, neither the first nor the last."""

    def spoil(self, train, run):
        self.here = "trial-one/s2" not in train.subjects

    def scores(self, x):
        return super().scores(x - x.mean(axis=0) if self.here else x)


class InLargeBatches(Sound):
    """Takes statistics of batches that are larger than the folds here."""

    def scores(self, x):
        return super().scores(x - (x.mean(axis=0) - self.means.mean(axis=0) if len(x) > 10 else 0))


class ChangedByPredicting(Sound):
    """Trains on otherwise wherever it is asked after an epoch."""

    def fit(self, train, run):
        self.asked = 0
        for epoch in (1, 2):
            super().fit(train, run)
            self.means = self.means + 0.01 * self.asked
            run.epoch_end(epoch, self)

    def scores(self, x):
        self.asked += 1
        return super().scores(x)


class HasEpochs(Sound):
    """Reports two epochs, as it should."""

    def spoil(self, train, run):
        for epoch in (1, 2):
            run.epoch_end(epoch, self)


class OneClipFails(Sound):
    def scores(self, x):
        if len(x) == 1:
            raise ValueError("expected more than 1 value per channel")
        return super().scores(x)


class ByPosition(Sound):
    def scores(self, x):
        return super().scores(x) + np.arange(len(x))[:, None] * 1e-3


class FromTheClock(Sound):
    def spoil(self, train, run):
        np.random.seed(time.time_ns() % 2**32)  # noqa: NPY002
        self.blur(np.random)


class FromAConstant(Sound):
    def spoil(self, train, run):
        torch.manual_seed(42)
        self.means = self.means + torch.randn(self.means.shape).numpy() * 1e-2


class Random(Sound):
    """Draws as it should; whether its card says so is the card's matter."""

    def spoil(self, train, run):
        self.blur(run.rng("noise"))


class ByEntropy(Sound):
    def spoil(self, train, run):
        self.blur(np.random.default_rng())


class KeepsState(Sound):
    """Adds something in every fold but the first of the process."""

    warm = False

    def spoil(self, train, run):
        self.means = self.means + (0.01 if self.warm else 0)
        type(self).warm = True


class ChangesLabels(Sound):
    def spoil(self, train, run):
        train.labels[:] = train.labels[::-1].copy()


class ChangesInputs(Sound):
    def values(self, inputs):
        values = inputs["flow"].stored()
        values //= 2
        return super().values(inputs)


class KnowsTheAnswers(Sound):
    """Has the labels of the synthetic clips from elsewhere: a band that is bright."""

    def predict(self, inputs):
        bands = np.array_split(inputs["flow"].batch().astype(float), len(self.problem.outputs), axis=1)
        scores = np.stack([band.mean(axis=(1, 2, 3)) for band in bands], axis=1)
        return Prediction(scores - (125 if self.problem.task == "au-detection" else 0))


class FailsUnobserved(Sound):
    def spoil(self, train, run):
        if not type(train.inputs).__name__.startswith("_Noted"):
            raise RuntimeError("nobody looks")


class ReadsLabels(Sound):
    def spoil(self, train, run):
        (HERE.parents[1] / "protocols" / "megc2019.yaml").read_text()


class GoesOutside(Sound):
    def spoil(self, train, run):
        list(HERE.parent.iterdir())
        Path("notes.txt").write_text("seen")
        Path("here").mkdir()
        sqlite3.connect("labels.db").close()
        subprocess.run(["true"], check=True)
        with socket.socket(socket.AF_UNIX) as line, suppress(OSError):
            line.connect("nobody")


class Weights(MethodConfig):
    file: str


class ReadsWeights(Sound):
    """Reads a file, and looks for plug-ins, as libraries do."""

    Config = Weights

    def __init__(self, config, problem):
        super().__init__(config, problem)
        Path(config.file).read_bytes()
        entry_points(group="faulty")


class Elsewhere(MethodConfig):
    folder: str


class LoadsCodeFromElsewhere(Sound):
    """Imports a module that is not installed, reads labels from what is called code, and a file through a library."""

    Config = Elsewhere

    def spoil(self, train, run):
        sys.path.insert(0, self.config.folder)
        import_module("helper_of_mine")
        Path(self.config.folder, "labels.py").read_text()
        import_module("library_with_a_cache").cached()


class KeepsToItself(Sound):
    """Uses a library that reads a cache while it is imported, and files in the temporary folder."""

    def spoil(self, train, run):
        import_module("library_with_a_cache")
        with tempfile.TemporaryDirectory() as folder:
            inside = Path(folder, "parts", "more")
            inside.mkdir(parents=True)
            np.save(inside / "means.npy", self.means)
            (inside / "means.npy").rename(inside / "moved.npy")
            self.means = np.load(inside / "moved.npy")
            assert list(inside.iterdir())


class Transductive(Sound):
    def spoil(self, train, run):
        shift = self.values(train.unlabelled).mean(axis=0) - self.values(train.inputs).mean(axis=0)
        self.means = self.means + shift


class UsesUnits(Sound):
    """Is handed action units of the test clips, and looks at them."""

    def predict(self, inputs):
        units = np.nan_to_num(inputs["units"].batch())
        return Prediction(super().predict(inputs).scores + units.mean(axis=1, keepdims=True))


UNITS = {"flow": Flow(), "units": ActionUnits()}


class ReadsAllAtOnce(Sound):
    def spoil(self, train, run):
        train.inputs.batch()


class Auxiliary(Sound):
    def fit(self, train, run):
        extra = run.auxiliary("elsewhere")
        assert {name.partition("/")[0] for name in extra.subjects} == {"elsewhere"}
        super().fit(train, run)
        self.means = self.means + self.values(extra.inputs).mean() + run.pretrained.get("labels", 0.0)


class Pretrained(Auxiliary):
    def pretrain(self, run):
        return {"labels": run.auxiliary("elsewhere").labels.mean()}


def made_here():
    class Local(Sound):
        pass

    return Local


class Net(Sound):
    """Left in training mode."""

    def fit(self, train, run):
        torch.manual_seed(run.stream_seed("net"))
        self.net = nn.Sequential(nn.Linear(28 * 28 * 3, 4), nn.BatchNorm1d(4), nn.Linear(4, len(self.problem.outputs)))
        self.net(torch.from_numpy(self.values(train.inputs)).float())

    def predict(self, inputs):
        with torch.no_grad():
            return Prediction(self.net(torch.from_numpy(self.values(inputs)).float()).numpy())
