"""``merbench check-protocol``: a protocol applied to the data, before anything is run."""

from typing import Annotated

from merbench.cli.declare import argument, flag
from merbench.cli.options import Data
from merbench.cli.printing import print_as


def check_protocol(
    name: Annotated[str, argument("A path ending in .yaml, or a protocol's name.", "FILE")],
    data: Data = "auto",
    clips: Annotated[bool, flag("--clips", "List every included clip with its class.")] = False,
) -> None:
    """Apply a protocol to the data: clips, classes, folds, singletons, and differences from its expected counts.

    Exit code 2 if a run would be refused.
    """
    from merbench.cli.display import PreparationDisplay
    from merbench.contracts.databases import same_people
    from merbench.contracts.errors import DataError, listed
    from merbench.contracts.notes import Note
    from merbench.engine.plan.catalogue import protocol as find_protocol
    from merbench.engine.plan.data import choose_data
    from merbench.engine.plan.runs import PreparedProtocol
    from merbench.engine.plan.truths import remember
    from merbench.report.views.check_protocol import protocol_report
    from merbench.report.write.terminal import print_notes, terminal
    from merbench.splits.examine import examine

    spec = find_protocol(name)
    console = terminal()
    about = [Note("note", f"{spec.name}: {spec.title}; the file is valid, specification {spec.spec_digest()[:12]}")]
    print_notes([*about, *(Note("warning", f"warning: {warning}") for warning in spec.warnings)], console)
    with PreparationDisplay(console) as watcher:
        chosen = choose_data(data, [spec], watcher)
        watcher.note(f"data: {chosen.name}, {chosen.why}")
    found = examine(spec, chosen.clips, same_people(chosen.sources), chosen.synthetic, every=clips)
    print_as(protocol_report(spec, chosen.synthetic, clips, **vars(found)), "table", console)
    if found.problems or (found.differences and not chosen.synthetic):
        step = "" if found.problems or clips else "; --clips lists every clip"
        why = listed([*found.problems, *found.differences], 1000)
        raise DataError(f"protocol {spec.name} would not run: {why}{step}")
    remember(PreparedProtocol.of(spec, chosen))
