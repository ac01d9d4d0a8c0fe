"""The figure of an audit: UF1 under each selection rule against the number of epochs, and the selected epochs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merbench.analysis.audit import Audit
from merbench.analysis.selection_rules import INNER, LAST
from merbench.records.files import write_whole
from merbench.report.figures.style import GREY, PAGE, as_png, new_figure, style, title
from merbench.report.numbers import number
from merbench.report.views.audit import audit_report
from merbench.report.write import write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


#: Selection rule -> words, short words, colour and dashes, which are distinguishable in grey as well.
_LINES: dict[str, tuple[str, str, str, Any]] = {
    "oracle-acc-last": ("best accuracy on the test fold, last of ties", "accuracy,\nlast of ties", "#CC6677",
                        (0, (1.2, 1.2))),
    "oracle-acc-first": ("best accuracy on the test fold, first of ties", "accuracy,\nfirst of ties", "#882255",
                         (0, (5, 1.5))),
    "oracle-f1-first": ("best F1 on the test fold, first of ties", "F1,\nfirst of ties", "#999933",
                        (0, (5, 1.5, 1, 1.5))),
    LAST: ("last epoch", "last", "#000000", "solid"),
    INNER: ("inner subjects, refit", "inner\nsubjects", "#0072B2", (0, (2.5, 1))),
}  # fmt: skip
#: Whose range over seeds is drawn: those of the others lie upon one another.
_RANGES = ("oracle-acc-first", LAST, INNER)
_BINS = 28
_LEFT = 0.93
_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def write_audit(audit: Audit, folder: Path) -> Iterator[Path]:
    """Write ``audit.json``, ``audit.csv``, ``audit.md`` and ``audit.png`` to a folder, and yield the path of each.

    Raises MerbenchError if the folder can't be written.
    """
    with style():
        picture = as_png(audit_figure(audit))
    report = audit_report(audit)
    main = replace(report, tables=report.tables[:1])
    texts = {f"audit.{name}": write(main, name).encode() for name in ("json", "csv", "md")}
    for name, content in {**texts, "audit.png": picture}.items():
        write_whole(folder / name, content)
        yield folder / name


def audit_figure(audit: Audit) -> "Figure":
    """Draw UF1 had training ended after each epoch, mean and range over seeds, and below it the epochs picked."""
    there = [name for name in _LINES if name in set(audit.curves.selection)]
    picking = [name for name in there if name != LAST]
    figure = new_figure(PAGE, 3.2 + 0.4 * len(picking))
    curves, *strips = figure.subplots(1 + len(picking), 1, sharex=True, height_ratios=[7, *[1] * len(picking)])
    for name in there:
        _curve(curves, audit, name)
    curves.set_ylabel("UF1, pooled over folds")
    curves.legend(loc="best", handlelength=4.2)
    for axes, name in zip(strips, picking, strict=True):
        _picked(axes, audit, name)
    strips[0].set_title("share of folds and seeds that select an epoch; line: median", loc="left", fontsize=7)
    curves.set_xscale("log")
    curves.set_xlim(_LEFT, max(audit.epochs * 1.03, audit.epochs + 0.5))  # the last bar ends half an epoch later
    ticks = [*(tick for tick in _TICKS if tick < audit.epochs / 1.3), audit.epochs]
    strips[-1].set_xticks(ticks, [str(tick) for tick in ticks])
    strips[-1].minorticks_off()
    strips[-1].set_xlabel("epoch (above: UF1 under each rule if training had ended there)")
    file, seeds = audit.file, ", ".join(str(seed.seed) for seed in audit.kept.seeds)
    data = f"{file.data} (synthetic data)" if file.synthetic else file.data
    title(
        figure,
        "What selecting an epoch adds: the last epoch and inner subjects use no test labels, the others do",
        f"{audit.row.label} under {file.protocol} on {data}, {len(audit.kept.clips)} clips, "
        f"{len(audit.kept.folds)} folds; mean over seeds {seeds}, shaded from lowest to highest",
    )
    return figure


def _curve(axes: "Axes", audit: Audit, name: str) -> None:
    words, _, colour, dashes = _LINES[name]
    seeds = audit.curves[audit.curves.selection == name].groupby("epoch").uf1
    mean = seeds.mean()
    if name in _RANGES:
        axes.fill_between(mean.index, seeds.min(), seeds.max(), color=colour, alpha=0.15, linewidth=0)
    some, every = int(seeds.count().max()), len(audit.kept.seeds)
    said = f"{words}: {number(mean.iloc[-1], 3)}" + (f" ({some} of {every} seeds)" if some < every else "")
    axes.plot(mean.index, mean, color=colour, linestyle=dashes, linewidth=1.3, label=said)


def _picked(axes: "Axes", audit: Audit, name: str) -> None:
    """Draw how often each epoch is picked, in bins of equal width on the axis; the highest bar has its share."""
    _, short, colour, _ = _LINES[name]
    found = audit.picked[audit.picked.selection == name].epoch.to_numpy()
    edges = np.unique(np.round(np.geomspace(1, audit.epochs + 1, _BINS))) - 0.5
    shares, _ = np.histogram(found, edges)
    shares = shares / len(found)
    axes.bar(edges[:-1], shares, np.diff(edges), align="edge", color=colour, edgecolor="white", linewidth=0.3)
    highest = int(shares.argmax())
    middle = np.sqrt(max(edges[highest], _LEFT) * edges[highest + 1])  # the axis is logarithmic
    axes.text(middle, shares[highest], f"{shares[highest]:.0%}", ha="center", va="bottom", fontsize=6)
    axes.set(ylim=(0, 1.5 * shares[highest]), yticks=[])
    axes.axvline(float(np.median(found)), 0, 0.67, color="black", linewidth=1.0)
    axes.set_ylabel(short, rotation=0, ha="right", va="center", fontsize=6)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
