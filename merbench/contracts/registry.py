"""One registry class for methods, protocols and databases: built-in names, and those of installed plug-ins."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from merbench.contracts.errors import MerbenchError, UnknownNameError, suggestion
from merbench.contracts.names import checked_name

Item = TypeVar("Item")


@dataclass(frozen=True)
class Entry:
    """A name and the place of its object, which is imported when it is looked up.

    Attributes
    ----------
    name : str
        The name on the command line.
    target : str
        ``module:object``.
    origin : str
        Who registered it: ``merbench``, or a distribution and its version.
    """

    name: str
    target: str
    origin: str

    @property
    def module(self) -> str:
        """The module half of the target."""
        return self.target.partition(":")[0]

    def load(self) -> object:
        """Import the target.

        Raises
        ------
        MerbenchError
            The import fails, or the object does not exist; names the entry, its origin and the cause.
        """
        module, _, path = self.target.partition(":")
        try:
            found: object = importlib.import_module(module)
            for attribute in path.split("."):
                found = getattr(found, attribute)
        except (Exception, SystemExit) as error:  # a plug-in's import may raise anything
            why = (
                f"{error.filename}, line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else repr(error)
            )
            raise MerbenchError(f"{self.name!r} of {self.origin} can't be loaded from {self.target}: {why}") from error
        return found


class Registry(Generic[Item]):
    """Names of one kind.

    Parameters
    ----------
    kind : str
        ``method``, ``protocol`` or ``database``, for messages.
    group : str
        Entry-point group in which installed packages offer theirs.
    builtin : callable
        Gives name -> target of those that come with merbench.
    convert : callable
        ``convert(entry, loaded object)`` checks the object and makes the item; its errors name what does not fit.
    check : callable, optional
        ``check(entry)`` looks at a file next to the object, such as a card, before the object is imported.
    forget : callable, optional
        Called by :meth:`forget`, for a cache that the other callables share.

    Packages are scanned once a process, and an item that was loaded is kept: see :meth:`forget`.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        builtin: Callable[[], dict[str, str]],
        convert: Callable[[Entry, object], Item],
        check: Callable[[Entry], object] | None = None,
        forget: Callable[[], None] | None = None,
    ) -> None:
        self.kind = kind
        self.group = group
        self._builtin = builtin
        self._convert = convert
        self._check = check
        self._forget = forget
        self._entries: list[Entry] | None = None
        self._items: dict[str, Item] = {}

    def forget(self) -> None:
        """Scan and load anew from here on: packages were installed or removed while the process runs."""
        self._entries = None
        self._items.clear()
        if self._forget is not None:
            self._forget()

    def entries(self) -> list[Entry]:
        """Return everything registered, by name; a name that two claim appears twice."""
        if self._entries is None:
            self._entries = self._scanned()
        return self._entries

    def _scanned(self) -> list[Entry]:
        found = [Entry(name, target, "merbench") for name, target in self._builtin().items()]
        for point in entry_points(group=self.group):
            origin = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"
            found.append(Entry(point.name, point.value, origin))
        return sorted(set(found), key=lambda entry: (entry.name, entry.origin))

    def names(self) -> list[str]:
        """Return the registered names, each once."""
        return sorted({entry.name for entry in self.entries()})

    def entry(self, name: str) -> Entry:
        """Find the one entry called `name`.

        Raises
        ------
        UnknownNameError
            Nothing has this name; says what is close.
        MerbenchError
            Several claim it; names them.
        """
        found = [entry for entry in self.entries() if entry.name == name]
        if not found:
            raise UnknownNameError(f"unknown {self.kind} {name!r}{suggestion(name, self.names())}")
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
        if self._check is not None:
            self._check(entry)
        self._items[name] = self._convert(entry, entry.load())
        return self._items[name]

    def load_all(self) -> tuple[dict[str, Item], list[str]]:
        """Load everything; return the items by name, and a line for each that can't be loaded."""
        items: dict[str, Item] = {}
        problems: list[str] = []
        for name in self.names():
            try:
                items[name] = self.get(name)
            except MerbenchError as error:
                problems.append(self.problem(name, error))
        return items, problems

    def problem(self, name: str, error: MerbenchError) -> str:
        """Describe an entry's error in a line that names the entry."""
        text = str(error)
        if repr(name) not in text:
            return f"{self.kind} {name!r}: {text}"
        return text if text.startswith(self.kind) else f"{self.kind} {text}"
