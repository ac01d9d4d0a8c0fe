"""A procedural face: drawn from random numbers, not from a photograph.

Lengths are in face units, about half the width of a face, measured from the middle between the eyes; x points to the
picture's right, which is the person's left, and y down. A face is painted once per subject as layers on a canvas with
`FINE` pixels for each pixel of a frame: skin (with hair, ears, neck and shoulders), in which the eyes are holes, and
eyeballs beneath, so that moving lids leave the iris where it is. The background belongs to the frame and never moves.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

#: Canvas pixels for one pixel of a frame, along a side.
FINE = 2
#: Face units along a side of a frame, and position of the middle between the eyes in it, as shares of the side.
FRAME, CENTRE = 3.5, (0.5, 0.44)
#: Extent of the canvas, in face units: larger than a frame, so that heads may move and turn.
LEFT, TOP, SIDE = -2.2, -2.0, 4.4


@dataclass(frozen=True)
class Anatomy:
    """Positions of the parts of one face, in face units; both sides are the same."""

    width: float
    chin: float
    jaw: float
    eye: tuple[float, float]
    eye_size: tuple[float, float]
    brow: float
    nose: tuple[float, float]
    mouth: tuple[float, float]
    lips: tuple[float, float]
    slant: float

    @property
    def anchors(self) -> dict[str, tuple[float, float]]:
        """Points of the right half of the picture, which movements are defined at."""
        middle = {"mouth": (0.0, self.mouth[1]), "chin": (0.0, self.chin)}
        return middle | {"brow": (self.eye[0], self.brow), "eye": self.eye, "nose": self.nose, "corner": self.mouth}


@dataclass(frozen=True)
class Face:
    """One subject's layers; values 0..255, channels last, one channel for grey or three for red, green, blue.

    `skin`, shape (canvas, canvas, channels + 1), has colours times cover, and the cover: 1 on the person, 0 in the
    eyes and beside the person; `eyes`, shape (canvas, canvas, channels), the eyeballs on the colour of the skin;
    `background`, shape (pixels, pixels, channels), what is behind the person.
    """

    anatomy: Anatomy
    skin: Array
    eyes: Array
    background: Array


def single(values: Any) -> Array:
    """Return numbers of single precision."""
    return np.asarray(values, dtype=np.float32)


def canvas_pixels(pixels: int) -> int:
    """Return the side of the canvas for frames of `pixels`."""
    return round(SIDE / FRAME * pixels * FINE)


def draw_face(rng: np.random.Generator, pixels: int, channels: int) -> Face:
    """Draw one subject's face from its own stream, for frames of `pixels`; the same person in 1 channel (grey) or 3."""
    anatomy = _anatomy(rng)
    painter = _Painter(rng, anatomy, canvas_pixels(pixels))
    skin, cover, eyes = painter.colour, painter.cover, painter.eyes
    background = _background(rng, pixels)
    if channels == 1:
        skin, eyes, background = _grey(skin), _grey(eyes), _grey(background)
    layers = np.concatenate([skin * cover[..., None], cover[..., None]], axis=2)
    layers = cv2.GaussianBlur(layers, (0, 0), 0.45 * FINE)  # a frame's pixel averages over its own area
    eyes = cv2.GaussianBlur(eyes, (0, 0), 0.45 * FINE).reshape(eyes.shape)
    return Face(anatomy, layers, eyes, background)


def _anatomy(rng: np.random.Generator) -> Anatomy:
    between = rng.uniform
    eye_size = (between(0.165, 0.2), between(0.066, 0.086))
    return Anatomy(
        width=between(0.87, 0.95),
        chin=between(1.36, 1.47),
        jaw=between(0.1, 0.26),
        eye=(between(0.385, 0.44), 0.0),
        eye_size=eye_size,
        brow=-eye_size[1] - between(0.15, 0.22),
        nose=(between(0.13, 0.18), between(0.5, 0.58)),
        mouth=(between(0.28, 0.36), between(0.86, 0.93)),
        lips=(between(0.05, 0.075), between(0.065, 0.1)),
        slant=between(-0.1, 0.12),
    )


