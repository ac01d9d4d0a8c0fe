"""``merbench data verify``: a database read whole, and compared with the protocols."""

from typing import TYPE_CHECKING, Annotated

import typer

from merbench.cli.data.reading import counts, print_notes
from merbench.cli.declare import flag
from merbench.cli.options import Registered
from merbench.cli.printing import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from merbench.contracts.databases import Source
    from merbench.contracts.protocols import ProtocolSpec


def verify(
    name: Registered,
    every_frame: Annotated[bool, flag("--every-frame", "Decode every frame, not only onset, apex and offset.")] = False,
) -> None:
    """Read a registered database; list excluded and corrected clips by reason, and compare it with the protocols.

    Differences from an official list are named clip by clip. Exit code 2 if a listed clip differs, the counts that a
    protocol of this database alone expects differ, a picture is unreadable, or an image of a release is not the
    published one.
    """
    from merbench.cli.display import PreparationDisplay
    from merbench.contracts.errors import listed
    from merbench.databases.registrations import open_registered, registered
    from merbench.engine.plan.catalogue import PROTOCOLS, family_of
    from merbench.prepare.arrays import prepare_input, unreadable_frames
    from merbench.report.write.terminal import terminal

    source = open_registered(name)
    card = source.database.card
    say(f"{name} in {source.folder}: {source.reading.layout}")
    per_dataset = "/".join(str((source.clips.dataset == dataset).sum()) for dataset in card.datasets)
    say(f"{counts(source)}, {per_dataset} clips of {', '.join(card.datasets.values())}")
    if not registered()[name].corrections:
        say("known errors of the annotation sheet are not corrected (--no-corrections)")
    print_notes(source, each=True)
    for spec in card.offers or ():
        prepare_input([source], source.clips, spec)
        say(f"every clip has {spec}")
    unreadable: list[str] = []
    if card.offers is None:
        with PreparationDisplay(terminal()) as watcher:
            unreadable = unreadable_frames(source, watcher, every_frame)
        for line in unreadable:
            say(f"unreadable: {line}")
        if not unreadable:
            say(f"{'every frame' if every_frame else 'onset, apex and offset'} can be read in all clips")
    specs, _ = PROTOCOLS.load_all()
    served = [spec for spec in specs.values() if set(spec.datasets) & set(card.datasets) and not family_of(spec.name)]
    differing = binding([(spec, _agrees(source, spec)) for spec in served], set(card.datasets))
    if differing and not card.synthetic:
        say(f"this copy does not have what {listed(differing)} expect{'s' * (len(differing) == 1)}: run refuses it")
    altered = any(note.kind == "disclosure" for note in source.reading.notes)
    if unreadable or altered or (differing and not card.synthetic):
        raise typer.Exit(2)


def binding(found: "Sequence[tuple[ProtocolSpec, bool | None]]", held: set[str]) -> list[str]:
    """Name the protocols whose difference is an error: those with an official list, and those of this database alone.

    Of protocols that make the same classes of the same emotions, for several versions of a sheet, one has to agree.
    """
    agreeing = [spec.datasets for spec, agrees in found if agrees]
    return [
        spec.name
        for spec, agrees in found
        if agrees is False and (spec.official_list or (set(spec.datasets) <= held and spec.datasets not in agreeing))
    ]


def _agrees(source: "Source", protocol: "ProtocolSpec") -> bool | None:
    """Print whether a database's clips agree with a protocol, as far as it holds its datasets; None: not served."""
    from merbench.contracts.errors import DataError
    from merbench.engine.plan.data import labels_fit
    from merbench.splits.expected import split_differences
    from merbench.splits.labels import output_counts, selected

    held = [dataset for dataset in protocol.datasets if dataset in source.database.card.datasets]
    said = source.clips[source.clips.dataset.isin(held)]["aus" if protocol.units else protocol.labels]
    if said.isna().all():
        lacking = "action units" if protocol.units else f"an {protocol.labels.replace('_', ' ')}"
        say(f"{protocol.name}: not served, no clip has {lacking}")
        return None
    if not labels_fit(source.database.card, protocol):
        say(f"{protocol.name}: not served, it maps emotions to other classes than the release does")
        return None
    try:
        clips = selected(protocol, source.clips)
    except DataError as error:
        say(f"{protocol.name}: differs: {error}")
        return False
    synthetic = source.database.card.synthetic
    differences = split_differences(protocol, clips, held, listed_clips=not synthetic, every=True)
    part = "" if len(held) == len(protocol.datasets) else f", its part of {'/'.join(held)}"
    counts = "/".join(map(str, output_counts(protocol, clips)))
    outputs = "/".join(protocol.outputs)
    line = f"{protocol.name}{part}: {len(clips)} clips, {counts} {'AU ' * bool(protocol.units)}{outputs}"
    if differences:
        agrees = "\n  ".join([": differs", *differences])
    elif protocol.official_list and not synthetic:
        agrees = ", equal to the organisers' list"
    else:
        agrees = ", with the counts it expects" if protocol.expected else ", no counts are expected"
    say(f"{line}{agrees}")
    return not differences
