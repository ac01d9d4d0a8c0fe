"""Progress of a grid: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterable, Sequence
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, ProgressColumn, Task, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text

from merbench.contracts.methods import Progress
from merbench.contracts.names import shown
from merbench.engine.execute.jobs import Working
from merbench.engine.execute.state import RunState
from merbench.engine.plan.runs import RunPlan
from merbench.records.model import RunFile
from merbench.records.outcome import FoldOutcome
from merbench.report.numbers import duration

_PLAIN_SECONDS = 10.0
#: A live table with more lines than this loses those of runs that are done; they are printed above it.
_MOST_LINES = 16
_ALL = "all runs"


class _Pace:
    """Folds or clips done, their rate and the time left, from the time they were begun."""

    def __init__(self, recorded: int, pending: int, unit: str = "folds") -> None:
        self.recorded, self.pending, self.done, self.failed = recorded, pending, 0, 0
        self._unit, self._started, self._begun = unit, time.monotonic(), False

    def begin(self) -> None:
        """Count the time from here, if that is the first word of it: what came before was not work on these."""
        if not self._begun:
            self._begun, self._started = True, time.monotonic()

    @classmethod
    def of_all(cls, paces: "Iterable[_Pace]") -> "_Pace":
        """Sum up; the time runs from the first that was begun."""
        paces = list(paces)
        total = cls(sum(pace.recorded for pace in paces), sum(pace.pending for pace in paces))
        total.done, total.failed = sum(pace.done for pace in paces), sum(pace.failed for pace in paces)
        total._started = min(pace._started for pace in paces if pace._begun)
        return total

    @property
    def of(self) -> int:
        """How many there are in all."""
        return self.recorded + self.pending

    def count(self, outcome: FoldOutcome) -> None:
        """Count a fold."""
        self.begin()
        self.done += 1
        self.failed += outcome.failure is not None

    def ended(self) -> str:
        """Sum up a run that has ended."""
        return f"{self}{'' if self.pending else ', recorded before'}"

    def __str__(self) -> str:
        said = f"{self.recorded + self.done - self.failed}/{self.recorded + self.pending} {self._unit}"
        seconds = time.monotonic() - self._started
        if self.done and self.pending:
            rate = self.done / max(seconds, 1e-3)
            said += f", {rate:.1f} {self._unit}/s" if rate >= 1 else f", {rate * 60:.1f} {self._unit}/min"
            left = seconds / self.done * (self.pending - self.done)
            said += f", {duration(left)} left" if self.done < self.pending else f", {duration(seconds)}"
        return said + (f", {self.failed} failed" if self.failed else "")


def _label(plan: RunPlan) -> str:
    return f"{row_label(plan.file)} seed {plan.file.key.seed}"


def row_label(file: RunFile) -> str:
    """Name a run without its seed."""
    return " ".join([file.method, *file.apart()])


class _GivingWay(ProgressColumn):
    """A text that is cut where the terminal is too narrow for all columns."""

    def __init__(self, field: str) -> None:
        super().__init__()
        self._field = field

    def render(self, task: Task) -> Text:
        text = task.description if self._field == "description" else task.fields[self._field]
        return Text(text, no_wrap=True, overflow="ellipsis")


class _FoldColumn(ProgressColumn):
    """The progress of the method within its current fold, as it reports it."""

    max_refresh = 0.5

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        inner: Progress = task.fields["inner"]
        running = inner.total and not task.finished
        return Text(f"epoch {inner.done}/{inner.total}" if running else "", style="dim")


def _bar(console: Console) -> BarColumn:
    """Return a bar that leaves 72 columns to names and figures."""
    return BarColumn(min(24, max(8, console.width - 72)), table_column=Column(no_wrap=True))


def _field(name: str) -> TextColumn:
    return TextColumn(f"{{task.{name}}}", markup=False)


class PreparationDisplay:
    """Progress of clips, inputs and files: a line each, live on a terminal."""

    def __init__(self, console: Console, unit: str = "clips") -> None:
        self._console, self._unit, self._spoken = console, unit, 0.0
        columns = _GivingWay("description"), _bar(console), _field("fields[pace]")
        self._bars = Bars(*columns, console=console, disable=not console.is_terminal)
        self._lines: dict[str, tuple[TaskID, _Pace]] = {}
        self._notes: set[str] = set()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def preparing(self, what: str, done: int, total: int) -> None:
        """Move the line of `what`, or begin it; elsewhere than on a terminal speak now and then, and at the end."""
        if what not in self._lines or self._lines[what][1].of != total:  # the same input of further clips
            pace = _Pace(done, total - done, self._unit)
            self._lines[what] = (self._bars.add_task(shown(what), total=total, completed=done, pace=pace), pace)
            self._spoken = time.monotonic()
        line, pace = self._lines[what]
        pace.done = done - pace.recorded
        self._bars.update(line, completed=done, pace=str(pace))
        if not self._console.is_terminal and (done == total or time.monotonic() - self._spoken > _PLAIN_SECONDS):
            self._spoken = time.monotonic()
            self._console.print(f"{shown(what)}: {pace}", markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Print a line once."""
        if text not in self._notes:
            self._notes.add(text)
            self._bars.console.print(shown(text), markup=False, soft_wrap=True)


