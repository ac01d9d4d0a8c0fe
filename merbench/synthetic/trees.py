"""Writes synthetic data in the layouts and with the annotation sheets of CASME II, SAMM and SMIC-HS.

The real databases' readers read the result; the sheets are the same bytes for every strength. A clip is written under
another name and then renamed, the manifest last: after a kill, the next write completes the data, and incomplete data
is never mistaken for complete data.
"""

import io
import json
import os
import re
import shutil
import threading
import zipfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from filelock import FileLock

from merbench.contracts.databases import MANIFEST
from merbench.contracts.errors import DataError
from merbench.synthetic.clips import Clip, Film, draw_subject, plan
from merbench.synthetic.settings import SyntheticSettings, generator_digest
from merbench.synthetic.table import CLASSES, DATASETS, OBJECTIVE

UNFINISHED = f"{MANIFEST}.part"
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII")
JPEG_QUALITY = 95


def write(
    settings: SyntheticSettings,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> None:
    """Write synthetic data: ``casme2/``, ``samm/``, ``smic-hs/`` and, last, ``synthetic.json``.

    The folder is new, empty, or incomplete with the same settings, else DataError; a complete one is not changed.
    Threads suffice, since OpenCV and NumPy release the interpreter lock: `workers`, by default that of the cores, write
    a subject at a time and call ``progress(clips done, clips in all)``, one at a time. A second process waits for the
    first.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            if not _finished(settings, folder):
                _write(settings, folder, progress or (lambda _done, _total: None), workers or os.cpu_count() or 1)
    except OSError as error:
        raise DataError(
            f"{folder}: synthetic data can't be written: {error.strerror or error}; finished clips are kept, "
            "run the same command to resume"
        ) from error


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a complete synthetic database, None without one; DataError if the file is not one."""
    return _read_json(folder / MANIFEST)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read: {error}; delete the folder and write the data again") from error
    if not isinstance(found, dict) or not isinstance(found.get("generator"), str):
        raise DataError(f"{path} is not the manifest of synthetic data; delete the folder and write the data again")
    return found


def _finished(settings: SyntheticSettings, folder: Path) -> bool:
    """Return whether the data is complete; if not, mark the folder as incomplete."""
    manifest = read_manifest(folder)
    if (begun := manifest or _read_json(folder / UNFINISHED)) is None:
        if any(not path.name.startswith(".") for path in folder.iterdir()):  # drafts of a killed write are ignored
            raise DataError(f"{folder} is not empty and not a synthetic database: give a new folder")
        _replace(folder / UNFINISHED, json.dumps({"generator": generator_digest(settings)}).encode())
    elif begun["generator"] != generator_digest(settings):
        raise DataError(
            f"{folder} has synthetic data of other settings or another version: delete it or give a new folder"
        )
    return manifest is not None


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.replace(path)


def _write(settings: SyntheticSettings, folder: Path, progress: Callable[[int, int], None], workers: int) -> None:
    clips = plan(settings)
    for dataset in DATASETS:
        (folder / dataset).mkdir(exist_ok=True)  # marks each tree, also when it is copied alone
        _replace(folder / dataset / MANIFEST, json.dumps({"generator": generator_digest(settings)}).encode())
        _write_sheets([clip for clip in clips if clip.dataset == dataset], folder / dataset)
    subjects = [list(group) for _, group in groupby(clips, key=lambda clip: (clip.dataset, clip.subject))]
    subjects.sort(key=len, reverse=True)  # longest first, to balance the threads
    lock, stop, done = threading.Lock(), threading.Event(), [0]

    def subject(own: list[Clip]) -> None:
        person = None
        for clip in own:
            place = folder / clip_folder(clip)
            if not place.is_dir():
                person = person or draw_subject(settings, clip.dataset, clip.subject)
                _write_clip(Film(settings, clip, person), place)
            with lock:
                done[0] += 1
                progress(done[0], len(clips))
            if stop.is_set():
                return

    with ThreadPoolExecutor(workers) as pool:
        tasks = [pool.submit(subject, own) for own in subjects]
        try:
            for task in as_completed(tasks):
                task.result()
        finally:  # after an error or Ctrl-C, the others end after their current clip
            stop.set()
            pool.shutdown(cancel_futures=True)
    _replace(folder / UNFINISHED, json.dumps(_manifest(settings, clips), indent=1, sort_keys=True).encode())
    (folder / UNFINISHED).replace(folder / MANIFEST)


def _manifest(settings: SyntheticSettings, clips: list[Clip]) -> dict[str, Any]:
    return {
        "generator": generator_digest(settings),
        "settings": settings.model_dump(mode="json"),
        "clips": dict(Counter(clip.dataset for clip in clips)),
        "subjects": dict(Counter(dataset for dataset, _ in {(clip.dataset, clip.subject) for clip in clips})),
        "classes": {name: sum(clip.label == name for clip in clips) for name in CLASSES},
        "synthetic": "drawn by a program; scores on it say nothing about people",
    }


def clip_folder(clip: Clip) -> Path:
    """Return the folder of a clip's frames within the data."""
    tree = {"casme2": "CASME2-RAW", "samm": "SAMM", "smic-hs": "HS"}[clip.dataset]
    below = ("micro", clip.emotion) if clip.dataset == "smic-hs" else ()
    return Path(clip.dataset, tree, clip.subject, *below, clip.clip)


def frame_name(clip: Clip, number: int) -> str:
    """Return the file name of a frame, in the spelling of its database."""
    before = {"casme2": "img", "samm": f"{clip.subject}_", "smic-hs": "image"}[clip.dataset]
    return f"{before}{number:0{clip.digits}d}.{'bmp' if clip.dataset == 'smic-hs' else 'jpg'}"


def _write_clip(film: Film, place: Path) -> None:
    part = place.with_name(f".{place.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for number in range(film.clip.first, film.clip.last + 1):
        name = frame_name(film.clip, number)
        (part / name).write_bytes(_encoded(film.frame(number), Path(name).suffix))
    part.rename(place)


def _encoded(picture: npt.NDArray[np.uint8], suffix: str) -> bytes:
    """Return a picture (grey, or red, green, blue) as the bytes of a file."""
    ordered = picture[..., ::-1] if picture.ndim == 3 else picture
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix == ".jpg" else []
    return cv2.imencode(suffix, np.ascontiguousarray(ordered), options)[1].tobytes()


def _write_sheets(clips: list[Clip], folder: Path) -> None:
    """Write the annotation of one database; SMIC has none."""
    if clips[0].dataset == "casme2":
        _save_sheet(folder / "CASME2-coding-20190701.xlsx", "Sheet1", _casme2_rows(clips))
        classes = [(clip.subject[3:], clip.clip, ROMAN.index(OBJECTIVE.get(clip.au_set, "VII")) + 1) for clip in clips]
        header = ("Subject", "Filename", "Objective Class")
        _save_sheet(folder / "CASME2-ObjectiveClasses.xlsx", "Sheet1", [header, *classes])
    elif clips[0].dataset == "samm":
        _save_sheet(folder / "SAMM_Micro_FACS_Codes_v2.xlsx", "MICRO_ONLY", _samm_rows(clips))


def _casme2_rows(clips: list[Clip]) -> list[tuple[Any, ...]]:
    frames = ("OnsetFrame", "ApexFrame", "OffsetFrame")
    header = ("Subject", "Filename", None, *frames, None, "Action Units", "Estimated Emotion")
    return [header] + [
        (clip.subject[3:], clip.clip, None, clip.onset, clip.apex, clip.offset, None, _units(clip), clip.emotion)
        for clip in clips
    ]


def _samm_rows(clips: list[Clip]) -> list[tuple[Any, ...]]:
    """Return SAMM's rows: thirteen of preamble, the header, the clips."""
    frames = ("Onset Frame", "Apex Frame", "Offset Frame", "Duration")
    labels = ("Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes")
    rows: list[tuple[Any, ...]] = [("Synthetic data in the layout of SAMM",), *[(None,)] * 12]
    rows.append(("Subject", "Filename", "Inducement Code", *frames, *labels))
    for clip in clips:
        names = (clip.subject, clip.clip, int(clip.clip.split("_")[1]))
        numbers = (clip.onset, clip.apex, clip.offset, clip.offset - clip.onset + 1)
        said = (_units(clip), clip.emotion.capitalize(), OBJECTIVE.get(clip.au_set, "VII"))
        rows.append((*names, *numbers, "Micro - 1/2", *said, None))
    return rows


def _units(clip: Clip) -> str | int:
    """Write a clip's action units as in its sheet: SAMM with intensities, CASME II a single number as a number."""
    if clip.dataset == "samm":
        return "+".join(map(str, clip.units))
    text = "+".join(f"{unit.side}{unit.number}" for unit in clip.units)
    return int(text) if text.isdecimal() else text


def _save_sheet(path: Path, title: str, rows: list[tuple[Any, ...]]) -> None:
    """Write an Excel file whose bytes depend on `rows` alone, without the time of writing."""
    from openpyxl import Workbook

    book = Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    saved, content = io.BytesIO(), io.BytesIO()
    book.save(saved)
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2000-01-01T00:00:00Z", data)
            new.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    _replace(path, content.getvalue())
