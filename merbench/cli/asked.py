"""The options of ``run`` and ``ablate``: one object each, which can also print itself as a command line."""

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from functools import wraps
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, get_type_hints

import typer
from typer.models import ArgumentInfo

from merbench.cli.options import (
    Data,
    DryRun,
    ExecutorName,
    Folds,
    FoldsPerGpu,
    Format,
    Gpus,
    Pack,
    RayAddress,
    Results,
    Sanity,
    Seeds,
    Select,
    Settings,
    TrackingUri,
    Workers,
    key_values,
    numbers,
    results_folder,
)

if TYPE_CHECKING:
    from merbench.engine.plan.runs import Request
    from merbench.records.model import RunFile

#: The fields of all options in the order of help texts and command lines.
_ORDER = (
    "methods", "method", "protocol", "data", "seeds", "config", "settings", "only", "beside", "select", "folds",
    "keep_epochs", "diagnose", "sanity", "existing", "format", "workers", "gpus", "folds_per_gpu", "pack", "executor",
    "ray_address", "dry_run", "tracking_uri", "results",
)  # fmt: skip
#: Those that change no figure of a table.
_NO_FIGURE = frozenset(_ORDER[_ORDER.index("existing") : _ORDER.index("results")])


@dataclass(frozen=True, kw_only=True)
class GridOptions:
    """The options that `run` and `ablate` share, as the user gave them."""

    verb: ClassVar[str]

    data: Data = "auto"
    settings: Settings = field(default_factory=list)
    seeds: Seeds = "0"
    folds: Folds = field(default_factory=list)
    diagnose: Annotated[
        bool,
        typer.Option("--diagnose", help="Store the method's diagnostics (features, gates, token maps).", metavar=""),
    ] = False
    sanity: Sanity = False
    workers: Workers = None
    gpus: Gpus = None
    folds_per_gpu: FoldsPerGpu = None
    pack: Pack = None
    executor: ExecutorName = None
    ray_address: RayAddress = None
    dry_run: DryRun = False
    tracking_uri: TrackingUri = None
    results: Results = None

    @property
    def runs(self) -> Path:
        """The folder of the recorded runs."""
        return results_folder(self.results) / "runs"

    def command(self) -> str:
        """Return the command line with these options, except those that change no figure."""
        hints, words = get_type_hints(type(self), include_extras=True), ["merbench", self.verb]
        for each in _ordered(type(self)):
            value = getattr(self, each.name)
            if each.name in _NO_FIGURE or value in (None, _default(each)):
                continue
            info = hints[each.name].__metadata__[0]
            names = [] if isinstance(info, ArgumentInfo) else [info.default]  # typer's, before it makes an option of it
            for one in value if isinstance(value, list) else [value]:
                words += names if one is True else [*names, str(one)]
        return shlex.join(words)


@dataclass(frozen=True, kw_only=True)
class RunOptions(GridOptions):
    """The options of ``merbench run``."""

    verb = "run"

    methods: Annotated[list[str], typer.Argument(help="Methods; merbench methods lists them.", metavar="METHOD")]
    protocol: Annotated[
        list[str],
        typer.Option(
            "--protocol", "-p", help="A protocol's name, or a path ending in .yaml; repeatable.", metavar="PROTOCOL"
        ),
    ]
    config: Annotated[
        list[str],
        typer.Option(
            "--config",
            help="A configuration of the methods' cards, or of one method; repeatable.",
            metavar="[METHOD:]NAME",
        ),
    ] = field(default_factory=list)
    select: Select = "last"
    keep_epochs: Annotated[
        bool, typer.Option("--keep-epochs", help="Store the predictions after each epoch.", metavar="")
    ] = False
    existing: Annotated[
        str, typer.Option("--existing", help="Keep recorded folds, or redo them.", metavar="keep|redo")
    ] = "keep"

    def request(self) -> "Request":
        """Resolve methods, configurations and settings."""
        from merbench.engine.plan.runs import Request

        return Request.named(
            self.methods,
            **configurations(self.config),
            settings=key_values(self.settings, "--set"),
            seeds=numbers(self.seeds, "--seeds"),
            selection=self.select,
            keep_epochs=self.keep_epochs,
            diagnose=self.diagnose,
        )


