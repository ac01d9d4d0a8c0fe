"""Units of work, one fold of one run each; who executes them, and in which order."""

import math
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from merbench.contracts.digests import digest
from merbench.contracts.methods import Progress
from merbench.engine.fold.folds import can_pack, run_folds
from merbench.engine.fold.opening import FoldTask
from merbench.engine.plan.runs import RunPlan
from merbench.records.outcome import FoldOutcome


@dataclass(frozen=True)
class Unit:
    """One fold of a run that this process holds.

    Attributes
    ----------
    task : FoldTask
        What is executed: the plan's task, which may also be asked for what an older record of the fold holds.
    expected : float, optional
        Seconds that it should take, from recorded folds of the same method and configuration.
    """

    plan: RunPlan
    task: FoldTask
    fold: str
    expected: float | None = None

    @cached_property
    def train_clips(self) -> int:
        """How many clips it trains on."""
        return len(self.task.split.fold(self.fold).train)

    @cached_property
    def kind(self) -> str:
        """Digest of what its duration and its memory depend on, the number of clips aside."""
        return kind(self.plan)


def kind(plan: RunPlan) -> str:
    """Digest what makes folds of two runs take alike: method, configuration, selection, and what it is fed."""
    key = plan.file.key
    return digest([key.method, key.config, key.input_digests, key.selection])


@dataclass(frozen=True)
class Working:
    """What a worker is at: a unit, and how far its method has come, as it tells itself.

    Attributes
    ----------
    beside : int
        How many others are trained together with the unit.
    """

    worker: str
    unit: Unit
    progress: Progress
    beside: int = 0

    @property
    def shown(self) -> str:
        """Name the fold, and how many there are beside it: ``casme2/sub01 +16``."""
        return f"{self.unit.fold} +{self.beside}" if self.beside else self.unit.fold


class Watcher(Protocol):
    """Whom an executor tells what goes on."""

    def working(self, workers: Sequence[Working]) -> None:
        """Tell what all workers are at now."""

    def note(self, text: str) -> None:
        """Tell something that the user should know, such as a worker that died."""


class Executor(Protocol):
    """What trains and tests units, wherever that is, in whatever order.

    It is called with the units and gives each back with its outcome, as they end; the unit's task is then the one that
    was executed, on the device it ran on.
    """

    @property
    def runs_at_once(self) -> int:
        """How many runs should be open, and locked, at a time."""

    def __call__(self, units: Sequence[Unit], watcher: Watcher) -> Generator[tuple[Unit, FoldOutcome], None, None]:
        """Execute."""


#: How many folds are trained together on a GPU where nobody says it: one, until it is measured there
#: (``benchmarks/packed_folds.py``). On a CPU it is one: packing does not pay there.
PACK_ON_GPU = 1