def _background(rng: np.random.Generator, pixels: int) -> Array:
    """Return a wall with a fixed fine texture: on a smooth one flow invents movement."""
    base = np.array([1.0, 0.98, 0.95]) * rng.uniform(95, 190)
    wall = 6 * _noise(rng, pixels, (2, 4), 1.0) + 6 * _noise(rng, pixels, (pixels // 3, pixels // 2, pixels), 0.2)
    slope = np.linspace(-1, 1, pixels, dtype=np.float32)[None, :] * rng.uniform(-14, 14)
    return single(np.clip(base + (wall + slope)[..., None], 0, 255))


def _noise(rng: np.random.Generator, side: int, octaves: tuple[int, ...], fall: float) -> Array:
    """Return smooth noise of about unit size: random grids of `octaves` cells, each weaker by its place ** `fall`."""
    total = np.zeros((side, side), dtype=np.float32)
    for place, cells in enumerate(octaves, start=1):
        grid = rng.standard_normal((cells + 1, cells + 1)).astype(np.float32)
        total += cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC) / np.float32(place**fall)
    return single(total / (total.std() + 1e-6))


def _grey(colour: Array) -> Array:
    return (colour @ np.array([0.299, 0.587, 0.114], dtype=np.float32))[..., None]


def _soft(distance: Any, width: float) -> Array:
    """Return 1 where `distance` is positive and 0 where negative, crossing over within about `width`."""
    return single(1 / (1 + np.exp(-np.clip(distance * (4 / width), -30, 30))))


class _Painter:
    """Paints one face, back to front. ``colour``, ``cover`` and ``eyes`` hold what was painted."""

    def __init__(self, rng: np.random.Generator, anatomy: Anatomy, side: int) -> None:
        self.rng, self.a, self.side = rng, anatomy, side
        steps = (np.arange(side) + 0.5) * (SIDE / side)
        self.x, self.y = single(steps + LEFT)[None, :], single(steps + TOP)[:, None]
        self.ax = np.abs(self.x)
        self.colour = np.zeros((side, side, 3), dtype=np.float32)
        self.cover = np.zeros((side, side), dtype=np.float32)
        light, dark = np.array([228, 190, 165]), np.array([128, 88, 64])
        self.tone = light + rng.beta(1.3, 2.0) * (dark - light) + rng.normal(0, 5, 3)
        self.hair_tone = np.array([1.0, 0.82, 0.66]) * rng.choice([22, 34, 46, 80]) * rng.uniform(0.9, 1.15)
        self.long_hair = rng.random() < 0.45
        direction = np.array([rng.uniform(-0.45, 0.45), rng.uniform(-0.75, -0.35), 1.0])
        self.light = direction / np.linalg.norm(direction)
        self._back_hair()
        self._body()
        if not self.long_hair:
            self._ears()
        self._head()
        self._brows()
        self._lips()
        self._front_hair()
        self._open_eyes()

    def _lay(self, colour: Any, mask: Any) -> None:
        """Lay a colour over what is there, as far as `mask` says."""
        mask = single(mask)
        self.colour += mask[..., None] * (single(colour) - self.colour)
        self.cover = np.maximum(self.cover, mask)

    def _bump(self, x: float, y: float, sx: float, sy: float, turn: float = 0.0) -> Array:
        """Return a Gaussian of height 1, mirrored to both sides unless it is in the middle."""
        dx, dy = self.ax - x if x else self.x, self.y - y
        if turn:
            dx, dy = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
        return single(np.exp(-0.5 * ((dx / sx) ** 2 + (dy / sy) ** 2)))

    def _inside(self, width: float | Array, above: float, below: float, power: float, middle: float = 0.0) -> Array:
        """Return the distance to the edge of a superellipse with unlike upper and lower halves; positive inside."""
        height = np.where(self.y < middle, above, below)
        radius = (self.ax / width) ** power + (np.abs(self.y - middle) / height) ** power
        return single((1 - radius ** (1 / power)) * np.minimum(width, below))

    def _strands(self, across: float, along: float) -> Array:
        """Return noise in strands that run down."""
        raw = self.rng.standard_normal((self.side, self.side)).astype(np.float32)
        scale = self.side / SIDE
        strands = cv2.GaussianBlur(raw, (0, 0), sigmaX=across * scale, sigmaY=along * scale)
        return single(strands / strands.std())

    def _hair_colour(self, strands: Array) -> Array:
        top = self._bump(self.light[0] * 1.2, -0.95, 0.5, 0.28)[..., None] if self.light[0] > 0 else 0.0
        shine = 1 + 0.22 * strands[..., None] + 0.5 * top
        return single(np.clip(self.hair_tone * shine, 4, 255))

    def _back_hair(self) -> None:
        long = self.rng.uniform(1.5, 2.0)
        shape = (1.22, 1.42, long, 2.6) if self.long_hair else (0.98, 1.36, 0.4, 2.2)
        mask = _soft(self._inside(*shape, middle=-0.1), 0.05)
        self._lay(self._hair_colour(self._strands(0.012, 0.16)) * 0.8, mask)

    def _body(self) -> None:
        cloth = self.rng.uniform(35, 200) * np.array([1, 1, 1]) + self.rng.normal(0, 22, 3)
        weave = _noise(self.rng, self.side, (8, 20, 60, 160), 0.5)[..., None]
        shoulders = _soft(self.y - (self.a.chin + 0.34 + 0.16 * self.ax**2 + 0.25 * (self.ax > 1.6)), 0.04)
        neck_width = 0.47 + 0.12 * np.clip(self.y - 1.5, 0, 1)
        neck = _soft(neck_width - self.ax, 0.05) * _soft(self.y - 0.7, 0.1)
        shadow = 0.44 + 0.36 * np.clip((self.y - self.a.chin + 0.05) / 0.4, 0, 1)
        side_light = 1 + 0.16 * self.x * np.sign(self.light[0])
        self._lay(self.tone * shadow[..., None] * side_light[..., None], neck)
        collar = shoulders * _soft(np.hypot(self.ax / 0.56, (self.y - self.a.chin - 0.12) / 0.5) - 1, 0.06)
        self._lay(np.clip(cloth * (0.9 + 0.05 * weave) * side_light[..., None], 5, 250), collar)

    def _ears(self) -> None:
        x, y = self.a.width + 0.02, 0.12
        radius = np.hypot((self.ax - x) / 0.11, (self.y - y) / 0.27)
        inner = 0.82 - 0.22 * np.exp(-0.5 * ((radius - 0.55) / 0.2) ** 2)
        self._lay(self.tone * inner[..., None], _soft((1 - radius) * 0.11, 0.03))

    def _height(self) -> Array:
        """Return the relief of the face; the head goes on beyond its outline, so that no rim is lit."""
        a = self.a
        rest = 1 - (self.x / 1.3) ** 2 - ((self.y - 0.05) / 1.75) ** 2
        head = 0.95 * np.sqrt(np.log1p(np.exp(9 * rest)) / 9)
        nose_x, nose_y = a.nose
        parts = [
            (0.14, 0.0, nose_y * 0.5, 0.1, 0.27, 0.0),  # ridge of the nose
            (0.14, 0.0, nose_y - 0.06, 0.11, 0.1, 0.0),  # its tip
            (0.07, nose_x * 0.85, nose_y, 0.06, 0.06, 0.0),  # its wings
            (0.075, a.eye[0] * 0.9, a.brow + 0.02, 0.24, 0.075, 0.1),  # brow bone
            (-0.11, a.eye[0], -0.02, 0.2, 0.11, 0.0),  # eye sockets
            (0.05, a.eye[0], 0.0, 0.15, 0.075, 0.0),  # eyeballs under the lids
            (0.07, 0.6, 0.34, 0.22, 0.17, -0.5),  # cheekbones
            (-0.05, 0.52, 0.75, 0.15, 0.22, 0.0),  # hollow of the cheeks
            (0.07, 0.0, a.mouth[1], 0.3, 0.17, 0.0),  # mouth
            (0.035, 0.09, a.mouth[1] - a.lips[0] * 0.6, 0.12, 0.035, 0.1),  # upper lip
            (0.05, 0.0, a.mouth[1] + a.lips[1] * 0.6, 0.17, 0.045, 0.0),  # lower lip
            (-0.04, 0.0, a.mouth[1] + a.lips[1] + 0.06, 0.2, 0.05, 0.0),  # fold above the chin
            (0.08, 0.0, a.chin - 0.15, 0.17, 0.12, 0.0),  # chin
            (-0.025, 0.0, (nose_y + a.mouth[1]) / 2 + 0.05, 0.03, 0.07, 0.0),  # groove of the upper lip
        ]
        relief = sum(size * self.rng.uniform(0.8, 1.25) * self._bump(*shape) for size, *shape in parts)
        skin = 0.0016 * _noise(self.rng, self.side, (14, 30, 60, 120), 0.5)
        return single(head + relief + skin)

    def _head(self) -> None:
        a = self.a
        slope_y, slope_x = np.gradient(self._height(), SIDE / self.side)
        length = np.sqrt(slope_x**2 + slope_y**2 + 1)
        lit = (-slope_x * self.light[0] - slope_y * self.light[1] + self.light[2]) / length
        shade = 0.3 + 0.78 * np.clip(lit, 0, 1) + 0.12 * np.clip(lit, 0, 1) ** 12
        x, y = a.nose
        nostrils = self._bump(x * 0.52, y + 0.05, 0.045, 0.022, 0.3) + 0.3 * self._bump(0.0, y + 0.085, x * 0.8, 0.03)
        shade *= 1 - 0.45 * nostrils - 0.18 * self._folds()
        shade *= 1 - 0.1 * self._bump(0.0, a.chin + 0.12, 0.6, 0.12)
        spots = _noise(self.rng, self.side, (10, 22, 50, 110), 0.4)
        blush = self._bump(0.55, 0.42, 0.22, 0.2) + 0.8 * self._bump(0.0, a.nose[1] - 0.06, 0.12, 0.1)
        tone = self.tone * (1 + 0.025 * spots[..., None]) + blush[..., None] * np.array([6, -6, -5])
        beard = self.rng.uniform(0, 0.22) * (not self.long_hair)
        stubble = _soft(self.y - 0.55 - 0.1 * np.cos(2.2 * self.x), 0.35) * beard
        tone = tone * (1 - stubble * (1 + 0.25 * self._strands(0.008, 0.012)))[..., None]
        for _ in range(self.rng.integers(1, 6)):
            x, y, size = self.rng.uniform(-0.75, 0.75), self.rng.uniform(-0.5, 1.0), self.rng.uniform(0.012, 0.022)
            mole = np.exp(-0.5 * (((self.x - x) / size) ** 2 + ((self.y - y) / size) ** 2))
            tone = tone * (1 - 0.45 * mole)[..., None]
        taper = 1 + a.jaw * np.clip(self.y / a.chin, 0, 1.2) ** 2
        outline = self._inside(a.width / taper, 1.3, a.chin, 2.25)
        self._lay(np.clip(tone * shade[..., None], 0, 255), _soft(outline, 0.035))

    def _folds(self) -> Array:
        """Return the folds from nose to mouth, the rings under the eyes and the lines of the forehead."""
        a, age = self.a, self.rng.uniform(0.1, 1.0)
        down = np.clip((self.y - a.nose[1]) / (a.mouth[1] - a.nose[1]), -1, 2)
        fold = np.exp(-0.5 * ((self.ax - a.nose[0] - 0.04 - 0.16 * down) / 0.028) ** 2) * _bell(down, 0.55, 0.45)
        ring = self._bump(a.eye[0], a.eye_size[1] + 0.1, 0.15, 0.03)
        ripple = np.sin(34 * (self.y + 0.05 * self.x**2)) * self._bump(0.0, -0.58, 0.4, 0.13)
        return single(age * (fold + 0.8 * ring + 0.18 * ripple))

    def _brows(self) -> None:
        a, rng = self.a, self.rng
        along = (self.ax - (a.eye[0] - 0.25)) / 0.5
        arch = rng.uniform(0.04, 0.11) * np.sin(np.pi * np.clip(along, 0, 1) ** 0.8)
        line = a.brow + 0.03 - arch + a.slant * 0.1 * along
        thick = rng.uniform(0.03, 0.05) * np.clip(1.25 - 0.75 * along, 0.2, 1.2)
        mask = _soft(thick - np.abs(self.y - line), 0.035) * _soft(along, 0.15) * _soft(1 - along, 0.2)
        density = np.clip(rng.uniform(0.6, 0.9) + 0.2 * self._strands(0.008, 0.02), 0, 1)
        self._lay(self.hair_tone, mask * density)

    def _lips(self) -> None:
        a = self.a
        half, level = a.mouth
        along = np.clip(self.ax / half, 0, 1)
        closed = np.sqrt(1 - along**2)
        seam = level + 0.008 * np.cos(np.pi * along * 2) - 0.004 * along**2
        top = seam - a.lips[0] * closed * (0.82 + 0.3 * np.exp(-(((along - 0.28) / 0.2) ** 2)))
        bottom = seam + a.lips[1] * closed**0.8
        within = _soft(half - self.ax, 0.04)
        mask = _soft(self.y - top, 0.025) * _soft(bottom - self.y, 0.03) * within
        tint = np.array([0.95, 0.74, 0.74]) if self.long_hair else np.array([0.96, 0.83, 0.81])
        shade = np.where(self.y < seam, 0.88, 1.05)[..., None]
        self._lay(self.colour * tint * shade, mask)
        dark = np.exp(-0.5 * ((self.y - seam) / 0.013) ** 2) * _soft(half * 1.03 - self.ax, 0.05)
        dimple = self._bump(half * 1.02, level + 0.012, 0.025, 0.025)
        self.colour *= single(1 - 0.62 * dark - 0.25 * dimple)[..., None]

    def _front_hair(self) -> None:
        rng = self.rng
        side = 0.75 if self.long_hair else rng.uniform(-0.05, 0.12)
        part = rng.uniform(-0.5, 0.5)
        line = rng.uniform(-1.0, -0.72) + 0.16 * np.exp(-(((self.x - part) / 0.3) ** 2)) * rng.uniform(-1, 1)
        line = line + rng.uniform(0.25, 0.6) * np.clip(self.ax, 0, 1.2) ** 3
        line = line + 0.03 * _noise(rng, self.side, (6, 14, 40), 0.5)
        temples = self.a.width * (0.9 if self.long_hair else 0.93) - 0.1 * np.clip(self.y + 0.1, -1, 0)
        cap = np.maximum(_soft(line - self.y, 0.09), _soft(self.ax - temples, 0.05) * _soft(side - self.y, 0.2))
        edge = self._inside(self.a.width * 1.13, 1.44, 1.3, 2.3)
        mask = cap * _soft(edge, 0.05)
        self._lay(self._hair_colour(self._strands(0.012, 0.13)), mask)

    def _open_eyes(self) -> None:
        """Cut the eyes out of the skin and paint the eyeballs beneath."""
        a = self.a
        wide, high = a.eye_size
        along = (self.ax - a.eye[0]) / wide
        arch = np.clip(1 - along**2, 0, 1)
        tilt = -a.slant * (self.ax - a.eye[0])
        upper, lower = tilt - high * arch**0.7, tilt + 0.72 * high * arch**0.9
        near = _soft(1 - np.abs(along), 0.25)
        hole = _soft(self.y - upper, 0.02) * _soft(lower - self.y, 0.02) * _soft(1 - np.abs(along), 0.1)
        lash = np.exp(-0.5 * ((self.y - upper + 0.006) / 0.017) ** 2) * near
        crease = np.exp(-0.5 * ((self.y - upper + 0.055) / 0.014) ** 2) * near
        rim = np.exp(-0.5 * ((self.y - lower - 0.006) / 0.012) ** 2) * near
        dark = 1 - self.rng.uniform(0.6, 0.8) * lash - 0.3 * crease - 0.22 * rim
        self.colour *= single(np.clip(dark, 0, 1))[..., None]
        self.eyes = self._eyeballs(along, upper)
        self.cover *= 1 - hole

    def _eyeballs(self, along: Any, upper: Any) -> Array:
        a, rng = self.a, self.rng
        kind = rng.choice(4, p=[0.4, 0.4, 0.1, 0.1])
        iris_colour = np.array([[70, 45, 28], [52, 34, 22], [88, 104, 92], [92, 116, 140]])[kind]
        gaze = rng.normal(0, 0.012, 2)
        dx = np.where(self.x > 0, self.x - a.eye[0], self.x + a.eye[0]) - gaze[0]
        dy = self.y - gaze[1] + 0.008
        radius = np.hypot(dx, dy)
        white = np.array([214, 208, 202]) * (0.96 - 0.22 * along**2)[..., None]
        fibres = 1 + 0.12 * np.sin(17 * np.arctan2(dy, dx)) + 0.25 * (radius / 0.088 - 0.5)
        iris = iris_colour * fibres[..., None]
        ball = white + _soft(0.088 - radius, 0.02)[..., None] * (iris - white)
        ball = ball * (1 - 0.92 * _soft(0.036 - radius, 0.014))[..., None]
        glint = np.exp(-0.5 * (((dx - 0.03 * self.light[0] * 2) / 0.016) ** 2 + ((dy + 0.035) / 0.016) ** 2))
        ball = ball + 190 * glint[..., None]
        ball = ball * (1 - 0.42 * np.exp(-0.5 * ((self.y - upper) / 0.032) ** 2))[..., None]
        return single(np.clip(ball, 0, 255))


def _bell(value: Any, middle: float, width: float) -> Array:
    return single(np.exp(-0.5 * ((value - middle) / width) ** 2))
