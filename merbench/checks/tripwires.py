"""Tripwires: what every method must hold, tried on made-up clips in seconds. Each check gives one line.

What is tried is what is run: folds go through :func:`merbench.engine.fold.folds.run_fold`, and several checks look at
the same fits. An author holds a method to them in tests of their own::

    from merbench.checks.tripwires import findings

    def test_my_method_trips_no_wire():
        assert [finding for finding in findings("my-method") if finding.result == "failed"] == []
"""

import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from merbench.checks.made_up import trial_task
from merbench.checks.observed import Again, Observation, answers, difference, held_against, observe, worst
from merbench.checks.process import Alone, run_alone
from merbench.contracts.cards import Task
from merbench.contracts.errors import MerbenchError, listed
from merbench.contracts.methods import MethodConfig
from merbench.contracts.names import shown
from merbench.engine.fold.folds import COMPANY_TOLERANCE, run_fold
from merbench.engine.fold.opening import FoldTask
from merbench.engine.fold.randomness import seeded
from merbench.engine.plan.catalogue import METHODS, RegisteredMethod
from merbench.scoring.chance import by_chance

Result = Literal["passed", "failed", "not applicable"]

#: Times that the training labels of every fold are shuffled.
SHUFFLES = 2
#: Seeds that are held against each other.
SEEDS = 4
#: Epochs that are enough here, where nobody says how many.
EPOCHS = 5


@dataclass(frozen=True)
class Finding:
    """What a check found of a method, under one of its tasks.

    Attributes
    ----------
    check, holds : str
        The check's name, and what is held.
    evidence : str
        One line, with figures.
    """

    check: str
    holds: str
    task: Task
    result: Result
    evidence: str


@dataclass(frozen=True)
class Check:
    """One tripwire: its name, what it holds, and what looks at a `Trial`; called with one, it gives the finding."""

    name: str
    holds: str
    look: "Callable[[Trial], tuple[Result, str]]"

    def __call__(self, trial: "Trial") -> Finding:
        """Look at a trial."""
        result, evidence = self.look(trial)
        return Finding(self.name, self.holds, trial.task, result, shown(" ".join(evidence.split())))


@dataclass(frozen=True)
class Trial:
    """A method in one configuration under one task, and what was seen of it; each fit is made once, when it is needed.

    Attributes
    ----------
    config_name : str
        The configuration, and what is set otherwise.
    """

    method: RegisteredMethod
    config: MethodConfig
    config_name: str
    task: Task

    def __str__(self) -> str:
        split = self.fold_task.split
        made = f"{len(split.clips)} made-up clips of {len(split.folds)} subjects, on the CPU"
        return f"{self.method.card.name} {self.config_name}, {self.task}: {made}"

    @cached_property
    def fold_task(self) -> FoldTask:
        """The made-up clips, and what runs the method on them."""
        return trial_task(self.method, self.config, self.task)

    @cached_property
    def folds(self) -> list[str]:
        """Names of the folds."""
        return [fold.name for fold in self.fold_task.split.folds]

    @cached_property
    def plain(self) -> list[Observation]:
        """Every fold, one after the other, in this process."""
        return [observe(self.fold_task, fold, ask_again=True) for fold in self.folds]

    @cached_property
    def seeds(self) -> list[Observation]:
        """The last fold with several seeds, the first being that of `plain`."""
        with seeded(1):  # what the global generators were before may not matter
            return [observe(replace(self.fold_task, seed=seed), self.folds[-1]) for seed in range(SEEDS)]

    @cached_property
    def one_by_one(self) -> Alone:
        """The last fold in a process of its own, of which no clip has any company when it is first asked for."""
        return run_alone(self.fold_task, self.folds[-1], self.method.folder, self.method.package, one_by_one=True)

    @cached_property
    def alone(self) -> Alone:
        """The last fold in a process of its own, asked as always; or `one_by_one`, where that gives the same."""
        if not self.fold_task.transductive and (not self.runs or self.apart(self.one_by_one) <= COMPANY_TOLERANCE):
            return self.one_by_one
        return run_alone(self.fold_task, self.folds[-1], self.method.folder, self.method.package, one_by_one=False)

    @cached_property
    def company_alone(self) -> Again | None:
        """What came of asking in other company than at first in a process of its own; None where that tells nothing."""
        if self.fold_task.transductive or not self.reproducible:
            return None
        found = [self.one_by_one.company]
        if self.alone is not self.one_by_one and self.apart(self.alone) <= COMPANY_TOLERANCE:
            found.append(Again(self.apart(self.one_by_one), self.one_by_one.failure))
        return worst(found) if any(found) else None

    @cached_property
    def company(self) -> Again:
        """What came of asking for test clips in other company than at first: in every fold, and in that process."""
        return worst([*(seen.company for seen in self.plain), self.company_alone])

    @cached_property
    def reproducible(self) -> bool:
        """Whether the last fold gives the same again, with the same seed."""
        return _apart(self, self.plain[-1], self.seeds[0]) <= COMPANY_TOLERANCE

    def apart(self, alone: Alone) -> float:
        """Say by how much answers from a process of its own differ from those of this one."""
        if alone.prediction is None:
            return float("inf")
        return difference(answers(self.plain[-1].table, self.fold_task.split.problem), alone.prediction)

    @cached_property
    def shuffled(self) -> list[Observation]:
        """Every fold with shuffled training labels, several times."""
        tasks = [replace(self.fold_task, shuffled=True, seed=seed) for seed in range(SHUFFLES)]
        return [observe(task, fold) for task in tasks for fold in self.folds]

    @property
    def runs(self) -> bool:
        """Whether every fold gives predictions; without them most checks have nothing to look at."""
        return not any(seen.failure for seen in self.plain)


