"""The definitions of databases of one's own, a file each in ``MERBENCH_HOME/own``."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, SerializeAsAny, ValidationError

from merbench.contracts.databases import Database, DatabaseCard, Source
from merbench.contracts.errors import MerbenchError, unwritable
from merbench.contracts.inputs import InputSpec
from merbench.contracts.names import checked_name
from merbench.databases import DATABASES
from merbench.databases.registrations import home, register


class OwnDefinition(BaseModel, extra="forbid", frozen=True):
    """A database of one's own: its table, the names of its columns there, and where frames or arrays are.

    `columns` is merbench's name of a column -> the table's. `place` is the folder of the frames, or, with an `offers`,
    the file or folder of the arrays. Frames of videos count from `first_frame`.
    """

    name: Annotated[str, AfterValidator(lambda name: checked_name(name, "database"))]
    clips: Path
    place: Path
    columns: dict[str, str] = {}
    datasets: dict[str, str] = {}
    cropped: bool = False
    first_frame: Literal[0, 1] = 1
    fps: float | None = None
    offers: SerializeAsAny[InputSpec] | None = None

    @property
    def card(self) -> DatabaseCard:
        """The card of the database."""
        return DatabaseCard(
            name=self.name,
            title=self.name,
            datasets=self.datasets or {self.name: self.name},
            licence="your own",
            source=f"the table {self.clips}",
            offers=None if self.offers is None else (self.offers,),
        )


def own_names() -> list[str]:
    """Return the names of the databases of one's own on this machine."""
    return sorted(path.stem for path in (home() / "own").glob("*.json"))


def target(name: str) -> str:
    """Return where the registry finds the database of a definition: no other attribute of this module has such a name.

    >>> target("my.data")
    'merbench.databases.own.definitions:own/my/data'
    """
    return f"{__name__}:own/{name.replace('.', '/')}"


def read_definition(name: str) -> OwnDefinition:
    """Read a definition; MerbenchError if it is damaged."""
    path = home() / "own" / f"{name}.json"
    try:
        return OwnDefinition.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise MerbenchError(f"{path} can't be read ({what}): delete it, and add your data again") from error


def _keep(definition: OwnDefinition) -> None:
    """Write a definition, and let the registry know it."""
    path = home() / "own" / f"{definition.name}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".tmp")
        draft.write_text(definition.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise MerbenchError(unwritable(path, error, "set MERBENCH_HOME to a folder with write permission")) from error
    DATABASES.forget()


def register_own(definition: OwnDefinition, check: Callable[[Source], None] = lambda _: None) -> Source:
    """Read and `check` a database of one's own, and register it if both succeed.

    Raises MerbenchError, or DataError with all bad rows; what was registered by this name before is then kept.
    """
    if definition.name in DATABASES.names() and definition.name not in own_names():
        raise MerbenchError(f"{definition.name} is a database that merbench knows: give your data another name")
    folder = definition.place if definition.place.is_dir() else definition.place.parent
    database = _database_of(definition)
    source = Source(database, folder, database.read(folder))
    titles = {name: definition.datasets.get(name, name) for name in sorted(source.clips.dataset.unique())}
    if foreign := [name for name in titles if name != definition.name and name in _held_elsewhere(definition.name)]:
        raise MerbenchError(
            f"{definition.clips}: another database holds the dataset {foreign[0]!r}: rename yours in the table"
        )
    check(source)
    _keep(definition.model_copy(update={"datasets": titles}))
    return register(definition.name, folder)


def _held_elsewhere(name: str) -> set[str]:
    known = DATABASES.load_all()[0]
    return {dataset for other, each in known.items() if other != name for dataset in each.card.datasets}


def _database_of(definition: OwnDefinition) -> Database:
    from merbench.databases.own.arrays import own_arrays
    from merbench.databases.own.frames import own_frames

    return own_frames(definition) if definition.offers is None else own_arrays(definition)


def __getattr__(name: str) -> Any:
    """Return the database of a definition, by its `target`."""
    begin, _, rest = name.partition("/")
    own = rest.replace("/", ".")
    if begin != "own" or own not in own_names():
        raise AttributeError(name)
    return _database_of(read_definition(own))
