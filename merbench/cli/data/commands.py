"""``merbench data``: fetch databases, tell merbench where they are, look at them, prepare them, make a stand-in."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from merbench.cli.options import one_of

if TYPE_CHECKING:
    from merbench.contracts.databases import Source
    from merbench.contracts.inputs import InputSpec
    from merbench.contracts.protocols import ProtocolSpec

data = typer.Typer(
    help="Fetch, register, verify, prepare and look at databases, or make a stand-in.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="A registered database.", metavar="NAME")]


@data.command(epilog="Example: merbench data add casme2 ~/data/CASME2")
def add(
    name: Annotated[str, typer.Argument(help="A database, see merbench data list.", metavar="NAME")],
    path: Annotated[Path, typer.Argument(help="The folder that holds your copy.", metavar="PATH")],
    corrections: Annotated[
        bool, typer.Option("--corrections/--no-corrections", help="Mend known errors of the annotation sheet.")
    ] = True,
) -> None:
    """Register your copy of a database; the layout is found by itself."""
    from merbench.databases.registrations import home, register

    source = register(name, path, corrections)
    typer.echo(f"{name}: {source.reading.layout}, {_counts(source)}; registered in {home() / 'databases.json'}")
    if not corrections:
        typer.echo("known errors of the annotation sheet are left as they are (--no-corrections)")
    _tell_remarks(source, each=False)


@data.command(epilog="Example: merbench data fetch megc2019-flow28")
def fetch(
    name: Annotated[str, typer.Argument(help="A public database, see merbench data list.", metavar="NAME")],
    address: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="A mirror instead of its publisher: the address, http or https, of the publisher's files "
            "or of a copy's folder. Checksums are the same.",
            metavar="URL",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Download a public database into MERBENCH_HOME, every file verified, and register it.

    What is there and whole is not downloaded again: after an error or Ctrl-C the same command goes on.
    """
    from functools import partial

    from rich.console import Console

    from merbench.cli.display import PreparationDisplay
    from merbench.databases.registrations import home, registered
    from merbench.databases.releases.fetching import downloadable, fetched_folder
    from merbench.databases.releases.fetching import fetch as download

    card, source = downloadable(name)
    before = registered().get(name)
    typer.echo(f"{name}: {card.title}, {card.holds}")
    typer.echo(f"terms: {card.licence}")
    typer.echo(f"from {address or source.address} into {fetched_folder(name)}")
    with PreparationDisplay(Console(highlight=False), "files") as watcher:
        fetched = download(name, address, partial(watcher.preparing, name), watcher.note)
    found = fetched.source
    what = f"{fetched.came} files came" if fetched.came else "all is there already, nothing was fetched"
    typer.echo(f"{name}: {what}; all {fetched.files} have the published checksums")
    typer.echo(f"{name}: {found.reading.layout}, {_counts(found)}; registered in {home() / 'databases.json'}")
    if before is not None and before.folder != found.folder:
        typer.echo(f"note: {name} was registered in {before.folder} before; merbench data add goes back to it")
    _tell_remarks(found, each=False)
    for work in source.cite:
        typer.echo(f"cite: {work}")
    typer.echo(f"next: {_first_run(found)}")


@data.command(epilog="Example: merbench data remove casme2")
def remove(name: Name) -> None:
    """Forget where a database is; nothing of it is removed from the disk."""
    from merbench.databases.registrations import unregister

    typer.echo(f"{name}: no longer registered; {unregister(name)} is left as it is")


