"""Ready-made arrays of one's own: one a clip, found by the clip's name in the table, never by position."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.action_units import read_coding
from merbench.contracts.clips import IDENTITY
from merbench.contracts.databases import Reading, Release
from merbench.contracts.errors import DataError, listed
from merbench.contracts.inputs import InputSpec
from merbench.contracts.notes import Note
from merbench.databases.own.definitions import OwnDefinition
from merbench.databases.own.places import Finder, finder
from merbench.databases.own.table import Problems, identity, ignored, read_table, table_rows
from merbench.databases.reading.repeats import array_look, repeat_notes

Array = npt.NDArray[Any]
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
_FORMS = ".npz, .npy, .parquet, or a folder of .npy files or pictures"


def own_arrays(definition: OwnDefinition) -> Release:
    """Return the reader of a definition with ready-made arrays."""
    return _OwnArrays(definition)


class _OwnArrays:
    """Reader of a table and a file, or folder, of arrays; refuses a table with an invalid row, naming all of them."""

    def __init__(self, definition: OwnDefinition) -> None:
        self.definition, self.card = definition, definition.card

    def recognises(self, folder: Path) -> bool:
        """Return False: such data is known by its name alone."""
        return False

    def read(self, folder: Path, corrections: bool = True) -> Reading:
        """Read the clip table; DataError names the rows that can't be used, all of them."""
        definition = self.definition
        problems, made = Problems(definition.clips), []
        sheet = read_table(definition.clips, definition.columns)
        rows = table_rows(sheet, definition.name, problems)
        arrays = read_arrays(definition.place)
        find = _finder(definition.place, arrays)
        if definition.place.suffix.lower() == ".npy" and not any(cells["path"] for _, cells in rows):
            raise DataError(
                f"{definition.place}: the rows of an .npy have no names: add a column path to {definition.clips.name}, "
                "with the row of each clip there, from 0; or save an .npz with an array a clip"
            )
        named = Counter(cells["clip"] for _, cells in rows)
        for number, cells in rows:
            try:
                key = _key_of(arrays, find, identity(cells), cells["path"], named[cells["clip"]] == 1)
            except DataError as error:
                problems.add(number, f"no array of the clip in {definition.place}", str(error))
                continue
            if (wrong := _wrong(arrays[key], next(iter(arrays.values())))) is not None:
                problems.add(number, *wrong)
            values = dict(zip(IDENTITY, identity(cells), strict=True)) | {"path": key, "emotion": cells["emotion"]}
            values |= {name: cells[name] for name in ("onset", "apex", "offset")}
            values |= {"fps": float(cells["fps"]) if cells["fps"] else None, "aus": read_coding(cells["aus"])}
            made.append(values)
        table, notes = problems.table(made), ignored(sheet)
        if unused := sorted(set(arrays) - set(table.path), key=_in_order):
            these = (
                f"{len(unused)} of {len(arrays)} arrays have" if len(unused) > 1 else f"1 of {len(arrays)} arrays has"
            )
            notes.append(Note("note", f"{these} no row in {definition.clips.name}: {listed(unused, 5)}"))
        looks = (array_look("/".join(name), "/".join(name[:2]), arrays[path]) for *name, path in
                 table[[*IDENTITY, "path"]].itertuples(index=False))  # fmt: skip
        notes += repeat_notes(looks)
        layout = f"arrays in {definition.place.name}, table {definition.clips.name}"
        return Reading(table, layout, notes)

    def arrays(self, folder: Path, clips: pd.DataFrame, spec: InputSpec) -> Array:
        """Return the arrays of clips, shape (n_clips, ...); features as float32."""
        if spec != self.definition.offers:
            raise DataError(f"{self.card.name} offers {self.definition.offers}, not {spec}")
        held = read_arrays(self.definition.place)
        values = np.stack([held[str(path)] for path in clips.path])
        if spec.kind != "features":
            return values
        return values.astype(np.float32).reshape(len(clips), *spec.model_dump()["shape"])


def _in_order(name: str) -> tuple[int, str]:
    """Sort the rows of an .npy as numbers."""
    return int(name) if name.isdigit() else 0, name


