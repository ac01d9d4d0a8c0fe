"""How figures look: sizes, fonts and colours; and text from outside, which is drawn as it is written."""

import io
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from merbench.contracts.names import shown
from merbench.records.read import RecordedRun

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Width of a page's text and of one of two columns, in inches.
PAGE, COLUMN = 7.1, 3.45

#: Classes, in the order of the class set (Okabe and Ito's palette without the two colours below).
CLASS_COLOURS = ("#0072B2", "#E69F00", "#CC79A7", "#56B4E9", "#000000", "#F0E442", "#999999")
RIGHT, WRONG = "#009E73", "#D55E00"
#: Sets of action units (Paul Tol's muted palette), and clips outside of them.
UNIT_COLOURS = ("#332288", "#88CCEE", "#117733", "#DDCC77", "#CC6677", "#44AA99", "#882255", "#999933")
#: What is compared side by side.
SERIES_COLOURS = ("#000000", "#332288", "#CC6677", "#44AA99", "#999933")
GREY, PALE = "#777777", "#CFCFCF"
#: Colour maps: shares of a class, and how often a location stays.
SHARES, KEPT = "Blues", "viridis"

_STYLE = {
    "font.family": "DejaVu Sans", "font.size": 7, "axes.titlesize": 7.5, "axes.labelsize": 7, "xtick.labelsize": 7,
    "ytick.labelsize": 7, "legend.fontsize": 6.5, "figure.titlesize": 7.5, "axes.linewidth": 0.6,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5, "ytick.major.size": 2.5,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "legend.handletextpad": 0.3,
    "savefig.dpi": 200, "savefig.bbox": "tight", "savefig.pad_inches": 0.04,
    "text.parse_math": False,  # a name with dollar signs is not a formula
    "text.usetex": False,
}  # fmt: skip


@contextmanager
def style() -> Iterator[None]:
    """Draw in merbench's style, whatever the user's ``matplotlibrc`` says; missing glyphs are ignored."""
    import matplotlib.style

    with matplotlib.style.context(_STYLE, after_reset=True), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def new_figure(width: float, height: float, pictures: bool = False) -> "Figure":
    """Make a figure of some inches that belongs to no window and no global state; Agg draws it.

    With `pictures` its panels keep their shape, and stand close.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.06, compress=pictures)  # inches
    return Figure(figsize=(width, height), layout=layout)


def as_png(figure: "Figure") -> bytes:
    """Draw a figure, in memory."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def label(text: object, longest: int = 24) -> str:
    """Write a name from outside for a figure: control characters as escapes, and not longer than fits."""
    plain = shown(str(text))
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"


def title(figure: "Figure", *lines: str) -> None:
    """Write the title above everything, its lines broken where the figure ends."""
    wide = int(figure.get_figwidth() * 17)  # characters an inch at this size
    figure.suptitle("\n".join(part for line in lines for part in _broken(shown(line), wide)), linespacing=1.4)


def _broken(line: str, wide: int) -> list[str]:
    """Break a line into as few as fit, each about as long as the others: a last word alone looks like a slip."""
    count = len(textwrap.wrap(line, wide, break_on_hyphens=False))
    tried = (textwrap.wrap(line, width, break_on_hyphens=False) for width in range(1 + len(line) // (count or 1), wide))
    return next((parts for parts in tried if len(parts) == count), textwrap.wrap(line, wide, break_on_hyphens=False))


def about(run: RecordedRun) -> str:
    """Name the run of a figure in a line: method, protocol, data and seed."""
    file = run.file
    method = " ".join([file.method, *(f"({word})" for word in file.apart())])
    data = f"{file.data} (synthetic data)" if file.synthetic else file.data
    return f"{method} under {file.protocol} on {data}, seed {file.key.seed}"


def counted(run: RecordedRun, clips: int, folds: int) -> str:
    """Return the number of clips and folds drawn, and of missing ones."""
    whole = len(run.file.folds)
    return f"{clips} held-out clips, {f'only {folds} of {whole}' if folds < whole else whole} folds"


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """Give each class its colour, the same in every figure."""
    return {name: CLASS_COLOURS[index % len(CLASS_COLOURS)] for index, name in enumerate(classes)}


def no_frame(axes: "Axes") -> None:
    """Take ticks and frame from a panel that shows a picture."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
