"""A method on synthetic clips and its observations; each fit is made once, when a check needs it.

Folds are run by the same code as all folds, :func:`merbench.engine.fold.folds.run_fold`.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

from merbench.checks.observation import Difference, Observation, apart, observe, worst
from merbench.checks.process import run_alone
from merbench.checks.synthetic_clips import synthetic_task
from merbench.contracts.cards import Task
from merbench.contracts.errors import MerbenchError, SetupError
from merbench.contracts.methods import MethodConfig
from merbench.engine.fold.answers import BATCH_TOLERANCE
from merbench.engine.fold.folds import run_fold
from merbench.engine.fold.opening import FoldTask
from merbench.engine.fold.randomness import seeded
from merbench.engine.plan.catalogue import METHODS, RegisteredMethod

_SHUFFLES = 2  # of the training labels of every fold
_FURTHER_SHUFFLES = 4  # for a method above the bound
SEEDS = 4  # that are compared
_EPOCHS = 5  # at most, unless the user sets it


@dataclass(frozen=True)
class CheckedMethod:
    """A method in one configuration under one task, and its observations."""

    method: RegisteredMethod
    config: MethodConfig
    config_name: str  #: the configuration, and settings that differ from it
    task: Task

    def __str__(self) -> str:
        split = self.fold_task.split
        clips = f"{len(split.clips)} synthetic clips of {len(split.folds)} subjects, on the CPU"
        return f"{self.method.card.name} {self.config_name}, {self.task}: {clips}"

    @cached_property
    def fold_task(self) -> FoldTask:
        """The task of running the method on the synthetic clips."""
        return synthetic_task(self.method, self.config, self.task)

    @cached_property
    def folds(self) -> list[str]:
        """Names of the folds."""
        return [fold.name for fold in self.fold_task.split.folds]

    @cached_property
    def plain(self) -> list[Observation]:
        """Every fold, one after another, in this process."""
        return [observe(self.fold_task, fold, ask_again=True) for fold in self.folds]

    @cached_property
    def unobserved(self) -> str:
        """Why the last fold fails where nothing observes its method, as in `merbench run`; empty if it does not."""
        try:
            failure = run_fold(self.fold_task, self.folds[-1]).failure
        except SetupError as error:
            return str(error)
        return f"{failure.type}: {failure.message.partition(chr(10))[0]}" if failure else ""

    @cached_property
    def seeds(self) -> list[Observation]:
        """The last fold with several seeds, the first being that of `plain`."""
        with seeded(1):  # earlier states of the global generators must not matter
            return [observe(replace(self.fold_task, seed=seed), self.folds[-1]) for seed in range(SEEDS)]

    @cached_property
    def shuffled(self) -> list[Observation]:
        """Every fold with shuffled training labels, several times."""
        return self._shuffled(range(_SHUFFLES))

    @cached_property
    def shuffled_further(self) -> list[Observation]:
        """The same with other shuffles, more of them."""
        return self._shuffled(range(_SHUFFLES, _SHUFFLES + _FURTHER_SHUFFLES))

    @cached_property
    def epoch_by_epoch(self) -> Observation:
        """The last fold, its test clips predicted after each epoch."""
        return observe(replace(self.fold_task, keep_epochs=True), self.folds[-1])

    @cached_property
    def one_by_one(self) -> Observation:
        """The last fold in a fresh process, in which each clip is first predicted alone."""
        return self._alone(one_by_one=True)

    @cached_property
    def alone(self) -> Observation:
        """The last fold in a fresh process, predicted as usual; or `one_by_one` if that gives the same."""
        if not self.fold_task.transductive and (not self.runs or self._same(self.one_by_one)):
            return self.one_by_one
        return self._alone(one_by_one=False)

    @cached_property
    def batch_alone(self) -> Difference | None:
        """How predictions in a fresh process depend on the batch; None if this cannot be determined."""
        if self.fold_task.transductive or not self.reproducible:
            return None
        found = [self.one_by_one.batch]
        if self.alone is not self.one_by_one and self._same(self.alone):
            found.append(apart(self.plain[-1], self.one_by_one))
        return worst(found) if any(found) else None

    @cached_property
    def batch(self) -> Difference:
        """How predictions depend on the other clips in the batch, in every fold and in the fresh process."""
        return worst([*(seen.batch for seen in self.plain), self.batch_alone])

    @cached_property
    def reproducible(self) -> bool:
        """Whether the last fold gives the same result again, with the same seed."""
        return self._same(self.seeds[0])

    @property
    def runs(self) -> bool:
        """Whether every fold gives predictions; without them most checks do not apply."""
        return not any(seen.failure for seen in self.plain)

    def _shuffled(self, seeds: Iterable[int]) -> list[Observation]:
        tasks = [replace(self.fold_task, shuffled=True, seed=seed) for seed in seeds]
        return [observe(task, fold) for task in tasks for fold in self.folds]

    def _alone(self, one_by_one: bool) -> Observation:
        return run_alone(self.fold_task, self.folds[-1], self.method.folder, self.method.package, one_by_one)

    def _same(self, seen: Observation) -> bool:
        return apart(self.plain[-1], seen)[0] <= BATCH_TOLERANCE


def checked_methods(
    name: str, config: str | None = None, settings: Mapping[str, str] | None = None
) -> list[CheckedMethod]:
    """Return a registered method under each task of its card, as for `merbench.checks.findings`; nothing is run yet."""
    method, settings = METHODS.get(name), dict(settings or {})
    card = method.card
    chosen = config or card.quick or card.cpu or card.default
    resolved = method.resolve(chosen, settings)
    if config is None and "epochs" not in settings and getattr(resolved, "epochs", 0) > _EPOCHS:
        fewer = {**settings, "epochs": str(_EPOCHS)}
        with suppress(MerbenchError):  # for instance more warm-up epochs: then it is checked unchanged
            resolved, settings = method.resolve(chosen, fewer), fewer
    config_name = " ".join([chosen, *(f"{key}={value}" for key, value in settings.items())])
    return [CheckedMethod(method, resolved, config_name, task) for task in card.tasks]
