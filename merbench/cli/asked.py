"""The options of ``run`` and ``ablate``: one object each, which can also print itself as a command line."""

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from functools import wraps
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, get_type_hints

from typer.models import ArgumentInfo

from merbench.cli.declare import argument, flag, option, protocol_option
from merbench.cli.options import Data, Format, OneProtocol, Results, Sanity, key_values, numbers, results_folder

if TYPE_CHECKING:
    from merbench.engine.plan.runs import Request
    from merbench.records.model import RunFile

#: The fields of all options in the order of help texts and command lines.
_ORDER = (
    "methods", "method", "protocol", "data", "seeds", "config", "settings", "only", "beside", "select", "folds",
    "keep_epochs", "diagnose", "sanity", "existing", "format", "workers", "gpus", "folds_per_gpu", "pack", "executor",
    "isolated", "ray_address", "dry_run", "tracking_uri", "results",
)  # fmt: skip
#: Those that change no figure of a table.
_NO_FIGURE = frozenset(_ORDER[_ORDER.index("existing") : _ORDER.index("results")])

_SETTING = "A setting for all methods, or for one (METHOD:KEY=VALUE); repeatable."
_SELECT = (
    "The epoch that is tested: last; inner, the best on subjects held out within the training fold, after retraining "
    "on all; inner-keep, the same without retraining."
)
_WORKERS = "Folds in parallel (default: 1; with Ray or several GPUs, one per CPU)."
_PACK = "Folds trained together in one process, for methods that support it (default: 1)."
_ISOLATED = "Run each fold in a process of its own without test labels, data, results or network (docs/submitting.md)."
_MLFLOW = "MLflow server that mirrors the records, or none (default: MLFLOW_TRACKING_URI, else files in --results)."
TrackingUri = Annotated[str | None, option("--tracking-uri", _MLFLOW, "URI")]


@dataclass(frozen=True, kw_only=True)
class _GridOptions:
    """The options that `run` and `ablate` share, as the user gave them."""

    verb: ClassVar[str]

    data: Data = "auto"
    settings: Annotated[list[str], option("--set", _SETTING, "[METHOD:]KEY=VALUE")] = field(default_factory=list)
    seeds: Annotated[str, option("--seeds", "Such as 0-4 or 0,2,7; deterministic methods use the first.", "N-N")] = "0"
    folds: Annotated[list[str], option("--folds", "Only this fold, such as casme2/sub01; repeatable.", "FOLD")] = field(
        default_factory=list
    )
    diagnose: Annotated[bool, flag("--diagnose", "Store the method's diagnostics (features, gates, token maps).")] = (
        False
    )
    sanity: Sanity = False
    workers: Annotated[int | None, option("--workers", _WORKERS, "N", min=1)] = None
    gpus: Annotated[int | None, option("--gpus", "GPUs to use (default: all).", "N", min=0)] = None
    folds_per_gpu: Annotated[
        str | None, option("--folds-per-gpu", "Folds that share a GPU (default: auto, as many as fit).", "auto|N")
    ] = None
    pack: Annotated[int | None, option("--pack", _PACK, "N", min=1)] = None
    executor: Annotated[
        str | None,
        option("--executor", "How folds are run (default: ray for more than one worker or GPU).", "serial|ray"),
    ] = None
    ray_address: Annotated[
        str | None, option("--ray-address", "A running Ray cluster; see docs/many-workers.md.", "HOST:PORT")
    ] = None
    isolated: Annotated[bool, flag("--isolated", _ISOLATED)] = False
    dry_run: Annotated[bool, flag("--dry-run", "List recorded and missing folds; prepare the data, train nothing.")] = (
        False
    )
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
class RunOptions(_GridOptions):
    """The options of ``merbench run``."""

    verb = "run"

    methods: Annotated[list[str], argument("Methods; merbench methods lists them.", "METHOD")]
    protocol: Annotated[list[str], protocol_option("A protocol's name, or a path ending in .yaml; repeatable.")]
    config: Annotated[
        list[str],
        option("--config", "A configuration for all methods, or for one; repeatable.", "[METHOD:]NAME"),
    ] = field(default_factory=list)
    select: Annotated[str, option("--select", _SELECT, "last|inner|inner-keep")] = "last"
    keep_epochs: Annotated[bool, flag("--keep-epochs", "Store the predictions after each epoch.")] = False
    existing: Annotated[str, option("--existing", "Keep recorded folds, or redo them.", "keep|redo")] = "keep"

    def request(self) -> "Request":
        """Resolve methods, configurations and settings."""
        kept = {"selection": self.select, "keep_epochs": self.keep_epochs}
        return _requested(self.methods, self.config, self, **kept)


