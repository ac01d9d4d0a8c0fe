"""``merbench data``: tell merbench where databases are, and hold them against what they should be."""

from pathlib import Path
from typing import Annotated

import typer

data = typer.Typer(help="Register, verify and list databases.", no_args_is_help=True)


@data.command(epilog="Example: merbench data add megc2019-flow28 ~/data/HTNet/datasets")
def add(
    name: Annotated[str, typer.Argument(help="A database, see merbench data list.", metavar="NAME")],
    path: Annotated[Path, typer.Argument(help="The folder that holds your copy.", metavar="PATH")],
) -> None:
    """Register your copy of a database; the layout is found by itself."""
    from merbench.databases.registrations import home, register

    source = register(name, path)
    clips = source.clips
    subjects = len(clips[["dataset", "subject"]].drop_duplicates())
    typer.echo(
        f"{name}: {source.reading.layout}, {len(clips)} clips of {subjects} subjects; "
        f"registered in {home() / 'databases.json'}"
    )
    for note in source.reading.notes:
        typer.echo(f"note: {note}")


@data.command("list", epilog="Example: merbench data list")
def list_() -> None:
    """List the databases: registered or not, what they hold, which protocols they serve, where to get them."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from merbench.contracts.errors import MerbenchError
    from merbench.databases import DATABASES
    from merbench.databases.registrations import open_source, registered
    from merbench.engine.catalogue import PROTOCOLS

    found, problems = DATABASES.load_all()
    specs, more = PROTOCOLS.load_all()
    folders = registered()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True)
    for column in ("Database", "Here", "Serves", "Get it"):
        table.add_column(column, overflow="fold")
    for name, database in found.items():
        card = database.card
        here = f"not registered:\nmerbench data add {name} PATH"
        if name in folders:
            try:
                clips = open_source(name, folders[name]).clips
                subjects = len(clips[["dataset", "subject"]].drop_duplicates())
                here = f"{folders[name]}\n{len(clips)} clips, {subjects} subjects"
            except MerbenchError as error:
                here = f"broken: {error}"
        serves = [spec.name for spec in specs.values() if set(spec.datasets) <= set(card.datasets)]
        parts = [
            spec.name for spec in specs.values() if set(spec.datasets) & set(card.datasets) and spec.name not in serves
        ]
        kind = f"ready-made: {'; '.join(map(str, card.offers))}" if card.offers is not None else "frames"
        told = "\n".join([*serves, *(f"part of {part}" for part in parts)]) or "no protocol"
        table.add_row(
            Text(f"{name}\n{card.title}\n{kind}"), Text(here), Text(told), Text(f"{card.source}\n{card.licence}")
        )
    console = Console(highlight=False)
    console.print(table)
    for problem in problems + more:
        console.print(f"broken: {problem}", style="yellow", markup=False, soft_wrap=True)


@data.command(epilog="Example: merbench data verify megc2019-flow28")
def verify(name: Annotated[str, typer.Argument(help="A registered database.", metavar="NAME")]) -> None:
    """Read a registered database whole and hold it against the official list of each protocol that it serves."""
    from merbench.databases.registrations import open_registered
    from merbench.engine.catalogue import PROTOCOLS
    from merbench.engine.split import make_split
    from merbench.prepare.arrays import prepare_input

    source = open_registered(name)
    clips, card = source.clips, source.database.card
    per_dataset = "/".join(str((clips.dataset == dataset).sum()) for dataset in card.datasets)
    typer.echo(f"{name} in {source.folder}: {source.reading.layout}")
    subjects = len(clips[["dataset", "subject"]].drop_duplicates())
    typer.echo(f"{len(clips)} clips, {subjects} subjects, {per_dataset} clips of {', '.join(card.datasets.values())}")
    for note in source.reading.notes:
        typer.echo(f"note: {note}")
    for spec in card.offers or ():
        prepare_input([source], clips, spec)
        typer.echo(f"every clip has {spec}")
    wrong = False
    specs, _ = PROTOCOLS.load_all()
    for protocol in specs.values():
        if not set(protocol.datasets) <= set(card.datasets):
            continue
        split = make_split(protocol, clips, synthetic=True)
        counts = "/".join(str((split.labels == index).sum()) for index in range(len(protocol.classes)))
        against = "equal to the organisers' list" if protocol.official_list else "with the counts it expects"
        against = against if protocol.official_list or protocol.expected else "which expects no particular counts"
        typer.echo(f"{protocol.name}: {len(split.clips)} clips, {counts} {'/'.join(protocol.classes)}", nl=False)
        typer.echo(f": differs: {'; '.join(split.differences)}" if split.differences else f", {against}")
        wrong |= bool(split.differences) and not card.synthetic
    if wrong:
        raise typer.Exit(2)
