"""``merbench doctor``: versions, hardware, folders and plug-ins of this installation, and their problems."""

import os

import typer

from merbench.cli.options import Results, results_folder
from merbench.cli.printing import say


def doctor(results: Results = None) -> None:
    """Print versions, hardware, folders and plug-ins; exit code 1 if something is broken.

    A method whose required packages are not installed is named, and is not a problem.
    """
    from merbench.contracts.specifications import KINDS
    from merbench.databases import DATABASES
    from merbench.databases.registrations import home
    from merbench.engine import environment
    from merbench.engine.plan.catalogue import METHODS, PROTOCOLS
    from merbench.training.devices import gpus

    required = {name for method in METHODS.load_all()[0].values() for name in method.card.required_packages()}
    facts = {**environment.packages(tuple(sorted(required))), **environment.hardware()}
    facts |= {"GPUs": ", ".join(gpus()) or "none", "commit": environment.git_commit() or "not a checkout"}
    problems: list[str] = []
    absent: list[str] = []
    for title, folder in (("MERBENCH_HOME", home()), ("results", results_folder(results))):
        facts[title] = f"{folder}{'' if folder.exists() else ' (created when needed)'}"
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK):
            problems.append(f"broken: {title} {folder} is not writable: set it to a writable folder")
    for registry in (METHODS, PROTOCOLS, DATABASES, KINDS):
        items, notes = registry.load_all()
        facts[f"{registry.kind}s"] = ", ".join(items)
        for note in notes:
            (problems if note.kind == "problem" else absent).append(note.text)
    copies, broken = registered_copies()
    for title, fact in (facts | copies).items():
        say(f"{title:<32} {fact}")
    for line in absent:
        say(line)
    problems += [f"broken: {line}" for line in broken]
    for line in problems:
        say(line, err=True)
    if problems:
        raise typer.Exit(1)
    say("no problems found")


def registered_copies() -> tuple[dict[str, str], list[str]]:
    """Read every registered database; returns facts, or a command that fetches one, and problems."""
    from merbench.contracts.errors import MerbenchError
    from merbench.databases import DATABASES
    from merbench.databases.registrations import open_registered, registered
    from merbench.databases.releases.fetching import repair_hint

    found, broken = {}, []
    try:
        for name, entry in registered().items():
            try:
                found[name] = f"{entry.folder}, {len(open_registered(name).clips)} clips"
            except MerbenchError as error:
                broken.append(f"registered {name}: {error}{repair_hint(name, entry.folder)}")
    except MerbenchError as error:
        broken.append(str(error))
    if not found and not broken:
        public = [name for name, database in DATABASES.load_all()[0].items() if database.card.download is not None]
        found["registered"] = f"none; public: merbench data fetch {' or '.join(public)}"
    return found, broken