def trials(name: str, config: str | None = None, settings: Mapping[str, str] | None = None) -> list[Trial]:
    """Make the trials of a registered method, one for each task on its card; nothing is run yet.

    Parameters
    ----------
    name : str
        The method.
    config : str, optional
        A configuration on its card; by default the short one, else that for machines without a GPU, else the usual one.
    settings : mapping of str to str, optional
        Single settings. Where `epochs` is one, is above 5, and neither it nor the configuration is named, it is made 5
        if the other settings allow it.

    Raises
    ------
    MerbenchError
        Unknown method, configuration or setting.
    """
    method, settings = METHODS.get(name), dict(settings or {})
    card = method.card
    chosen = config or card.short or card.without_gpu or card.default
    resolved = method.resolve(chosen, settings)
    if config is None and "epochs" not in settings and getattr(resolved, "epochs", 0) > EPOCHS:
        fewer = {**settings, "epochs": str(EPOCHS)}
        with suppress(MerbenchError):  # such as more epochs of warming up than that: then it is tried as it is
            resolved, settings = method.resolve(chosen, fewer), fewer
    told = " ".join([chosen, *(f"{key}={value}" for key, value in settings.items())])
    return [Trial(method, resolved, told, task) for task in card.tasks]


def findings(name: str, config: str | None = None, settings: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Hold a registered method to every check, under each task of its card; see :func:`trials`."""
    for trial in trials(name, config, settings):
        for check in CHECKS:
            yield check(trial)


# --- the contract ---------------------------------------------------------------------------------------------------


def _needs_predictions(look: "Callable[[Trial], tuple[Result, str]]") -> "Callable[[Trial], tuple[Result, str]]":
    """Let a check apply only where the method runs."""

    def looked(trial: Trial) -> tuple[Result, str]:
        return look(trial) if trial.runs else ("not applicable", "it does not run, see contract")

    return looked


def _contract(trial: Trial) -> tuple[Result, str]:
    for fold, seen in zip(trial.folds, trial.plain, strict=True):
        if seen.failure:
            return "failed", f"fold {fold}: {seen.failure}"
    outputs = len(trial.fold_task.split.problem.outputs)
    return "passed", f"{len(trial.folds)} folds run; finite scores of {outputs} outputs for every clip"


@_needs_predictions
def _shuffled(trial: Trial) -> tuple[Result, str]:
    failed = [seen.failure for seen in trial.shuffled if seen.failure]
    if failed:
        return "failed", f"with shuffled training labels it does not run: {failed[0]}"
    problem = trial.fold_task.split.problem
    reached = by_chance(problem, (seen.table for seen in trial.shuffled))
    learned = by_chance(problem, (seen.table for seen in trial.plain)).uar
    said = (
        f"UAR {reached.uar:.3f} in {reached.folds} folds with shuffled labels, chance {reached.chance:.3f} + 3 x "
        f"{reached.sd:.3f} = {reached.bound:.3f} ({learned:.3f} with the true ones)"
    )
    return ("passed" if reached.uar <= reached.bound + 1e-9 else "failed"), said


@_needs_predictions
def _company(trial: Trial) -> tuple[Result, str]:
    if trial.method.card.transductive:
        return "not applicable", "the card says transductive: predictions may depend on the other test clips"
    how = "asked one by one and in halves"
    if any(seen.refitted for seen in trial.plain):
        if not trial.reproducible:
            told = "it can't be copied before it predicts, and the same seed gives another result"
            return "failed", f"{told}, so this can't be looked at: let copy.deepcopy copy it, see __deepcopy__"
        how = "it can't be copied; another fit asked one by one"
    return _asked_again(f"{how}, also in a fresh process" if trial.company_alone else how, trial.company)


@_needs_predictions
def _order(trial: Trial) -> tuple[Result, str]:
    return _asked_again("asked in two other orders", worst(seen.order for seen in trial.plain))


def _asked_again(how: str, found: Again) -> tuple[Result, str]:
    return _within(found.difference), f"{how}: {found.failure or _told(found.difference)}"


@_needs_predictions
def _watched(trial: Trial) -> tuple[Result, str]:
    """Hold a fold that is predicted after each epoch against the same fold that is not."""
    outcome = run_fold(replace(trial.fold_task, keep_epochs=True), trial.folds[-1])
    if outcome.failure or outcome.predictions is None:
        if run_fold(trial.fold_task, trial.folds[-1]).failure:
            return "not applicable", "its folds fail, with or without: other checks say why"
        return "failed", f"predicted after each epoch it fails: {outcome.failure and outcome.failure.message}"
    if outcome.epochs is None:
        return "not applicable", "it tells of no epochs"
    problem = trial.fold_task.split.problem
    apart = difference(answers(trial.plain[-1].table, problem), answers(outcome.predictions, problem))
    told = f"predicted after each of {len(outcome.epochs)} epochs, or at the end alone: {_told(apart)}"
    return _within(apart), told


# --- what is random -------------------------------------------------------------------------------------------------


@_needs_predictions
def _same_seed(trial: Trial) -> tuple[Result, str]:
    apart = _apart(trial, trial.plain[-1], trial.seeds[0])
    if trial.reproducible:
        return "passed", "bitwise the same" if apart == 0 else f"the same within tolerance: {_told(apart)}"
    return "failed", f"the same seed gives another result: {_told(apart)}; other seeds: {_told(_spread(trial))}"


@_needs_predictions
def _deterministic(trial: Trial) -> tuple[Result, str]:
    if not trial.reproducible:
        return "not applicable", "the same seed gives another result"
    spread = _spread(trial)
    said = f"{SEEDS} seeds: {_told(spread)}"
    if trial.method.card.deterministic:
        return _within(spread), f"the card says deterministic; {said}"
    alike = spread <= COMPANY_TOLERANCE
    remark = "; deterministic: true on the card would save seeds, if it is so on other data too" if alike else ""
    return "passed", f"the card says random; {said}{remark}"


@_needs_predictions
def _generators(trial: Trial) -> tuple[Result, str]:
    first, again, others = trial.plain[-1], trial.seeds[0], trial.seeds[1:]
    told = []
    for name in sorted(set(first.began) & set(again.ended)):
        if again.began[name] == again.ended[name]:
            told.append(f"{name} untouched")
        elif first.ended.get(name) != again.ended[name] and first.began.get(name) == again.began[name]:
            return "failed", f"{name}'s global generator ends elsewhere with the same seed: it is seeded by the clock"
        elif all(seen.ended.get(name) == again.ended[name] for seen in others):
            return (
                "failed",
                f"{name}'s global generator ends alike whatever the seed: it is seeded by a constant",
            )
        else:
            told.append(f"{name} drawn from, as the run's seed says")
    return "passed", f"global generators: {', '.join(told)}"


# --- what is left behind, and what is reached for -------------------------------------------------------------------


@_needs_predictions
def _between_folds(trial: Trial) -> tuple[Result, str]:
    if trial.alone.prediction is None:
        return "failed", f"the last fold fails in a process of its own: {trial.alone.failure}"
    apart = trial.apart(trial.alone)
    return _within(apart), f"a fold after {len(trial.folds) - 1} others, and in a fresh process: {_told(apart)}"


def _pickled(trial: Trial) -> tuple[Result, str]:
    task = trial.fold_task
    try:
        method, config = pickle.loads(pickle.dumps((task.method, task.config)))  # noqa: S301 - made in this line
    except Exception as error:  # noqa: BLE001 - what a class or its settings hold may raise anything
        return "failed", f"class and settings can't be sent to a worker: {error}"
    if method is not task.method or config != task.config:
        return "failed", "class or settings come back from pickle as something else"
    return "passed", f"{method.__module__}:{method.__qualname__} and its settings come back the same"


@_needs_predictions
def _unchanged(trial: Trial) -> tuple[Result, str]:
    changed = sorted({name for seen in trial.plain for name in seen.changed})
    if changed:
        return "failed", f"changed in place: {listed(changed)}"
    return "passed", "inputs, labels, subjects and datasets are what they were after fit and predict"


def _outside(trial: Trial) -> tuple[Result, str]:
    alone = trial.alone
    if alone.trespasses:
        return "failed", listed(alone.trespasses, 3)
    if alone.failure and trial.runs:
        return "failed", f"without labels of test clips and clip table it fails: {alone.failure}"
    if alone.failure:
        return "not applicable", "it does not run, see contract"
    read = f"; of its own and of caches it reads {listed(alone.files, 3)}" if alone.files else ""
    return "passed", f"no file, listing, connection or process outside of Python's libraries{read}"


# --- the card -------------------------------------------------------------------------------------------------------


def _complete(trial: Trial) -> tuple[Result, str]:
    card = trial.method.card
    empty = [name for name in ("title", "summary") if not getattr(card, name).strip()]
    if empty or not card.tasks:
        return "failed", f"the card says nothing under {listed([*empty, *([] if card.tasks else ['tasks'])])}"
    changes = [row for rows in card.ablations.values() for row in rows.values()]
    try:
        for name in card.configurations:
            trial.method.resolve(name)
        for row in changes:
            trial.method.config_class.model_validate({**card.configurations[card.default], **row})
    except (MerbenchError, ValueError) as error:
        return "failed", str(error)
    said = [
        listed(card.tasks),
        "transductive" if card.transductive else "inductive",
        "deterministic" if card.deterministic else "random",
        f"weights have seen {listed(card.data_seen)}" if card.data_seen else "weights have seen nothing",
        "AU labels at test" if card.au_labels_at_test else "no AU labels at test",
    ]
    return (
        "passed",
        f"{'; '.join(said)}; configurations ({len(card.configurations)}) and ablations ({len(changes)}) hold",
    )


@_needs_predictions
def _inputs_read(trial: Trial) -> tuple[Result, str]:
    declared = set(trial.fold_task.inputs.names())
    unread = sorted(declared - _read(trial))
    if unread and len(trial.method.card.tasks) == 1:
        return "failed", f"declared and never read: {listed(unread)}"
    remark = f"; not under this task: {listed(unread)}" if unread else ""
    return "passed", f"reads {listed(sorted(declared - set(unread))) or 'no input, and declares none'}{remark}"


@_needs_predictions
def _transductive(trial: Trial) -> tuple[Result, str]:
    used = sorted({name for seen in trial.plain for name in seen.read_of_test})
    depends = trial.company.difference > COMPANY_TOLERANCE
    if not trial.method.card.transductive:
        if depends:
            return "failed", "the card says inductive; predictions depend on the other test clips"
        return (
            "passed",
            "the card says inductive; it is handed no test clip to train on, and clips don't depend on others",
        )
    if used or depends:
        return (
            "passed",
            f"the card says transductive; of the test clips it uses {listed(used) or 'what is asked together'}",
        )
    return "failed", "the card says transductive; nothing of the test clips is used"


@_needs_predictions
def _labels_at_test(trial: Trial) -> tuple[Result, str]:
    inputs = trial.fold_task.inputs
    labels = {name for name in inputs.names() if inputs[name].spec.training_only}
    used = sorted({name for seen in trial.plain for name in seen.read_at_test} & labels)
    if not trial.method.card.au_labels_at_test:
        return "passed", "the card says none, and none are handed over"
    return ("passed" if used else "failed"), f"the card says AU labels at test; it reads {listed(used) or 'none'}"


@_needs_predictions
def _data_seen(trial: Trial) -> tuple[Result, str]:
    read, seen = trial.alone.files, trial.method.card.data_seen
    if read and not seen:
        return "failed", f"the card names no data that what it reads was made from: {listed(read, 3)}"
    said = f"it reads {listed(read, 3)}" if read else "it reads no file in this configuration"
    return "passed", f"the card says {listed(seen) or 'none'}; {said}"


# --- figures --------------------------------------------------------------------------------------------------------


def _within(most: float) -> Result:
    return "passed" if most <= COMPANY_TOLERANCE else "failed"


def _told(most: float) -> str:
    if most == 0:
        return "bitwise the same"
    if np.isinf(most):
        return "classes differ"
    return f"scores differ by {most:.1e} at most (allowed {COMPANY_TOLERANCE:g})"


def _apart(trial: Trial, one: Observation, two: Observation) -> float:
    return held_against(one, two, trial.fold_task.split.problem).difference


def _spread(trial: Trial) -> float:
    return max(_apart(trial, trial.seeds[0], seen) for seen in trial.seeds[1:])


def _read(trial: Trial) -> set[str]:
    return {name for seen in trial.plain for name in seen.read | seen.read_at_test}


CHECKS = (
    Check("contract", "every fold runs and gives a score for each clip and output", _contract),
    Check("shuffled labels", "nothing is known of the test clips beyond what training labels tell", _shuffled),
    Check("alone and in company", "a prediction does not depend on the other test clips", _company),
    Check("test order", "a prediction does not depend on the order of the test clips", _order),
    Check("watched", "predictions after each epoch leave no trace in training", _watched),
    Check("same seed twice", "the same seed gives the same again", _same_seed),
    Check("card: deterministic", "seeds differ exactly if the card says so", _deterministic),
    Check("global random state", "what is drawn follows from the run's seed", _generators),
    Check("between folds", "no state is kept from fold to fold", _between_folds),
    Check("another process", "class and settings can be sent to workers", _pickled),
    Check("inputs unchanged", "what is handed over is left as it is", _unchanged),
    Check("files and network", "nothing is read, written or asked for outside", _outside),
    Check("card: complete", "every field is filled, every configuration and ablation holds", _complete),
    Check("card: inputs", "what is declared is what is read", _inputs_read),
    Check("card: transductive", "test clips are used exactly if the card says so", _transductive),
    Check("card: AU labels at test", "they are used exactly if the card says so", _labels_at_test),
    Check("card: data seen", "files, as of weights, are read only if the card says what they have seen", _data_seen),
)
