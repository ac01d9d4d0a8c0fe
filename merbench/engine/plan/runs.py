"""A grid of runs: every method x protocol x seed, with everything its result depends on, before any computation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from merbench import __version__, engine, prepare, training
from merbench.contracts.cards import Card, holds
from merbench.contracts.databases import Source, same_people
from merbench.contracts.digests import digest
from merbench.contracts.errors import DataError, MerbenchError, listed, suggestion
from merbench.contracts.inputs import ArrayInput, Inputs, InputSpec
from merbench.contracts.methods import AuxiliaryData, declared_auxiliary
from merbench.contracts.names import shown
from merbench.contracts.notes import shortened
from merbench.contracts.protocols import ProtocolSpec
from merbench.contracts.specifications import KINDS
from merbench.databases import DATABASES
from merbench.databases.registrations import home
from merbench.engine import environment
from merbench.engine.fold.opening import FoldTask
from merbench.engine.fold.pretraining import FOLDER as PRETRAINED
from merbench.engine.plan.auxiliary import auxiliary_data, auxiliary_digests, auxiliary_source
from merbench.engine.plan.catalogue import METHODS, PROTOCOLS, Configured
from merbench.engine.plan.code import code_digest, imported_modules
from merbench.engine.plan.data import Data
from merbench.prepare.arrays import input_digests, missing_inputs, prepare_input
from merbench.prepare.store import SILENT, PreparationWatcher
from merbench.records.files import now
from merbench.records.model import LONGEST_VARIANT, RunFile, RunKey
from merbench.splits.made import TRANSDUCTIVE
from merbench.splits.split import Split, make_split
from merbench.synthetic.database import SMALL

#: Added to a method's name wherever the labels of its training clips were shuffled.
SHUFFLED = "labels shuffled"
#: Rooms whose code changes a method's inputs, how it is run or its training results.
ROOMS = {"engine": engine, "prepare": prepare, "training": training}


@dataclass(frozen=True)
class Request:
    """Which methods to run, and how.

    A deterministic method uses the first seed only. `keep_epochs` and `diagnose` store predictions after each epoch and
    the method's diagnostics in addition, and are in no key; `shuffled` shuffles the labels of the training clips.
    Methods whose cards say that they have no epochs raise a `MerbenchError` with a `selection` other than ``last``.
    """

    methods: tuple[Configured, ...]
    seeds: tuple[int, ...] = (0,)
    selection: str = "last"
    keep_epochs: bool = False
    diagnose: bool = False
    shuffled: bool = False

    def __post_init__(self) -> None:
        epochless = [each.method.card.name for each in self.methods if each.method.card.epochs is False]
        if self.selection != "last" and epochless:
            has = f"method {epochless[0]} has" if len(epochless) == 1 else f"methods {listed(epochless)} have"
            raise MerbenchError(f"{has} no epochs, so --select {self.selection} is not possible: use --select last")

    @classmethod
    def named(
        cls,
        methods: Sequence[str],
        config: str | None = None,
        configs: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        **how: Any,
    ) -> "Request":
        """Resolve methods, configurations and settings from their names; `how` has the other attributes.

        `config` is for every method that `configs` does not give another. Of the single `settings`, ``method:key`` is
        for that method and wins over ``key``, which is for every method. An unknown name, or one of a method that is
        not part of the run, raises a `MerbenchError`.
        """
        configs, settings = configs or {}, settings or {}
        scoped = [(key.rpartition(":")[0], key.rpartition(":")[2], value) for key, value in settings.items()]
        for name in [*configs, *(owner for owner, _, _ in scoped if owner)]:
            if name not in methods:
                hint = suggestion(name, methods)
                raise MerbenchError(f"--config or --set: method {name!r} is not part of this run{hint}")
        found = []
        for name in dict.fromkeys(methods):
            own = {key: value for scope in ("", name) for owner, key, value in scoped if owner == scope}
            found.append(Configured.of(METHODS.get(name), configs.get(name, config), own))
        return cls(tuple(found), **how)

    def on(self, data: Data) -> tuple[Configured, ...]:
        """Return the methods as they run on `data`: on the small synthetic database, those with a quick one in that."""
        return tuple(each.for_first_look() for each in self.methods) if data.first_look else self.methods


@dataclass(frozen=True)
class PreparedProtocol:
    """A protocol on the chosen data, with the inputs of its clips; each input is built once for all methods."""

    spec: ProtocolSpec
    data: Data
    split: Split
    built: dict[InputSpec, ArrayInput]
    watcher: PreparationWatcher
    opened: dict[Any, Any] = field(default_factory=dict)  #: auxiliary databases by name, and what was built of them

    @classmethod
    def of(cls, spec: ProtocolSpec, data: Data, watcher: PreparationWatcher | None = None) -> "PreparedProtocol":
        """Split the data by the protocol; raises what :func:`merbench.splits.split.make_split` raises."""
        try:
            split = make_split(spec, data.clips, data.synthetic, same_people(data.sources))
        except DataError as error:
            raise DataError(f"{error}{_not_read(spec, data)}") from error
        return cls(spec, data, split, {}, watcher or SILENT)

    def auxiliary(self, specs: Mapping[str, Mapping[str, InputSpec]]) -> dict[str, tuple[Source, AuxiliaryData]]:
        """Open the databases that a method pretrains on, and build their inputs, each once."""
        for name in specs:  # all of them, before anything is built
            if name not in self.opened:
                self.opened[name] = auxiliary_source(name, self.spec, self.data.synthetic, self.watcher)
        opened = self.opened
        return {
            name: (opened[name], auxiliary_data(opened[name], self.spec, own, opened, self.watcher))
            for name, own in specs.items()
        }

    @cached_property
    def digests(self) -> dict[str, str]:
        """The digests of specification, split and data, which all runs of the protocol share."""
        return {
            "spec_digest": self.spec.spec_digest(),
            "split_digest": self.split.digest(),
            "data_digest": self.data.digest(self.split.clips),
        }

    def inputs(self, specs: dict[str, InputSpec]) -> Inputs:
        """Build the named inputs of the split's clips, each once."""
        for spec in specs.values():
            if spec not in self.built:
                self.built[spec] = prepare_input(self.data.sources, self.split.clips, spec, self.watcher)
        return Inputs({name: self.built[spec] for name, spec in specs.items()}, len(self.split.clips))


