"""``merbench reproduce``: make committed rows again from code and data, and say how they agree."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merbench import __version__
from merbench.contracts.digests import derived_seed
from merbench.contracts.errors import MerbenchError, listed, suggestion
from merbench.contracts.notes import Note
from merbench.contracts.yamlfiles import validated
from merbench.engine import environment
from merbench.engine.execute.apart import run_fold_apart, target_of
from merbench.engine.execute.sandbox import isolation
from merbench.engine.fold.folds import run_fold
from merbench.engine.plan.catalogue import METHODS
from merbench.engine.plan.runs import PreparedProtocol, RunPlan
from merbench.records.files import now, write_whole
from merbench.records.read import RecordedRun
from merbench.records.select import Runs
from merbench.records.states import COLUMNS, line_of, read_reproduced
from merbench.submissions.agreement import SIX_DECIMALS, agreement, spread_of
from merbench.submissions.replan import differing, planned_anew, prepared_protocol


@dataclass(frozen=True)
class _Chosen:
    """A committed run, the folds of it that are to be run again, and how long that should take, in seconds."""

    run: RecordedRun
    folds: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """What these folds took when the run was recorded, on the average of its folds."""
        assert self.run.mark is not None
        return self.run.mark.seconds * len(self.folds) / len(self.run.file.folds)

    @property
    def cost(self) -> tuple[str, str, int, int, float, float]:
        """Run id, what its configuration changes, folds, of all, seconds of these and of all folds."""
        assert self.run.mark is not None
        file, whole = self.run.file, self.run.mark.seconds
        return file.run_id, ", ".join(file.apart()), len(self.folds), len(file.folds), self.seconds, whole


def chosen(
    board: Runs,
    names: Sequence[str],
    folds: int | None,
    seconds: float | None,
    made: dict[str, dict[str, Any]] | None = None,
) -> list[_Chosen]:
    """Choose committed runs by id, its beginning, or method; all without `names`, cheapest first.

    Runs that have a line in `made` are not chosen. At most `folds` folds of each are drawn, and so many as fit into
    `seconds`, at least one. The draw is the same each time. MerbenchError for a name that no run has.
    """
    for name in names:
        if not any(_named(run, name) for run in board):
            known = {run.file.method for run in board}
            raise MerbenchError(f"no committed row is {name!r}{suggestion(name, known)}: expected a method or a run id")
    found = []
    for run in board:
        if run.mark is None or (names and not any(_named(run, name) for name in names)):
            continue
        if made is not None and line_of(run, made) is not None:
            continue
        every = list(run.file.folds)
        most = min(len(every), folds or len(every))
        if seconds is not None and run.mark.seconds > 0:
            most = min(most, max(1, int(seconds * len(every) / run.mark.seconds)))
        rng = np.random.default_rng(derived_seed(run.file.run_id, "reproduce"))
        drawn = set(rng.permutation(every)[:most].tolist())
        found.append(_Chosen(run, tuple(fold for fold in every if fold in drawn)))
    return sorted(found, key=lambda each: each.seconds)


def _named(run: RecordedRun, name: str) -> bool:
    return run.file.method == name or run.file.run_id.startswith(name)


def made_again(
    each: _Chosen, seeds: list[RecordedRun], prepared: dict[Any, PreparedProtocol], apart: bool
) -> dict[str, Any]:
    """Run the chosen folds of a committed run, each in a process of its own if `apart`; returns its line of the file.

    `outcome` is ``bitwise`` (to the six decimals that are committed), ``within tolerance``, ``differs``, or why it was
    not made again; `seeds` are all runs of the row, `prepared` protocols on data, each once.
    """
    run = each.run
    assert run.mark is not None
    line: dict[str, Any] = {
        "run_id": run.file.run_id, "sha256": run.mark.sha256, "of": len(run.file.folds), "folds": 0, "clips": 0,
        "differ": 0, "largest": 0, "seconds": 0, "isolated": "no", "when": now()[:10], "merbench": __version__,
        "commit": environment.git_commit() or "", "processor": environment.hardware()["processor"],
    }  # fmt: skip
    began = time.perf_counter()
    try:
        plan = _planned(run, prepared)
        tables = [_predictions(plan, fold, apart) for fold in each.folds]
    except MerbenchError as error:
        return line | {"outcome": f"not made again: {error}"[:200]}
    found = agreement(run, pd.concat(tables))
    outcome = found.outcome(SIX_DECIMALS, spread_of(seeds))
    return line | {
        "outcome": outcome, "folds": len(each.folds), "clips": found.clips, "differ": found.differ,
        "largest": f"{found.largest:.1e}" if found.largest > SIX_DECIMALS else 0,
        "seconds": round(time.perf_counter() - began, 1), "isolated": "yes" if apart and isolation().whole else "no",
    }  # fmt: skip


def _planned(run: RecordedRun, prepared: dict[Any, PreparedProtocol]) -> RunPlan:
    """Plan a committed run anew; MerbenchError says what differs if its key is another one now."""
    file = run.file
    if (file.protocol, file.data) not in prepared:
        prepared[file.protocol, file.data] = prepared_protocol(file)
    method = METHODS.get(file.method)
    config = validated(method.config_class, file.key.config, f"settings of {file.method}")
    plan = planned_anew(file, method, config, prepared[file.protocol, file.data])
    if differ := differing(plan, file):
        raise MerbenchError(f"its key differs now in {listed(differ)}")
    return plan


def _predictions(plan: RunPlan, fold: str, apart: bool) -> pd.DataFrame:
    outcome = run_fold_apart(plan.task, fold, *target_of(plan.task.method))[0] if apart else run_fold(plan.task, fold)
    if outcome.failure is not None:
        raise MerbenchError(f"fold {fold} failed: {outcome.failure.type}: {outcome.failure.message}")
    assert outcome.predictions is not None
    return outcome.predictions


def keep(line: dict[str, Any], path: Path) -> None:
    """Put a line into a file like ``results/reproduced.csv``; the others stay, and that of a run not made again."""
    if not line["folds"]:
        return
    every = {**read_reproduced(path), line["run_id"]: line}
    table = pd.DataFrame([every[name] for name in sorted(every)], columns=list(COLUMNS))
    write_whole(path, table.to_csv(index=False, lineterminator="\n").encode())


def remarks(lines: Sequence[dict[str, Any]], board: Runs, kept: dict[str, dict[str, Any]]) -> list[Note]:
    """Say which earlier lines stay since their runs were not made again, and which committed runs have no line."""
    found = []
    for line in lines:
        if not line["folds"] and (old := kept.get(line["run_id"])) is not None:
            said = f"{old['outcome']}, {old['folds']} of {old['of']} folds, {old['when']}"
            found.append(Note("note", f"{line['run_id']} was not made again, its line stays: {said}"))
    lacking = [run.file.run_id for run in board if line_of(run, kept) is None]
    if lacking:
        found.append(
            Note("note", f"{len(lacking)} of {len(board)} committed runs have no line: {listed(lacking, most=100)}")
        )
    if foreign := sorted(set(kept) - {run.file.run_id for run in board}):
        found.append(Note("note", f"{len(foreign)} lines are about no committed run: {listed(foreign)}"))
    return found
