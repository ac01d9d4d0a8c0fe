"""The registries of methods and protocols."""

import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel

from merbench.contracts.cards import Card, Task
from merbench.contracts.errors import MerbenchError, SetupError, readable, suggestion, within_time
from merbench.contracts.inputs import InputSpec
from merbench.contracts.methods import Method, MethodConfig, declared_inputs
from merbench.contracts.protocols import ProtocolSpec, load_protocol
from merbench.contracts.registry import IMPORT_SECONDS, Entry, Registry
from merbench.contracts.yamlfiles import load_yaml_model, read_value, validated
from merbench.engine import environment
from merbench.engine.fold.reads import begin_reads, end_reads
from merbench.splits.made import check_own_name, crossed, is_pattern, pattern_of, read_family

#: The folder beside the protocols' files that holds what many of them share.
FAMILIES = "families"


@dataclass(frozen=True)
class RegisteredMethod:
    """A method's card, its class, the class of its settings, and the folder that holds them with its package name."""

    card: Card
    cls: type[Method]
    config_class: type[MethodConfig]
    folder: Path
    origin: str
    package: str
    read: dict[str, str] = field(default_factory=dict)  #: foreign files that its module read when it was imported

    @property
    def device(self) -> str:
        """The torch device that its folds run on here; see :func:`merbench.engine.environment.device_of`."""
        return environment.device_of(self.cls)

    @property
    def usual_config(self) -> str:
        """Name of the configuration that runs on this machine where none is named."""
        card = self.card
        return card.cpu if card.cpu is not None and self.device == "cpu" else card.default

    def inputs(self, config: MethodConfig, task: Task) -> dict[str, InputSpec]:
        """Return the inputs that the method declares under a configuration and a task."""
        return declared_inputs(self.cls, self.card.inputs, config, task)

    def resolve(self, configuration: str | None = None, settings: dict[str, str] | None = None) -> MethodConfig:
        """Make the settings of a named configuration (the card's `default` if None), with single ones changed.

        `settings` are those of ``--set key=value``, values read as YAML: ``1e-3``, ``true``, ``[1, 2]``. An unknown
        configuration or key (named with the closest names), or a value of the wrong type, raises a `MerbenchError`.
        """
        configuration = self.card.default if configuration is None else configuration
        if configuration not in self.card.configurations:
            known = suggestion(configuration, self.card.configurations)
            raise MerbenchError(f"method {self.card.name} has no configuration {configuration!r}{known}")
        chosen = self.card.configurations[configuration] | {k: read_value(v) for k, v in (settings or {}).items()}
        return validated(self.config_class, chosen, f"settings of {self.card.name}")


@dataclass(frozen=True)
class Configured:
    """A method in one of its configurations, resolved: what a run is made of.

    `settings` are those that the user changed, as given to ``--set``; `named` says that the user named the
    configuration; `why` explains one that is neither named nor the card's default, and how to have the other.
    """

    method: RegisteredMethod
    name: str
    config: MethodConfig
    settings: dict[str, str]
    named: bool
    why: str = ""

    @classmethod
    def of(cls, method: RegisteredMethod, named: str | None, settings: dict[str, str]) -> "Configured":
        """Resolve a configuration, or that of the card for this machine; raises as :meth:`RegisteredMethod.resolve`."""
        name, default = named or method.usual_config, method.card.default
        usual = named is not None or name == default
        why = "" if usual else f"no GPU found; --config {method.card.name}:{default} is for GPUs"
        return cls(method, name, method.resolve(name, settings), settings, named is not None, why)

    def changed(self, settings: dict[str, str]) -> "Configured":
        """Return the same configuration, as if named, with other settings of the user."""
        return replace(self, config=self.method.resolve(self.name, settings), settings=settings, named=True, why="")

    def for_first_look(self) -> "Configured":
        """Return what runs on the small synthetic database: the card's quick configuration, unless one was named."""
        quick = self.method.card.quick
        if self.named or quick is None or quick == self.name:
            return self
        why = f"for a first look; --config {self.method.card.name}:{self.name} trains at full length"
        return replace(self, name=quick, config=self.method.resolve(quick, self.settings), why=why)


