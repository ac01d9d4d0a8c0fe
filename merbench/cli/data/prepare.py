"""``merbench data prepare``: build what methods declare, and keep it in the store."""

from typing import TYPE_CHECKING, Annotated

import typer

from merbench.cli.declare import argument, option

if TYPE_CHECKING:
    from merbench.contracts.databases import Source


def prepare(
    names: Annotated[
        list[str] | None, argument("Databases of frames (default: all registered ones).", "[DATABASE]")
    ] = None,
    methods: Annotated[
        list[str] | None,
        option("--for", "A method whose inputs are prepared (default: all methods); repeatable.", "METHOD[:CONFIG]"),
    ] = None,
    workers: Annotated[int | None, option("--workers", "Clips in parallel (default: all cores).", "N", min=1)] = None,
) -> None:
    """Prepare the inputs of methods and keep them in the store; merbench run prepares missing ones.

    Prepared clips are not computed again: after an interruption, run the same command to resume.
    """
    from merbench.cli.data.declared import declared
    from merbench.cli.display import PreparationDisplay
    from merbench.contracts.errors import DataError
    from merbench.prepare.arrays import fill_store, missing_inputs
    from merbench.report.write.terminal import terminal

    with PreparationDisplay(terminal()) as watcher:
        sources = _sources(names or [])
        specs = declared(methods or [], watcher)
        lacking: list[str] = []
        failed: list[str] = []
        for source in sources:
            for spec, wanted_by in specs.items():
                if missing := missing_inputs([source], {wanted_by: spec}):
                    lacking += missing
                    continue
                try:
                    count = fill_store(source, spec, watcher, workers)
                except DataError as error:
                    failed.append(str(error))
                else:
                    watcher.note(f"{source.name}: {spec} is ready for {count} clips")
        for line in lacking + failed:
            watcher.note(f"not prepared: {line}")
        if not specs:
            watcher.note("these methods declare no inputs: nothing to prepare")
    if failed or (lacking and methods):
        raise typer.Exit(2)


def _sources(names: list[str]) -> "list[Source]":
    """Open the named databases, or all registered ones of frames."""
    from merbench.contracts.errors import MerbenchError
    from merbench.databases import DATABASES
    from merbench.databases.registrations import open_registered, registered

    known = names or [name for name in registered() if DATABASES.get(name).card.offers is None]
    sources = [open_registered(name) for name in known]
    for source in sources:
        if source.database.card.offers is not None:
            raise MerbenchError(f"{source.name} is a release of ready-made arrays: nothing to prepare")
    if not sources:
        hint = "merbench data add DATABASE PATH, or merbench data synthesize"
        raise MerbenchError(f"no database of frames is registered: {hint}")
    return sources
