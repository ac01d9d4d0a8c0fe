"""Nets on the split of :mod:`support.folds`, the generators that they draw from, and methods without data."""

import random

import numpy as np
import torch
from torch import nn

from merbench.contracts.methods import Prediction
from merbench.engine.plan.catalogue import METHODS
from merbench.training.layers import FastDropout
from merbench.training.torch_method import TorchMethod
from support.folds import PROBLEM, Plain


class PackedNet(TorchMethod):
    """Small, with batch norm and dropout; in double precision, in which rounding is not amplified to what matters."""

    packs = True

    def module(self):
        pictures = [nn.Conv2d(3, 4, 5, stride=3), nn.ReLU(), nn.BatchNorm2d(4), FastDropout()]
        return nn.Sequential(*pictures, nn.Flatten(), FastDropout(), nn.Linear(256, 3)).double()

    def tensors(self, inputs, rng=None):
        return {"flow": torch.from_numpy(inputs["flow"].batch(rng=rng)).permute(0, 3, 1, 2).double() / 255}


def of_layers(*layers):
    """Make a `PackedNet` of other layers, which `layers` make."""

    class OfLayers(PackedNet):
        def module(self):
            return nn.Sequential(*[make() for make in layers]).double()

    return OfLayers


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


STSTNET = METHODS.get("ststnet")


def short(**settings):
    return STSTNET.resolve("quick", {"epochs": "3", "batch_size": "16", **settings})


def random_states():
    """Return the states of the global generators."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    return python, numpy[1].tolist(), numpy[2:], torch.get_rng_state().tolist()


def made(name, config="tiny", **settings):
    """Make a registered method in a configuration with other settings."""
    method = METHODS.get(name)
    return method.cls(method.resolve(config, {key: str(value) for key, value in settings.items()}), PROBLEM)


def count(net):
    """Return the number of parameters."""
    return sum(values.numel() for values in net.parameters())