def _named(entry: Entry, kind: str = "method") -> str:
    return f"{kind} {entry.name!r} of {entry.origin}"


def method_folder(entry: Entry) -> tuple[Path, str]:
    """Find the folder of a method's module, and its name as a package, without running the module."""
    missing = f"{_named(entry)}: no module {entry.module}"
    try:
        spec = within_time(lambda: _located(entry.module) or find_spec(entry.module), IMPORT_SECONDS, "its import")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # importing a plug-in's parent package may do anything
        raise MerbenchError(f"{missing}: {readable(repr, error)}") from error
    if spec is None or spec.origin is None:
        raise MerbenchError(missing)
    return Path(spec.origin).parent, spec.parent or ""


def _located(module: str) -> ModuleSpec | None:
    """Find a module without importing the packages around it, which may need packages that are not installed."""
    parts, path, spec = module.split("."), None, None
    for end in range(1, len(parts) + 1):
        name = ".".join(parts[:end])
        found = (finder.find_spec(name, path) for finder in sys.meta_path if hasattr(finder, "find_spec"))
        spec = next(filter(None, found), None)
        if spec is None:
            return None
        try:
            path = list(spec.submodule_search_locations or [])
        except KeyError:  # a namespace within a package that is not imported
            return None
    return spec


@cache
def _read_card(path: Path) -> Card:
    return load_yaml_model(path, Card)


class _Required(BaseModel):
    """What a card requires, whatever else it says."""

    requires: tuple[str, ...] = ()


def _refuse_if_lacking(entry: Entry, required: tuple[str, ...]) -> None:
    if required:
        from merbench.contracts.requirements import installation

        if command := installation(required):
            raise SetupError(f"{_named(entry)} is not installed: {command}")


@cache
def method_card(entry: Entry) -> Card:
    """Read the card in the folder of a method's module, once a process, without importing the module.

    A `MerbenchError` says why it can't be read; a `SetupError` names required packages that are missing, if so.
    """
    path = method_folder(entry)[0] / "card.yaml"
    if not path.is_file():
        raise MerbenchError(f"{_named(entry)} has no card: {path} is missing (a package must list it as package data)")
    try:
        card = _read_card(path)
    except MerbenchError:
        with suppress(ValueError):  # of a requirement that is none
            _refuse_if_lacking(entry, load_yaml_model(path, _Required).requires)  # they may bring its input kinds
        raise
    if card.name != entry.name:
        raise MerbenchError(f"{path} is the card of {card.name!r}, but the method is registered as {entry.name!r}")
    return card


def _check_and_watch(entry: Entry) -> None:
    """Check the card before the module is imported, and watch what the module reads meanwhile."""
    check_installed(entry)
    begin_reads(str(method_folder(entry)[0]))


def _method(entry: Entry, found: object) -> RegisteredMethod:
    read = end_reads()
    lacking = [name for name in ("Config", "fit", "predict") if not hasattr(found, name)]
    if not isinstance(found, type) or lacking:
        lacks = f": {', '.join(lacking)} missing" if lacking else ""
        raise MerbenchError(f"{_named(entry)}: {entry.target} is not a method class{lacks}")
    config = getattr(found, "Config", None)
    if not (isinstance(config, type) and issubclass(config, MethodConfig)):
        raise MerbenchError(f"{_named(entry)}: its Config must be a class derived from MethodConfig")
    card = method_card(entry)
    for said, conditions in card.conditions().items():
        for name in (name for each in conditions for name in each if name not in config.model_fields):
            hint = suggestion(name, config.model_fields)
            raise MerbenchError(f"{_named(entry)}: {said} on its card names {name!r}, which is not a setting{hint}")
    folder, package = method_folder(entry)
    return RegisteredMethod(card, found, config, folder, entry.origin, package, read)


