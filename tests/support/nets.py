"""A net whose folds can be packed."""

import torch
from torch import nn

from merbench.training.layers import FastDropout
from merbench.training.torch_method import TorchMethod


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
