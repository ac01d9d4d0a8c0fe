"""Figures by location: token and attention maps, graphs, and clips with the same action units, another emotion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.analysis.diagnostics import Diagnostics
from merbench.contracts.clips import IDENTITY, clip_names
from merbench.records.read import RecordedRun
from merbench.report.figures.style import (
    COLUMN,
    GREY,
    KEPT,
    PAGE,
    RIGHT,
    WRONG,
    about,
    counted,
    label,
    new_figure,
    no_frame,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WHOLE = (0.0, 1.0, 1.0, 0.0)  # extent of every image of the face, whatever its size in pixels
MOST_GROUPS, MOST_CASES = 4, 4


def kept_figure(run: RecordedRun, diagnostics: Diagnostics) -> "Figure":
    """Draw the share of clips in which each location is kept, over their mean face: a column a rate, a row a class."""
    maps, heads = diagnostics.of_kind("kept"), {}
    for rate, kept in maps.items():
        counts = kept.sum(axis=(1, 2))  # of kept locations: one where all clips agree, else the mean
        stays = f"{counts[0]}" if (counts == counts[0]).all() else f"{counts.mean():.1f} on average"
        heads[rate] = f"sparsity {label(rate, 8)}\n{stays} of {kept[0].size} kept"
    bar = "share of clips in which a location is kept"
    return _maps_figure(run, diagnostics, maps, heads, bar, "Kept locations", diagnostics.arrays.get("face"))


def attention_figure(run: RecordedRun, diagnostics: Diagnostics) -> "Figure":
    """Draw the mean attention to each location, over the mean face: a column a map, a row a class."""
    maps, face = diagnostics.of_kind("attention"), diagnostics.arrays.get("face")
    return _maps_figure(run, diagnostics, maps, None, "mean attention", "Attention", face)


def graph_figure(run: RecordedRun, diagnostics: Diagnostics) -> "Figure":
    """Draw the mean adjacency of each graph as a heat map: a column a graph, a row a class."""
    bar = "mean weight of column in row"
    return _maps_figure(run, diagnostics, diagnostics.of_kind("graph"), None, bar, "Adjacency")


def _maps_figure(
    run: RecordedRun,
    diagnostics: Diagnostics,
    maps: Mapping[str, npt.NDArray[Any]],
    heads: Mapping[str, str] | None,
    bar: str,
    what: str,
    face: npt.NDArray[np.uint8] | None = None,
) -> "Figure":
    """Draw the mean over clips of each map, over their mean face: a column a map, a row a class.

    Colours cover 0..1 with `heads`, titles of the columns; without, each column has a scale of its own, from 0.
    """
    clips = diagnostics.clips
    groups = {"all classes": np.ones(len(clips), dtype=bool)}
    groups |= {name: rows for name in run.file.outputs if (rows := (clips.truth == name).to_numpy()).any()}
    means = {name: [values[rows].mean(axis=0) for rows in groups.values()] for name, values in maps.items()}
    tops = {name: 1.0 if heads else float(np.max(found)) or 1.0 for name, found in means.items()}
    panel = min(1.45, (PAGE - 1.3) / len(maps), 8.0 / len(groups))
    figure = new_figure(panel * len(maps) + 1.3, panel * len(groups) + 0.95, pictures=True)
    panels = figure.subplots(len(groups), len(maps), squeeze=False)
    for row, (name, rows) in enumerate(groups.items()):
        for column, (map_name, found) in enumerate(means.items()):
            axes = panels[row, column]
            no_frame(axes)
            image = axes.imshow(found[row] / tops[map_name], cmap=KEPT, vmin=0, vmax=1, extent=_WHOLE)
            if face is not None:
                _shade(axes, face[rows].mean(axis=0))
        panels[row, 0].set_ylabel(f"{label(name)}\n{rows.sum()} clips")
    for axes, (name, top) in zip(panels[0], tops.items(), strict=True):
        axes.set_title(heads[name] if heads else f"{label(name, 12)}\nlargest {top:.2g}")
    figure.colorbar(
        image, ax=panels, label=bar if heads else f"{bar}, as a share of the column's largest", fraction=0.04, aspect=35
    )
    drawn = counted(run, len(clips), len(diagnostics.folds))
    title(figure, f"{what}{', over the mean face' * (face is not None)}: {drawn}", about(run))
    return figure


def _shade(axes: "Axes", face: npt.NDArray[np.floating[Any]]) -> None:
    """Darken a panel where the face is dark, so slightly that its colours remain distinguishable."""
    dark = (face.max() - face) / max(np.ptp(face), 1.0)
    shade = np.zeros((*face.shape, 4))
    shade[..., 3] = 0.35 * dark
    axes.imshow(shade, extent=_WHOLE, interpolation="bilinear")


@dataclass(frozen=True)
class _SameUnits:
    """Clips of one dataset with the same action units and different classes; `chosen` are places of one a class."""

    dataset: str
    units: tuple[int, ...]
    clips: pd.DataFrame
    chosen: list[int]


def same_unit_groups(clips: pd.DataFrame, classes: Sequence[str], most: int = MOST_GROUPS) -> list[_SameUnits]:
    """Choose groups of clips of a dataset that share their exact set of action units but not their class.

    Sets that most clips show come first. Of each class (the four with most clips) one clip is chosen, so that among
    them one is predicted right and one wrong as far as there are such; of several the first by identity. Nothing is
    left to chance. `clips` are those of :class:`merbench.analysis.diagnostics.Diagnostics`.
    """
    coded = clips[[bool(units) for units in clips.units]].sort_values(IDENTITY)
    by_set: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for place, clip in coded.iterrows():
        by_set.setdefault((clip.dataset, tuple(sorted(clip.units))), []).append(int(str(place)))
    shared = {key: coded.loc[places] for key, places in by_set.items()}
    groups = [
        _SameUnits(dataset, units, group, _one_a_class(group, classes))
        for (dataset, units), group in shared.items()
        if len(set(group.truth)) > 1
    ]
    return sorted(groups, key=lambda group: (-len(group.clips), group.dataset, group.units))[:most]


def _one_a_class(group: pd.DataFrame, classes: Sequence[str]) -> list[int]:
    """Choose a clip of each class: a right one first, and from then on the other kind than the one before."""
    counts = group.truth.value_counts()
    common = sorted(counts.index, key=lambda name: (-counts[name], classes.index(name)))[:MOST_CASES]
    chosen: list[int] = []
    wanted = True
    for name in sorted(common, key=classes.index):
        of_class = group[group.truth == name]
        right = of_class.truth == of_class.predicted
        fit = of_class[right == wanted]
        place = (fit if len(fit) else of_class).index[0]
        chosen.append(int(place))
        wanted = not right[place]
    return chosen


def same_units_figure(run: RecordedRun, diagnostics: Diagnostics) -> "Figure":
    """Draw a few groups that share their action units, one clip per class: face, kept locations, prediction, gates."""
    maps = diagnostics.of_kind("kept")
    groups = same_unit_groups(diagnostics.clips, run.file.outputs)
    rate = list(maps)[len(maps) // 2] if maps else None
    columns = max(len(group.chosen) for group in groups)
    figure = new_figure(max(COLUMN, 1.35 * columns + 0.5), 2.17 * len(groups) + 0.85, pictures=True)
    panels = figure.subplots(len(groups), columns, squeeze=False)
    for row, group in enumerate(groups):
        for axes in panels[row]:
            no_frame(axes)
            axes.set_box_aspect(1)  # those without a clip as well
        panels[row, 0].set_ylabel(f"{label(group.dataset)}\nAU {'+'.join(map(str, group.units))}")
        for axes, place in zip(panels[row], group.chosen, strict=False):
            _case(axes, diagnostics, place, None if rate is None else maps[rate][place])
            of_class = group.clips[group.clips.truth == diagnostics.clips.truth[place]]
            right = f"{(of_class.truth == of_class.predicted).sum()} of {len(of_class)} right"
            axes.set_title(f"{label(diagnostics.clips.truth[place])}\n{right}")
    veiled = "" if rate is None else f"; dark: not kept at sparsity {label(rate, 8)}"
    count = f"one clip per class, out of {counted(run, len(diagnostics.clips), len(diagnostics.folds))}{veiled}"
    title(figure, "Same action units, different emotions", count, about(run))
    return figure


def _case(axes: "Axes", diagnostics: Diagnostics, place: int, kept: npt.NDArray[np.bool_] | None) -> None:
    """Draw one clip: face, a dark veil over the locations that are not kept, name, gates and prediction."""
    clips = diagnostics.clips.loc[[place]]
    truth, predicted = clips.truth[place], clips.predicted[place]
    axes.imshow(diagnostics.arrays["face"][place], cmap="gray", extent=_WHOLE, interpolation="bilinear")
    if kept is not None:
        veil = np.zeros((*kept.shape, 4))
        veil[..., 2:] = np.where(kept[..., None], 0.0, (0.25, 0.65))
        axes.imshow(veil, extent=_WHOLE, interpolation="nearest")
    mark, colour = ("✓", RIGHT) if truth == predicted else ("✗", WRONG)
    axes.set_xlabel(f"→ {label(predicted)} {mark}", color=colour, fontweight="bold", labelpad=2)
    gates = {name: gate[place].mean() for name, gate in diagnostics.of_kind("gate").items()}
    means = ", ".join(f"{label(name, 10)} {value:.2f}".replace(" 0.", " .") for name, value in gates.items())
    lines = filter(None, [label(clip_names(clips)[0], 32), means and f"gates: {means}"])
    axes.text(0.5, -0.15, "\n".join(lines), ha="center", va="top", fontsize=5.5, color=GREY, transform=axes.transAxes)
