"""What is shown while a grid runs fits the terminal, whatever its size and however many workers there are."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from merbench.cli.display import PreparationDisplay, grid_display
from merbench.contracts.methods import Progress
from merbench.engine.execute.jobs import Working


def plan(seed):
    key = SimpleNamespace(seed=seed)
    file = SimpleNamespace(method="ststnet", key=key, folds={}, apart=lambda: ["quick"])
    return SimpleNamespace(run_id=f"ststnet-{seed}", file=file)


def working(plans, workers):
    found = []
    for number in range(workers):
        progress = Progress()
        progress(number % 60, 60)
        job = SimpleNamespace(plan=plans[number % len(plans)], fold=f"smic-hs/s{number:02d}")
        found.append(Working(f"worker {number + 1} (GPU 0)", job, progress))
    return found


def display(width, height, runs, workers):
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None)
    shown = grid_display(console)
    plans = [plan(seed) for seed in range(runs)]
    for one in plans:
        shown.run_started(one, 10, ["fold"] * 58)
    at = working(plans, workers)
    shown.working(at)
    for one in plans:
        for _ in range(2):
            shown.fold_finished(one, SimpleNamespace(failure=None))
    with console.capture() as capture:
        console.print(shown.lines())
    return capture.get().splitlines()


def test_runs_and_workers_have_a_line_each():
    lines = display(120, 30, 2, 2)
    for line, begins in zip(lines, ["all runs", *(f"ststnet quick seed {n}" for n in (0, 1))], strict=False):
        assert line.startswith(begins)
    for line, number in zip(lines[3:], (1, 2), strict=True):
        assert line.startswith(f"worker {number} (GPU 0)")
        assert f"ststnet quick seed {number - 1}, smic-hs/s0{number - 1}" in line


@pytest.mark.parametrize(
    ("width", "height", "runs", "workers"), [(80, 10, 2, 2), (80, 10, 12, 64), (120, 24, 100, 1024), (80, 5, 3, 3)]
)
def test_lines_fit_the_terminal_and_the_rest_is_counted(width, height, runs, workers):
    lines = display(width, height, runs, workers)
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("all runs")
    assert lines[0].rstrip().endswith("left")
    assert all(line.rstrip().endswith("/60") for line in lines if line.startswith("worker"))
    runs_shown = sum(line.startswith("ststnet") for line in lines)
    workers_shown = sum(line.startswith("worker") for line in lines)
    assert workers_shown >= 1
    more = [f"{runs - runs_shown} more runs"] * (runs > runs_shown)
    more += [f"{workers - workers_shown} more workers"] * (workers > workers_shown)
    assert (lines[-1] == f"and {', '.join(more)}") if more else not lines[-1].startswith("and")


def test_narrow_terminals_cut_names_and_no_figures():
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=20, color_system=None)
    with PreparationDisplay(console) as shown:
        for done in (0, 26):
            shown.preparing("synthetic-small: flow(onset-apex, 28, u/v/strain, tvl1, clip, faces=haar)", done, 100)
    *_, last = [line for line in console.file.getvalue().splitlines() if "synthetic-small" in line]
    assert "26/100 clips, " in last
    assert last.rstrip().endswith("left")
