"""How verbs declare their arguments and options."""

from typing import Any

import typer


def flag(name: str, help: str) -> Any:
    """Declare an option without a value: ``--name``, or ``--name/--no-name``."""
    return typer.Option(name, help=help, metavar="")


def option(name: str, help: str, metavar: str, **more: Any) -> Any:
    """Declare an option with a value; `more` are typer's, such as ``min``."""
    return typer.Option(name, help=help, metavar=metavar, **more)


def argument(help: str, metavar: str) -> Any:
    """Declare an argument."""
    return typer.Argument(help=help, metavar=metavar)


def protocol_option(help: str) -> Any:
    """Declare ``--protocol``, which has a short name."""
    return typer.Option("--protocol", "-p", help=help, metavar="PROTOCOL")
