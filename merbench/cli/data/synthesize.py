"""``merbench data synthesize``: a synthetic database."""

from pathlib import Path
from typing import Annotated, Any

import typer

from merbench.cli.data.reading import counts
from merbench.cli.options import one_of


def synthesize(
    size: Annotated[str, typer.Argument(help="small (12 subjects) or full (the counts of MEGC 2019).")] = "small",
    table: Annotated[
        str, typer.Option(help="Table of emotions and action units: default, or ambiguous as in CAS(ME)^3.")
    ] = "default",
    strength: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How much the time course tells beyond the action units.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Other people, other clips.")] = 0,
    pixels: Annotated[
        int | None, typer.Option(min=96, max=1024, help="Width and height of a frame.", show_default=False)
    ] = None,
    colour: Annotated[str, typer.Option(help="grey or rgb.")] = "grey",
    out: Annotated[
        Path | None,
        typer.Option(help="The folder to write, for merbench run --data FOLDER; by default in MERBENCH_HOME."),
    ] = None,
) -> None:
    """Generate a synthetic database: procedural faces, in the folders and annotation sheets of the real databases.

    Results on it say nothing about people. Without --out it becomes the registered synthetic-small or synthetic-full.
    """
    from rich.console import Console

    from merbench.cli.display import PreparationDisplay
    from merbench.contracts.errors import MerbenchError
    from merbench.synthetic.database import make, synthetic_source
    from merbench.synthetic.settings import SyntheticSettings

    one_of(size, "SIZE", ("small", "full"))
    one_of(table, "--table", ("default", "ambiguous"))
    one_of(colour, "--colour", ("grey", "rgb"))
    given: dict[str, Any] = {"size": size, "table": table, "strength": strength, "seed": seed, "colour": colour}
    settings = SyntheticSettings(**given | ({} if pixels is None else {"pixels": pixels}))
    if out is None and settings != SyntheticSettings(size=settings.size):
        raise MerbenchError("only default settings are stored under this name: add --out FOLDER")
    with PreparationDisplay(Console(highlight=False)) as watcher:
        name = f"synthetic-{size}"
        source = (
            synthetic_source(name, lambda done, total: watcher.preparing(f"making {name}", done, total))
            if out is None
            else make(settings, out, lambda done, total: watcher.preparing(f"making {out}", done, total))
        )
    where = f"--data {source.folder}" if out else f"--data {name}"
    typer.echo(f"{source.name}: {counts(source)} in {source.folder}; use it with {where}")
