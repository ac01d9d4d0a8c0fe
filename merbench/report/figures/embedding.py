"""A feature of one fold as points in two dimensions, coloured by emotion and by action units."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from merbench.analysis.diagnostics import Arrays, units_of
from merbench.records.read import RecordedRun
from merbench.report.figures.style import GREY, PAGE, PALE, UNIT_COLOURS, about, class_colours, label, new_figure, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Points = npt.NDArray[np.float64]

#: With fewer clips, neighbourhoods carry little information: only principal components are drawn.
FEWEST_FOR_TSNE = 30
_COMPONENTS, _PERPLEXITY = 30, 30
_ROUNDING = 1e-6  # smaller variation, as a share of the largest value, is rounding of single precision
NOT_CODED, OTHER = "no action units coded", "other sets"


def embed(feature: npt.NDArray[Any]) -> tuple[Points, str]:
    """Reduce a feature to two dimensions: principal components, and t-SNE of the first 30 from 30 clips on.

    Returns the points, (n_clips, 2), the same at every call, and the method: ``t-SNE after PCA`` or ``PCA``.
    """
    centred = feature.astype(np.float64) - feature.mean(axis=0, dtype=np.float64)
    left, spread, _ = np.linalg.svd(centred, full_matrices=False)
    components = left * spread
    components *= np.where(components[np.abs(components).argmax(axis=0), np.arange(len(spread))] < 0, -1.0, 1.0)
    components = np.pad(components, ((0, 0), (0, max(0, 2 - len(spread)))))[:, :_COMPONENTS]
    first, width = components[:, :2], components[:, 0].std()
    if len(feature) < FEWEST_FOR_TSNE or width <= _ROUNDING * np.abs(feature).max():
        return first, "PCA"
    from sklearn.manifold import TSNE

    perplexity = min(_PERPLEXITY, (len(feature) - 1) / 3)
    with threadpool_limits(1):  # several would wait for one another, on a busy machine for long
        model = TSNE(perplexity=perplexity, init=1e-4 * first / width, random_state=0)
        return model.fit_transform(components / width), "t-SNE after PCA"


def embedding_figure(run: RecordedRun, name: str, fold: str, arrays: Arrays) -> "Figure":
    """Draw a feature of one fold: training clips small, held-out clips large; emotions left, action units right.

    Features of different folds live in nets of their own and can't share a picture. `arrays` are the fold's, ``test/…``
    and ``train/…``.
    """
    points, how = embed(np.concatenate([arrays[f"{side}/feature/{name}"] for side in ("train", "test")]))
    truth = np.concatenate([arrays[f"{side}/truth"] for side in ("train", "test")])
    sets, colours = _unit_sets([*arrays["train/aus"].tolist(), *arrays["test/aus"].tolist()])
    held_out = np.arange(len(truth)) >= len(arrays["train/truth"])
    figure = new_figure(PAGE, 3.9)
    panels = figure.subplots(1, 2)
    _scatter(panels[0], points, truth, held_out, class_colours(run.file.outputs))
    panels[0].set_title("by emotion")
    _scatter(panels[1], points, sets, held_out, colours)
    panels[1].set_title("by set of action units")
    count = f"{held_out.sum()} held-out clips (large) among {(~held_out).sum()} training clips (small)"
    title(figure, f"Feature {name} in fold {fold} ({how}): {count}", about(run))
    return figure


def _unit_sets(texts: Sequence[str]) -> tuple[npt.NDArray[Any], dict[str, str]]:
    """Name each clip's set of action units; the commonest get a colour each, the others are grey."""
    named = [NOT_CODED if units is None else _set_name(units) for units in map(units_of, texts)]
    counts = Counter(name for name in named if name not in (NOT_CODED, OTHER))
    common = sorted(counts, key=lambda name: (-counts[name], name))[: len(UNIT_COLOURS)]
    colours = dict(zip(common, UNIT_COLOURS, strict=False)) | {OTHER: GREY, NOT_CODED: PALE}
    return np.array([name if name in colours else OTHER for name in named]), colours


def _set_name(units: frozenset[int]) -> str:
    return f"AU {'+'.join(map(str, sorted(units)))}" if units else OTHER


def _scatter(
    axes: "Axes", points: Points, named: npt.NDArray[Any], held_out: npt.NDArray[np.bool_], colours: Mapping[str, str]
) -> None:
    """Draw points in the colour of their name: training clips first, held-out clips with an outline over them."""
    place = {name: index for index, name in enumerate(colours)}
    order = np.argsort([-place[name] for name in named], kind="stable")  # grey first, so that it hides nothing
    colour = np.array([colours[name] for name in named])
    small, large = order[~held_out[order]], order[held_out[order]]
    axes.scatter(points[small, 0], points[small, 1], c=colour[small], s=9, linewidths=0, alpha=0.75)
    axes.scatter(points[large, 0], points[large, 1], c=colour[large], s=36, linewidths=0.8, edgecolors="black")
    counts = Counter(named.tolist())
    for name in colours:
        if counts[name]:
            axes.scatter([], [], s=20, c=colours[name], linewidths=0, label=f"{label(name)} ({counts[name]})")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=3, columnspacing=1.0)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=PALE)