def _not_read(spec: ProtocolSpec, data: Data) -> str:
    """Name the clips that the databases' readers excluded, as the end of a line about missing clips."""
    notes = [note for source in data.sources for note in source.reading.notes if note.kind == "excluded"]
    clips = [f"{note.about} ({note.text})" for note in notes if note.about.partition("/")[0] in spec.datasets]
    return f"; excluded by the reader: {listed(clips)}" if clips else ""


@dataclass(frozen=True)
class RunPlan:
    """One run: its key and ``run.json``, and the task that executes it."""

    file: RunFile
    task: FoldTask

    @property
    def run_id(self) -> str:
        """Name of the run and of its folder."""
        return self.file.run_id

    @cached_property
    def key_digest(self) -> str:
        """Digest of everything the result depends on."""
        return self.file.key.digest()


def plan_runs(request: Request, protocols: Sequence[PreparedProtocol]) -> list[RunPlan]:
    """Make the grid's runs, protocol by protocol, method by method, seed by seed.

    A method that a protocol does not allow, or whose inputs the data does not have, raises a `MerbenchError`.
    """
    plans = []
    codes: dict[str, tuple[str, tuple[str, ...]]] = {}
    for protocol in protocols:  # all, before an input is built
        for configured in request.on(protocol.data):
            _check_fits(configured, protocol)
    for protocol in protocols:
        for configured in request.on(protocol.data):
            method = configured.method
            if method.card.name not in codes:
                modules = imported_modules(method.folder, method.package)
                used = [name for each in modules for name in environment.distribution_of(each)]
                codes[method.card.name] = code_digest(method.folder, method.package), tuple(used)
            planned = _planned(configured, protocol, request, *codes[method.card.name])
            deterministic = holds(method.card.deterministic, configured.config)
            one = deterministic and not request.shuffled  # labels are shuffled by the seed
            seeds = request.seeds[:1] if one else request.seeds
            plans += [_plan(configured, protocol, planned, seed) for seed in seeds]
    return list({plan.run_id: plan for plan in plans}.values())  # one protocol may have been named twice