@dataclass(frozen=True, kw_only=True)
class AblateOptions(GridOptions):
    """The options of ``merbench ablate``."""

    verb = "ablate"

    method: Annotated[str, typer.Argument(help="A method with ablations on its card.", metavar="METHOD")]
    protocol: Annotated[
        str,
        typer.Option("--protocol", "-p", help="A protocol's name, or a path ending in .yaml.", metavar="PROTOCOL"),
    ]
    config: Annotated[
        str | None, typer.Option("--config", help="A configuration of the method's card.", metavar="NAME")
    ] = None
    only: Annotated[
        list[str],
        typer.Option("--only", help="Only a group of ablations, or one row of it; repeatable.", metavar="GROUP[/ROW]"),
    ] = field(default_factory=list)
    beside: Annotated[
        list[str],
        typer.Option("--beside", help="Another method in the same table; repeatable.", metavar="METHOD[:CONFIG]"),
    ] = field(default_factory=list)
    format: Format = "table"

    def request(self) -> "Request":
        """Resolve the whole method, its configuration and settings."""
        from merbench.engine.plan.runs import Request

        return Request.named(
            [self.method],
            **configurations([self.config] if self.config else []),
            settings=key_values(self.settings, "--set"),
            seeds=numbers(self.seeds, "--seeds"),
            diagnose=self.diagnose,
        )


def recording(options: RunOptions) -> "Callable[[RunFile | None, Sequence[int], str, bool], str]":
    """Return a function that writes command lines like `options`, for the configuration and data of recorded runs."""

    def command(file: "RunFile | None", seeds: Sequence[int], select: str, keep_epochs: bool) -> str:
        changed = replace(options, select=select, keep_epochs=keep_epochs)
        if file is not None:
            config = [file.config_name] if file.config_name != "default" else []
            settings = re.split(r" (?=\w+=)", file.variant) if file.variant else []
            changed = replace(changed, data=file.data, config=config, settings=settings, seeds=seeds_text(seeds))
        return changed.command()

    return command


def seeds_text(seeds: Sequence[int]) -> str:
    """Write seeds as ``--seeds`` takes them."""
    seeds = sorted(set(seeds))
    several = len(seeds) > 1 and seeds == list(range(seeds[0], seeds[-1] + 1))
    return f"{seeds[0]}-{seeds[-1]}" if several else ",".join(map(str, seeds))


def configurations(given: list[str]) -> dict[str, Any]:
    """Read ``--config``: ``METHOD:NAME`` is one method's configuration, ``NAME`` that of all others."""
    return {
        "config": next((name for name in reversed(given) if ":" not in name), None),
        "configs": dict(name.split(":", 1) for name in given if ":" in name),
    }


Options = TypeVar("Options", bound=GridOptions)


def taking(options: type[Options]) -> Callable[[Callable[[Options], None]], Callable[..., None]]:
    """Make a verb of a function of one options object: its fields become the verb's arguments and options."""

    def wrap(function: Callable[[Options], None]) -> Callable[..., None]:
        @wraps(function)
        def verb(**given: Any) -> None:
            function(options(**given))

        hints = get_type_hints(options, include_extras=True)
        verb.__annotations__ = {each.name: hints[each.name] for each in _ordered(options)}
        parameters = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=_default(each), annotation=hints[name])
            for each in _ordered(options)
            for name in [each.name]
        ]
        verb.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        return verb

    return wrap


def _ordered(options: type[GridOptions]) -> "list[Field[Any]]":
    return sorted(fields(options), key=lambda each: _ORDER.index(each.name))


def _default(each: "Field[Any]") -> Any:
    if each.default_factory is not MISSING:
        return each.default_factory()
    return Parameter.empty if each.default is MISSING else each.default
