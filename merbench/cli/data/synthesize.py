"""``merbench data synthesize``: a synthetic database."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from merbench.cli.data.reading import counts
from merbench.cli.declare import argument, option
from merbench.cli.options import one_of
from merbench.cli.printing import say

if TYPE_CHECKING:
    from merbench.synthetic.copies import LayoutSettings

_LAYOUT = "The layout of one database instead, or all; repeatable. small: two clips of every emotion; full: its counts."
_TABLE = "Action units of the emotions: default, or ambiguous as in CAS(ME)^3."


def synthesize(
    size: Annotated[str, argument("small (12 subjects) or full (the counts of MEGC 2019).", "small|full")] = "small",
    layout: Annotated[list[str] | None, option("--layout", _LAYOUT, "DATABASE|all")] = None,
    table: Annotated[str, option("--table", _TABLE, "default|ambiguous")] = "default",
    strength: Annotated[
        float, option("--strength", "Effect of emotion, beyond action units, on timing.", "X", min=0.0, max=1.0)
    ] = 1.0,
    seed: Annotated[int, option("--seed", "Seed of people and clips.", "N", min=0)] = 0,
    pixels: Annotated[int | None, option("--pixels", "Width and height of a frame.", "N", min=96, max=1024)] = None,
    colour: Annotated[str, option("--colour", "Colour of the frames.", "grey|rgb")] = "grey",
    frames: Annotated[
        int | None, option("--frames", "With --layout: frames from onset to offset of every clip.", "N", min=3)
    ] = None,
    out: Annotated[
        Path | None, option("--out", "Folder for merbench run --data DIR (default: in MERBENCH_HOME).", "DIR")
    ] = None,
) -> None:
    """Make a synthetic database: procedural faces, in the folder layouts and sheet formats of the real databases.

    Results on it do not apply to people. Without --out it is stored as synthetic-small or synthetic-full.
    """
    from merbench.cli.display import PreparationDisplay
    from merbench.contracts.errors import MerbenchError
    from merbench.report.write.terminal import terminal
    from merbench.synthetic.database import SYNTHETIC, make, synthetic_source
    from merbench.synthetic.settings import SyntheticSettings

    one_of(size, "SIZE", ("small", "full"))
    one_of(table, "--table", ("default", "ambiguous"))
    one_of(colour, "--colour", ("grey", "rgb"))
    given: dict[str, Any] = {"size": size, "strength": strength, "seed": seed, "colour": colour}
    given |= {} if pixels is None else {"pixels": pixels}
    if frames is not None and not layout:
        raise MerbenchError("--frames needs --layout: the clips of synthetic-small and synthetic-full have durations")
    settings = (
        _layouts(layout, table, given | {"frames": frames}) if layout else SyntheticSettings(**given, table=table)
    )
    name = "synthetic-layouts" if layout else f"synthetic-{size}"
    if out is None and settings != SYNTHETIC[name]:
        of = "all layouts and the default settings" if layout else "the default settings"
        raise MerbenchError(f"{name} is for {of}: to use other settings, add --out DIR")
    with PreparationDisplay(terminal()) as watcher:
        source = (
            synthetic_source(name, lambda done, total: watcher.preparing(f"making {name}", done, total))
            if out is None
            else make(settings, out, lambda done, total: watcher.preparing(f"making {out}", done, total))
        )
    where = f"--data {source.folder}" if out else f"--data {name}"
    say(f"{source.name}: {counts(source)} in {source.folder}; use it with {where}")


def _layouts(names: list[str], table: str, given: dict[str, Any]) -> "LayoutSettings":
    """Return the settings of copies in some layouts."""
    from merbench.contracts.errors import MerbenchError
    from merbench.synthetic.copies import LayoutSettings
    from merbench.synthetic.layouts import LAYOUTS

    for name in names:
        one_of(name, "--layout", (*LAYOUTS, "all"))
    if table != "default":
        raise MerbenchError("--table is for synthetic-small and synthetic-full: leave it out with --layout")
    return LayoutSettings(**given | ({} if "all" in names else {"layouts": tuple(n for n in LAYOUTS if n in names)}))