@data.command("list", epilog="Example: merbench data list --store")
def list_(
    store: Annotated[bool, typer.Option("--store", help="List what is prepared and kept.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="With --store: remove what no registered copy can use any more.")
    ] = False,
) -> None:
    """List the databases: registered or not, what they hold and serve, what is prepared, where to get them."""
    from rich.console import Console

    from merbench.cli.data.listing import list_databases, list_store
    from merbench.contracts.errors import MerbenchError

    console = Console(highlight=False)
    if prune and not store:
        raise MerbenchError("--prune removes from the store: write merbench data list --store --prune")
    if store:
        list_store(console, prune)
    else:
        list_databases(console)


@data.command(epilog="Example: merbench data verify casme2")
def verify(
    name: Name,
    every_frame: Annotated[
        bool, typer.Option("--every-frame", help="Decode every frame, not just onset, apex and offset.")
    ] = False,
) -> None:
    """Read a registered database whole, tell by reason what was left out or mended, and hold it against the protocols.

    Where a protocol has an official list, what differs is named clip by clip. Exit code 2 if a listed clip differs or a
    picture can't be read.
    """
    from rich.console import Console

    from merbench.cli.display import PreparationDisplay
    from merbench.databases.registrations import open_registered, registered
    from merbench.engine.plan.catalogue import PROTOCOLS, family_of
    from merbench.prepare.arrays import prepare_input, unreadable_frames

    source = open_registered(name)
    card = source.database.card
    typer.echo(f"{name} in {source.folder}: {source.reading.layout}")
    per_dataset = "/".join(str((source.clips.dataset == dataset).sum()) for dataset in card.datasets)
    typer.echo(f"{_counts(source)}, {per_dataset} clips of {', '.join(card.datasets.values())}")
    if not registered()[name].corrections:
        typer.echo("known errors of the annotation sheet are left as they are (--no-corrections)")
    _tell_remarks(source, each=True)
    for spec in card.offers or ():
        prepare_input([source], source.clips, spec)
        typer.echo(f"every clip has {spec}")
    unreadable: list[str] = []
    if card.offers is None:
        with PreparationDisplay(Console(highlight=False)) as watcher:
            unreadable = unreadable_frames(source, watcher, every_frame)
        for line in unreadable:
            typer.echo(f"unreadable: {line}")
    specs, _ = PROTOCOLS.load_all()
    served = [spec for spec in specs.values() if set(spec.datasets) & set(card.datasets) and not family_of(spec.name)]
    differing = [_differs(source, spec) for spec in served]
    if unreadable or (any(differing) and not card.synthetic):
        raise typer.Exit(2)


@data.command(epilog="Example: merbench data prepare casme2 samm smic-hs --for svm-flow")
def prepare(
    names: Annotated[
        list[str] | None, typer.Argument(help="Databases; all registered ones of frames by default.", metavar="[NAME]…")
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            "--for",
            help="Prepare what this method declares (METHOD, or METHOD:CONFIG); "
            "may be repeated; by default all methods, in their default configuration.",
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Clips at a time; all cores by default.")] = None,
) -> None:
    """Prepare what methods ask for and keep it in the store; run does the same when it needs to.

    What is there is not computed again; after a kill the same command goes on.
    """
    from rich.console import Console

    from merbench.cli.display import PreparationDisplay
    from merbench.contracts.errors import DataError
    from merbench.prepare.arrays import fill_store, missing_inputs

    with PreparationDisplay(Console(highlight=False)) as watcher:
        sources = _sources(names or [])
        specs = _declared(methods or [])
        lacking: list[str] = []
        failed: list[str] = []
        for source in sources:
            for spec, wanted_by in specs.items():
                missing = missing_inputs([source], {wanted_by: spec})
                if missing:
                    lacking += missing
                    continue
                try:
                    count = fill_store(source, spec, watcher, workers)
                except DataError as error:
                    failed.append(str(error))
                else:
                    watcher.note(f"{source.name}: {spec} is there for {count} clips")
        for line in lacking + failed:
            watcher.note(f"not prepared: {line}")
        if not specs:
            watcher.note("these methods declare no input: there is nothing to prepare")
    if failed or (lacking and methods):
        raise typer.Exit(2)


@data.command(epilog="Example: merbench data show casme2 sub01/EP02_01f --out clip.png")
def show(
    name: Annotated[str, typer.Argument(help="A database, or a folder that holds a copy of one.", metavar="NAME")],
    clip: Annotated[
        str | None,
        typer.Argument(help="A clip: [dataset/]subject/clip; some of each class by default.", metavar="CLIP"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The picture to write, .png.", show_default=False)] = None,
) -> None:
    """Write a contact sheet of a clip, or of some: frames, what changed, flow, strain, action units."""
    from rich.console import Console

    from merbench.cli.display import PreparationDisplay
    from merbench.contracts.errors import MerbenchError
    from merbench.engine.plan.data import open_named
    from merbench.prepare.contact_sheet import chosen_clips, contact_sheet, write_picture

    if out is not None and (out.suffix.lower() != ".png" or not out.absolute().parent.is_dir()):
        raise MerbenchError(f"--out {out}: give the name of a .png file in a folder that is there")
    with PreparationDisplay(Console(highlight=False)) as watcher:
        source = open_named(name, watcher)
    clips = chosen_clips(source, clip)
    target = out or Path(f"{source.name}{'' if clip is None else '-' + str(clips.iloc[0]['clip'])}.png")
    write_picture(target, contact_sheet(source, clips))
    typer.echo(f"{target}: {len(clips)} clip{'s' * (len(clips) > 1)} of {source.name}")


@data.command(epilog="Example: merbench data synthesize full --table ambiguous --strength 0.5 --out made/")
def synthesize(
    size: Annotated[str, typer.Argument(help="small (12 subjects) or full (the counts of MEGC 2019).")] = "small",
    table: Annotated[
        str, typer.Option(help="How action units tell of emotions: default, or ambiguous as CAS(ME)^3's do.")
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
    """Make a synthetic stand-in: procedural faces, in the folders and annotation sheets of the real databases.

    Results on it say nothing about people. Without --out it becomes the registered synthetic-small or synthetic-full.
    """
    from rich.console import Console

    from merbench.cli.display import PreparationDisplay
    from merbench.contracts.errors import MerbenchError
    from merbench.synthetic.database import make, stand_in
    from merbench.synthetic.settings import Settings

    one_of(size, "SIZE", ("small", "full"))
    one_of(table, "--table", ("default", "ambiguous"))
    one_of(colour, "--colour", ("grey", "rgb"))
    given: dict[str, Any] = {"size": size, "table": table, "strength": strength, "seed": seed, "colour": colour}
    settings = Settings(**given | ({} if pixels is None else {"pixels": pixels}))
    if out is None and settings != Settings(size=settings.size):
        raise MerbenchError("only a stand-in of default settings goes by the name of one: add --out FOLDER")
    with PreparationDisplay(Console(highlight=False)) as watcher:
        name = f"synthetic-{size}"
        source = (
            stand_in(name, lambda done, total: watcher.preparing(f"making {name}", done, total))
            if out is None
            else make(settings, out, lambda done, total: watcher.preparing(f"making {out}", done, total))
        )
    where = f"--data {source.folder}" if out else f"--data {name}"
    typer.echo(f"{source.name}: {_counts(source)} in {source.folder}; use it with {where}")


def _first_run(source: "Source") -> str:
    """Return a command that uses a database: methods that it has the inputs for, a protocol that it serves."""
    from merbench.contracts.errors import MerbenchError
    from merbench.engine.plan.catalogue import METHODS, PROTOCOLS, method_card
    from merbench.engine.plan.data import serves

    card = source.database.card
    served = [spec for spec in PROTOCOLS.load_all()[0].values() if serves(card, spec)]
    if not served:
        return f"merbench data verify {card.name}"
    largest = max(served, key=lambda spec: len(spec.datasets))
    able = []
    for entry in METHODS.entries():
        with suppress(MerbenchError):  # of a broken plug-in, which merbench methods tells of
            method = method_card(entry)
            inputs = method.inputs.values() if largest.task in method.tasks else ()
            able += [entry.name] if inputs and all(spec in (card.offers or ()) for spec in inputs) else []
    return f"merbench run {' '.join(able) or 'METHOD'} --protocol {largest.name}"


def _counts(source: "Source") -> str:
    return f"{len(source.clips)} clips, {len(source.clips[['dataset', 'subject']].drop_duplicates())} subjects"


def _tell_remarks(source: "Source", each: bool) -> None:
    """Print notes, and remarks by kind and reason; with `each`, every clip of them."""
    reading = source.reading
    for note in reading.notes:
        typer.echo(f"note: {note}")
    told = [(remark.kind, remark.reason) for remark in reading.remarks]
    for kind, reason in dict.fromkeys(sorted(told)):
        of_it = [remark for remark in reading.remarks if (remark.kind, remark.reason) == (kind, reason)]
        typer.echo(f"{kind} ({len(of_it)}): {reason}")
        for remark in of_it if each else ():
            typer.echo(f"  {remark.clip}{f': {remark.detail}' if remark.detail else ''}")
    if reading.remarks and not each:
        typer.echo(f"merbench data verify {source.database.card.name} names the clips")


def _differs(source: "Source", protocol: "ProtocolSpec") -> bool:
    """Print how a database's clips agree with a protocol, as far as it holds the protocol's datasets."""
    from merbench.contracts.errors import DataError
    from merbench.engine.plan.data import labels_fit
    from merbench.splits.split import output_counts, selected, split_differences

    held = [dataset for dataset in protocol.datasets if dataset in source.database.card.datasets]
    said = source.clips[source.clips.dataset.isin(held)]["aus" if protocol.units else protocol.labels]
    if said.isna().all():
        typer.echo(f"{protocol.name}: not served, no clip has {'action units' if protocol.units else protocol.labels}")
        return False
    if not labels_fit(source.database.card, protocol):
        typer.echo(f"{protocol.name}: not served, it makes other classes of the emotions than the release")
        return False
    try:
        clips = selected(protocol, source.clips)
    except DataError as error:
        typer.echo(f"{protocol.name}: differs: {error}")
        return True
    synthetic = source.database.card.synthetic
    differences = split_differences(protocol, clips, held, listed_clips=not synthetic)
    part = "" if len(held) == len(protocol.datasets) else f", its part of {'/'.join(held)}"
    counts = "/".join(map(str, output_counts(protocol, clips)))
    outputs = "/".join(protocol.outputs)
    line = f"{protocol.name}{part}: {len(clips)} clips, {counts} {'AU ' * bool(protocol.units)}{outputs}"
    if differences:
        typer.echo(f"{line}: differs")
        for difference in differences:
            typer.echo(f"  {difference}")
    elif protocol.official_list and not synthetic:
        typer.echo(f"{line}, equal to the organisers' list")
    else:
        typer.echo(
            f"{line}, {'with the counts' if protocol.expected else 'which expects no particular counts'}"
            f"{' it expects' if protocol.expected else ''}"
        )
    return bool(differences) and protocol.official_list is not None  # counts go by the version of a sheet


def _sources(names: list[str]) -> "list[Source]":
    """Open the named databases, or all registered ones of frames."""
    from merbench.contracts.errors import MerbenchError
    from merbench.databases import DATABASES
    from merbench.databases.registrations import open_registered, registered

    sources = [
        open_registered(name) for name in names or registered() if names or DATABASES.get(name).card.offers is None
    ]
    for source in sources:
        if source.database.card.offers is not None:
            raise MerbenchError(f"{source.name} is a release of ready-made arrays: there is nothing to prepare")
    if not sources:
        raise MerbenchError("no database of frames is registered: merbench data add NAME PATH, or data synthesize")
    return sources


def _declared(methods: list[str]) -> "dict[InputSpec, str]":
    """Return the inputs that methods declare, each once, with the first method that wants it."""
    from merbench.contracts.methods import declared_inputs
    from merbench.engine.plan.catalogue import METHODS

    specs: dict[InputSpec, str] = {}
    for wanted in methods or METHODS.names():
        name, _, config = wanted.partition(":")
        method = METHODS.get(name)
        for spec in declared_inputs(
            method.cls, method.card.inputs, method.resolve(config or method.usual_config)
        ).values():
            specs.setdefault(spec, name)
    return specs
