"""A grid of runs: every method x protocol x seed, with all that its result depends on, before anything is computed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from merbench import __version__, engine, prepare, training
from merbench.contracts.clips import clips_digest
from merbench.contracts.databases import persons, same_people
from merbench.contracts.digests import digest
from merbench.contracts.errors import DataError, MerbenchError, listed, suggestion
from merbench.contracts.inputs import ArrayInput, Inputs, InputSpec
from merbench.contracts.methods import MethodConfig, declared_inputs
from merbench.contracts.names import shown
from merbench.contracts.protocols import ProtocolSpec
from merbench.databases.registrations import open_registered
from merbench.engine import environment
from merbench.engine.fold.opening import FoldTask
from merbench.engine.plan.catalogue import METHODS, PROTOCOLS, RegisteredMethod
from merbench.engine.plan.code import code_digest
from merbench.engine.plan.data import Data
from merbench.prepare.arrays import input_digests, missing_inputs, prepare_input, prepare_inputs
from merbench.prepare.store import Silent, Watcher
from merbench.records.files import now
from merbench.records.model import RunFile, RunKey
from merbench.splits.made import TRANSDUCTIVE
from merbench.splits.split import Split, make_split

#: What stands beside a method's name wherever labels of its training clips were shuffled.
SHUFFLED = "labels shuffled"
#: Rooms whose code changes what a method gets, how it is run or what it learns.
ROOMS = {"engine": engine, "prepare": prepare, "training": training}


@dataclass(frozen=True)
class Request:
    """What the user asked for, methods and protocols by name.

    Attributes
    ----------
    config : str, optional
        A configuration's name, for every method of the grid.
    configs : dict of str to str
        Method -> configuration, where it is another.
    settings : dict of str to str
        Single settings; ``method:key`` is for that method, ``key`` for every method of the grid.
    seeds : tuple of int
        A deterministic method counts the first only.
    keep_epochs, diagnose : bool
        What to keep beside predictions: those after each epoch, what the method tells of itself. Not in any key.
    shuffled : bool
        Shuffle the labels of the training clips.
    first_look : bool
        The data is the small stand-in: methods whose card names a short configuration run in that.
    """

    methods: tuple[str, ...]
    config: str | None = None
    configs: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    selection: str = "last"
    keep_epochs: bool = False
    diagnose: bool = False
    shuffled: bool = False
    first_look: bool = False

    def config_of(self, method: str) -> str:
        """Return the configuration that `method` is to run in: the named one, else what its card says for this case."""
        return self._config_and_why(method)[0]

    def why_config(self, method: str) -> str:
        """Say which configuration `method` runs in, why, and how to have the other; empty where it is the usual one."""
        config, why = self._config_and_why(method)
        return f"configuration {method}:{config}, {why}" if why else ""

    def _config_and_why(self, method: str) -> tuple[str, str]:
        named = self.configs.get(method, self.config)
        if named is not None:
            return named, ""
        found = METHODS.get(method)
        card, usual = found.card, found.usual_config
        if self.first_look and card.short is not None and card.short != usual:
            return card.short, f"for a first look; --config {method}:{usual} trains at full length"
        if usual != card.default:
            return usual, f"since there is no GPU; --config {method}:{card.default} is for one"
        return usual, ""

    def settings_of(self, method: str) -> dict[str, str]:
        """Return the single settings for `method`; its own win over those for all."""
        scoped = [(name.rpartition(":")[0], name.rpartition(":")[2], value) for name, value in self.settings.items()]
        return {key: value for scope in ("", method) for owner, key, value in scoped if owner == scope}

    def check(self) -> None:
        """Refuse unknown methods, configurations and settings, also for methods that are not asked for."""
        for name in [*self.configs, *(key.rpartition(":")[0] for key in self.settings if ":" in key)]:
            if name not in self.methods:
                raise MerbenchError(f"{name!r} is none of the methods of this run{suggestion(name, self.methods)}")
        for name in self.methods:
            METHODS.get(name).resolve(self.config_of(name), self.settings_of(name))


@dataclass(frozen=True)
class PreparedProtocol:
    """A protocol on the chosen data, with the inputs of its clips; each input is built once for all methods."""

    spec: ProtocolSpec
    data: Data
    split: Split
    built: dict[InputSpec, ArrayInput]
    watcher: Watcher

    @classmethod
    def of(cls, spec: ProtocolSpec, data: Data, watcher: Watcher | None = None) -> "PreparedProtocol":
        """Split the data by the protocol; raises what :func:`merbench.splits.split.make_split` raises."""
        try:
            split = make_split(spec, data.clips, data.synthetic, same_people(data.sources))
        except DataError as error:
            raise DataError(f"{error}{_not_read(spec, data)}") from error
        return cls(spec, data, split, {}, watcher or Silent())

    def inputs(self, specs: dict[str, InputSpec]) -> Inputs:
        """Build the named inputs of the split's clips, or take them from what is built already."""
        for spec in specs.values():
            if spec not in self.built:
                self.built[spec] = prepare_input(self.data.sources, self.split.clips, spec, self.watcher)
        return Inputs({name: self.built[spec] for name, spec in specs.items()}, len(self.split.clips))


