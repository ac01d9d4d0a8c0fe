"""What can be run and how it is judged: the registries of methods and protocols."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from merbench.contracts.cards import Card
from merbench.contracts.errors import MerbenchError, suggestion
from merbench.contracts.methods import Method, MethodConfig
from merbench.contracts.protocols import ProtocolSpec, load_protocol
from merbench.contracts.registry import Entry, Registry
from merbench.contracts.yamlfiles import load_yaml_model, read_value, validated
from merbench.engine import environment
from merbench.splits.made import check_own_name, crossed, is_pattern, read_family

#: The folder beside the protocols' files that holds what many of them share.
FAMILIES = "families"


@dataclass(frozen=True)
class RegisteredMethod:
    """A method's class, that of its settings, its card, and the folder that holds them with its name as a package."""

    card: Card
    cls: type[Method]
    config_class: type[MethodConfig]
    folder: Path
    origin: str
    package: str

    @property
    def device(self) -> str:
        """The torch device that its folds run on here; see :func:`merbench.engine.environment.device_of`."""
        return environment.device_of(self.cls)

    @property
    def usual_config(self) -> str:
        """Name of the configuration that runs on this machine where none is named."""
        card = self.card
        return card.without_gpu if card.without_gpu is not None and self.device == "cpu" else card.default

    def resolve(self, configuration: str | None = None, settings: dict[str, str] | None = None) -> MethodConfig:
        """Make the settings of a named configuration, with single ones changed.

        Parameters
        ----------
        configuration : str, optional
            A name on the card; the card's `default` if none is given.
        settings : dict of str to str
            ``--set key=value``; a value is read as YAML, so ``1e-3``, ``true`` and ``[1, 2]`` are what they look like.

        Raises
        ------
        MerbenchError
            Unknown configuration or key (with what was close), or a value of the wrong type.
        """
        configuration = self.card.default if configuration is None else configuration
        if configuration not in self.card.configurations:
            known = suggestion(configuration, self.card.configurations)
            raise MerbenchError(f"method {self.card.name} has no configuration {configuration!r}{known}")
        chosen = self.card.configurations[configuration] | {k: read_value(v) for k, v in (settings or {}).items()}
        return validated(self.config_class, chosen, f"settings of {self.card.name}")


def method_folder(entry: Entry) -> tuple[Path, str]:
    """Find the folder of a method's module, and its name as a package, without running the module.

    Raises
    ------
    MerbenchError
        There is no such module.
    """
    try:
        spec = find_spec(entry.module)
    except (Exception, SystemExit) as error:  # importing a plug-in's parent package may do anything
        raise MerbenchError(
            f"method {entry.name!r} of {entry.origin}: {entry.module} can't be found: {error!r}"
        ) from error
    if spec is None or spec.origin is None:
        raise MerbenchError(f"method {entry.name!r} of {entry.origin}: there is no module {entry.module}")
    return Path(spec.origin).parent, spec.parent or ""


def method_card(entry: Entry) -> Card:
    """Read the card beside a method's module, without importing the module."""
    path = method_folder(entry)[0] / "card.yaml"
    if not path.is_file():
        raise MerbenchError(f"method {entry.name!r} of {entry.origin} has no card: {path} is missing")
    card = load_yaml_model(path, Card)
    if card.name != entry.name:
        raise MerbenchError(f"{path} is the card of {card.name!r}, but the method is registered as {entry.name!r}")
    return card


def _method(entry: Entry, found: object) -> RegisteredMethod:
    lacking = [name for name in ("Config", "fit", "predict") if not hasattr(found, name)]
    if not isinstance(found, type) or lacking:
        lacks = f"; it lacks {', '.join(lacking)}" if lacking else ""
        raise MerbenchError(f"method {entry.name!r} of {entry.origin}: {entry.target} is no method class{lacks}")
    config = getattr(found, "Config", None)
    if not (isinstance(config, type) and issubclass(config, MethodConfig)):
        raise MerbenchError(
            f"method {entry.name!r} of {entry.origin}: its Config must be a class derived from MethodConfig"
        )
    folder, package = method_folder(entry)
    return RegisteredMethod(method_card(entry), found, config, folder, entry.origin, package)


