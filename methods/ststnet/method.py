"""STSTNet (Liong et al., FG 2019), trained as its authors' PyTorch code trains it."""

from collections.abc import Mapping

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.contracts.inputs import Inputs
from merbench.training.layers import FastDropout
from merbench.training.torch_method import Batch, TorchConfig, TorchMethod


class Config(TorchConfig):
    """The authors' settings."""

    epochs: int = Field(800, ge=1)
    batch_size: int = Field(256, ge=1)
    learning_rate: float = Field(5e-5, gt=0)
    shuffle: bool = False


class Net(nn.Module):
    """The three streams as one convolution with 3 + 5 + 8 filters: no layer mixes channels before they are joined.

    Flow images (n, 3, 28, 28), values 0..255 -> scores (n, classes).
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, kernel_size=3, padding=2)  # -> 16 x 30 x 30
        self.norm = nn.BatchNorm2d(16)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=3, padding=1)  # -> 16 x 10 x 10
        self.dropout = FastDropout()
        self.join = nn.AvgPool2d(kernel_size=2)  # -> 16 x 5 x 5
        self.fc = nn.Linear(16 * 5 * 5, classes)

    def forward(self, flow: Tensor) -> Tensor:
        """Return scores."""
        x = self.dropout(self.pool(self.norm(torch.relu_(self.conv(flow)))))
        scores: Tensor = self.fc(self.join(x).flatten(1))
        return scores


class STSTNet(TorchMethod):
    """STSTNet on the flow image."""

    Config = Config
    packs = True

    def module(self) -> nn.Module:
        """Return the net, channels last, which is what its large, shallow maps are fastest in on a CPU."""
        return Net(len(self.problem.outputs)).to(memory_format=torch.channels_last)

    def tensors(self, inputs: Inputs, rng: np.random.Generator | None = None) -> Batch:
        """Return the images as float32 0..255, shape (n, 3, 28, 28), channels u, v, strain, channels last in memory."""
        return {"flow": torch.from_numpy(inputs["flow"].batch(rng=rng)).permute(0, 3, 1, 2).float()}


def from_authors_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Turn a state of the authors' three-stream module to one of `Net`.

    Parameters
    ----------
    weights : mapping of str to Tensor
        ``conv1.weight`` ... ``bn3.running_var``, ``fc.weight``, ``fc.bias``, trained on images in OpenCV's BGR order.

    Returns
    -------
    dict of str to Tensor
        For ``Net.load_state_dict``; filters' input channels are turned to RGB order: u, v, strain.
    """
    state = {"fc.weight": weights["fc.weight"], "fc.bias": weights["fc.bias"]}
    for theirs, ours in (("conv", "conv"), ("bn", "norm")):
        names = [name.partition(".")[2] for name in weights if name.startswith(f"{theirs}1.")]
        for name in names:
            streams = [weights[f"{theirs}{stream}.{name}"] for stream in (1, 2, 3)]
            state[f"{ours}.{name}"] = streams[0] if streams[0].ndim == 0 else torch.cat(streams)
    state["conv.weight"] = state["conv.weight"].flip(1)
    return state