def _not_read(spec: ProtocolSpec, data: Data) -> str:
    """Name the clips that the databases' readers left out, as the tail of a line that says that clips are missing."""
    remarks = [remark for source in data.sources for remark in source.reading.remarks if remark.kind == "left out"]
    told = [f"{each.clip} ({each.reason})" for each in remarks if each.clip.partition("/")[0] in spec.datasets]
    return f"; the reader left out {listed(told)}" if told else ""


@dataclass(frozen=True)
class RunPlan:
    """One run: what it is (its key and ``run.json``) and what executing it takes."""

    file: RunFile
    task: FoldTask

    @property
    def run_id(self) -> str:
        """Name of the run and of its folder."""
        return self.file.run_id

    @cached_property
    def key_digest(self) -> str:
        """Digest of all that the result depends on."""
        return self.file.key.digest()


def plan_runs(request: Request, protocols: Sequence[PreparedProtocol]) -> list[RunPlan]:
    """Make the grid's runs, protocol by protocol, method by method, seed by seed.

    Raises
    ------
    MerbenchError
        An unknown method, configuration or setting; a method that the protocol or the data can't serve.
    """
    request.check()
    methods = [METHODS.get(name) for name in dict.fromkeys(request.methods)]
    plans = []
    for protocol in protocols:
        for method in methods:
            config_name = request.config_of(method.card.name)
            config = method.resolve(config_name, request.settings_of(method.card.name))
            task, key = _task_and_key(method, config, protocol, request)
            seeds = request.seeds[:1] if _deterministic(method, request) else request.seeds
            plans += [_plan(method, config_name, protocol, task, key, seed, request) for seed in seeds]
    return list({plan.run_id: plan for plan in plans}.values())  # one protocol may have been named twice


def _deterministic(method: RegisteredMethod, request: Request) -> bool:
    return method.card.deterministic and not request.shuffled  # each seed shuffles otherwise


