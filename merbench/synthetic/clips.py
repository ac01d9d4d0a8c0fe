"""All clips of a synthetic database as numbers (:func:`plan`), and the pictures of one (:class:`Film`).

Every random number is from a stream with a name: the settings' seed, the clip, the frame. So strength, size and colour
of the frames change no draw.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from merbench.contracts.action_units import ActionUnit
from merbench.contracts.digests import derived_seed
from merbench.synthetic import face, motion
from merbench.synthetic.face import Array, Face
from merbench.synthetic.settings import SyntheticSettings
from merbench.synthetic.table import CLASSES, COUNTS, DATASETS, SETS, WORDS, sets_given_class

FPS = {"casme2": 200, "samm": 200, "smic-hs": 100}

#: The subjects of MEGC 2019, by number; ``small`` takes the first four of each database.
SUBJECTS = {
    "casme2": (*range(1, 10), *range(11, 18), *range(19, 27)),
    "samm": (6, 7, *range(9, 25), 26, 28, *range(30, 38)),
    "smic-hs": (*range(1, 7), 8, 9, *range(11, 16), 18, 19, 20),
}
SMALL_SUBJECTS = 4

#: Seconds from onset to offset, and the share of them before the apex. So near the middle the frame halfway between
#: onset and offset shows the apex' movement, whatever the time course.
SECONDS, RISING = (0.16, 0.5), (0.46, 0.54)
#: Longest displacement, in pixels of a face picture of `motion.PICTURE_PIXELS`.
PEAK = (0.5, 2.0)
#: Sizes of other movements, by the end of a clip: pixels of the face picture, radians, share of the size.
DRIFT, TURN, GROW = 0.25, 0.004, 0.003
NOISE = 1.5  # grey levels of sensor noise
LAMP = 0.006  # share by which the light flickers from frame to frame
BLINKS = 0.08  # share of clips with a blink
FOUR_DIGITS = 0.06  # share of SAMM clips whose frame numbers are filled to four digits instead of five
ONE_SIDED = 0.15  # share of action units shown on one side only


@dataclass(frozen=True)
class Clip:
    """One clip: its annotation, and the numbers from which its pictures are drawn.

    Names and `emotion` are as the database writes them, `label` is one of `CLASSES`. `au_set` has the numbers of its
    action units, a row of the table; `units` their sides and intensities as well. Frames `first` to `last` are on
    disk, their numbers filled with zeros to `digits`. `peak` is the longest displacement, in pixels of a face picture.
    """

    dataset: str
    subject: str
    clip: str
    emotion: str
    label: str
    au_set: str
    units: tuple[ActionUnit, ...]
    onset: int
    apex: int
    offset: int
    first: int
    last: int
    digits: int
    peak: float

    @property
    def rising(self) -> float:
        """Share of the time from onset to offset before the apex."""
        return (self.apex - self.onset) / (self.offset - self.onset)

    def times(self) -> npt.NDArray[np.float64]:
        """Return the time of every frame on disk: 0 at onset, 1 at apex, 2 at offset."""
        frames = np.arange(self.first, self.last + 1)
        return np.interp(frames, [self.onset, self.apex, self.offset], [0.0, 1.0, 2.0], left=-1.0, right=3.0)


def stream(settings: SyntheticSettings, *name: object) -> np.random.Generator:
    """Return the random stream of a name."""
    return np.random.default_rng(derived_seed("synthetic", settings.seed, *name))


def plan(settings: SyntheticSettings) -> list[Clip]:
    """Draw all clips, in order of dataset, subject and clip."""
    return [clip for dataset in DATASETS for clip in _plan_dataset(settings, dataset)]


def _plan_dataset(settings: SyntheticSettings, dataset: str) -> list[Clip]:
    rng = stream(settings, dataset, settings.size, settings.table, "labels")
    chances = sets_given_class(settings.table, dataset)
    drawn = [
        (label, SETS[index])
        for label, count, chance in zip(CLASSES, COUNTS[settings.size][dataset], chances, strict=True)
        for index in rng.choice(len(SETS), size=count, p=chance)
    ]
    rng.shuffle(drawn)  # so that clip numbers carry no information on the class
    numbers = SUBJECTS[dataset] if settings.size == "full" else SUBJECTS[dataset][:SMALL_SUBJECTS]
    owners = _owners(rng, numbers, len(drawn))
    seen: dict[tuple[int, str], int] = {}
    clips = []
    for owner, (label, au_set) in zip(owners, drawn, strict=True):
        words = WORDS[dataset].get(label, {label: 1})
        weights = np.array(list(words.values()), dtype=float)
        word = str(rng.choice(list(words), p=weights / weights.sum()))
        group = (owner, word if dataset == "smic-hs" else "")
        seen[group] = seen.get(group, 0) + 1
        clips.append(_draw_clip(settings, dataset, owner, seen[group], label, word, au_set))
    return sorted(clips, key=lambda clip: (clip.subject, clip.clip))


def _owners(rng: np.random.Generator, numbers: tuple[int, ...], clips: int) -> list[int]:
    """Give every subject one clip, and the others by the subjects' own shares, which are very uneven."""
    shares = rng.dirichlet(np.full(len(numbers), 1.5))
    more = rng.choice(len(numbers), size=clips - len(numbers), p=shares)
    order = rng.permutation(np.concatenate([np.arange(len(numbers)), more]))
    return [numbers[index] for index in order]


