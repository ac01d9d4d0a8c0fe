"""Dual TV-L1 optical flow of many pairs of pictures at once, in torch: the equations and the scheme of OpenCV's.

Zach, Pock & Bischof 2007, as ``cv2.optflow.DualTVL1OpticalFlow`` computes it with its default parameters: a pyramid of
5 scales, 5 warps at each, and between two median filters up to 30 steps of the two problems

    min over v of   lambda |rho(v)| + |u - v|^2 / (2 theta),   solved by thresholding,
    min over u of   |grad u| + |u - v|^2 / (2 theta),          by its dual (Chambolle 2004),

where rho is the difference of brightness, linear about the last warp. Warping is cubic, with positions in 32nds of a
pixel and black outside, as OpenCV's. Pairs that have converged are not changed by the others.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

_TAU, _LAMBDA, _THETA, _EPSILON = 0.25, 0.15, 0.3, 0.01
_SCALES, _STEP, _LEAST, _WARPS, _OUTER, _INNER = 5, 0.8, 16, 5, 10, 30
_POSITIONS = 32  # a pixel is divided into as many by OpenCV's warp

Pictures = npt.NDArray[np.uint8]


def tvl1(first: Pictures, last: Pictures, device: str = "cpu", median: bool = True) -> npt.NDArray[np.float32]:
    """Return the movement between pairs of grey pictures, shape (pairs, height, width, 2); pictures without the 2.

    `median` is OpenCV's ``medianFiltering`` of 5, its default; without, of 1.
    """
    ones, others = _pyramid(first), _pyramid(last)
    field = torch.zeros((len(first), 2, *ones[-1].shape[-2:]), device=device)
    with torch.inference_mode():
        for level in range(len(ones) - 1, -1, -1):
            field = _scale(ones[level].to(device), others[level].to(device), field, median)
            if level:
                field = _resized(field, ones[level - 1].shape[-2:]) * (1 / _STEP)
    return field.permute(0, 2, 3, 1).cpu().numpy()


def best_device() -> str:
    """Return the first GPU, or the CPU without one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def _pyramid(pictures: Pictures) -> list[Tensor]:
    """Return the pictures at each scale, shape (pairs, height, width), the finest first."""
    levels = [pictures.astype(np.float32)]
    while len(levels) < _SCALES:
        smaller = [cv2.resize(each, None, fx=_STEP, fy=_STEP, interpolation=cv2.INTER_LINEAR) for each in levels[-1]]
        levels.append(np.stack(smaller).astype(np.float32))
        if min(levels[-1].shape[1:]) < _LEAST:
            return [torch.from_numpy(level) for level in levels[:-1]]
    return [torch.from_numpy(level) for level in levels]


def _resized(field: Tensor, size: Sequence[int]) -> Tensor:
    return functional.interpolate(field, size=tuple(size), mode="bilinear", align_corners=False)


def _scale(first: Tensor, last: Tensor, field: Tensor, median: bool) -> Tensor:
    """Refine the field, shape (pairs, 2, height, width), at one scale."""
    dual = torch.zeros((*field.shape[:2], 2, *field.shape[2:]), device=field.device)  # pairs, of u and v, along x and y
    enough = _EPSILON**2 * first[0].numel()
    sources = torch.stack([last, *_centred(last).unbind(1)], dim=1)
    for _ in range(_WARPS):
        found = _warped(sources, field)
        warped, slope = found[:, :1].contiguous(), found[:, 1:].contiguous()
        steep = (slope**2).sum(1, keepdim=True)
        constant = warped - (slope * field).sum(1, keepdim=True) - first[:, None]
        going = torch.arange(len(field), device=field.device)
        for _ in range(_OUTER):
            u, p = field[going], dual[going]
            u = _median(u) if median else u
            u, p, error = _steps(u, p, slope[going], steep[going], constant[going], enough)
            field[going], dual[going] = u, p
            going = going[error > enough]
            if not len(going):
                break
    return field


