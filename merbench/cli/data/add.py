"""``merbench data add``: register a copy of a database, or data of one's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from merbench.cli.data.reading import counts, print_notes
from merbench.cli.declare import argument, flag, option
from merbench.cli.printing import say

if TYPE_CHECKING:
    from merbench.contracts.databases import Source

_OWN = "--clips TABLE --frames DIR, or --clips TABLE --arrays FILE"


def add(
    name: Annotated[str, argument("A database; merbench data list names them. Or a new name.", "DATABASE")],
    path: Annotated[Path | None, argument("The folder of your copy.", "PATH")] = None,
    corrections: Annotated[
        bool, flag("--corrections/--no-corrections", "Correct known errors of the annotation sheet.")
    ] = True,
    clips: Annotated[
        Path | None, option("--clips", "For data of your own: its table of clips, CSV or Excel.", "TABLE")
    ] = None,
    frames: Annotated[Path | None, option("--frames", "With --clips: the folder of pictures or videos.", "DIR")] = None,
    arrays: Annotated[
        Path | None, option("--arrays", "With --clips: ready-made arrays, .npz, .npy, .parquet or a folder.", "FILE")
    ] = None,
    kind: Annotated[
        str | None, option("--as", "With --arrays: the input that they are: '{kind: flow, size: 28}'.", "INPUT")
    ] = None,
    column: Annotated[
        list[str] | None, option("--column", 'A column of the table: onset="Onset Frame"; repeatable.', "NAME=HEADER")
    ] = None,
    cropped: Annotated[bool, flag("--cropped", "With --frames: the pictures are cropped faces.")] = False,
    first_frame: Annotated[
        int, option("--first-frame", "With --frames: number of a video's first frame.", "0|1", min=0, max=1)
    ] = 1,
    fps: Annotated[
        float | None, option("--fps", "With --frames: frames a second, where the table has none.", "X", min=0.1)
    ] = None,
) -> None:
    """Register your copy of a database; its layout is detected. Or data of your own: a table with frames or arrays."""
    from merbench.contracts.errors import MerbenchError
    from merbench.databases.registrations import home, register, registered

    before = registered().get(name)
    place = frames or arrays
    if clips is not None or place is not None:
        if clips is None or place is None or path is not None or (frames and arrays):
            raise MerbenchError(f"data of your own: merbench data add {name} {_OWN}")
        if arrays is not None:
            _refuse({"--cropped": cropped, "--first-frame": first_frame != 1, "--fps": fps}, "needs --frames")
        options = {"columns": column or [], "cropped": cropped, "first_frame": first_frame, "fps": fps}
        source = _own({"name": name, "clips": clips.absolute(), "place": place.resolve()} | options, kind, bool(arrays))
    elif path is None:
        raise MerbenchError(f"merbench data add {name} PATH, the folder of your copy; or {_OWN}")
    else:
        own = {"--as": kind, "--column": column, "--cropped": cropped, "--first-frame": first_frame != 1, "--fps": fps}
        _refuse(own, f"is for data of your own: merbench data add {name} {_OWN}")
        source = register(name, path, corrections)
    say(f"{name}: {source.reading.layout}, {counts(source)}; registered in {home() / 'databases.json'}")
    if before is not None and before.folder != source.folder:
        restore = "" if clips else f"; merbench data add {name} PATH restores that copy"
        say(f"note: this replaces {before.folder}{restore}")
    if not corrections:
        say("known errors of the annotation sheet are not corrected (--no-corrections)")
    print_notes(source, each=False)
    if clips is not None:
        for spec in source.database.card.offers or ():
            say(f"every clip has {spec}")
        say(f"next: merbench protocols new --data {name}")


def _refuse(given: Mapping[str, Any], why: str) -> None:
    """Refuse options that would be ignored: name -> whether it is given."""
    from merbench.contracts.errors import MerbenchError

    for name in (name for name, value in given.items() if value):
        raise MerbenchError(f"{name} {why}")


def _own(content: dict[str, Any], kind: str | None, arrays: bool) -> "Source":
    """Check and register data of one's own."""
    from merbench.contracts.errors import MerbenchError
    from merbench.contracts.yamlfiles import read_value, validated
    from merbench.databases.own.definitions import OwnDefinition, register_own
    from merbench.databases.own.table import mapped_columns
    from merbench.prepare.arrays import check_release

    name, place = content["name"], content["place"]
    if not (place.exists() if arrays else place.is_dir()):
        what = "--arrays" if arrays else "--frames"
        raise MerbenchError(f"{what} {place} does not exist" if arrays else f"{what} {place} is not a folder")
    if kind is not None and not arrays:
        raise MerbenchError("--as says what the arrays of --arrays are: frames need none")
    content["columns"] = mapped_columns(content["columns"])
    if arrays:
        content["offers"] = read_value(kind) or {} if kind else _features(name, place)
    definition = validated(OwnDefinition, content, f"database {name!r}")
    return register_own(definition, check_release) if arrays else register_own(definition)


def _features(name: str, place: Path) -> dict[str, Any]:
    from merbench.databases.own.arrays import read_arrays

    return {"kind": "features", "name": name, "shape": next(iter(read_arrays(place).values())).shape or (1,)}