def _draw_clip(
    settings: SyntheticSettings, dataset: str, subject: int, index: int, label: str, word: str, au_set: str
) -> Clip:
    """Draw the values that do not depend on the emotion: names, sides, intensities, durations and the peak."""
    rng = stream(settings, dataset, subject, index, word if dataset == "smic-hs" else "", "annotation")
    subject_name, name = _names(rng, dataset, subject, index, word)
    units = tuple(_draw_unit(rng, int(number)) for number in au_set.split("+"))
    frames = round(rng.uniform(*SECONDS) * FPS[dataset])
    rising = rng.uniform(*RISING)
    margins = map(int, rng.integers(3, 8, size=2))
    before, after = margins if dataset == "casme2" else (0, 0)  # frames before onset and after offset
    first = int(rng.integers(*{"casme2": (1, 60), "samm": (20, 8000), "smic-hs": (1, 5000)}[dataset]))
    onset = first + before
    apex = onset + (frames // 2 if dataset == "smic-hs" else round(rising * frames))
    offset = onset + frames
    digits = {"casme2": 1, "samm": 4 if rng.random() < FOUR_DIGITS else 5, "smic-hs": 6}[dataset]
    return Clip(
        dataset=dataset,
        subject=subject_name,
        clip=name,
        emotion=word,
        label=label,
        au_set=au_set,
        units=units,
        onset=onset,
        apex=apex,
        offset=offset,
        first=first,
        last=offset + after,
        digits=digits,
        peak=float(rng.uniform(*PEAK)),
    )


def _draw_unit(rng: np.random.Generator, number: int) -> ActionUnit:
    one_sided, side, intensity = rng.random() < ONE_SIDED, str(rng.choice(("L", "R"))), str(rng.choice(("A", "B", "C")))
    return ActionUnit(number, side if one_sided and number not in motion.CENTRAL else "", intensity)


def _names(rng: np.random.Generator, dataset: str, subject: int, index: int, word: str) -> tuple[str, str]:
    """Name subject and clip in the form of the database, with numbers that its real clips do not have."""
    if dataset == "casme2":
        return f"sub{subject:02d}", f"EP{rng.integers(21, 30)}_{index:02d}{'f' * int(rng.random() < 0.3)}"
    if dataset == "samm":
        return f"{subject:03d}", f"{subject:03d}_{rng.integers(8, 10)}_{index}"
    return f"s{subject}", f"s{subject}_{({'negative': 'ne', 'positive': 'po', 'surprise': 'sur'})[word]}_{50 + index}"


def draw_subject(settings: SyntheticSettings, dataset: str, subject: str) -> Face:
    """Draw the face of a subject."""
    channels = 1 if settings.colour == "grey" else 3
    return face.draw_face(stream(settings, dataset, subject, "face"), settings.pixels, channels)


def draw_course(settings: SyntheticSettings, clip: Clip) -> motion.Course:
    """Draw a clip's course in time, the only effect of the strength."""
    rng = stream(settings, clip.dataset, clip.subject, clip.clip, "course")
    return motion.draw_course(rng, clip.label, settings.strength, clip.rising)


class Film:
    """The frames of one clip of a plan; `person` is the face of its subject."""

    def __init__(self, settings: SyntheticSettings, clip: Clip, person: Face) -> None:
        self.settings, self.clip, self.person = settings, clip, person
        self.course = draw_course(settings, clip)
        self.x, self.y = self._face_coordinates()
        left, right = motion.fields(person.anatomy, clip.units, self.x, self.y)
        none, whole = np.zeros_like(self.x), np.ones_like(self.x)
        lids = (none, motion.lids(person.anatomy, self.x, self.y))
        # What can move, each as a field over the frame: right, down, turn, grow, side L, side R, lids.
        moves = ((whole, none), (none, whole), (-self.y, self.x), (self.x, self.y), left, right, lids)
        self.fields: Array = np.stack([np.stack([*move]) for move in moves]).reshape(7, -1)
        self.places = np.stack([self.x, self.y]).ravel()
        self.dark = np.stack(motion.creases(person.anatomy, clip.units, self.x, self.y))
        self.rings = motion.rings(person.anatomy, self.x, self.y)

    def _stream(self, *name: object) -> np.random.Generator:
        return stream(self.settings, self.clip.dataset, self.clip.subject, self.clip.clip, *name)

    def _face_coordinates(self) -> tuple[Array, Array]:
        """Return the face coordinates of each pixel of the frame: where the person sits, and how the head is held."""
        subject = stream(self.settings, self.clip.dataset, self.clip.subject, "pose")
        lean, size, yaw, nod = subject.normal(0, (0.035, 0.025, 0.045, 0.03))
        lean, dx, dy = self._stream("pose").normal((lean, 0, 0), (0.012, 0.03, 0.02))
        side = self.settings.pixels
        steps = (np.arange(side, dtype=np.float32) + 0.5) * np.float32(face.FRAME / side)
        x = np.broadcast_to(steps - np.float32(face.CENTRE[0] * face.FRAME + dx), (side, side))
        y = np.broadcast_to((steps - np.float32(face.CENTRE[1] * face.FRAME + dy))[:, None], (side, side))
        cos, sin = np.float32(np.cos(lean) * (1 + size)), np.float32(np.sin(lean) * (1 + size))
        x, y = cos * x - sin * y, sin * x + cos * y
        front = np.exp(-((x / 0.9) ** 2) - ((y - 0.3) / 1.1) ** 2)  # front parts move most when a head turns
        return face.single(x - yaw * front), face.single(y - nod * front)

    @cached_property
    def movement(self) -> npt.NDArray[np.float64]:
        """How far everything has moved in each frame on disk, in face units, shape (n_frames, 7)."""
        clip, times, unit = self.clip, self.clip.times(), motion.PICTURE / motion.PICTURE_PIXELS
        rng, sizes = self._stream("drift"), (DRIFT * unit, DRIFT * unit, TURN, GROW)
        walks = [size * motion.walk(rng, len(times), clip.onset - clip.first) for size in sizes]
        sides = [
            clip.peak * unit * motion.amplitude(times, rise, decay)
            for rise, decay in zip(self.course.rise, self.course.decay, strict=True)
        ]
        return np.stack([*walks, *sides, self._blink(len(times))], axis=1)

    def _blink(self, frames: int) -> npt.NDArray[np.float64]:
        """Return how far the lids are shut in each frame: a clip's own, whatever its emotion."""
        shuts, middle, seconds, depth = self._stream("blink").random(4)
        half = (0.06 + 0.05 * seconds) * FPS[self.clip.dataset]
        away = np.abs(np.arange(frames) - middle * frames) / half
        return np.where(shuts < BLINKS, (0.6 + 0.4 * depth) * np.clip(1.15 - away, 0, 1), 0.0)

    @cached_property
    def lamp(self) -> npt.NDArray[np.float64]:
        """The brightness of the light in each frame on disk, about 1."""
        return 1 + LAMP * self._stream("lamp").standard_normal(len(self.clip.times()))

    def frame(self, number: int) -> npt.NDArray[np.uint8]:
        """Return one frame of those on disk, shape (pixels, pixels) or (pixels, pixels, 3) as red, green, blue."""
        assert self.clip.first <= number <= self.clip.last
        index = number - self.clip.first
        moved = self.movement[index].astype(np.float32)
        picture = self._warped(moved)
        unit = np.float32(motion.PICTURE / motion.PICTURE_PIXELS)
        depth = np.float32(motion.DARKEST / 2) * moved[4:6] / unit
        light = np.float32(self.lamp[index]) * (1 - np.einsum("s,sij->ij", depth, self.dark))
        flicker = self.course.flicker * motion.flickering(self.clip.times()[index : index + 1])[0]
        picture *= light[..., None]
        picture += (np.float32(flicker) * self.rings)[..., None]
        picture += NOISE * self._stream(number, "noise").standard_normal(picture.shape, dtype=np.float32)
        whole = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
        return whole[..., 0] if whole.shape[2] == 1 else whole

    def _warped(self, moved: Array) -> Array:
        """Return background, eyeballs and skin in their places; the skin moves, the eyeballs only with the head."""
        person, side = self.person, self.settings.pixels
        # A pixel shows what was where its movement came from. (einsum, since `@` would start threads within threads.)
        skin = self._canvas(self.places - np.einsum("m,mp->p", moved, self.fields))
        head = self._canvas(self.places - np.einsum("m,mp->p", moved[:4], self.fields[:4]))
        rows, columns = self._eye_box
        layers: Any = cv2.remap(person.skin, skin[0], skin[1], cv2.INTER_LINEAR)
        eyes: Any = cv2.remap(person.eyes, head[0][rows, columns], head[1][rows, columns], cv2.INTER_LINEAR)
        picture = person.background.copy()
        picture[rows, columns] = eyes.reshape(*eyes.shape[:2], -1)
        picture *= 1 - layers[..., -1:]
        picture += layers[..., :-1]
        return picture.reshape(side, side, -1)

    def _canvas(self, places: Array) -> Array:
        """Return face coordinates as coordinates of the canvas' pixels, shape (2, pixels, pixels)."""
        side = self.settings.pixels
        scale = np.float32(face.canvas_pixels(side) / face.SIDE)
        places = places.reshape(2, side, side) * scale
        places[0] -= np.float32(face.LEFT) * scale + np.float32(0.5)
        places[1] -= np.float32(face.TOP) * scale + np.float32(0.5)
        return places

    @cached_property
    def _eye_box(self) -> tuple[slice, slice]:
        """The part of the frame with the eyes."""
        anatomy = self.person.anatomy
        inside = (np.abs(self.x) < anatomy.eye[0] + 0.26) & (np.abs(self.y) < 0.17)
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
