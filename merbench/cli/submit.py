"""``merbench submit``: a run in the form that the leaderboard takes."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merbench.cli.declare import option
from merbench.cli.options import Results, Run, results_folder

if TYPE_CHECKING:
    from merbench.records.read import RecordedRun
    from merbench.records.truth import Truth


def submit(
    run: Run,
    to: Annotated[Path, option("--to", "The folder of the leaderboard in a checkout of merbench.", "DIR")] = Path(
        "results/leaderboard"
    ),
    results: Results = None,
) -> None:
    """Write a complete run in the form that the leaderboard takes, ready to be committed.

    The run must agree with its protocol's clips and with its folds, on a known database or release, by committed code.
    Seeds are submitted in order, from 0. If every fold kept its epochs, the predicted class of each clip after each
    epoch is written too; if epochs were selected, so are the scores by which they were.
    """
    from merbench.analysis.held import hold
    from merbench.contracts.errors import MerbenchError
    from merbench.engine.plan.declared import declared
    from merbench.engine.plan.truths import truths
    from merbench.records.declared import name_of
    from merbench.records.entries import completed, write_entry
    from merbench.records.select import find_run, read_runs

    folder = results_folder(results)
    try:
        found = find_run(folder, run)
    except MerbenchError:
        imported = read_runs(folder).where(method=run, origin="imported")  # a name as in --name
        if not imported:
            raise
        found = imported[0]
    completed(found)
    truth = truths()(found.file)
    compared, difference = hold(found, truth)
    reasons = [difference] if difference else [*_reasons(compared, to), *_in_folds(found, truth)]
    if reasons:
        raise MerbenchError(f"{found.file.run_id} can't be submitted: {'; '.join(reasons)}")
    rows = declared()
    typer.echo(f"written: {write_entry(found, to)}")
    if not rows.includes(found.file) or found.file.not_ranked:
        why = "; ".join(found.file.not_ranked) or f"{name_of(found.file)} is not a row of results/declared.yaml"
        typer.echo(f"listed without rank: {why}")


def _in_folds(run: "RecordedRun", truth: "Truth | str") -> "Iterator[str]":
    """Say how a run differs from what its folds recorded."""
    from merbench.contracts.errors import RecordError
    from merbench.records.compact import check_merged
    from merbench.records.folder import RunFolder

    if isinstance(truth, str):
        return
    try:
        check_merged(RunFolder(run.place.path), run.file, truth.clips)
    except RecordError as error:
        yield str(error)


def _reasons(run: "RecordedRun", to: Path) -> "Iterator[str]":
    """Say what a reader of the leaderboard could not repeat or verify."""
    from merbench.analysis.held import why_not_held
    from merbench.analysis.rows import undisclosed_text
    from merbench.contracts.errors import listed
    from merbench.databases import DATABASES
    from merbench.records.select import read_entries

    file = run.file
    if why := why_not_held([run]):
        yield f"its clips and labels could not be compared with its protocol: {why}"
    if strange := set(file.data.split("+")) - set(DATABASES.names()):
        yield f"{', '.join(sorted(strange))} is not a database or a published release"
    if run.undisclosed:
        yield undisclosed_text(run.undisclosed)
    for what, commit in (("merbench", file.git_commit), (file.method, file.method_source)):
        if commit and commit.endswith("-dirty"):
            step = "commit the changes and run it again"
            yield f"the code of {what} differed from its commit {commit.removesuffix('-dirty')[-40:][:12]}: {step}"
    there = {entry.file.key.seed for entry in read_entries(to).where(group=run.group)}
    lower = [str(seed) for seed in range(0 if file.deterministic else file.key.seed) if seed not in there]
    if lower:
        yield f"seeds count from 0, all of them: submit {listed(lower, most=3)} first ({to} lacks {len(lower)})"
