"""Which sanity rows a table lacks, and the command that records them."""

from collections.abc import Collection, Sequence
from itertools import groupby
from pathlib import Path

from merbench.analysis.rows import Row
from merbench.cli.asked import RunOptions, seeds_text
from merbench.contracts.errors import MerbenchError
from merbench.contracts.yamlfiles import settings_text
from merbench.databases import DATABASES
from merbench.databases.registrations import open_registered
from merbench.engine.plan.catalogue import METHODS, protocol_argument
from merbench.engine.plan.runs import SHUFFLED
from merbench.engine.plan.sanity import FLOORS, motionless
from merbench.prepare.arrays import missing_inputs
from merbench.records.model import RunFile


def missing_sanity(rows: Sequence[Row], results: Path | None = None) -> list[str]:
    """Say for each group of a table's rows which sanity rows are not recorded, with the command that records them.

    `results` is the results folder, where the user named one.
    """

    def place(row: Row) -> tuple[str, ...]:
        file = row.runs[0].file
        return file.protocol, file.data, file.key.spec_digest, file.key.split_digest

    said = []
    run_here = [row for row in rows if not row.runs[0].file.imported]
    for _, same in groupby(sorted(run_here, key=place), key=place):
        group = list(same)
        asked = [row for row in group if not row.sanity and row.runs[0].file.method not in FLOORS.values()]
        asked = asked or [row for row in group if not row.sanity]
        gone = {row.label: why for row in asked if (why := _not_here(row.runs[0].file.method))}
        said += [f"{label}: missing sanity rows can't be determined: {why}" for label, why in gone.items()]
        if present := [row for row in asked if row.label not in gone]:
            files = [row.runs[0].file for row in group]
            there = {(file.method, file.config_name, file.variant, file.key.selection) for file in files}
            said += _missing(present, there, results)
    return said


def _not_here(method: str) -> str:
    """Say why a recorded method can't be run here any more; nothing if it can."""
    try:
        METHODS.get(method)
    except MerbenchError as error:
        return str(error)
    return ""


def _missing(asked: Sequence[Row], there: Collection[tuple[str, ...]], results: Path | None) -> list[str]:
    file, lacking = asked[0].runs[0].file, []
    for name in motionless(file.task):
        method, _, config = name.partition(":")
        if (method, config or METHODS.get(method).card.default, "", "last") not in there:
            lacking.append(name)
    impossible = _impossible(lacking, file)
    alone = [row for row in asked if _shuffled(row.runs[0].file) not in there]
    missing = [name for name in lacking if name not in impossible]
    said = [f"{file.protocol}: sanity row {name} is not available: {why}" for name, why in impossible.items()]
    by_selection: dict[str, list[Row]] = {}
    for row in alone or asked[: bool(missing)]:
        by_selection.setdefault(row.runs[0].file.key.selection, []).append(row)
    for rows in by_selection.values():
        missing += [f"{row.label}, {SHUFFLED}" for row in rows if row in alone]
        said.append(f"{file.protocol}: sanity rows not recorded: {'; '.join(missing)}: {_command(rows, results)}")
        missing = []
    return said


def _shuffled(file: RunFile) -> tuple[str, ...]:
    variant = ", ".join(filter(None, [file.variant, SHUFFLED]))
    return file.method, file.config_name, variant, file.key.selection


def _impossible(names: Sequence[str], file: RunFile) -> dict[str, str]:
    """Return why task or data exclude some rows, as far as known: data may no longer be registered."""
    try:
        sources = [open_registered(name) for name in file.data.split("+")] if not file.synthetic else []
    except MerbenchError:
        sources = []
    found = {}
    for name in names:
        method = METHODS.get(name.partition(":")[0])
        if file.task not in method.card.tasks:
            found[name] = f"it is for {' and '.join(method.card.tasks)}, not {file.task}"
        elif why := missing_inputs(sources, method.inputs(method.resolve(), file.task)):
            found[name] = "; ".join(why)
    return found


def _command(rows: Sequence[Row], results: Path | None) -> str:
    """Return the command that records the sanity rows of a table, each method in one configuration."""
    files = {row.runs[0].file.method: row.runs[0].file for row in reversed(rows)}
    first = rows[0].runs[0].file
    protocol, of = protocol_argument(first.protocol)
    config, settings = [], []
    for name, file in reversed(files.items()):
        method = METHODS.get(name)
        config += [f"{name}:{file.config_name}"] * (len(method.card.configurations) > 1)
        named = method.resolve(file.config_name).model_dump(mode="json")
        changed = {setting: value for setting, value in file.key.config.items() if named.get(setting, value) != value}
        settings += [settings_text({f"{name}:{setting}": value}) for setting, value in changed.items()]
    options = RunOptions(
        methods=list(reversed(files)),
        protocol=[protocol],
        data=first.data if set(first.data.split("+")) <= set(DATABASES.names()) else "auto",
        seeds=seeds_text([run.file.key.seed for row in rows for run in row.runs]),
        config=config,
        settings=settings,
        select=first.key.selection,
        sanity=True,
        results=results,
    )
    return options.command() + of