def _protocol(entry: Entry, found: object) -> ProtocolSpec:
    if isinstance(found, Path) and found.parent.name == FAMILIES and entry.origin == "merbench":
        return read_family(found).member(entry.name, str(found))
    spec = load_protocol(found) if isinstance(found, Path) else found
    if not isinstance(spec, ProtocolSpec):
        raise MerbenchError(f"{_named(entry, 'protocol')}: {entry.target} is neither a path nor a protocol")
    if spec.name != entry.name:
        raise MerbenchError(f"{_named(entry, 'protocol')} calls itself {spec.name!r}")
    check_own_name(spec, f"the protocol of {entry.origin}")
    return spec


def _builtin_methods() -> dict[str, str]:
    """Find every folder below ``methods/`` with a card; one that can't be read has its folder's name."""
    top, found = Path(str(files("merbench.methods"))), {}
    for path in sorted(top.rglob("card.yaml")):
        package = ".".join(["merbench.methods", *path.parent.relative_to(top).parts])
        try:
            card = _read_card(path)
        except MerbenchError:
            found[path.parent.name.replace("_", "-")] = package
        else:
            found[card.name] = f"{package}.{card.implementation}"
    return found


@cache  # merbench's own folder does not change while a command runs
def _builtin_protocols() -> dict[str, str]:
    folder = Path(str(files("merbench.protocols")))
    found = {path.stem: f"merbench.protocols:{path.stem}" for path in folder.glob("*.yaml")}
    for path in (folder / FAMILIES).glob("*.yaml"):
        found |= dict.fromkeys(read_family(path).members(), f"merbench.protocols:{path.stem}")
    return found


def family_of(name: str) -> str | None:
    """Return the family that a registered protocol belongs to, if any."""
    found = _builtin_protocols().get(name, "").rpartition(":")[2]
    return None if found in ("", name) else found


def check_installed(entry: Entry) -> None:
    """Read the card of a method; SetupError with the command that installs required packages that are missing."""
    _refuse_if_lacking(entry, method_card(entry).requires)


def _forget_cards() -> None:
    for read in (_read_card, method_card):
        read.cache_clear()


METHODS: Registry[RegisteredMethod] = Registry(
    "method", "merbench.methods", _builtin_methods, _method, _check_and_watch, _forget_cards
)
PROTOCOLS: Registry[ProtocolSpec] = Registry("protocol", "merbench.protocols", _builtin_protocols, _protocol)


def _is_path(name: str) -> bool:
    return name.lower().endswith((".yaml", ".yml"))


def protocol_argument(recorded: str) -> tuple[str, str]:
    """Return the argument of ``--protocol`` for a recorded protocol, and an explanation of it, empty for a plain name.

    A file of the user has no name that can be given: the argument is the placeholder ``FILE``.
    """
    if recorded in PROTOCOLS.names():
        return recorded, ""
    if pattern := pattern_of(recorded):
        return pattern, ""
    return "FILE", f" (FILE: the file or pattern of {recorded})"


def recorded_name(name: str | None) -> str | None:
    """Return the name under which runs of ``--protocol NAME`` are recorded; None for None.

    Only patterns and files are looked up: the folder may hold runs of a protocol that this installation does not know.
    """
    return protocol(name).name if name is not None and (is_pattern(name) or _is_path(name)) else name


def protocol(name: str) -> ProtocolSpec:
    """Find a protocol by its name, make it from a pattern, or read it from a path that ends in ``.yaml``.

    A crossed protocol is also found under the name that its runs record.

    A file under a registered name or a pattern's name that means something else raises a `MerbenchError`.
    """
    if is_pattern(name):
        return crossed(name)
    if not _is_path(name):
        pattern = pattern_of(name) if name not in PROTOCOLS.names() else None
        return crossed(pattern) if pattern else PROTOCOLS.get(name)
    spec = load_protocol(Path(name))
    check_own_name(spec, name)
    registered = PROTOCOLS.get(spec.name) if spec.name in PROTOCOLS.names() else spec
    if registered.spec_digest() != spec.spec_digest():
        raise MerbenchError(f"{name} calls itself {spec.name!r}, a registered protocol different in meaning: rename it")
    if registered.expected != spec.expected:
        raise MerbenchError(
            f"{name} calls itself {spec.name!r} but expects other counts: rename it, or use the counts of "
            f"merbench protocols {spec.name}"
        )
    return spec.coming_from(name)
