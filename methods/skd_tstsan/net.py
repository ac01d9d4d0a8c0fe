"""SKD-TSTSAN: three streams on apex and onset frame, their blocks, and two flows, with two auxiliary heads."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from merbench.training.initial import made_apart

#: Blocks of a face on a side, each of which is as large as the whole face.
GRID = 4
#: Segments of the temporal stream: the flow from onset to apex, and from apex to offset.
SEGMENTS = 2


class Seen(NamedTuple):
    """Output of the net: scores (n, classes) and features (n, 3 width) of the heads, the last head first."""

    scores: tuple[Tensor, Tensor, Tensor]
    features: tuple[Tensor, Tensor, Tensor]


class Net(nn.Module):
    """The streams: ``blocks`` with channel attention, ``face``, and ``flow`` with temporal shift.

    Parameters
    ----------
    classes, width : int
        Outputs; channels of the first convolutions, doubled in the last ones and in the heads.
    magnified : int
        Channels of the encoders of motion.
    amplification : float
        Factor of the motion.
    dropout : float
        Before the heads' linear layers.
    """

    def __init__(self, classes: int, width: int, magnified: int, amplification: float, dropout: float) -> None:
        super().__init__()
        kinds = {"blocks": (GRID**2, True), "face": (1, False), "flow": (2, False)}
        self.streams = nn.ModuleDict(
            {
                name: made_apart(name, _Stream, inputs, width, magnified, amplification, attends, name == "flow")
                for name, (inputs, attends) in kinds.items()
            }
        )
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleList(
            made_apart(f"head-{number}", nn.Linear, 3 * 2 * width, classes) for number in range(3)
        )

    def forward(self, faces: Tensor, blocks: Tensor, flows: Tensor) -> Seen:
        """Process faces (n, 2, 1, ...) and blocks (n, 2, 16, ...), onset first, and flows (n, 2, 2, ...)."""
        still = torch.zeros_like(flows).flatten(0, 1)
        found = [
            self.streams["blocks"](blocks[:, 0], blocks[:, 1]),
            self.streams["face"](faces[:, 0], faces[:, 1]),
            self.streams["flow"](still, flows.flatten(0, 1)),
        ]
        last, first, second = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
        features = (last, first, second)
        scores = [head(self.dropout(each)) for head, each in zip(self.heads, features, strict=True)]
        return Seen((scores[0], scores[1], scores[2]), features)


class _Stream(nn.Module):
    """Magnified motion, then convolutions; returns the features of the last head and of the auxiliary ones."""

    def __init__(
        self, inputs: int, width: int, magnified: int, amplification: float, attends: bool, shifts: bool
    ) -> None:
        super().__init__()
        self.shifts = shifts
        self.encoder, self.manipulator = _encoder(inputs, magnified), _Manipulator(magnified, amplification)

        def convolution(before: int, after: int, kernel: int = 3, shift: bool = shifts) -> nn.Sequential:
            padding = kernel // 2 if kernel == 3 else 0
            parts: list[nn.Module] = [_Shift()] if shift else []
            parts += [nn.Conv2d(before, after, kernel, padding=padding), nn.BatchNorm2d(after), nn.ReLU()]
            return nn.Sequential(*parts, *([_ChannelAttention(after)] if attends else []))

        def head() -> nn.Sequential:
            return nn.Sequential(convolution(width, 2 * width), convolution(2 * width, 2 * width))

        self.first = nn.Sequential(convolution(magnified, width, 5, shift=False), nn.MaxPool2d(5, 2, 2))
        self.middle = nn.Sequential(convolution(width, width), convolution(width, width), nn.AvgPool2d(3, 2, 1))
        self.heads = nn.ModuleList([head(), head(), head()])

    def forward(self, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Process pictures before and after the movement, (n, channels, size, size)."""
        early = self.first(self.manipulator(self.encoder(before), self.encoder(after)))
        late = self.middle(early)
        last, first, second = (
            self._pooled(head, maps) for head, maps in zip(self.heads, (late, early, late), strict=True)
        )
        return last, first, second

    def _pooled(self, head: Callable[[Tensor], Tensor], maps: Tensor) -> Tensor:
        found = head(maps).mean(dim=(2, 3))
        return torch.unflatten(found, 0, (-1, SEGMENTS)).mean(dim=1) if self.shifts else found


class _Shift(nn.Module):
    """Temporal shift (Lin et al., ICCV 2019): an eighth of the channels is the next segment's, one the last's."""

    def forward(self, maps: Tensor) -> Tensor:
        """Process maps, the segments of a clip one after the other."""
        x = torch.unflatten(maps, 0, (-1, SEGMENTS))
        fold = x.shape[2] // 8
        found = torch.zeros_like(x)
        found[:, :-1, :fold] = x[:, 1:, :fold]
        found[:, 1:, fold : 2 * fold] = x[:, :-1, fold : 2 * fold]
        found[:, :, 2 * fold :] = x[:, :, 2 * fold :]
        return found.flatten(0, 1)


class _ChannelAttention(nn.Module):
    """Weights of channels by a convolution over them, of their means and maxima (after Wang et al., CVPR 2020)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        kernel = int(abs(math.log2(channels) + 1) / 2)
        kernel += 1 - kernel % 2
        self.conv = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Process maps."""
        means, maxima = maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))
        total = self.conv(means[:, None]) + self.conv(maxima[:, None])
        return maps * torch.sigmoid(total[:, 0, :, None, None])


def _reflected(before: int, after: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False, padding_mode="reflect")


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.parts = nn.Sequential(_reflected(width, width, 3), nn.ReLU(), _reflected(width, width, 3))

    def forward(self, maps: Tensor) -> Tensor:
        result: Tensor = maps + self.parts(maps)
        return result


def _encoder(inputs: int, width: int) -> nn.Sequential:
    """Return the motion encoder of learned magnification (Oh et al., ECCV 2018): half the side, `width` channels."""
    stem = [_reflected(inputs, width // 2, 7), nn.ReLU(), _reflected(width // 2, width, 3, 2), nn.ReLU()]
    trunk = [_Residual(width) for _ in range(3)]
    return nn.Sequential(*stem, *trunk, _reflected(width, width, 3), nn.ReLU(), *[_Residual(width) for _ in range(2)])


class _Manipulator(nn.Module):
    """Adds the amplified difference of two motions to the second."""

    def __init__(self, width: int, amplification: float) -> None:
        super().__init__()
        self.amplification = amplification
        self.difference = nn.Sequential(_reflected(width, width, 7), nn.ReLU())
        self.amplified = nn.Sequential(_reflected(width, width, 3), _Residual(width))

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Process motions."""
        result: Tensor = after + self.amplified(self.difference(after - before) * self.amplification)
        return result