@dataclass(frozen=True, kw_only=True)
class AblateOptions(_GridOptions):
    """The options of ``merbench ablate``."""

    verb = "ablate"

    method: Annotated[str, argument("A method with ablations on its card.", "METHOD")]
    protocol: OneProtocol
    config: Annotated[str | None, option("--config", "A configuration of the method's card.", "NAME")] = None
    only: Annotated[
        list[str], option("--only", "Only a group of ablations, or one row of it; repeatable.", "GROUP[/ROW]")
    ] = field(default_factory=list)
    beside: Annotated[
        list[str], option("--beside", "Another method in the same table; repeatable.", "METHOD[:CONFIG]")
    ] = field(default_factory=list)
    format: Format = "table"

    def request(self) -> "Request":
        """Resolve the whole method, its configuration and settings."""
        return _requested([self.method], [self.config] if self.config else [], self)


def _requested(methods: list[str], config: list[str], options: _GridOptions, **more: Any) -> "Request":
    from merbench.engine.plan.runs import Request

    settings, seeds = key_values(options.settings, "--set"), numbers(options.seeds, "--seeds")
    more |= {"settings": settings, "seeds": seeds, "diagnose": options.diagnose}
    return Request.named(methods, **configurations(config), **more)


def recording(options: RunOptions) -> "Callable[[RunFile | None, Sequence[int], str, bool], str]":
    """Return a function that writes command lines like `options`, for the configuration and data of recorded runs."""
    from merbench.contracts.yamlfiles import settings_text  # imports pydantic

    def command(file: "RunFile | None", seeds: Sequence[int], select: str, keep_epochs: bool) -> str:
        changed = replace(options, select=select, keep_epochs=keep_epochs)
        if file is not None:
            config = [file.config_name] if file.config_name != "default" else []
            names = re.findall(r"(?:^| )(\w+)=", file.variant)
            settings = [settings_text({name: file.key.config[name]}) for name in names if name in file.key.config]
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


Options = TypeVar("Options", bound=_GridOptions)


def taking(options: type[Options]) -> Callable[[Callable[[Options], None]], Callable[..., None]]:
    """Make a verb of a function of one options object: its fields become the verb's arguments and options."""

    def wrap(function: Callable[[Options], None]) -> Callable[..., None]:
        @wraps(function)
        def verb(**given: Any) -> None:
            function(options(**given))

        hints = get_type_hints(options, include_extras=True)
        verb.__annotations__ = {each.name: hints[each.name] for each in _ordered(options)}
        verb.__signature__ = Signature(  # type: ignore[attr-defined]
            [
                Parameter(each.name, Parameter.KEYWORD_ONLY, default=_default(each), annotation=hints[each.name])
                for each in _ordered(options)
            ]
        )
        return verb

    return wrap


def _ordered(options: type[_GridOptions]) -> "list[Field[Any]]":
    return sorted(fields(options), key=lambda each: _ORDER.index(each.name))


def _default(each: "Field[Any]") -> Any:
    if each.default_factory is not MISSING:
        return each.default_factory()
    return Parameter.empty if each.default is MISSING else each.default
