"""Augmentation that respects flow: one draw for the faces and the flow of a clip; then flow as an image."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from merbench.training.augmentation import lit


class Draw(NamedTuple):
    """Random draws for each clip of a batch.

    ``mirrored`` of bool (n,); ``window`` (n, 3): side as a share of the image in [crop, 1], and its centre, x and y, in
    -1..1 of the image; ``light`` (n, 2): contrast and brightness, both within 1 +- jitter.
    """

    mirrored: Tensor
    window: Tensor
    light: Tensor


def draw(clips: int, crop: float, jitter: float, flip: bool, generator: torch.Generator) -> Draw:
    """Draw for `clips` clips."""
    uniform = torch.rand(clips, 6, generator=generator, device=generator.device)
    side = crop + (1 - crop) * uniform[:, 1]
    centre = (1 - side)[:, None] * (2 * uniform[:, 2:4] - 1)
    mirrored = (uniform[:, 0] < 0.5) if flip else torch.zeros(clips, dtype=torch.bool, device=generator.device)
    return Draw(mirrored, torch.cat([side[:, None], centre], dim=1), 1 + jitter * (2 * uniform[:, 4:6] - 1))


def moved(pictures: Tensor, drawn: Draw) -> Tensor:
    """Mirror and crop images, (n, channels, size, size), by the draw; bilinear, at the same size."""
    if bool((drawn.window[:, 0] == 1).all()):  # without a crop, mirroring is exact
        return torch.where(drawn.mirrored[:, None, None, None], pictures.flip(-1), pictures)
    side, x, y = drawn.window.unbind(dim=1)
    theta = pictures.new_zeros(len(pictures), 2, 3)
    theta[:, 0, 0] = torch.where(drawn.mirrored, -side, side)
    theta[:, 1, 1], theta[:, 0, 2], theta[:, 1, 2] = side, x, y
    grid = nn.functional.affine_grid(theta, list(pictures.shape), align_corners=False)
    return nn.functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def faces(frames: Tensor, drawn: Draw) -> Tensor:
    """Crop and light the frames of clips, (n, T, channels, size, size) in 0..1; all frames of a clip alike."""
    return lit(moved(frames.flatten(1, 2), drawn).view_as(frames), drawn.light)


def flow(vectors: Tensor, drawn: Draw) -> Tensor:
    """Crop and mirror flow, (n, channels, size, size), first channel u: mirroring changes the sign of u.

    Vectors keep their length in a crop: they are scaled to the clip's longest afterwards.
    """
    vectors = moved(vectors, drawn)
    sign = torch.where(drawn.mirrored, -1.0, 1.0)[:, None, None]
    return torch.cat([(vectors[:, 0] * sign)[:, None], vectors[:, 1:]], dim=1)


def coloured(vectors: Tensor) -> Tensor:
    """Colour u and v, (n, 2, size, size), as RGB images in 0..1, (n, 3, size, size).

    Hue the direction (from the right, red, by way of down), full saturation, value the length, from 0 for the clip's
    shortest to 1 for its longest vector: :func:`merbench.prepare.kinds.flow.colour` without its rounding to bytes and
    without its cap on colours outside the face.
    """
    u, v = vectors[:, 0], vectors[:, 1]
    hue = torch.atan2(v, u) / (2 * torch.pi) % 1
    length = torch.hypot(u, v)
    low, high = length.amin(dim=(1, 2), keepdim=True), length.amax(dim=(1, 2), keepdim=True)
    value = (length - low) / (high - low).clamp(min=1e-12)
    # The hexagon of HSV: each of red, green and blue is a trapezoid over the circle of hues.
    offsets = torch.tensor([5.0, 3.0, 1.0], device=vectors.device)[:, None, None]
    k = (offsets + 6 * hue[:, None]) % 6
    return value[:, None] * (1 - torch.minimum(k, 4 - k).clamp(0, 1))


def scaled(vectors: Tensor) -> Tensor:
    """Scale u, v and strain, (n, 3, size, size), by the clip's longest vector, and by its largest strain."""
    length = torch.hypot(vectors[:, 0], vectors[:, 1]).amax(dim=(1, 2)).clamp(min=1e-12)
    strain = vectors[:, 2].amax(dim=(1, 2)).clamp(min=1e-12)
    return vectors / torch.stack([length, length, strain], dim=1)[:, :, None, None]
