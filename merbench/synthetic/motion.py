"""Movement of a face: action units as displacement fields, the time course of an expression, and other movements.

Onset, apex and offset show the action units and nothing else of the emotion: there every side's course is exactly 0 or
1 and the flicker at the eyes exactly 0. Between them the emotion shapes the course (:data:`CUES`), as exponents on
normalised time, so that durations carry no information. Sides are the person's: ``L`` moves the right half of
the picture.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from merbench.contracts.action_units import ActionUnit
from merbench.synthetic.face import Anatomy, Array, single

#: Bumps of each action unit on the picture's right half, after FACS: (anchor, place relative to it, spread, movement);
#: face units, outwards and down positive. The other half is its mirror image.
Bump = tuple[str, tuple[float, float], tuple[float, float], tuple[float, float]]
MOVES: dict[int, tuple[Bump, ...]] = {
    1: (("brow", (-0.2, 0.0), (0.13, 0.12), (0.0, -1.0)), ("brow", (-0.2, -0.22), (0.17, 0.15), (0.0, -0.6))),
    2: (("brow", (0.17, 0.0), (0.15, 0.12), (0.0, -1.0)), ("brow", (0.14, -0.22), (0.17, 0.15), (0.0, -0.55))),
    4: (("brow", (-0.22, 0.03), (0.12, 0.12), (-0.65, 0.9)), ("brow", (0.03, 0.02), (0.17, 0.1), (-0.2, 0.65))),
    5: (("eye", (0.0, -0.08), (0.15, 0.05), (0.0, -1.0)),),
    6: (
        ("eye", (0.12, 0.33), (0.2, 0.16), (0.0, -1.0)),
        ("eye", (0.26, 0.03), (0.09, 0.1), (-0.6, 0.0)),
        ("eye", (0.0, 0.09), (0.15, 0.05), (0.0, -0.5)),
    ),
    7: (("eye", (0.0, 0.075), (0.15, 0.045), (0.0, -1.0)), ("eye", (0.02, -0.08), (0.15, 0.045), (0.0, 0.4))),
    9: (
        ("nose", (-0.02, -0.1), (0.1, 0.15), (-0.1, -1.0)),
        ("nose", (0.08, 0.16), (0.12, 0.1), (0.0, -0.6)),
        ("brow", (-0.25, 0.05), (0.11, 0.11), (-0.3, 0.5)),
    ),
    10: (("mouth", (0.14, -0.08), (0.12, 0.08), (0.0, -1.0)), ("nose", (0.1, 0.06), (0.1, 0.12), (0.1, -0.55))),
    12: (("corner", (0.0, 0.0), (0.12, 0.11), (0.8, -0.75)), ("corner", (0.13, -0.27), (0.17, 0.15), (0.2, -0.55))),
    14: (("corner", (0.0, 0.0), (0.09, 0.1), (0.9, 0.05)), ("corner", (0.2, 0.0), (0.1, 0.15), (-0.6, 0.0))),
    15: (("corner", (-0.02, 0.03), (0.11, 0.11), (0.15, 1.0)), ("corner", (-0.02, 0.22), (0.12, 0.12), (0.0, 0.5))),
    17: (("chin", (0.07, -0.2), (0.17, 0.12), (0.0, -1.0)), ("mouth", (0.08, 0.08), (0.16, 0.06), (0.0, -0.75))),
    20: (("corner", (0.0, 0.03), (0.13, 0.1), (1.0, 0.2)), ("corner", (0.18, 0.08), (0.14, 0.13), (0.6, 0.15))),
    23: (
        ("mouth", (0.12, -0.045), (0.13, 0.045), (-0.35, 0.8)),
        ("mouth", (0.12, 0.065), (0.13, 0.05), (-0.35, -0.8)),
        ("corner", (0.0, 0.0), (0.08, 0.08), (-0.7, 0.0)),
    ),
    24: (("mouth", (0.1, -0.05), (0.17, 0.05), (0.0, 1.0)), ("mouth", (0.1, 0.075), (0.17, 0.055), (0.0, -1.0))),
    25: (
        ("mouth", (0.07, -0.05), (0.15, 0.04), (0.0, -0.5)),
        ("mouth", (0.07, 0.06), (0.16, 0.055), (0.0, 1.0)),
        ("chin", (0.07, -0.25), (0.18, 0.14), (0.0, 0.4)),
    ),
}

#: Where skin darkens as an action unit folds it, or lips part: (anchor, place, spread).
CREASES: dict[int, tuple[tuple[str, tuple[float, float], tuple[float, float]], ...]] = {
    1: (("brow", (-0.22, -0.26), (0.14, 0.018)), ("brow", (-0.22, -0.36), (0.13, 0.018))),
    2: (("brow", (0.14, -0.24), (0.14, 0.018)), ("brow", (0.13, -0.34), (0.13, 0.018))),
    4: (("brow", (-0.36, 0.0), (0.018, 0.1)),),
    6: (("eye", (0.24, 0.05), (0.04, 0.02)), ("eye", (0.03, 0.2), (0.13, 0.02))),
    9: (("nose", (-0.06, -0.28), (0.06, 0.018)),),
    10: (("nose", (0.1, 0.06), (0.025, 0.09)),),
    12: (("corner", (-0.05, -0.15), (0.025, 0.1)),),
    14: (("corner", (0.05, 0.0), (0.03, 0.04)),),
    15: (("corner", (0.02, 0.08), (0.03, 0.05)),),
    17: (("chin", (0.1, -0.22), (0.12, 0.025)),),
    25: (("mouth", (0.06, 0.005), (0.14, 0.018)),),
}
DARKEST = 0.16  # share of the light that the crease of a 2-pixel movement takes

#: Action units that move both sides together, or the middle alone; all others may be shown on one side only.
CENTRAL = frozenset({5, 9, 17, 23, 24, 25})
#: Displacement of an action unit relative to the others of its clip.
INTENSITY = {"A": 0.6, "B": 0.8, "C": 1.0}

#: Width of a face picture as the harness cuts it out, in face units, and its side in pixels: what peaks are given in.
PICTURE, PICTURE_PIXELS = 2.8, 128
#: Share at both ends of rise and decay in which nothing moves yet, or any more; a wrong apex nearby has no effect.
REST = 0.14
#: Between-clip standard deviation of the emotion's cues, at every strength.
SPREAD = 0.35


@dataclass(frozen=True)
class _Cue:
    """The cues of an emotion between onset, apex and offset, on average and at full strength."""

    lateness: float  # of rise and decay; time is raised to the power 2 ** lateness in both
    lag: float  # by how much one side, left or right at random, is later than the other
    flicker: float  # brightness at the eyes, in grey levels, added to the 1 that every clip has


CUES = {"negative": _Cue(-1.5, 0.0, 0.0), "positive": _Cue(1.5, 0.0, 0.0), "surprise": _Cue(0.0, 1.5, 4.0)}


@dataclass(frozen=True)
class Course:
    """One clip's course: exponents (as powers of 2) of rise and decay for the sides L and R, flicker in grey levels."""

    rise: tuple[float, float]
    decay: tuple[float, float]
    flicker: float