def _steps(
    u: Tensor, p: Tensor, slope: Tensor, steep: Tensor, constant: Tensor, enough: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Do the steps between two median filters; returns field, dual, and the last change of each pair."""
    bound, error = _LAMBDA * _THETA * steep, torch.full((len(u),), torch.inf, dtype=torch.float64, device=u.device)
    tiny = torch.finfo(torch.float32).eps
    for _ in range(_INNER):
        rho = constant + (slope * u).sum(1, keepdim=True)
        inside = torch.where(steep > tiny, -rho / steep.clamp_min(tiny), 0.0)
        share = torch.where(rho < -bound, _LAMBDA * _THETA, torch.where(rho > bound, -_LAMBDA * _THETA, inside))
        new = u + share * slope + _THETA * _divergence(p)
        change = ((new - u) ** 2).sum((1, 2, 3), dtype=torch.float64)
        rise = _TAU / _THETA * _forward(new)
        dual = (p + rise) / (1 + torch.linalg.vector_norm(rise, dim=2, keepdim=True))
        going = error > enough
        if bool(going.all()):
            u, p, error = new, dual, change
        else:  # pairs that have converged stay as they are
            each = going[:, None, None, None]
            u, p = torch.where(each, new, u), torch.where(each[..., None], dual, p)
            error = torch.where(going, change, error)
        if not bool((error > enough).any()):
            break
    return u, p, error


def _centred(pictures: Tensor) -> Tensor:
    """Return half the difference of the neighbours along x and y, of the pixel itself at an edge."""
    wide = functional.pad(pictures[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    along_x = (wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2]) / 2
    return torch.stack([along_x, (wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1]) / 2], dim=1)


def _forward(field: Tensor) -> Tensor:
    """Return the differences to the next pixel along x and y, 0 at the last: shape (pairs, 2, 2, height, width)."""
    along = torch.zeros((*field.shape[:2], 2, *field.shape[2:]), device=field.device)
    along[:, :, 0, :, :-1] = field[..., 1:] - field[..., :-1]
    along[:, :, 1, :-1] = field[..., 1:, :] - field[..., :-1, :]
    return along


def _divergence(p: Tensor) -> Tensor:
    """Return the negative adjoint of `_forward`: backward differences, with 0 before the first pixel."""
    total = p[:, :, 0] + p[:, :, 1]
    total[..., 1:] -= p[:, :, 0, :, :-1]
    total[..., 1:, :] -= p[:, :, 1, :-1]
    return total


def _warped(sources: Tensor, field: Tensor) -> Tensor:
    """Return (pairs, maps, height, width) of `sources` where the field leads, by OpenCV's bicubic interpolation."""
    height, width = sources.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=field.device), torch.arange(width, device=field.device), indexing="ij"
    )
    columns = torch.round((x + field[:, 0]) * _POSITIONS).long()
    rows = torch.round((y + field[:, 1]) * _POSITIONS).long()
    flat, found = sources.flatten(2), torch.zeros_like(sources)
    along_x, along_y = (_weights((each % _POSITIONS) / _POSITIONS) for each in (columns, rows))
    left, top = columns // _POSITIONS - 1, rows // _POSITIONS - 1
    for down in range(4):
        for right in range(4):
            at_x, at_y = left + right, top + down
            there = (at_x >= 0) & (at_x < width) & (at_y >= 0) & (at_y < height)
            place = at_y.clamp(0, height - 1) * width + at_x.clamp(0, width - 1)
            values = flat.gather(2, place.flatten(1)[:, None].expand(-1, flat.shape[1], -1)).view_as(sources)
            found += (along_x[right] * along_y[down] * there)[:, None] * values
    return found


def _weights(share: Tensor) -> list[Tensor]:
    """Return the weights of four neighbours: cubic convolution with a = -3/4."""
    a, one = -0.75, share + 1
    before = ((a * one - 5 * a) * one + 8 * a) * one - 4 * a
    near = ((a + 2) * share - (a + 3)) * share**2 + 1
    rest = 1 - share
    far = ((a + 2) * rest - (a + 3)) * rest**2 + 1
    return [before, near, far, 1 - before - near - far]


def _median(field: Tensor) -> Tensor:
    """Return the median of 5 x 5 pixels, those at an edge repeated, by exchanges alone.

    Of 14 values neither the least nor the greatest can be the median of 25: both are dropped, the next one is taken in.
    """
    height, width = field.shape[-2:]
    wide = functional.pad(field, (2, 2, 2, 2), mode="replicate")
    values = [wide[..., y : y + height, x : x + width] for y in range(5) for x in range(5)]
    held, more = values[:14], values[14:]
    while len(held) > 1:
        for low in range(len(held) // 2):
            _exchange(held, low, len(held) - 1 - low)
        for low in range(1, (len(held) + 1) // 2):
            _exchange(held, 0, low)
        for high in range(len(held) // 2, len(held) - 1):
            _exchange(held, high, len(held) - 1)
        held = held[1:-1] + ([more.pop(0)] if more else [])
    return held[0].contiguous()


def _exchange(values: list[Tensor], one: int, other: int) -> None:
    if one != other:
        least, greatest = torch.minimum(values[one], values[other]), torch.maximum(values[one], values[other])
        values[one], values[other] = least, greatest