def _check_fits(configured: Configured, protocol: PreparedProtocol) -> None:
    card, spec, task = configured.method.card, protocol.spec, protocol.split.problem.task
    if task not in card.tasks:
        fits = f"protocol {spec.name} is for {task}: merbench methods names the tasks of each"
        raise MerbenchError(f"method {card.name} is for {listed(card.tasks)}, {fits}")
    if card.au_labels_at_test and task == "au-detection":
        raise MerbenchError(
            f"method {card.name} takes the action units of the test clips as an input, but protocol {spec.name} asks "
            "methods to predict them"
        )
    if holds(card.transductive, configured.config) and not spec.transductive:
        sibling, own = f"{spec.name}{TRANSDUCTIVE}", "write a protocol of your own with transductive: true"
        does = f"use {sibling}" if sibling in PROTOCOLS.names() else own
        raise MerbenchError(
            f"method {card.name} is transductive: it trains on the test clips without labels, which protocol "
            f"{spec.name} does not allow: {does}"
        )


@dataclass(frozen=True)
class _Planned:
    """What all seeds of a method on a protocol share; task and key have seed 0, to be replaced."""

    task: FoldTask
    key: RunKey
    pretrained_on: tuple[str, ...]


def _planned(
    configured: Configured, protocol: PreparedProtocol, request: Request, code: str, used: Sequence[str]
) -> _Planned:
    """Plan a method on a protocol for all seeds; `used` are the packages that its code imports."""
    method, card, split, data = configured.method, configured.method.card, protocol.split, protocol.data
    transductive = holds(card.transductive, configured.config)
    specs = method.inputs(configured.config, split.problem.task)
    lacking = missing_inputs(data.sources, specs)
    if lacking:
        step = _frames_instead(data, protocol.spec)
        raise MerbenchError(f"method {card.name} can't run on {data.name}: {'; '.join(lacking)}{step}")
    declared = declared_auxiliary(method.cls, card, configured.config)
    try:
        others = protocol.auxiliary({name: own or specs for name, own in declared.items()})
    except MerbenchError as error:
        raise MerbenchError(f"method {card.name} can't pretrain: {error}") from error
    auxiliary = {name: data for name, (_, data) in others.items()}
    inputs = protocol.inputs(specs)
    task = FoldTask(
        method.cls,
        configured.config,
        split,
        inputs,
        seed=0,
        transductive=transductive,
        au_labels_at_test=card.au_labels_at_test,
        shuffled=request.shuffled,
        selection=request.selection,
        keep_epochs=request.keep_epochs,
        diagnose=request.diagnose and hasattr(method.cls, "diagnose"),
        device=method.device,
        requires=_packages(
            card, used, [*specs.values(), *(spec for own in declared.values() for spec in (own or {}).values())]
        ),
        read=method.read,
        auxiliary=auxiliary,
        same_people=same_people([*data.sources, *(source for source, _ in others.values())]),
        label=f"method {card.name}",
    )
    digests = input_digests(inputs)
    for name, (source, given) in others.items():
        digests |= auxiliary_digests(name, source, given.inputs, task.same_people)
    key = RunKey(
        method=card.name,
        config=configured.config.model_dump(mode="json"),
        code_digest=code,
        code_versions={name: room.CODE_VERSION for name, room in ROOMS.items()},
        **protocol.digests,
        input_digests=digests,
        selection=task.selection,
        transductive=task.transductive,
        au_labels_at_test=task.au_labels_at_test,
        shuffled=task.shuffled,
        seed=0,
    )
    seen = tuple(source.name for source, _ in others.values())
    return _Planned(replace(task, kept=_kept(key, auxiliary)), key, seen)