def draw_course(rng: np.random.Generator, emotion: str, strength: float, rising: float) -> Course:
    """Draw a clip's course; `rising` is the share of its duration before the apex.

    `emotion`, one of `CUES`, and `strength`, 0..1, scale the class means only, and change no draw of the clip's `rng`.
    """
    cue = CUES[emotion]
    early, late, lag, side, flicker = *rng.normal(0, SPREAD, 3), rng.choice((-1, 1)), rng.normal(0, SPREAD)
    half = side * abs(strength * cue.lag + lag) / 2
    sides = [strength * cue.lateness + half, strength * cue.lateness - half]
    return Course(
        rise=(sides[0] + early, sides[1] + early),
        decay=(balanced(sides[0], rising) + late, balanced(sides[1], rising) + late),
        flicker=float((1 + strength * cue.flicker) * math.exp(flicker) * rng.choice((-1, 1))),
    )


def balanced(lateness: float, rising: float) -> float:
    """Return the decay's lateness that balances the rise's, so that the mean over the clip carries no information."""
    wanted = rising / (1 - rising) * (_mean(lateness) - 0.5) + 0.5
    low, high = -8.0, 8.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _mean(middle) > wanted else (low, middle)
    return low


def _mean(lateness: float) -> float:
    """Return the mean of the eased power of time, the integral of 3 v^2 - 2 v^3 with v = t ** (2 ** lateness)."""
    power = 2.0**lateness
    return float(3 / (2 * power + 1) - 2 / (3 * power + 1))


def amplitude(times: npt.NDArray[np.float64], rise: float, decay: float) -> npt.NDArray[np.float64]:
    """Return how far a side has moved, 0..1; times are 0 at onset, 1 at apex, 2 at offset."""
    return np.where(times <= 1, _eased(times, rise), 1 - _eased(times - 1, decay))


