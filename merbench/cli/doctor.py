"""``merbench doctor``: what this installation is, and what is wrong with it."""

from typing import Annotated

import typer

from merbench.cli.options import Results, results_folder


def doctor(
    results: Results = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do not import torch to look for a GPU.")] = False,
) -> None:
    """Print versions, hardware, folders and plug-ins; exit code 1 if something is broken."""
    import importlib.util
    import os

    from merbench.contracts.errors import MerbenchError
    from merbench.databases import DATABASES
    from merbench.databases.registrations import home, open_source, registered
    from merbench.engine import environment
    from merbench.engine.catalogue import METHODS, PROTOCOLS

    problems: list[str] = []
    for name, version in environment.packages().items():
        typer.echo(f"{name:<32} {version}")
    for name, value in environment.hardware().items():
        typer.echo(f"{name:<32} {value}")
    if not quick and importlib.util.find_spec("torch"):
        import torch  # noqa: TID253

        found = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        typer.echo(f"{'GPUs':<32} {', '.join(found) or 'none'}")
    typer.echo(f"{'commit':<32} {environment.git_commit() or 'not a checkout'}")
    for title, folder in (("MERBENCH_HOME", home()), ("results", results_folder(results))):
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
        writable = os.access(nearest, os.W_OK)
        typer.echo(f"{title:<32} {folder}{'' if folder.exists() else ' (made when needed)'}")
        if not writable:
            problems.append(f"{title} {folder} is not writable: set it to a folder of yours")
    for registry in (METHODS, PROTOCOLS, DATABASES):
        items, broken = registry.load_all()
        typer.echo(f"{registry.kind + 's':<32} {', '.join(items)}")
        problems += broken
    try:
        for name, folder in registered().items():
            try:
                source = open_source(name, folder)
                typer.echo(f"{name:<32} {folder}, {len(source.clips)} clips")
            except MerbenchError as error:
                problems.append(f"registered {name}: {error}")
    except MerbenchError as error:
        problems.append(str(error))
    for problem in problems:
        typer.echo(f"broken: {problem}", err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo("all is well")