def _packages(card: Card, used: Sequence[str], specs: Iterable[InputSpec]) -> tuple[str, ...]:
    """Return the packages whose versions are recorded: required, imported, and those that offer its input kinds."""
    origins = sorted({KINDS.entry(spec.kind).origin for spec in specs})
    kinds = [origin.rpartition(" ")[0] for origin in origins if origin != "merbench"]
    return tuple(dict.fromkeys([*card.required_packages(), *used, *kinds]))


def _frames_instead(data: Data, spec: ProtocolSpec) -> str:
    """Return the next step where a release lacks an input, as the end of a line."""
    if all(source.database.card.offers is None for source in data.sources):
        return ""
    small = set(spec.datasets) <= set(DATABASES.get(SMALL).card.datasets)
    return "; register the databases' frames (merbench data add NAME PATH)" + f" or use --data {SMALL}" * small


def _kept(key: RunKey, auxiliary: Mapping[str, AuxiliaryData]) -> Path | None:
    """Return the folder of pretraining that the folds of a run share: named by what it depends on, but for the seed."""
    if not auxiliary:
        return None
    given = {name: value for name, value in key.input_digests.items() if name.partition(":")[0] in auxiliary}
    labels = {name: data.labels.astype(str).tolist() for name, data in auxiliary.items()}
    depends = [key.method, key.config, key.code_digest, key.code_versions, given, labels, key.shuffled]
    return (home() / PRETRAINED / digest(depends)[:16]).absolute()


def _plan(configured: Configured, protocol: PreparedProtocol, planned: _Planned, seed: int) -> RunPlan:
    card, spec, task = configured.method.card, protocol.spec, planned.task
    key = planned.key.model_copy(update={"seed": seed})
    named = configured.method.resolve(configured.name)
    changed = " ".join(f"{name}={value}" for name, value in task.config if value != getattr(named, name))
    variant = shown(", ".join(filter(None, [changed, SHUFFLED * key.shuffled])))
    if len(variant) > LONGEST_VARIANT:
        raise MerbenchError(
            f"method {card.name}: the changed settings, which tables show, have {len(variant)} characters: expected at "
            f"most {LONGEST_VARIANT}; name them as a configuration of the card"
        )
    file = RunFile(
        run_id=f"{card.name}-{spec.name}{'-shuffled' * key.shuffled}-s{seed}-{key.digest()[:10]}",
        key=key,
        method=card.name,
        config_name=configured.name,
        variant=variant,
        sanity=card.sanity or key.shuffled,
        protocol=spec.name,
        parts=spec.parts,
        task=task.split.problem.task,
        outputs=list(task.split.problem.outputs),
        data=protocol.data.name,
        prepared={name: task.inputs[name].prepared for name in task.inputs.names() if task.inputs[name].prepared},
        synthetic=protocol.data.synthetic,
        deterministic=holds(card.deterministic, task.config) and not key.shuffled,
        disclosures=[
            *card.disclosures(task.transductive, planned.pretrained_on, task.config),
            *protocol.data.disclosures,
        ],
        remark=shortened("; ".join(card.facts("remark", task.config))),
        not_ranked=card.facts("not_ranked", task.config),
        warnings=spec.warnings,
        folds={fold.name: len(fold.test) for fold in task.split.folds},
        created=now(),
        merbench=__version__,
        git_commit=environment.git_commit(),
        method_source=environment.method_source(configured.method.folder, configured.method.origin),
    )
    return RunPlan(file, replace(task, seed=seed))
