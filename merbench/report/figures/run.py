"""The figures of a run: their list, and confusion, gates, weights over time and action units."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from merbench.analysis.diagnostics import Diagnostics, unit_series
from merbench.records.files import write_whole
from merbench.records.read import RecordedRun
from merbench.report.figures.embedding import embedding_figure
from merbench.report.figures.maps import (
    attention_figure,
    graph_figure,
    kept_figure,
    same_unit_groups,
    same_units_figure,
)
from merbench.report.figures.pictures import pictures_figure
from merbench.report.figures.style import (
    COLUMN,
    GREY,
    PAGE,
    SERIES_COLOURS,
    SHARES,
    about,
    as_png,
    class_colours,
    counted,
    label,
    new_figure,
    style,
    title,
)
from merbench.report.numbers import number
from merbench.scoring.metrics import Counts, scores
from merbench.scoring.table import pooled_confusion

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Drawing = tuple[str, str, Callable[[], "Figure"]]


def draw_figures(
    run: RecordedRun, diagnostics: Diagnostics, folder: Path, fold: str | None = None
) -> Iterator[tuple[Path, str]]:
    """Draw all figures that the run has data for into a folder, and yield the path and the caption of each.

    The features of `fold` are drawn, by default of the one with most clips. The folder is created if missing; raises
    MerbenchError if it is not writable.
    """
    for name, caption, draw in _drawings(run, diagnostics, fold):
        with style():
            content = as_png(draw())
        write_whole(folder / name, content)
        yield folder / name, caption


def _drawings(run: RecordedRun, diagnostics: Diagnostics, fold: str | None) -> Iterator[Drawing]:
    """List the figures: file name, caption, function that draws it."""
    if len(run.predictions) and run.file.task == "classification":
        yield "confusion.png", "confusion by part, pooled over folds", lambda: confusion_figure(run)
    if not diagnostics.folds or run.file.task != "classification":
        return  # the others are drawn by class
    fold = fold or diagnostics.telling_fold
    for name in diagnostics.features:
        caption = f"feature {name} of fold {fold} in two dimensions, by emotion and by action units"
        draw = partial(embedding_figure, run, name, fold, diagnostics.folds[fold])
        yield f"features-{quote(name, safe='')}.png", caption, draw
    for kind, caption, of_kind in _BY_CLASS:
        if diagnostics.of_kind(kind):
            yield f"{kind}.png", caption, partial(of_kind, run, diagnostics)
    if unit_series(diagnostics):
        yield "au.png", "F1 of each action unit on held-out subjects", lambda: unit_figure(run, diagnostics)
    if "face" in diagnostics.arrays and same_unit_groups(diagnostics.clips, run.file.outputs):
        caption = "clips with the same action units and different emotions"
        yield "same-units.png", caption, lambda: same_units_figure(run, diagnostics)


def confusion_figure(run: RecordedRun) -> "Figure":
    """Draw the confusion of each reporting part, pooled over folds: clips, and their share of the true class."""
    classes, table = run.file.outputs, run.predictions
    parts = {part: table[(table.dataset == part) | (part == "full")] for part in run.file.parts}
    blocks = [(run.file.parts[part], block) for part, block in parts.items() if len(block)]
    if len(blocks) == 2:  # one dataset is the whole
        blocks = blocks[:1]
    side = max(1.55, 0.36 * len(classes) + 0.5)
    columns = min(len(blocks), max(1, int((PAGE - 0.7) / side)))
    rows = -(-len(blocks) // columns)
    figure = new_figure(max(columns * side + 0.7, COLUMN), rows * (side + 0.35) + 0.7, pictures=True)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat[len(blocks) :]:
        axes.set_axis_off()
    for axes, (name, block) in zip(panels.flat, blocks, strict=False):
        confusion = pooled_confusion(block, classes)
        image = _confusion(axes, confusion, classes)
        axes.set_title(f"{label(name)}: {len(block)} clips\nUF1 {number(scores(confusion).uf1)}")
    for axes in panels[:, 0]:
        axes.set_yticks(range(len(classes)), [label(name, 12) for name in classes])
        axes.set_ylabel("truth")
    figure.colorbar(image, ax=panels, label="share of the true class", fraction=0.03, aspect=18)
    title(figure, f"Confusion pooled over folds: {counted(run, len(table), run.folds)}", about(run))
    return figure


def _confusion(axes: "Axes", confusion: Counts, classes: list[str]) -> "AxesImage":
    """Draw one matrix; a class without clips has no shares."""
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap=SHARES, vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(confusion):
        share = f"{shares[row, column]:.2f}".removeprefix("0") if confusion[row].sum() else "–"
        colour = "white" if shares[row, column] > 0.55 else "black"
        axes.text(column, row, f"{count}\n{share}", ha="center", va="center", color=colour, fontsize=6)
    names = [label(name, 12) for name in classes]
    axes.set_xticks(range(len(classes)), names, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(True)
    axes.set_xlabel("predicted")
    return image


def gate_figure(run: RecordedRun, diagnostics: Diagnostics) -> "Figure":
    """Draw each gate's mean over its entries, clip by clip, with the quartiles of each class."""
    gates, clips = diagnostics.of_kind("gate"), diagnostics.clips
    colours = class_colours(run.file.outputs)
    classes = [name for name in run.file.outputs if (clips.truth == name).any()]
    wide = 0.62 * len(classes) + 0.8
    columns = min(len(gates), max(1, int(PAGE / wide)))
    rows = -(-len(gates) // columns)
    figure = new_figure(max(COLUMN, columns * wide), 2.1 * rows + 0.5)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat[len(gates) :]:
        axes.set_axis_off()
    for axes, (name, gate) in zip(panels.flat, gates.items(), strict=False):
        means = gate.reshape(len(gate), -1).mean(axis=1)
        for place, truth in enumerate(classes):
            _strip(axes, place, means[(clips.truth == truth).to_numpy()], colours[truth])
        axes.set_xticks(
            range(len(classes)), [f"{label(truth, 12)}\n{(clips.truth == truth).sum()} clips" for truth in classes]
        )
        axes.set(ylim=(0, 1), ylabel=f"gate of {label(name)}")
    title(figure, f"Gates by class: {counted(run, len(clips), len(diagnostics.folds))}", about(run))
    return figure


def _strip(axes: "Axes", place: int, values: Counts, colour: str) -> None:
    """Draw a class: a point a clip, and median, quartiles and 5 to 95 % as a box."""
    beside = np.random.default_rng(0).uniform(-0.28, 0.28, len(values))
    axes.scatter(place + beside, values, s=5, color=colour, linewidths=0, alpha=0.5)
    axes.boxplot(
        values, positions=[place], widths=0.62, whis=(5, 95), showfliers=False, manage_ticks=False,
        medianprops={"color": "black", "linewidth": 1.3}, boxprops={"linewidth": 0.7},
        whiskerprops={"linewidth": 0.7}, capprops={"linewidth": 0.7},
    )  # fmt: skip


def time_figure(run: RecordedRun, diagnostics: Diagnostics) -> "Figure":
    """Draw the weights of frames: a panel a name, the mean of each class as a line, its quartiles as a band."""
    weights, clips = diagnostics.of_kind("time"), diagnostics.clips
    colours = class_colours(run.file.outputs)
    figure = new_figure(COLUMN, 1.9 * len(weights) + 0.7)
    for axes, (name, of_frames) in zip(figure.subplots(len(weights), squeeze=False).flat, weights.items(), strict=True):
        frames = np.arange(1, of_frames.shape[1] + 1)
        for truth in run.file.outputs:
            of_class = of_frames[(clips.truth == truth).to_numpy()]
            if len(of_class):
                low, high = np.quantile(of_class, (0.25, 0.75), axis=0)
                axes.fill_between(frames, low, high, color=colours[truth], alpha=0.15, linewidth=0)
                (line,) = axes.plot(frames, of_class.mean(axis=0), color=colours[truth], marker="o", markersize=2)
                line.set_label(f"{label(truth, 12)}, {len(of_class)} clips")
        axes.set(xlabel="frame", ylabel=f"weight of {label(name)}", xlim=(0.5, len(frames) + 0.5))
        axes.set_ylim(bottom=0)
    axes.legend(fontsize=6)
    title(figure, f"Weights over time: {counted(run, len(clips), len(diagnostics.folds))}", about(run))
    return figure


#: Figures of one kind of diagnostics, drawn by class: kind, caption, function.
_BY_CLASS: tuple[tuple[str, str, Callable[[RecordedRun, Diagnostics], "Figure"]], ...] = (
    ("kept", "share of clips in which each location is kept, by sparsity rate and class", kept_figure),
    ("attention", "mean attention to each location, by class", attention_figure),
    ("graph", "mean adjacency of each graph, by class", graph_figure),
    ("time", "weights of frames, by class", time_figure),
    ("gate", "each clip's gates, by class", gate_figure),
    ("picture", "pictures of a few clips of each class", pictures_figure),
)


def unit_figure(run: RecordedRun, diagnostics: Diagnostics) -> "Figure":
    """Draw F1 of each action unit with its interval over subjects: of the method and of linear probes."""
    series = unit_series(diagnostics)
    units = {score.unit: score for found in series.values() for score in found.units if score.shown}
    place = {unit: index for index, unit in enumerate(sorted(units))}
    figure = new_figure(min(PAGE, max(COLUMN, 0.42 * len(place) + 0.6)), 2.5)
    axes = figure.subplots()
    for index, (name, found) in enumerate(series.items()):
        there = [score for score in found.units if score.unit in place]
        colour = SERIES_COLOURS[index % len(SERIES_COLOURS)]
        beside = np.array([place[score.unit] for score in there]) + 0.2 * (index - (len(series) - 1) / 2)
        low, high = np.transpose([(score.interval.low, score.interval.high) for score in there])
        axes.vlines(beside, low, high, colors=colour, linewidths=0.8)
        f1 = [score.f1 for score in there]
        axes.plot(beside, f1, "os^Dv"[index % 5], color=colour, markersize=3, label=label(name))
    middle, floor = np.arange(len(place)), [units[unit].floor for unit in place]
    axes.hlines(floor, middle - 0.42, middle + 0.42, GREY, "dotted", label="floor: always shown")
    axes.set_xticks(range(len(place)), [f"{unit}\n{units[unit].shown}" for unit in place])
    axes.set(xlabel="action unit, and how many clips show it", ylabel="F1", ylim=(0, 1.03))
    axes.legend(ncols=len(series) + 1, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    coded = int(diagnostics.clips.units.notna().sum())
    title(figure, f"F1 of action units where they are coded: {counted(run, coded, len(diagnostics.folds))}", about(run))
    return figure
