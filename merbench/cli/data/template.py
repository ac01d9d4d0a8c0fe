"""``merbench data template``: an empty table for data of one's own."""

from pathlib import Path
from typing import Annotated

from merbench.cli.declare import option
from merbench.cli.printing import say


def template(
    out: Annotated[Path | None, option("--out", "The file to write (default: the terminal).", "FILE")] = None,
) -> None:
    """Write an empty table of clips for data of your own, with a line of explanation for each column."""
    from merbench.contracts.errors import MerbenchError, unwritable
    from merbench.databases.own.table import template as text

    if out is None:
        say(text(), nl=False)
        return
    if out.suffix.lower() != ".csv":
        raise MerbenchError(f"--out {out}: expected a .csv file, which every spreadsheet program opens")
    if out.exists():
        raise MerbenchError(f"{out} exists already: give --out a new file")
    try:
        out.write_text(text(), encoding="utf-8")
    except OSError as error:
        raise MerbenchError(unwritable(out, error, "give --out another file")) from error
    say(f"{out}: fill it in, then merbench data add NAME --clips {out} --frames DIR")
