"""Synthetic copies in the layouts of all databases that have a reader, :data:`~merbench.synthetic.layouts.LAYOUTS`.

Faces, action units and movements are those of the other synthetic databases. A copy is written into a folder beside its
own and then renamed: after a kill, the same command goes on with the folders of frames that are not there yet.
"""

import ast
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field

from merbench.contracts.action_units import ActionUnit
from merbench.contracts.databases import MANIFEST
from merbench.contracts.digests import digest, plain_syntax
from merbench.contracts.errors import DataError
from merbench.synthetic import motion
from merbench.synthetic.clips import ONE_SIDED, PEAK, RISING, SECONDS, Clip, Film, draw_subject, stream
from merbench.synthetic.layouts import LAYOUTS, coded, facts, filled
from merbench.synthetic.settings import SyntheticSettings, generator_digest
from merbench.synthetic.table import CLASSES, OWN, SHARED
from merbench.synthetic.trees import JPEG_QUALITY, read_manifest

_TEMPLATE = "smic-hs"  # whose frame rate and table films take
_POSITIVE, _SURPRISE = ("happiness", "happy", "positive"), ("surprise",)
_LARGER = 3.0  # macro-expressions
_OTHER = ("other", "others", "tense", "repression", "expression", "macro", "micro - 1/2")
_REST_FRAMES = (3, 9)  # between the clips of a long video


class LayoutSettings(BaseModel):
    """Settings of synthetic copies.

    `size` is ``small``, two clips of every emotion or more, or ``full``, the database's own counts; `frames` is the
    number of frames from onset to offset, by default what the duration takes at the database's rate.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    layouts: tuple[str, ...] = tuple(LAYOUTS)
    size: Literal["small", "full"] = "small"
    seed: int = Field(0, ge=0)
    strength: float = Field(1.0, ge=0, le=1)
    pixels: int = Field(160, ge=96, le=1024)
    colour: Literal["grey", "rgb"] = "grey"
    frames: int | None = Field(None, ge=3)

    @property
    def drawn(self) -> SyntheticSettings:
        """The settings with which faces and films are drawn."""
        return SyntheticSettings(seed=self.seed, strength=self.strength, pixels=self.pixels, colour=self.colour)

    @property
    def generator(self) -> str:
        """Digest of settings and program: two copies with the same digest have the same clips."""
        code = [plain_syntax(ast.parse(Path(__file__).with_name(f"{name}.py").read_bytes())) for name in _CODE]
        return digest([self.model_dump(mode="json"), generator_digest(self.drawn), code])


_CODE = ("layouts", "copies")


class _Planned(NamedTuple):
    """A clip: its layout and folder, its facts for the templates, and the film that shows it."""

    layout: str
    folder: Path
    facts: dict[str, Any]
    film: Clip

    @property
    def person(self) -> str:
        return self.film.subject


def planned(settings: LayoutSettings) -> list[_Planned]:
    """Draw the clips of all layouts, in order of layout, subject and place in its folder."""
    return [clip for name in settings.layouts for clip in _plan(settings, name)]


def _plan(settings: LayoutSettings, name: str) -> Iterator[_Planned]:
    layout = LAYOUTS[name]
    rng = stream(settings.drawn, "layout", name, settings.size)
    for subject, words in sorted(_dealt(rng, settings, name).items()):
        at, folder = 0, Path()
        for index, word in enumerate(words, start=1):
            known = facts(name, subject, index, word)
            known["clip"] = layout.clip.format(**known)
            place = Path(name, layout.folder.format(**known))
            start = at if place == folder else int(rng.integers(*layout.first))
            clip = _draw(settings, name, known, start)
            at, folder = clip.last + 1 + (0 if settings.frames else int(rng.integers(*_REST_FRAMES))), place
            marks = {"onset": clip.onset, "apex": clip.apex, "offset": clip.offset, "begin": clip.first}
            marks |= {"end": clip.last, "length": clip.offset - clip.onset + 1}
            yield _Planned(name, place, known | marks | coded(clip.units, clip.au_set), clip)


def _dealt(rng: np.random.Generator, settings: LayoutSettings, name: str) -> dict[int, list[str]]:
    """Deal the emotion words of a layout to its subjects: by its own counts, or each to two subjects or more."""
    layout = LAYOUTS[name]
    hands: dict[int, list[str]] = {}
    if settings.size == "full":
        words = [str(word) for word in rng.permutation(np.repeat([*layout.words], [*layout.words.values()]))]
        shares = rng.dirichlet(np.full(len(layout.subjects), 1.5))
        more = rng.choice(len(layout.subjects), size=max(0, len(words) - len(layout.subjects)), p=shares)
        for word, owner in zip(words, [*range(len(layout.subjects)), *more], strict=False):
            hands.setdefault(layout.subjects[owner], []).append(word)
        return hands
    people, words = layout.few, [*layout.words]
    for number in range(max(2 * len(words), 2 * len(people))):
        turn, place = divmod(number, len(words))
        owner = number if len(words) % len(people) else place + turn  # a word goes to two people
        hands.setdefault(people[owner % len(people)], []).append(words[place])
    return hands


def _draw(settings: LayoutSettings, name: str, known: dict[str, Any], start: int) -> Clip:
    """Draw a clip whose frames begin at `start`: its action units, given the emotion's valence, and its course."""
    layout, word = LAYOUTS[name], known["bare"]
    rng = stream(settings.drawn, "layout", name, known["subject"], known["index"], known["video"])
    label = CLASSES[1 if word in _POSITIVE else 2 if word.startswith(_SURPRISE) else 0]
    sets = SHARED if word in _OTHER else {units: weights[0] for units, weights in OWN[label].items()}
    au_set = str(rng.choice([*sets], p=np.array([*sets.values()]) / sum(sets.values())))
    span = round(rng.uniform(*SECONDS) * known["fps"])
    span = max(2, settings.frames - 1 if settings.frames else span)
    rising, peak, margin = rng.uniform(*RISING), rng.uniform(*PEAK), 0 if settings.frames else layout.margin
    macro = known["extent"] == "macro"
    onset = start + margin
    person = layout.people or name
    return Clip(
        dataset=_TEMPLATE,
        subject=f"{person}/{known['subject']}",
        clip=f"{name}/{known['video']}/{known['index']}/{word}",
        emotion=word,
        label=label,
        au_set=au_set,
        units=tuple(_unit(rng, int(number)) for number in au_set.split("+")),
        onset=onset,
        apex=onset + min(span - 1, max(1, round(rising * span))),
        offset=onset + span,
        first=start,
        last=onset + span + margin,
        digits=1,
        peak=float(peak) * (_LARGER if macro else 1),
    )