def _protocol(entry: Entry, found: object) -> ProtocolSpec:
    if isinstance(found, Path) and found.parent.name == FAMILIES and entry.origin == "merbench":
        return read_family(found).member(entry.name, str(found))
    spec = load_protocol(found) if isinstance(found, Path) else found
    if not isinstance(spec, ProtocolSpec):
        raise MerbenchError(
            f"protocol {entry.name!r} of {entry.origin}: {entry.target} is neither a path nor a protocol"
        )
    if spec.name != entry.name:
        raise MerbenchError(f"protocol {entry.name!r} of {entry.origin} calls itself {spec.name!r}")
    check_own_name(spec, f"the protocol of {entry.origin}")
    return spec


def _builtin_methods() -> dict[str, str]:
    """Every folder below ``methods/`` with a card is a method; nothing else needs to be told of it.

    A card that can't be read is found under its folder's name, where looking it up says what is wrong with it.
    """
    top, found = Path(str(files("merbench.methods"))), {}
    for path in sorted(top.rglob("card.yaml")):
        package = ".".join(["merbench.methods", *path.parent.relative_to(top).parts])
        try:
            card = load_yaml_model(path, Card)
        except MerbenchError:
            found[path.parent.name.replace("_", "-")] = package
        else:
            found[card.name] = f"{package}.{card.implementation}"
    return found


@cache  # the folder is merbench's own: it does not change while a command runs
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


def _check_own_card(entry: Entry) -> None:
    """Read the card of a method of ours first: where it is broken, its implementation is not known."""
    if entry.origin == "merbench":
        method_card(entry)


METHODS: Registry[RegisteredMethod] = Registry("method", "merbench.methods", _builtin_methods, _method, _check_own_card)
PROTOCOLS: Registry[ProtocolSpec] = Registry("protocol", "merbench.protocols", _builtin_protocols, _protocol)


def _is_path(name: str) -> bool:
    return name.lower().endswith((".yaml", ".yml"))


def given_again(recorded: str) -> tuple[str, str]:
    """Return what ``--protocol`` takes to have a recorded protocol again, and what that stands for, if for anything.

    A name alone finds registered protocols only; where a file or a pattern was, ``FILE`` stands.
    """
    if recorded in PROTOCOLS.names():
        return recorded, ""
    return "FILE", f" (FILE: the file or pattern of {recorded})"


def recorded_name(name: str | None) -> str | None:
    """Return the name under which runs of ``--protocol NAME`` are recorded; None for None.

    A pattern or a file says it itself; any other name is taken as it is, since runs of a protocol that this
    installation does not know may lie there.
    """
    return protocol(name).name if name is not None and (is_pattern(name) or _is_path(name)) else name


def protocol(name: str) -> ProtocolSpec:
    """Find a protocol by its registered name, make it from a pattern, or read it from a path that ends in ``.yaml``.

    Raises
    ------
    MerbenchError
        Unknown, unreadable, or a file that takes a registered name for something else, or that of a pattern.
    """
    if is_pattern(name):
        return crossed(name)
    if not _is_path(name):
        return PROTOCOLS.get(name)
    spec = load_protocol(Path(name))
    check_own_name(spec, name)
    if spec.name in PROTOCOLS.names():
        _check_same(spec, PROTOCOLS.get(spec.name), name)
    return spec.coming_from(name)


def _check_same(spec: ProtocolSpec, registered: ProtocolSpec, origin: str) -> None:
    """Refuse a file under a registered name that means something else, or binds real data otherwise."""
    if registered.spec_digest() != spec.spec_digest():
        raise MerbenchError(
            f"{origin} calls itself {spec.name!r}, which is another protocol: give it a name of its own"
        )
    if registered.expected != spec.expected:
        raise MerbenchError(
            f"{origin} calls itself {spec.name!r} but expects other counts: give it a name of its own, or the counts "
            f"of merbench protocols {spec.name}"
        )
