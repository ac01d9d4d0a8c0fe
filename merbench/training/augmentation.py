"""Pictures as nets take them: scaled, and augmented by one draw for all pictures of a clip."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

#: Mean and deviation of ImageNet's red, green and blue, grey levels in 0..1.
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


class _Moves(NamedTuple):
    """Draws for each clip of a batch.

    ``mirrored`` of bool (n,); ``angle`` (n,), radians, counter-clockwise as seen; ``shift`` (n, 2), whole pixels, x and
    y, by which the window of a crop is moved right and down.
    """

    mirrored: Tensor
    angle: Tensor
    shift: Tensor


def draw_moves(clips: int, flip: bool, degrees: float, padding: int, generator: torch.Generator) -> _Moves:
    """Draw a flip with probability 1/2, an angle within +-`degrees` and a shift within +-`padding`, each even.

    What is drawn for one of them does not depend on the others' settings.
    """
    uniform = torch.rand(clips, 4, generator=generator, device=generator.device)
    angle = math.radians(degrees) * (2 * uniform[:, 1] - 1)
    shift = (uniform[:, 2:] * (2 * padding + 1)).floor().clamp(max=2 * padding) - padding
    return _Moves((uniform[:, 0] < 0.5) & flip, angle, shift)


def moved(pictures: Tensor, moves: _Moves) -> Tensor:
    """Flip, rotate and crop pictures, (n, channels, size, size), as torchvision's transforms in this order do.

    ``RandomHorizontalFlip``, ``RandomRotation`` of tensors (nearest neighbour, about the centre) and ``RandomCrop`` at
    the same size with padding; what comes from outside is 0. The channels may be those of all pictures of a clip.
    """
    clips, _, size, _ = pictures.shape
    pictures = torch.where(moves.mirrored[:, None, None, None], pictures.flip(-1), pictures)
    pixels = torch.arange(size, device=pictures.device, dtype=pictures.dtype)
    x = (pixels + moves.shift[:, :1])[:, None, :].expand(clips, size, size)
    y = (pixels + moves.shift[:, 1:])[:, :, None].expand(clips, size, size)
    within = (x >= 0) & (x < size) & (y >= 0) & (y < size)
    right, down, middle = x - (size - 1) / 2, y - (size - 1) / 2, (size - 1) / 2
    cos, sin = (part(moves.angle)[:, None, None] for part in (torch.cos, torch.sin))
    source = torch.stack([cos * right - sin * down, sin * right + cos * down], dim=-1)
    grid = (2 * (source + middle) + 1) / size - 1
    found = nn.functional.grid_sample(pictures, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return found * within[:, None]


def moved_vectors(vectors: Tensor, moves: _Moves) -> Tensor:
    """Flip, rotate and crop flow, (n, channels, size, size), u and v first: its vectors are flipped and rotated too.

    u points right, v down; further channels, such as strain, are treated as pictures.
    """
    found = moved(vectors, moves)
    u, v = torch.where(moves.mirrored[:, None, None], -found[:, 0], found[:, 0]), found[:, 1]
    cos, sin = (part(moves.angle)[:, None, None] for part in (torch.cos, torch.sin))
    return torch.cat([torch.stack([cos * u + sin * v, cos * v - sin * u], dim=1), found[:, 2:]], dim=1)


def draw_light(clips: int, jitter: float, generator: torch.Generator) -> Tensor:
    """Draw contrast and brightness, (n, 2), each even within 1 +- `jitter`."""
    return 1 + jitter * (2 * torch.rand(clips, 2, generator=generator, device=generator.device) - 1)


def lit(pictures: Tensor, light: Tensor) -> Tensor:
    """Change contrast, about 1/2, and brightness of pictures in 0..1, clips on the first axis; cut to 0..1."""
    contrast, brightness = (part.reshape(-1, *[1] * (pictures.ndim - 1)) for part in light.unbind(dim=1))
    return ((pictures - 0.5) * contrast + 0.5 * brightness).clamp(0, 1)


def normalised(frames: Tensor, light: Tensor | None = None) -> Tensor:
    """Scale bytes, (..., 3, size, size), by ImageNet's mean and deviation, with the clips' contrast and brightness."""
    levels = frames.float() / 255
    return standardised(levels if light is None else lit(levels, light))


def standardised(levels: Tensor) -> Tensor:
    """Scale levels in 0..1, (..., 3, size, size), by ImageNet's mean and deviation."""
    mean, deviation = (levels.new_tensor(values)[:, None, None] for values in (_MEAN, _DEVIATION))
    return (levels - mean) / deviation


def differences(frames: Tensor) -> Tensor:
    """Return bytes (n, t, 3, size, size), less the first frame, (n, t - 1, ...), scaled as by `normalised`."""
    levels = frames.float()
    deviation = levels.new_tensor(_DEVIATION)[:, None, None]
    return (levels[:, 1:] - levels[:, :1]) / (255 * deviation)


def small(pictures: Tensor, side: int = 48) -> Tensor:
    """Average pictures for diagnostics, (n, 1, size, size), to at most `side` pixels: (n, side, side)."""
    return nn.functional.adaptive_avg_pool2d(pictures, min(side, pictures.shape[-1]))[:, 0]