def _unit(rng: np.random.Generator, number: int) -> ActionUnit:
    one_sided, side, intensity = rng.random() < ONE_SIDED, str(rng.choice(("L", "R"))), str(rng.choice(("A", "B", "C")))
    return ActionUnit(number, side if one_sided and number not in motion.CENTRAL else "", intensity)


def write_copies(settings: LayoutSettings, folder: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Write a folder per layout and, last, the manifest; ``progress(clips done, clips in all)`` is called now and then.

    The folder is new or empty, else DataError; one that the same settings have written is not changed. A second process
    waits for the first.
    """
    part = folder.with_name(f".{folder.name}.{settings.generator[:8]}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(part.with_suffix(".lock")):
            if (read_manifest(folder) or {}).get("generator") == settings.generator:
                return
            if folder.exists() and any(folder.iterdir()):
                raise DataError(
                    f"{folder} is not empty, and has other data than these settings make: give a new folder"
                )
            _write(settings, part, progress or (lambda _done, _total: None))
            if folder.exists():
                folder.rmdir()
            part.rename(folder)
    except OSError as error:
        raise DataError(
            f"{folder}: synthetic data can't be written: {error.strerror or error}; finished clips are kept, "
            "run the same command to resume"
        ) from error


def _write(settings: LayoutSettings, folder: Path, progress: Callable[[int, int], None]) -> None:
    clips = planned(settings)
    manifest: dict[str, Any] = {"generator": settings.generator, "layouts": settings.model_dump(mode="json")}
    for name in settings.layouts:
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")  # also if it is copied alone
        _write_sheets([clip for clip in clips if clip.layout == name], folder / name)
    people = [list(own) for _, own in groupby(sorted(clips, key=lambda clip: clip.person), lambda clip: clip.person)]
    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # OpenCV and NumPy release the interpreter lock
        tasks = [pool.submit(_write_person, settings, own, folder) for own in people]
        try:
            for task in as_completed(tasks):
                done += task.result()
                progress(done, len(clips))
        finally:
            pool.shutdown(cancel_futures=True)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _write_person(settings: LayoutSettings, clips: Sequence[_Planned], folder: Path) -> int:
    """Write all frames of a person; returns the number of clips."""
    person = None
    for place, group in groupby(sorted(clips, key=lambda clip: clip.folder), lambda clip: clip.folder):
        if (folder / place).is_dir():
            continue
        person = person or draw_subject(settings.drawn, _TEMPLATE, clips[0].person)
        part = (folder / place).with_name(f".{place.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for clip in group:
            _write_frames(Film(settings.drawn, clip.film, person), clip, part)
        part.rename(folder / place)
    return len(clips)


def _write_frames(film: Film, clip: _Planned, place: Path) -> None:
    template, stills = LAYOUTS[clip.layout].frame, LAYOUTS[clip.layout].stills
    for number in (film.clip.apex,) if stills else range(film.clip.first, film.clip.last + 1):
        picture = film.frame(number)
        name = template.format(**clip.facts | {"number": number})
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if name.endswith(".jpg") else []
        ordered = np.ascontiguousarray(picture[..., ::-1]) if picture.ndim == 3 else picture
        (place / name).write_bytes(cv2.imencode(Path(name).suffix, ordered, options)[1].tobytes())


def _write_sheets(clips: Sequence[_Planned], folder: Path) -> None:
    """Write the workbooks of a layout."""
    books: dict[str, dict[str, list[Sequence[Any]]]] = {}
    for sheet in LAYOUTS[clips[0].layout].sheets:
        rows = dict.fromkeys(tuple(filled(template, clip.facts) for _, template in sheet.columns) for clip in clips)
        above = [("Synthetic data",), *[()] * (sheet.above - 1)] if sheet.above > 0 else []
        header = [sheet.header] if sheet.above >= 0 else []
        books.setdefault(sheet.file, {})[sheet.title] = [*above, *header, *rows]
    for file, sheets in books.items():
        write_book(folder / file, sheets)


def write_book(path: Path, sheets: dict[str, Any]) -> None:
    """Write an Excel file: title -> rows of each sheet."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