def _eased(times: npt.NDArray[np.float64], lateness: float) -> npt.NDArray[np.float64]:
    moving = np.clip((times - REST) / (1 - 2 * REST), 0, 1) ** (2.0**lateness)
    return np.asarray(moving * moving * (3 - 2 * moving))


def flickering(times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the flicker's course: one period in the rise and one in the decay, each of mean 0 and starting from 0."""
    within = np.clip((np.mod(times, 1.0) - REST) / (1 - 2 * REST), 0, 1)
    wave = np.sin(np.pi * within) * np.sin(2 * np.pi * (within - 0.5))
    return np.where((times > 0) & (times < 2) & (within > 0) & (within < 1), wave, 0.0)


def walk(rng: np.random.Generator, frames: int, start: int) -> npt.NDArray[np.float64]:
    """Return a smoothed random walk of about unit size over `frames`, 0 at the frame `start`."""
    window = np.hanning(max(frames // 4, 3) + 2)
    steps = np.convolve(rng.standard_normal(frames + len(window) - 1), window / window.sum(), mode="valid")
    path = np.cumsum(steps) / math.sqrt(frames)
    return np.asarray(path - path[start])


def fields(anatomy: Anatomy, units: tuple[ActionUnit, ...], x: Array, y: Array) -> tuple[Array, Array]:
    """Return the displacement fields of the sides L and R for a movement of peak 1 of the shown action units.

    `x` and `y`, shape (height, width), are the face coordinates of a frame's pixels. Each field, shape (2, height,
    width), has the movement to the right and down; the longest vector of their sum has length 1.
    """
    sides = []
    for sign, name in ((1, "L"), (-1, "R")):
        field = np.zeros((2, *x.shape), dtype=np.float32)
        for unit in (unit for unit in units if unit.side in ("", name)):
            for anchor, place, spread, (dx, dy) in MOVES[unit.number]:
                bump = INTENSITY[unit.intensity] * _on_side(anatomy, anchor, place, spread, sign * x, y)
                field += np.stack([sign * dx * bump, dy * bump])
        sides.append(field)
    longest = float(np.sqrt(((sides[0] + sides[1]) ** 2).sum(axis=0).max()))
    return single(sides[0] / longest), single(sides[1] / longest)


def creases(anatomy: Anatomy, units: tuple[ActionUnit, ...], x: Array, y: Array) -> tuple[Array, Array]:
    """Return where the movement of the sides L and R darkens the skin, 0..1, shape (height, width) each."""
    sides = []
    for sign, name in ((1, "L"), (-1, "R")):
        dark = np.zeros(x.shape, dtype=np.float32)
        for unit in (unit for unit in units if unit.side in ("", name)):
            for crease in CREASES.get(unit.number, ()):
                dark += INTENSITY[unit.intensity] * _on_side(anatomy, *crease, sign * x, y)
        sides.append(np.minimum(dark, 1))
    return sides[0], sides[1]


def _on_side(
    anatomy: Anatomy, anchor: str, place: tuple[float, float], spread: tuple[float, float], x: Array, y: Array
) -> Array:
    """Return a Gaussian on the half where x is positive, faded out across the midline."""
    at = anatomy.anchors[anchor]
    away = ((x - at[0] - place[0]) / spread[0]) ** 2 + ((y - at[1] - place[1]) / spread[1]) ** 2
    return single(np.exp(-0.5 * away) / (1 + np.exp(-np.clip(x / 0.02, -30, 30))))


def lids(anatomy: Anatomy, x: Array, y: Array) -> Array:
    """Return how far the upper lids come down in a blink, in face units: the skin above covers the eye."""
    wide, high = anatomy.eye_size
    along = (np.abs(x) - anatomy.eye[0]) / (wide * 1.15)
    arch = np.clip(1 - along**2, 0, 1)
    lower = -anatomy.slant * (np.abs(x) - anatomy.eye[0]) + 0.72 * high * arch
    cover = np.exp(-0.5 * ((y - lower) / (2.2 * high)) ** 2) * np.clip((lower - y) / 0.012 + 0.5, 0, 1)
    return single(2.0 * high * np.sqrt(arch) * cover)


def rings(anatomy: Anatomy, x: Array, y: Array) -> Array:
    """Return a bright spot in a dark ring around one eye and its opposite around the other; the mean of each is 0."""
    total = np.zeros(x.shape, dtype=np.float32)
    for sign in (1, -1):
        away = ((x - sign * anatomy.eye[0]) / 0.14) ** 2 + ((y - anatomy.eye[1]) / 0.11) ** 2
        total += single(sign * (1 - away / 2) * np.exp(-away / 2))
    return total
