"""Mean end-point error of each flow algorithm for known movements, and its time per pair.

The texture is a real face (scikit-image's astronaut), enlarged, moved exactly and then averaged to the size at which
``merbench`` computes flow; an expression is a bump of movement at a brow and at a mouth corner. Each frame has its own
sensor noise. Errors are over the pixels that move at least half as far as the fastest one, 10 pixels or more from the
edge. The last table has the distance of ``tvl1-torch`` to OpenCV's TV-L1 over all pixels, also on patterns without a
face: gratings, dots, noise and squares, made here.
Run: uv run python benchmarks/flow_error.py [--size 128] [--noise 0 2] [--rounds 3] [--batch 16]
"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt
import skimage.data
import torch
from _timing import interleaved

from merbench.prepare.kinds.flow_field import flow, flows
from merbench.prepare.tvl1 import tvl1

FINE = 4  # the texture is this many times finer than the images
EDGE = 10
Field = npt.NDArray[np.float32]


def movements(size: int) -> dict[str, Field]:
    """Return the true fields, shape (size, size, 2), in pixels of the images."""
    y, x = (np.indices((size, size)) - (size - 1) / 2).astype(np.float32)
    still = np.zeros_like(x)

    def bump(right: float, down: float, wide: float) -> Field:
        return np.exp(-((x / size - right) ** 2 + (y / size - down) ** 2) / (2 * wide**2))

    def expression(peak: float) -> Field:
        brow, corner = bump(-0.17, -0.2, 0.07), bump(0.16, 0.16, 0.06)
        return np.stack([peak * 0.7 * corner, -peak * brow - peak * 0.7 * corner], axis=-1)

    return {
        "no movement": np.stack([still, still], axis=-1),
        "translation .5 px": np.stack([still + 0.4, still + 0.3], axis=-1),
        "translation 2 px": np.stack([still - 1.6, still + 1.2], axis=-1),
        "rotation 1 degree": np.stack([-y, x], axis=-1) * np.float32(np.pi / 180),
        "expansion 2 %": np.stack([x, y], axis=-1) * np.float32(0.02),
        "expression .5 px": expression(0.5),
        "expression 1 px": expression(1),
        "expression 2 px": expression(2),
    }


def textures(size: int) -> dict[str, Field]:
    """Return a face and patterns without one, grey, shape (size, size)."""
    face = cv2.cvtColor(skimage.data.astronaut()[:256, 96:352], cv2.COLOR_RGB2GRAY)
    y, x = np.indices((size, size)).astype(np.float32) / size
    rng = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * (9 * x + 4 * y)) + np.sin(2 * np.pi * (3 * x - 8 * y))
    dots = np.zeros((size, size), np.float32)
    for across, down in rng.integers(0, size, (150, 2)):
        cv2.circle(dots, (int(across), int(down)), size // 50, float(rng.uniform(0.3, 1)), -1, cv2.LINE_AA)
    cloud = cv2.GaussianBlur(rng.normal(0, 1, (size, size)).astype(np.float32), (0, 0), size / 80)
    squares = cv2.GaussianBlur(((np.floor(8 * x) + np.floor(8 * y)) % 2).astype(np.float32), (0, 0), FINE)
    patterns = {"gratings": wave, "dots": dots, "noise": cloud, "squares": squares}
    return {
        "face": cv2.resize(face, (size, size), interpolation=cv2.INTER_CUBIC).astype(np.float32),
        **{name: 30 + 200 * (each - each.min()) / np.ptp(each) for name, each in patterns.items()},
    }


def pair(
    field: Field, noise: float, rng: np.random.Generator, texture: str = "face"
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return two grey images; the point (x, y) of the first is at (x, y) + field in the second."""
    size = len(field) * FINE
    surface = textures(size)[texture]
    forward = cv2.resize(field, (size, size), interpolation=cv2.INTER_CUBIC) * FINE
    y, x = np.indices((size, size)).astype(np.float32)
    from_x, from_y = x.copy(), y.copy()
    for _ in range(15):  # the origin of the point at (x, y): a fixed point, as the field varies slowly
        there = cv2.remap(forward, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        from_x, from_y = x - there[:, :, 0], y - there[:, :, 1]
    moved = cv2.remap(surface, from_x, from_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    small = [cv2.resize(each, field.shape[:2], interpolation=cv2.INTER_AREA) for each in (surface, moved)]
    one, other = (np.clip(np.rint(each + rng.normal(0, noise, each.shape)), 0, 255) for each in small)
    return one.astype(np.uint8), other.astype(np.uint8)


def fast_tvl1(first: npt.NDArray[np.uint8], last: npt.NDArray[np.uint8]) -> Field:
    """Compute TV-L1 with fewer and coarser steps, not available in merbench."""
    return cv2.optflow.DualTVL1OpticalFlow_create(
        epsilon=0.03, warps=2, nscales=3, scaleStep=0.5, medianFiltering=3
    ).calc(first, last, None)


ALGORITHMS: dict[str, Callable[..., Field]] = {
    "tvl1": partial(flow, algorithm="tvl1"),
    "farneback": partial(flow, algorithm="farneback"),
    "dis": partial(flow, algorithm="dis"),
    "tvl1-torch": partial(flow, algorithm="tvl1-torch"),
    "fast TV-L1": fast_tvl1,
}


def print_distances(fields: dict[str, Field], noise: float) -> None:
    """Print the distance of the two TV-L1 on every texture: the mean over all pixels, and the 99th percentile."""
    print(f"tvl1-torch to tvl1: mean / 99th percentile of the distance in pixels, all pixels, noise of {noise:g}")
    names = list(textures(len(fields["no movement"])))
    print(f"{'':<20}" + "".join(f"{name:>16}" for name in names))
    for movement, truth in fields.items():
        pairs = [pair(truth, noise, np.random.default_rng(0), name) for name in names]
        both = [flows(pairs, algorithm) for algorithm in ("tvl1-torch", "tvl1")]
        away = np.linalg.norm(both[0] - both[1], axis=-1).reshape(len(names), -1)
        shown = (f"{each.mean():.3f} / {np.percentile(each, 99):.3f}" for each in away)
        print(f"{movement:<20}" + "".join(f"{text:>16}" for text in shown), flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 2.0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    inner = slice(EDGE, -EDGE)
    fields = movements(options.size)
    for noise in options.noise:
        print(f"mean end-point error in pixels, {options.size} px faces, noise of {noise:g} grey levels")
        print(f"{'':<20}{'true length':>12}" + "".join(f"{name:>14}" for name in ALGORITHMS))
        for movement, truth in fields.items():
            frames = pair(truth, noise, np.random.default_rng(0))
            length = np.linalg.norm(truth, axis=-1)[inner, inner]
            moving = length >= length.max() / 2
            found = {name: algorithm(*frames) for name, algorithm in ALGORITHMS.items()}
            misses = [np.linalg.norm(each - truth, axis=-1) for each in found.values()]
            errors = [miss[inner, inner][moving].mean() for miss in misses]
            print(f"{movement:<20}{length[moving].mean():>12.3f}" + "".join(f"{error:>14.3f}" for error in errors))
    print_distances(fields, options.noise[-1])
    frames = pair(fields["expression 1 px"], 2.0, np.random.default_rng(0))
    calls = {name: partial(algorithm, *frames) for name, algorithm in ALGORITHMS.items()}
    batch = [np.stack([frame] * options.batch) for frame in frames]
    calls[f"torch, {options.batch} at once"] = partial(tvl1, *batch)
    times = {name: statistics.median(each) * 1e3 for name, each in interleaved(calls, options.rounds).items()}
    for name, time in times.items():
        print(f"{name:<20}{time / (options.batch if 'at once' in name else 1):>12.1f} ms per pair, 1 thread")


if __name__ == "__main__":
    main()