class Packing:
    """Says how many folds of a run are trained together in one program.

    Parameters
    ----------
    most : int, optional
        The most folds, of methods that pack; 1 trains each alone. By default it goes by the device.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._told: set[type] = set()

    def of(self, unit: Unit) -> int:
        """Return how many folds like this one are trained together at most."""
        on_device = 1 if unit.task.device == "cpu" else PACK_ON_GPU
        most = on_device if self._most is None else self._most
        return most if most > 1 and can_pack(unit.task) else 1

    def tell(self, units: Sequence[Unit], watcher: Watcher) -> None:
        """Tell of each method, once, that does not pack though it is asked for."""
        if self._most in (None, 1):
            return
        for unit in units:
            if unit.task.method not in self._told and self.of(unit) == 1:
                watcher.note(
                    f"--pack {self._most}: {unit.plan.file.method} can't be packed, each fold is trained alone"
                )
            self._told.add(unit.task.method)


class Serial:
    """Folds one after the other, run by run, in this process.

    Parameters
    ----------
    pack : int, optional
        How many folds are trained together, see `Packing`.
    """

    runs_at_once = 1

    def __init__(self, pack: int | None = None) -> None:
        self._packing = Packing(pack)

    def __call__(self, units: Sequence[Unit], watcher: Watcher) -> Generator[tuple[Unit, FoldOutcome], None, None]:
        """Execute in the order given."""
        self._packing.tell(units, watcher)
        waiting = deque(units)
        while waiting:
            first, progress = waiting.popleft(), Progress()
            pack = [first]
            while waiting and waiting[0].plan.run_id == first.plan.run_id and len(pack) < self._packing.of(first):
                pack.append(waiting.popleft())
            watcher.working([Working("", first, progress, len(pack) - 1)])
            folds = [unit.fold for unit in pack]
            yield from zip(pack, run_folds(first.task, folds, watcher.note, progress), strict=True)


#: Units that last shorter than this go to a worker together, so that handing them out costs little.
GROUP_SECONDS = 1.0


class LongestFirst:
    """Units that wait, of which the one that should last longest is taken next, so that none is left over at the end.

    How long a unit lasts is learned per training clip from those of its kind that ended, else taken from what is
    recorded. Units of a kind of which nothing is known come first, those with the most clips before the others.

    Parameters
    ----------
    units : sequence of Unit
        All that wait.
    pack : callable
        Says of a unit how many like it are trained together; these are taken together, however long they last.
    """

    def __init__(self, units: Sequence[Unit], pack: Callable[[Unit], int] = lambda _: 1) -> None:
        self._pack = pack
        by_clips = sorted(units, key=lambda unit: -unit.train_clips)
        self._runs: dict[str, deque[Unit]] = {}
        for unit in by_clips:
            self._runs.setdefault(unit.plan.run_id, deque()).append(unit)
        self._waiting = len(by_clips)
        self._alone: set[tuple[str, str]] = set()
        self._learned: dict[str, tuple[float, int]] = {}

    def __len__(self) -> int:
        return self._waiting

    def seconds(self, unit: Unit) -> float | None:
        """Return how long a unit should last; None where nothing is known."""
        if unit.kind not in self._learned:
            return unit.expected
        seconds, clips = self._learned[unit.kind]
        return seconds / clips * unit.train_clips

    def learn(self, unit: Unit, seconds: float) -> None:
        """Take note of how long a unit lasted."""
        known, clips = self._learned.get(unit.kind, (0.0, 0))
        self._learned[unit.kind] = (known + seconds, clips + unit.train_clips)

    def count_by(self, what: Callable[[Unit], int]) -> Mapping[int, int]:
        """Count the units that wait by something that all units of a kind have in common."""
        found: dict[int, int] = {}
        for units in self._runs.values():
            found[what(units[0])] = found.get(what(units[0]), 0) + len(units)
        return found

    def take(self, fits: Callable[[Unit], bool], most: int) -> tuple[Unit, ...]:
        """Take the next unit of those that fit; with it others of its run: its pack, or up to `most` that are short.

        Parameters
        ----------
        fits : callable
            Says it of a unit; all units of a kind fit or none.
        most : int
            The most units to take.

        Returns
        -------
        tuple of Unit
            Empty where none fits.
        """
        heads = [units[0] for units in self._runs.values() if fits(units[0])]
        if not heads:
            return ()
        first = max(heads, key=self._order)
        units = self._runs[first.plan.run_id]
        taken = [units.popleft()]
        left, pack = GROUP_SECONDS - self._order(first)[0], self._pack(first)
        while units and not self._is_alone(first) and not self._is_alone(units[0]):
            left -= self._order(units[0])[0]
            full = len(taken) >= pack if pack > 1 else (left < 0 or len(taken) >= most)
            if full:
                break
            taken.append(units.popleft())
        if not units:
            del self._runs[first.plan.run_id]
        self._waiting -= len(taken)
        return tuple(taken)

    def put_back(self, unit: Unit) -> None:
        """Let a unit that was taken wait again, for a worker that gets it alone, before others of its run."""
        self._alone.add((unit.plan.run_id, unit.fold))
        self._runs.setdefault(unit.plan.run_id, deque()).appendleft(unit)
        self._waiting += 1

    def _order(self, unit: Unit) -> tuple[float, int]:
        seconds = self.seconds(unit)
        return (math.inf if seconds is None else seconds), unit.train_clips

    def _is_alone(self, unit: Unit) -> bool:
        return (unit.plan.run_id, unit.fold) in self._alone
