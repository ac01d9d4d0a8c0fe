"""``merbench data fetch``: download a public database."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

from merbench.cli.asked import RunOptions
from merbench.cli.data.reading import counts, print_notes
from merbench.cli.declare import argument, option
from merbench.cli.printing import say

if TYPE_CHECKING:
    from merbench.contracts.databases import Source


_MIRROR = "A mirror (http, https or a folder) of the publisher's files or of a copy, with the same checksums."


def fetch(
    name: Annotated[str, argument("A public database; merbench data list names them.", "DATABASE")],
    address: Annotated[str | None, option("--from", _MIRROR, "ADDRESS")] = None,
) -> None:
    """Download a public database into MERBENCH_HOME, verify every file, and register the database.

    Complete files are not downloaded again: after an error or Ctrl-C, run the same command to resume.
    """
    from functools import partial

    from merbench.cli.display import PreparationDisplay
    from merbench.databases.registrations import home, registered
    from merbench.databases.releases.fetching import downloadable, fetched_folder
    from merbench.databases.releases.fetching import fetch as download
    from merbench.report.write.terminal import terminal

    card, source = downloadable(name)
    before = registered().get(name)
    say(f"{name}: {card.title}, {card.holds}")
    say(f"terms: {card.licence}")
    say(f"from {address or source.address} into {fetched_folder(name)}")
    with PreparationDisplay(terminal(), "files") as watcher:
        found, files, came = download(name, address, partial(watcher.preparing, name), watcher.note)
    what = f"{came} files downloaded" if came else "complete already, nothing was downloaded"
    say(f"{name}: {what}; all {files} have the published checksums")
    say(f"{name}: {found.reading.layout}, {counts(found)}; registered in {home() / 'databases.json'}")
    if before is not None and before.folder != found.folder:
        say(f"note: {name} was registered in {before.folder} before; merbench data add restores that copy")
    print_notes(found, each=False)
    for work in source.cite:
        say(f"cite: {work}")
    say(f"next: {first_run(found)}")


def first_run(source: "Source") -> str:
    """Return a command that uses a database: methods whose inputs it has, and a protocol that it serves."""
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
        with suppress(MerbenchError):  # of a broken plug-in, which merbench methods reports
            method = method_card(entry)
            inputs = method.inputs.values() if largest.task in method.tasks else ()
            able += [entry.name] if inputs and all(spec in (card.offers or ()) for spec in inputs) else []
    return RunOptions(methods=able or ["METHOD"], protocol=[largest.name]).command()
