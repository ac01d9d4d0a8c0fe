"""Pictures that a method returns of each clip, such as a reconstructed apex, for a few clips side by side."""

from typing import TYPE_CHECKING

from merbench.analysis.diagnostics import Diagnostics
from merbench.contracts.clips import IDENTITY, clip_names
from merbench.records.read import RecordedRun
from merbench.report.figures.style import COLUMN, RIGHT, WRONG, about, counted, label, new_figure, no_frame, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KIND = "picture/"
_MOST = 6


def chosen_clips(diagnostics: Diagnostics, classes: list[str]) -> list[int]:
    """Choose at most six clips: of each class the first right one by identity, then of each the first wrong one."""
    clips = diagnostics.clips.sort_values(IDENTITY)
    right = clips.truth == clips.predicted
    found = [clips[(clips.truth == name) & (right == wanted)] for wanted in (True, False) for name in classes]
    return [int(str(each.index[0])) for each in found if len(each)][:_MOST]


def pictures_figure(run: RecordedRun, diagnostics: Diagnostics) -> "Figure":
    """Draw the pictures of a few clips: a row a clip, a column a picture, in the order in which they were returned."""
    pictures = {name: values for name, values in diagnostics.arrays.items() if name.startswith(_KIND)}
    places = chosen_clips(diagnostics, run.file.outputs)
    figure = new_figure(max(COLUMN, 1.15 * len(pictures) + 0.9), 1.15 * len(places) + 0.75, pictures=True)
    panels = figure.subplots(len(places), len(pictures), squeeze=False)
    for row, place in zip(panels, places, strict=True):
        for axes, values in zip(row, pictures.values(), strict=True):
            no_frame(axes)
            axes.imshow(values[place], cmap="gray", vmin=0, vmax=255)
        clip = diagnostics.clips.loc[[place]]
        truth, predicted = clip.truth[place], clip.predicted[place]
        mark, colour = ("✓", RIGHT) if truth == predicted else ("✗", WRONG)
        lines = [label(clip_names(clip)[0], 26), label(truth, 20), f"→ {label(predicted, 18)} {mark}"]
        row[0].set_ylabel("\n".join(lines), color=colour, fontsize=6)
    for axes, name in zip(panels[0], pictures, strict=True):
        axes.set_title(label(name.removeprefix(_KIND)))
    drawn = f"{len(places)} of {counted(run, len(diagnostics.clips), len(diagnostics.folds))}"
    title(figure, f"Pictures of clips: {drawn}", about(run))
    return figure