def _task_and_key(
    method: RegisteredMethod, config: MethodConfig, protocol: PreparedProtocol, request: Request
) -> tuple[FoldTask, RunKey]:
    """Make what all seeds of a method on a protocol share, with the seed 0 to be replaced."""
    card, split, data = method.card, protocol.split, protocol.data
    if split.problem.task not in card.tasks:
        raise MerbenchError(
            f"method {card.name} does {listed(card.tasks)}, protocol {protocol.spec.name} is {split.problem.task}"
        )
    if card.au_labels_at_test and split.problem.task == "au-detection":
        raise MerbenchError(
            f"method {card.name} takes action units of the test clips as an input, which are what protocol "
            f"{protocol.spec.name} asks for"
        )
    if card.transductive and not protocol.spec.transductive:
        sibling = f"{protocol.spec.name}{TRANSDUCTIVE}"
        does = (
            f"{sibling} does" if sibling in PROTOCOLS.names() else "transductive: true would, in a protocol of its own"
        )
        raise MerbenchError(
            f"method {card.name} is transductive: it trains on the test clips without labels, which protocol "
            f"{protocol.spec.name} does not allow: {does}"
        )
    specs = declared_inputs(method.cls, card.inputs, config)
    lacking = missing_inputs(data.sources, specs)
    if lacking:
        raise MerbenchError(f"method {card.name} can't run on {data.name}: {'; '.join(lacking)}")
    inputs = protocol.inputs(specs)
    others = {name: open_registered(name) for name in card.auxiliary}
    auxiliary = {
        name: (source.clips, prepare_inputs([source], source.clips, specs, protocol.watcher))
        for name, source in others.items()
    }
    task = FoldTask(
        method=method.cls,
        config=config,
        split=split,
        inputs=inputs,
        seed=0,
        transductive=card.transductive,
        au_labels_at_test=card.au_labels_at_test,
        shuffled=request.shuffled,
        selection=request.selection,
        keep_epochs=request.keep_epochs,
        diagnose=request.diagnose and hasattr(method.cls, "diagnose"),
        device=method.device,
        auxiliary=auxiliary,
        same_people=same_people([*data.sources, *others.values()]),
    )
    digests = input_digests(inputs)
    for name, (clips, extra) in auxiliary.items():
        digests |= {f"{name}:{key}": value for key, value in input_digests(extra).items()}
        digests[f"{name}:clips"] = clips_digest(clips)
        digests[f"{name}:people"] = digest(persons(clips, task.same_people).tolist())
    key = RunKey(
        method=card.name,
        config=config.model_dump(mode="json"),
        code_digest=code_digest(method.folder, method.package),
        code_versions={name: room.CODE_VERSION for name, room in ROOMS.items()},
        spec_digest=protocol.spec.spec_digest(),
        split_digest=split.digest(),
        data_digest=data.digest(split.clips),
        input_digests=digests,
        selection=task.selection,
        transductive=task.transductive,
        au_labels_at_test=task.au_labels_at_test,
        shuffled=task.shuffled,
        seed=0,
    )
    return task, key


def _plan(
    method: RegisteredMethod,
    config_name: str,
    protocol: PreparedProtocol,
    task: FoldTask,
    key: RunKey,
    seed: int,
    request: Request,
) -> RunPlan:
    card, spec = method.card, protocol.spec
    key = key.model_copy(update={"seed": seed})
    named = method.resolve(config_name)
    changed = " ".join(f"{name}={value}" for name, value in task.config if value != getattr(named, name))
    file = RunFile(
        run_id=f"{card.name}-{spec.name}{'-shuffled' * key.shuffled}-s{seed}-{key.digest()[:10]}",
        key=key,
        method=card.name,
        config_name=config_name,
        variant=shown(", ".join(filter(None, [changed, SHUFFLED * key.shuffled]))),
        sanity=card.sanity or key.shuffled,
        protocol=spec.name,
        parts=spec.parts,
        task=task.split.problem.task,
        outputs=list(task.split.problem.outputs),
        data=protocol.data.name,
        prepared={name: task.inputs[name].prepared for name in task.inputs.names() if task.inputs[name].prepared},
        synthetic=protocol.data.synthetic,
        deterministic=_deterministic(method, request),
        disclosures=card.disclosures(task.transductive),
        remark=card.remark,
        warnings=spec.warnings,
        folds={fold.name: len(fold.test) for fold in task.split.folds},
        created=now(),
        merbench=__version__,
        git_commit=environment.git_commit(),
    )
    return RunPlan(file, replace(task, seed=seed))