class _PlainDisplay:
    """Plain lines: a run's start, its pace now and then, failures at once, its end.

    An error that repeats in other folds or seeds of a row is printed once, and then counted.
    """

    def __init__(self, console: Console) -> None:
        self.executed = 0
        self._console = console
        self._errors: set[tuple[str, str, str]] = set()
        self._alike: dict[str, int] = {}
        self._open: dict[str, _Pace] = {}
        self._closed: list[_Pace] = []
        self._spoken = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None: ...

    def run_started(self, plan: RunPlan, recorded: int, pending: Sequence[str]) -> None:
        """Begin counting."""
        self._open[plan.run_id] = _Pace(recorded, len(pending))
        self._spoken = time.monotonic()

    def working(self, workers: Sequence[Working]) -> None:
        """Count the time."""
        for at in workers:
            self._open[at.job.plan.run_id].begin()

    def fold_finished(self, plan: RunPlan, outcome: FoldOutcome) -> None:
        """Count a fold; report failures at once."""
        self.executed += 1
        self._open[plan.run_id].count(outcome)
        self._report_failure(plan, outcome)
        if time.monotonic() - self._spoken > _PLAIN_SECONDS:
            self._spoken = time.monotonic()
            if len(self._open) > 1:
                self.note(f"{_ALL}: {_Pace.of_all([*self._open.values(), *self._closed])}")
            else:
                self.note(f"{_label(plan)}: {self._open[plan.run_id]}")

    def run_finished(self, plan: RunPlan, state: RunState) -> None:
        """Sum up."""
        self._closed.append(self._open.pop(plan.run_id))
        self.note(f"{_label(plan)}: {self._closed[-1].ended()}{self._repeated(plan)}")

    def _report_failure(self, plan: RunPlan, outcome: FoldOutcome) -> None:
        """Print the error of a fold that failed, or count it."""
        if (failure := outcome.failure) is None:
            return
        error = (row_label(plan.file), failure.type, failure.message)
        if error in self._errors:
            self._alike[plan.run_id] = self._alike.get(plan.run_id, 0) + 1
            return
        self._errors.add(error)
        line = shown(f"{_label(plan)}, fold {outcome.fold} failed: {failure.type}: {failure.message}")
        self._console.print(line, style="red", markup=False, soft_wrap=True)

    def _repeated(self, plan: RunPlan) -> str:
        alike = self._alike.pop(plan.run_id, 0)
        return f" ({alike} with an error printed above)" if alike else ""

    def waiting(self, plan: RunPlan) -> None:
        """Print the reason for waiting."""
        self.note(f"{_label(plan)}: another process is working on it; waiting")

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False, soft_wrap=True)


