"""One registry class for methods, protocols, databases, input kinds: built-in names, and those of plug-ins."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from merbench.contracts.errors import MerbenchError, SetupError, readable, suggestion, within_time
from merbench.contracts.names import checked_name
from merbench.contracts.notes import Note

Item = TypeVar("Item")
#: How long the import of a package's entry may take; that of torch takes seconds, from a slow disk half a minute.
IMPORT_SECONDS = 120.0


@dataclass(frozen=True)
class Entry:
    """A name and the place of its object, which is imported when it is looked up."""

    name: str
    target: str  #: ``module:object``
    origin: str  #: who registered it: ``merbench``, or a distribution and its version

    @property
    def module(self) -> str:
        """The module half of the target."""
        return self.target.partition(":")[0]

    def load(self) -> object:
        """Import the target; MerbenchError names the entry, its origin and why it can't be loaded.

        A `SetupError` names packages that the origin requires and that are not installed, where the import fails.
        """
        try:
            ours = self.origin == "merbench"
            found = self._found() if ours else within_time(self._found, IMPORT_SECONDS, "its import")
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plug-in's import may raise anything
            syntax = isinstance(error, SyntaxError)
            why = f"{error.filename}, line {error.lineno}: {error.msg}" if syntax else readable(repr, error)  # type: ignore[attr-defined]
            if isinstance(error, ImportError) and (command := self._lacking()):
                raise SetupError(f"{self.name!r} of {self.origin} is not installed: {command}; {why}") from error
            raise MerbenchError(f"{self.name!r} of {self.origin} can't be loaded from {self.target}: {why}") from error
        return found

    def _found(self) -> object:
        found: object = importlib.import_module(self.module)
        for attribute in self.target.partition(":")[2].split("."):
            found = getattr(found, attribute)
        return found

    def _lacking(self) -> str:
        """Return the command that installs what the package that registered it lacks; empty if it lacks nothing."""
        from merbench.contracts.requirements import lacking_of

        return lacking_of(self.origin.rpartition(" ")[0] or self.origin)


@dataclass(eq=False)
class Registry(Generic[Item]):
    """Names of one kind. Packages are scanned once a process, and an item that was loaded is kept: see `forget`."""

    kind: str  #: ``method``, ``protocol``, ``database`` or ``input kind``, for messages
    group: str  #: entry-point group in which installed packages offer theirs
    builtin: Callable[[], dict[str, str]]  #: gives name -> target of those that come with merbench
    convert: Callable[[Entry, object], Item]  #: checks a loaded object and makes the item; errors name what is wrong
    check: Callable[[Entry], object] | None = None  #: looks at a file next to the object before it is imported
    clear: Callable[[], None] | None = None  #: called by `forget`, for a cache that the other callables share
    _entries: list[Entry] | None = field(default=None, init=False)
    _items: dict[str, Item] = field(default_factory=dict, init=False)

    def forget(self) -> None:
        """Scan and load anew from here on: packages were installed or removed while the process runs."""
        self._entries = None
        self._items.clear()
        if self.clear is not None:
            self.clear()

    def entries(self) -> list[Entry]:
        """Return everything registered, by name; a name that two claim appears twice."""
        if self._entries is None:
            found = {Entry(name, target, "merbench") for name, target in self.builtin().items()}
            for point in entry_points(group=self.group):
                origin = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"
                found.add(Entry(point.name, point.value, origin))
            self._entries = sorted(found, key=lambda entry: (entry.name, entry.origin))
        return self._entries

    def names(self) -> list[str]:
        """Return the registered names, each once."""
        return sorted({entry.name for entry in self.entries()})

    def entry(self, name: str) -> Entry:
        """Find the one entry called `name`; MerbenchError where it is unknown, with close names, or claimed twice."""
        found = [entry for entry in self.entries() if entry.name == name]
        if not found:
            raise MerbenchError(f"unknown {self.kind} {name!r}{suggestion(name, self.names())}")
        if len(found) > 1:
            claims = " and ".join(f"{entry.origin} ({entry.target})" for entry in found)
            raise MerbenchError(f"{self.kind} {name!r} is claimed by {claims}: uninstall one of them")
        return found[0]

    def get(self, name: str) -> Item:
        """Look `name` up and load it; raises the errors of :meth:`entry` and :meth:`Entry.load`."""
        if name in self._items:
            return self._items[name]
        entry = self.entry(name)
        try:
            checked_name(name, self.kind)
        except ValueError as error:
            raise MerbenchError(f"{error} (from {entry.origin})") from error
        if self.check is not None:
            self.check(entry)
        self._items[name] = self.convert(entry, entry.load())
        return self._items[name]

    def load_all(self) -> tuple[dict[str, Item], list[Note]]:
        """Load everything; return the items by name, and the `problem` of each that can't be loaded."""
        items: dict[str, Item] = {}
        problems: list[Note] = []
        for name in self.names():
            try:
                items[name] = self.get(name)
            except MerbenchError as error:
                problems.append(self.problem(name, error))
        return items, problems

    def problem(self, name: str, error: MerbenchError) -> Note:
        """Describe an entry's error in a line that names the entry: broken, or a mere note if it is not installed."""
        text = str(error)
        if repr(name) not in text:
            text = f"{self.kind} {name!r}: {text}"
        elif not text.startswith(self.kind):
            text = f"{self.kind} {text}"
        return Note("note", text) if isinstance(error, SetupError) else Note("problem", f"broken: {text}")
