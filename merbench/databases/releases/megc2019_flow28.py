"""The public flow release of MEGC 2019: one 28x28 onset-to-apex flow image a clip, in the layouts of its authors.

HTNet's layout is flat: ``combined_3_class2_for_optical_flow.csv`` lists ``dataset, sub, filename_o, label`` and
``STSNet_whole_norm_u_v_os/<sub>_<filename_o> .png`` holds the images (with the blank before the dot).
STSTNet's is a tree, one folder a fold: ``<subject>/u_test/<label>/<clip>.png`` (``u_train`` repeats all others).

Each image is, in RGB order, horizontal flow u, vertical flow v and optical strain, each scaled to 0..255 over the clip
(Liong et al., FG 2019; Wang et al., arXiv 2307.14637).

``megc2019_flow28.csv`` beside this file lists the published files for ``merbench data fetch``. It was made by
``python -m merbench.databases.releases.checksums FOLDER LIST IMAGES/`` on a copy of HTNet's layout at the commit below.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.clips import IDENTITY, clip_name, clip_table
from merbench.contracts.databases import DatabaseCard, Download, Reading
from merbench.contracts.errors import DataError, listed
from merbench.contracts.inputs import Flow, InputSpec
from merbench.contracts.notes import Note
from merbench.databases.readers.identity import normalised
from merbench.databases.releases.checksums import published, published_count

CHECKSUMS = Path(__file__).with_suffix(".csv")
COMMIT = "91cf4bda0a2db50d638d46c04c5d7cf3b602d446"
IMAGES = "STSNet_whole_norm_u_v_os"
LIST = "combined_3_class2_for_optical_flow.csv"
#: Added to the release's name in tables where images differ from the published ones.
OTHER_IMAGES = "other-images"
CLASSES = {"0": "negative", "1": "positive", "2": "surprise"}
FLOW = Flow(span="onset-apex", size=28, channels=("u", "v", "strain"), algorithm="tvl1", normalise="clip")

_COLUMNS = [*IDENTITY, "emotion", "path"]
_SUBJECT_FORMS = {"casme2": r"sub\d+", "smic-hs": r"s\d+", "samm": r"\d+"}


CARD = DatabaseCard(
    name="megc2019-flow28",
    title="MEGC 2019 flow images, 28x28 (public release of STSTNet's and HTNet's authors)",
    datasets={"smic-hs": "SMIC", "casme2": "CASME II", "samm": "SAMM"},
    holds="442 clips of 68 subjects",
    licence="public, in a repository that states no licence; its videos need the licence of each database",
    source="https://github.com/wangzhifengharrison/HTNet (datasets/, commit 91cf4bd)",
    offers=(FLOW,),
    labels={
        "smic-hs": {"negative": ("negative",), "positive": ("positive",), "surprise": ("surprise",)},
        "casme2": {"negative": ("disgust", "repression"), "positive": ("happiness",), "surprise": ("surprise",)},
        "samm": {
            "negative": ("anger", "contempt", "disgust", "fear", "sadness"),
            "positive": ("happiness",),
            "surprise": ("surprise",),
        },
    },
    listed_by="megc2019",
    download=Download(
        address=f"https://raw.githubusercontent.com/wangzhifengharrison/HTNet/{COMMIT}",
        checksums=CHECKSUMS,
        folders={IMAGES: f"datasets/{IMAGES}"},
        cite=(
            "Liong et al., STSTNet, IEEE FG 2019 (doi 10.1109/FG.2019.8756567)",
            "Wang et al., HTNet, Neurocomputing 602, 2024 (arXiv 2307.14637)",
            "the databases behind it: SMIC, CASME II, SAMM",
        ),
    ),
)


class FlowImages:
    """Reader of a release in one of these layouts.

    `checksums` is the list that tells the published images from others; `further` are the endings of further images of
    each clip, ``<sub>_<filename_o><ending> .png``, which a copy must have, too, by what they show.
    """

    card = CARD
    checksums = CHECKSUMS
    further: Mapping[InputSpec, str] = {}

    @property
    def endings(self) -> tuple[str, ...]:
        """Endings of the further images of each clip."""
        return tuple(self.further.values())

    def recognises(self, folder: Path) -> bool:
        """Return whether `folder` has one of the layouts, with as many images of each clip."""
        if next(folder.glob("*/u_test"), None) is not None:
            return not self.endings
        place = _images(folder)
        found = {_stem(image) for image in place.iterdir()} if place.is_dir() else set()
        whole = {name for name in found if all(name + ending in found for ending in ("_1", "_2", "_3"))}
        return ((folder / LIST).exists() or place.exists()) and bool(whole) == bool(self.endings)

    def read(self, folder: Path, corrections: bool = True) -> Reading:
        """Read the clip table; the emotion is the class name, the only label of the release."""
        flat = [(folder / LIST).is_file(), _images(folder).is_dir()]
        notes: list[Note] = []
        if all(flat):
            rows, layout = pd.DataFrame(self._flat_rows(folder), columns=_COLUMNS), "HTNet's flat layout"
            known = {_stem(Path(path)) + ending for path in rows.path for ending in ("", *self.endings)}
            unlisted = sorted(image.name for image in _images(folder).iterdir() if _stem(image) not in known)
            if unlisted:
                said = f"{len(unlisted)} files of {IMAGES} are not in the list: {listed(unlisted, most=5)}"
                notes.append(Note("note", said))
        elif any(flat):
            has, lacks = (LIST, f"{IMAGES}/") if flat[0] else (IMAGES, LIST)
            raise DataError(f"{folder} is incomplete: it has {has}, but not {lacks}")
        elif self.recognises(folder):
            rows, layout = pd.DataFrame(_tree_rows(folder), columns=_COLUMNS), "STSTNet's tree"
        else:
            expected = f"{IMAGES}/ and {LIST}, or folders <subject>/u_test/<0|1|2>/"
            raise DataError(f"{folder} is not a copy of {self.card.name}: expected {expected}")
        differing = self._not_published(folder, list(rows.path))
        if differing:
            notes.append(Note("disclosure", differing))
        return Reading(clip_table(rows, str(folder)), layout, notes, variant=OTHER_IMAGES if differing else "")

    def arrays(self, folder: Path, clips: pd.DataFrame, spec: InputSpec) -> npt.NDArray[Any]:
        """Return images, uint8, shape (n_clips, 28, 28, channels): u, v, strain of flow, or the first two of them."""
        offers = self.card.offers or ()
        if spec not in offers:
            raise DataError(f"{self.card.name} offers {'; '.join(map(str, offers))}, not {spec}")
        images = np.empty((len(clips), 28, 28, 3), dtype=np.uint8)
        unusable = []
        for index, clip in enumerate(clips.itertuples()):
            path = folder / str(clip.path)
            if ending := self.further.get(spec):
                path = path.with_name(f"{_stem(path)}{ending} .png")
            try:
                images[index] = _image(path, clip_name(clip))
            except DataError as error:
                unusable.append(error)
        if unusable:
            raise DataError("; ".join(map(str, unusable)))  # all of them, so that they can be replaced at once
        return images if isinstance(spec, Flow) else np.ascontiguousarray(images[..., :2])

    def _flat_rows(self, folder: Path) -> Iterator[tuple[str, ...]]:
        path = folder / LIST
        try:
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{path} can't be read as CSV: {error}") from error
        missing = [column for column in ("dataset", "sub", "filename_o", "label") if column not in table.columns]
        if missing:
            raise DataError(f"{path} lacks the columns {listed(missing)}; is it HTNet's {LIST}?")
        place = _images(folder)
        images = {_stem(image): image.relative_to(folder).as_posix() for image in place.iterdir()}
        absent = []
        for line, row in enumerate(table.to_dict("records"), start=2):
            dataset, subject, clip = _identity(row["dataset"], row["sub"], row["filename_o"], f"{path}, line {line}")
            # A list that a spreadsheet program saved has 6 in place of 006.
            written = [f"{name}_{row['filename_o'].strip()}" for name in (row["sub"].strip(), subject)]
            name = next((name for name in written if name in images), written[0])
            if any(name + ending not in images for ending in ("", *self.endings)):
                absent.append(f"{dataset}/{subject}/{clip}")
                continue
            yield dataset, subject, clip, _class(row["label"], f"{path}, line {line}"), images[name]
        if absent:
            clips = listed(absent, most=len(absent))
            raise DataError(f"{place} has no image for {clips}; copy the whole folder again")

    def _not_published(self, folder: Path, images: list[str]) -> str:
        """Say how many images are the published ones; empty if all are."""
        known = {_stem(Path(path)): path for path in published(self.checksums)}
        places = {}
        for image in images:
            path = Path(image)
            names = (
                _stem(path),
                f"{path.parts[0]}_{_stem(path)}",
            )  # in the tree, the subject may be in the folder only
            places[image] = next((known[name] for name in names if name in known), "")
        same = published_count(folder, places, self.checksums)
        return "" if same == len(images) else f"{same} of {len(images)} images are the published ones"


def _images(folder: Path) -> Path:
    """Return the folder of images: beside the list, or in ``datasets/``, as in a clone of the repository."""
    return folder / IMAGES if (folder / IMAGES).is_dir() else folder / "datasets" / IMAGES


def _tree_rows(folder: Path) -> Iterator[tuple[str, ...]]:
    for subject_folder in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        dataset = next((d for d, form in _SUBJECT_FORMS.items() if re.fullmatch(form, subject_folder.name)), None)
        if dataset is None:
            example = "such as sub01 (CASME II), s01 (SMIC) or 006 (SAMM)"
            raise DataError(f"{subject_folder}: the name is not a subject's, {example}")
        if not (subject_folder / "u_test").is_dir():
            raise DataError(f"{subject_folder} has no u_test/; copy the whole subject folder again")
        images = sorted((subject_folder / "u_test").glob("*/*.png"))
        if not images:
            raise DataError(f"{subject_folder / 'u_test'} has no image; copy the whole subject folder again")
        for image in images:
            # Images are called <clip>.png or <subject>_<clip> .png; SAMM and SMIC clips begin with the subject anyway.
            names = [_stem(image), _stem(image).removeprefix(f"{subject_folder.name}_")]
            identity = next(filter(None, (_try_identity(dataset, subject_folder.name, name) for name in names)), None)
            if identity is None:
                raise DataError(f"{image} is not named after a clip of {dataset}, such as <clip>.png")
            emotion = _class(image.parent.name, str(image.parent))
            yield *identity, emotion, image.relative_to(folder).as_posix()


def _identity(dataset: str, subject: str, clip: str, where: str) -> tuple[str, str, str]:
    try:
        found = normalised(dataset, subject, clip)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    if found[0] not in _SUBJECT_FORMS:
        raise DataError(f"{where}: unknown dataset {dataset!r}, expected casme2, samm or smic")
    return found


def _try_identity(dataset: str, subject: str, clip: str) -> tuple[str, str, str] | None:
    with suppress(DataError):
        return normalised(dataset, subject, clip)
    return None


def _class(label: str, where: str) -> str:
    if label.strip() not in CLASSES:
        raise DataError(f"{where}: unknown class {label!r}, expected 0 (negative), 1 (positive) or 2 (surprise)")
    return CLASSES[label.strip()]


def _stem(image: Path) -> str:
    return image.name.removesuffix(".png").strip()


def _image(path: Path, clip: str) -> npt.NDArray[np.uint8]:
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise DataError(f"{path}, the image of {clip}, can't be read: {error.strerror or error}") from error
    image = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
    if image is None:
        raise DataError(f"{path}, the image of {clip}, is not a readable PNG; copy it again")
    if image.shape != (28, 28, 3) or image.dtype != np.uint8:
        raise DataError(f"{path}, the image of {clip}, is {image.dtype} {image.shape}, expected uint8 (28, 28, 3)")
    return np.ascontiguousarray(image[:, :, ::-1])  # OpenCV reads BGR; u, v, strain are R, G, B


DATABASE = FlowImages()