def read_arrays(place: Path) -> dict[str, Array]:
    """Return name -> array of a file or folder; DataError if it is none of the forms, or holds objects."""
    try:
        if place.is_dir():
            found = _of_folder(place)
        elif place.suffix.lower() == ".npz":
            found = _of_npz(place)
        elif place.suffix.lower() == ".npy":
            found = {str(row): values for row, values in enumerate(np.load(place, allow_pickle=False))}
        elif place.suffix.lower() == ".parquet":
            found = _of_parquet(place)
        else:
            raise DataError(f"{place}: expected {_FORMS}")
    except DataError:
        raise
    except Exception as error:  # numpy and pyarrow raise anything on a damaged file
        raise DataError(f"{place} can't be read as arrays: {_why(error)}") from error
    if not found:
        raise DataError(f"{place} has no arrays: expected {_FORMS}")
    return found


def _why(error: Exception) -> str:
    """Say why NumPy or pyarrow can't read a file."""
    if "Object arrays" in str(error):
        return "it holds Python objects, which are not read: save arrays of numbers"
    return "it is not a file of NumPy, or pickled" if "pickle" in str(error) else str(error)


def _of_npz(place: Path) -> dict[str, Array]:
    """Read one array a clip under the clip's name; or `values` with as many names in `clip`, `subject`, `dataset`."""
    with np.load(place, allow_pickle=False) as file:
        found = {name: file[name] for name in file.files}
    if "values" not in found or "clip" not in found:
        return found
    names = [found[name].astype(str) for name in IDENTITY if name in found]
    if any(len(each) != len(found["values"]) for each in names):
        raise DataError(f"{place}: values, subject and clip have different lengths")
    return _keyed(place, zip(*names, strict=True), found["values"])


def _of_parquet(place: Path) -> dict[str, Array]:
    table = pd.read_parquet(place)
    names = [name for name in IDENTITY if name in table.columns]
    if "clip" not in names:
        raise DataError(f"{place} lacks the column clip: subject and clip name the rows, other columns are numbers")
    values = table.drop(columns=names)
    if strange := [str(name) for name, kind in values.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]:
        raise DataError(f"{place}: the columns {', '.join(strange[:5])} are not numbers")
    return _keyed(place, table[names].itertuples(index=False), values.to_numpy(np.float64))


def _keyed(place: Path, names: Iterable[Iterable[Any]], values: Array) -> dict[str, Array]:
    """Return name -> row; DataError if two rows have one name."""
    keys = ["/".join(map(str, name)) for name in names]
    if twice := [key for key, count in Counter(keys).items() if count > 1]:
        raise DataError(f"{place} has several rows called {listed(twice, 5)}: keep one row a clip")
    return dict(zip(keys, values, strict=True))


def _of_folder(place: Path) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if path.suffix.lower() == ".npy":
            try:
                found[name] = np.load(path, allow_pickle=False)
            except Exception as error:
                raise DataError(f"{path} can't be read as an array: {_why(error)}") from error
        elif path.suffix.lower() in _PICTURES and not path.name.startswith("."):
            content = np.fromfile(path, np.uint8)
            picture = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if len(content) else None
            if picture is None:
                raise DataError(f"{path} is not a readable picture")
            found[name] = picture[:, :, ::-1] if picture.ndim == 3 else picture  # OpenCV reads BGR
    return found


def _finder(place: Path, arrays: Mapping[str, Array]) -> Finder:
    """Return what finds arrays by the names of clips; the rows of an .npy have none."""
    names = arrays if place.suffix.lower() != ".npy" else ()
    endings = {name: Path(name).suffix for name in names if Path(name).suffix.lower() in (".npy", *_PICTURES)}
    return finder({name: name.removesuffix(endings.get(name, "")) for name in names})


def _key_of(
    arrays: Mapping[str, Array], find: Finder, name: tuple[str, str, str], path: str | None, unique: bool
) -> str:
    """Return the name of a clip's array: that of the column path, else as the clip is called."""
    if path is None:
        return find(*name, unique)
    if path not in arrays:
        raise DataError(f"path {path!r}")
    return path


def _wrong(values: Array, first: Array) -> tuple[str, str] | None:
    """Return reason and detail of what is wrong with an array, if anything."""
    if values.dtype.kind not in "fiub":
        return "the array is not of numbers", str(values.dtype)
    if values.shape != first.shape:
        return f"the array differs in shape from {first.shape}", str(values.shape)
    if not values.size:
        return "the array is empty", str(values.shape)
    with np.errstate(over="ignore"):
        bad = int((~np.isfinite(values.astype(np.float32))).sum())
    return ("the array has NaN or infinite values, as 32-bit numbers", str(bad)) if bad else None