class _LiveDisplay(_PlainDisplay):
    """One line a run: bar, folds done, rate, time left; one a worker, where there are several; failures above, at once.

    A run's line comes with its first fold. Where there are many, it goes with its last and is printed above. Lines for
    which the terminal has no room are counted.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bars = Bars(
            _GivingWay("description"), _bar(console), _field("fields[pace]"), _FoldColumn(), console=console
        )
        self._worker_bars = Bars(
            _field("description"), _bar(console), _GivingWay("text"), _FoldColumn(), console=console
        )
        self._runs: dict[str, tuple[TaskID, _Pace]] = {}
        self._workers: dict[str, TaskID] = {}
        self._workers_at_work = 0
        self._all = self._bars.add_task(_ALL, pace="", inner=Progress(), visible=False)
        self._live = Live(get_renderable=self.lines, console=console, refresh_per_second=5)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def lines(self) -> Group:
        """Return as many lines as the terminal has room for: half of them, if need be, are those of workers."""
        room = max(self._console.height - 2, 2)
        runs = [task for task in self._bars.tasks if task.visible]
        workers = self._worker_bars.tasks[: max(room - len(runs), room // 2)]
        runs, more_runs = runs[: room - len(workers)], len(runs) - (room - len(workers))
        more = {"runs": more_runs, "workers": self._workers_at_work - len(workers)}
        hidden = [f"{number} more {what}" for what, number in more.items() if number > 0]
        tables = [self._bars.make_tasks_table(runs), self._worker_bars.make_tasks_table(workers)]
        return Group(*tables, *([Text(f"and {', '.join(hidden)}", style="dim")] if hidden else []))

    def run_started(self, plan: RunPlan, recorded: int, pending: Sequence[str]) -> None:
        """Prepare the run's line."""
        pace, total = _Pace(recorded, len(pending)), recorded + len(pending)
        line = self._bars.add_task(
            _label(plan), total=total, completed=recorded, pace=pace, inner=Progress(), visible=False
        )
        self._runs[plan.run_id] = (line, pace)

    def working(self, workers: Sequence[Working]) -> None:
        """Show the lines of runs that are begun, and what each of several workers is at."""
        for run_id, at in {at.job.plan.run_id: at for at in workers}.items():
            line, pace = self._runs[run_id]
            pace.begin()
            self._bars.update(line, visible=True)
            if not at.worker:
                self._bars.update(line, inner=at.progress)
        at_work = [at for at in workers if at.worker]
        self._workers_at_work = len(at_work)
        with_line = {at.worker: at for at in at_work[: self._console.height]}
        for gone in self._workers.keys() - with_line.keys():
            self._worker_bars.remove_task(self._workers.pop(gone))
        for name, at in with_line.items():
            if name not in self._workers:
                self._workers[name] = self._worker_bars.add_task(name, text="", inner=at.progress)
            text = shown(f"{_label(at.job.plan)}, {at.shown}")
            done, total = at.progress.done, at.progress.total or None
            self._worker_bars.update(self._workers[name], completed=done, total=total, text=text, inner=at.progress)

    def fold_finished(self, plan: RunPlan, outcome: FoldOutcome) -> None:
        """Move the bar; print failures above the lines."""
        self.executed += 1
        line, pace = self._runs[plan.run_id]
        pace.count(outcome)
        self._report_failure(plan, outcome)
        self._bars.update(line, advance=1, pace=str(pace), visible=True)
        if self._workers and len(self._runs) > 1:
            pace = _Pace.of_all(pace for _, pace in self._runs.values())
            total, completed = pace.recorded + pace.pending, pace.recorded + pace.done
            self._bars.update(self._all, total=total, completed=completed, pace=str(pace), visible=True)

    def run_finished(self, plan: RunPlan, state: RunState) -> None:
        """Leave the run's line as it ended, or print it above where there are too many."""
        line, pace = self._runs[plan.run_id]
        most = min(_MOST_LINES, self._console.height // 2)
        many = sum(task.visible for task in self._bars.tasks) >= most
        ended = f"{pace.ended()}{self._repeated(plan)}"
        self._bars.update(line, pace=ended, visible=not many)
        if many:
            self.note(f"{_label(plan)}: {ended}")


def grid_display(console: Console) -> _PlainDisplay:
    """Return what shows the progress of a grid: live on a terminal, else by plain lines."""
    return _LiveDisplay(console) if console.is_terminal else _PlainDisplay(console)
