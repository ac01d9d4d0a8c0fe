"""Figures: which are drawn, that they show the numbers, and that names from outside are drawn as they are."""

import re
import sys
from collections import Counter
from dataclasses import replace
from itertools import product

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgba
from support.cases import each
from support.recording import made_up_run

from merbench.analysis.diagnostics import gathered
from merbench.cli import main
from merbench.contracts.errors import MerbenchError
from merbench.records.read import read_run
from merbench.report.figures.embedding import FEWEST_FOR_TSNE, NOT_CODED, OTHER, embed, embedding_figure
from merbench.report.figures.maps import (
    attention_figure,
    graph_figure,
    kept_figure,
    same_unit_groups,
    same_units_figure,
)
from merbench.report.figures.pictures import pictures_figure
from merbench.report.figures.run import confusion_figure, draw_figures, gate_figure, time_figure, unit_figure
from merbench.report.figures.style import CLASS_COLOURS, RIGHT, UNIT_COLOURS, WRONG, as_png, style
from merbench.scoring.same_units import same_units

WILD = "$\\frac$ {a_b^c} %&#~ \x1b[31m <b>[red]"
ALL = [
    "confusion.png", "features-emotion.png", "features-motion.png", "kept.png", "attention.png", "graph.png",
    "time.png", "gate.png", "au.png", "same-units.png",
]  # fmt: skip
CLASSES = ["negative", "positive", "surprise"]


@pytest.fixture(scope="module")
def made(made_up):
    """Return a made-up run of 80 clips and 8 subjects; clips of smic-hs have no action units."""
    return made_up.made_up({"alpha": (30, 3), "beta": (30, 3), "smic-hs": (20, 2)})


@pytest.fixture(scope="module")
def diagnostics(made):
    return gathered(made.folds, made.run.predictions, [])


@pytest.fixture(scope="module")
def tiny(made_up):
    """Return a made-up run of 28 clips, which is drawn in no time: so few that principal components do."""
    return made_up.made_up({"alpha": (14, 2), "beta": (14, 2)})


@pytest.fixture
def quick(monkeypatch):
    """Let figures be made but not put on paper."""
    monkeypatch.setattr("merbench.report.figures.run.as_png", lambda figure: b"a picture")


def drawn(draw, *given):
    """Return a figure made in the style of all, not yet put on paper."""
    with style():
        return draw(*given)


def texts(figure):
    return [text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()]


def title(figure):
    return " ".join(figure.get_suptitle().split())


def names(found):
    return {path.name for path, _ in found}


def changed(run, **fields):
    """Return the run with other facts in its run file."""
    return replace(run, file=run.file.model_copy(update=fields))


def answers_of(made):
    """Return what records the made-up run."""
    rows = made.run.predictions.itertuples()
    return {f"{row.dataset}/{row.subject}/{row.clip}": (row.truth, row.predicted) for row in rows}


def only(made, fits):
    """Return the diagnostics of a run whose names, without the side, fit."""
    return {
        fold: {name: values for name, values in arrays.items() if fits(name.partition("/")[2])}
        for fold, arrays in made.folds.items()
    }


def renamed(made, names):
    """Return run and diagnostics with other class names."""
    table = made.run.predictions.rename(columns={f"score_{old}": f"score_{new}" for old, new in names.items()})
    table = table.assign(truth=table.truth.map(names), predicted=table.predicted.map(names))
    folds = {
        fold: arrays | {key: np.array([names[name] for name in arrays[key]]) for key in ("test/truth", "train/truth")}
        for fold, arrays in made.folds.items()
    }
    file = made.run.file.model_copy(update={"outputs": [names[name] for name in made.run.file.outputs]})
    return made_up_run(file, table), gathered(folds, table, [])


def all_of(run, found, label="alpha/s01"):
    """Draw each of the figures of a run."""
    with style():
        yield confusion_figure(run)
        maps = (kept_figure, attention_figure, graph_figure)
        for draw in (gate_figure, *maps, time_figure, unit_figure, same_units_figure):
            yield draw(run, found)
        yield embedding_figure(run, "motion", label, found.folds["alpha/s01"])


def test_all_figures_of_a_diagnosed_run_are_drawn(tiny, tmp_path):
    folder = tmp_path / "new" / "folder"
    told = dict(draw_figures(tiny.run, gathered(tiny.folds, tiny.run.predictions, []), folder))
    assert list(told) == [folder / name for name in ALL]
    assert len(set(told.values())) == len(ALL)
    for path in told:
        height, width = mpl.image.imread(path).shape[:2]
        assert (600 < width <= 7.2 * 200, height > 300) == (True, True)


def test_only_figures_with_data_are_drawn_inside_the_folder(tiny, record, answers, quick, tmp_path):
    none = gathered({}, tiny.run.predictions, [])
    assert names(draw_figures(tiny.run, none, tmp_path)) == {"confusion.png"}
    run = read_run(record(answers, failing=dict.fromkeys(["alpha/s1", "alpha/s2", "beta/t1"], "no face")))
    assert list(draw_figures(run, gathered({}, run.predictions, []), tmp_path)) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(MerbenchError, match=r"confusion\.png can't be written"):
        list(draw_figures(tiny.run, none, tmp_path / "file"))
    features = {"features-emotion.png", "features-motion.png"}
    for without, lost in each((("feature/", features), ("gate/", {"gate.png"}), ("kept/", {"kept.png"}),
                               (("graph/", "time/"), {"graph.png", "time.png"}),
                               ("face", {"same-units.png"}))):  # fmt: skip
        found = gathered(only(tiny, lambda name: not name.startswith(without)), tiny.run.predictions, [])  # noqa: B023
        assert names(draw_figures(tiny.run, found, tmp_path)) == set(ALL) - lost
    folds = {  # the name of a feature is never a path
        fold: {name.replace("feature/motion", "feature/../../out"): values for name, values in arrays.items()}
        for fold, arrays in tiny.folds.items()
    }
    found = list(draw_figures(tiny.run, gathered(folds, tiny.run.predictions, []), tmp_path / "figures"))
    assert {path.parent for path, _ in found} == {tmp_path / "figures"}
    assert "features-..%2F..%2Fout.png" in names(found)


def test_names_are_drawn_as_they_are_written(made, recwarn):
    run, told = renamed(made, {"negative": WILD, "positive": "$x", "surprise": "$y$"})
    run = changed(run, method=WILD, parts={"full": WILD, "alpha": "$a$"}, data="$\\nodata$", variant=WILD)
    told.clips["subject"] = WILD
    for figure in all_of(run, told, WILD):
        assert ("$" in "".join(texts(figure)), "\x1b" in "".join(texts(figure))) == (True, False)
        assert not any(text.get_parse_math() for text in figure.findobj(mpl.text.Text))
    with style():
        assert as_png(gate_figure(run, told)).startswith(b"\x89PNG")  # where a formula would be read, and refused
        as_png(confusion_figure(renamed(made, {"negative": "消极", "positive": "积极", "surprise": "惊讶"})[0]))
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]


def test_titles_name_method_data_seed_and_missing_folds(made, diagnostics, record):
    for synthetic in (True, False):
        for figure in all_of(changed(made.run, synthetic=synthetic), diagnostics):
            assert "two-branch (small) under megc2019 on synthetic-full" in title(figure)
            assert ("seed 0" in title(figure), "(synthetic data)" in title(figure)) == (True, synthetic)
    some = {fold: arrays for fold, arrays in made.folds.items() if fold.startswith("alpha")}
    whole, *parts, _ = all_of(made.run, gathered(some, made.run.predictions, []))
    assert "80 held-out clips, 8 folds" in title(whole)
    for figure in parts:
        assert "30 held-out clips, only 3 of 8 folds" in title(figure)
    partial = read_run(record(answers_of(made), folds=list(some)))
    assert "only 3 of 8 folds" in title(drawn(confusion_figure, partial))


def test_the_confusion_shows_counts_and_shares_per_part(made):
    figure, table = drawn(confusion_figure, made.run), made.run.predictions
    heads = [axes.get_title().splitlines()[0] for axes in figure.axes[:4]]
    assert heads == ["Full: 80 clips", "ALPHA: 30 clips", "BETA: 30 clips", "SMIC-HS: 20 clips"]
    for axes, part in zip(figure.axes, (None, "alpha", "beta", "smic-hs"), strict=False):
        block = table if part is None else table[table.dataset == part]
        cells = {(int(t.get_position()[1]), int(t.get_position()[0])): t.get_text().split("\n") for t in axes.texts}
        for (row, truth), (column, predicted) in product(enumerate(made.run.file.outputs), repeat=2):
            count = int(((block.truth == truth) & (block.predicted == predicted)).sum())
            share = count / (block.truth == truth).sum()
            assert cells[row, column] == [str(count), f"{share:.2f}".removeprefix("0")]
            assert axes.images[0].get_array()[row, column] == pytest.approx(share)
    table = table[(table.dataset == "alpha") & (table.truth != "surprise")]
    run = changed(made_up_run(made.run.file, table), parts={"full": "Full", "alpha": "Alpha"})
    (panel,) = [axes for axes in drawn(confusion_figure, run).axes if axes.texts]  # one dataset is one panel
    assert [text.get_text() for text in panel.texts[6:]] == ["0\n–"] * 3


def test_gates_and_action_units_are_drawn_at_their_values(made, diagnostics):
    figure = drawn(gate_figure, made.run, diagnostics)
    assert [axes.get_ylabel() for axes in figure.axes] == ["gate of emotion", "gate of motion"]
    for axes, name in zip(figure.axes, ("emotion", "motion"), strict=True):
        gate = diagnostics.arrays[f"gate/{name}"]
        means = gate if gate.ndim == 1 else gate.mean(axis=1)
        for points, truth, colour in zip(axes.collections, made.run.file.outputs, CLASS_COLOURS, strict=False):
            np.testing.assert_allclose(points.get_offsets()[:, 1], means[diagnostics.clips.truth == truth])
            assert to_hex(points.get_facecolor()[0]).upper() == colour
    (axes,) = drawn(unit_figure, made.run, diagnostics).axes
    shown = [score for score in diagnostics.decoupling.detection.units if score.shown]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [score.f1 for score in shown])
    ends = [segment[:, 1] for segment in axes.collections[0].get_segments()]
    np.testing.assert_allclose(ends, [(score.interval.low, score.interval.high) for score in shown])
    assert [label.get_text() for label in axes.get_xticklabels()] == [f"{s.unit}\n{s.shown}" for s in shown]
    assert [line.get_label() for line in axes.lines] == ["the method", "probe of emotion", "probe of motion"]


def blobs(count):
    which = np.arange(count) % 2
    return (np.random.default_rng(0).normal(size=(count, 16)) + 8 * which[:, None]).astype(np.float32), which


def test_separate_clusters_stay_separate_at_any_scale():
    for count in each((FEWEST_FOR_TSNE - 1, FEWEST_FOR_TSNE, 90)):
        feature, which = blobs(count)
        points, how = embed(feature)
        assert (points.shape, how) == ((count, 2), "PCA" if count < FEWEST_FOR_TSNE else "t-SNE after PCA")
        distances = np.linalg.norm(points[:, None] - points[None], axis=-1) + 1e9 * np.eye(count)
        assert (which[distances.argmin(axis=1)] == which).all()
        np.testing.assert_array_equal(embed(feature)[0], points)
    feature = blobs(FEWEST_FOR_TSNE)[0].astype(np.float64)
    for scale in each((1e-20, 1e15)):
        points, how = embed(scale * feature)
        assert how == "t-SNE after PCA"
        np.testing.assert_allclose(points, embed(feature)[0], rtol=0.05, atol=0.05)


def test_any_feature_can_be_drawn():
    for count, width, scale in each(product((1, 2, FEWEST_FOR_TSNE - 1), (1, 2, 40), (0.0, 1e-20, 1.0, 1e15))):
        feature = (scale * np.random.default_rng(count).normal(size=(count, width)) + scale).astype(np.float32)
        points, how = embed(feature)
        assert (points.shape, how, np.isfinite(points).all()) == ((count, 2), "PCA", True)
    same = (5 + 1e-7 * np.random.default_rng(0).normal(size=(FEWEST_FOR_TSNE, 8))).astype(np.float32)
    points, how = embed(same)  # as good as constant
    assert (how, np.abs(points).max() < 1e-5) == ("PCA", True)
    points, how = embed(blobs(40)[0][:, :1])
    assert (how, np.isfinite(points).all()) == ("t-SNE after PCA", True)


def test_held_out_clips_are_large_and_coloured_by_class_and_action_units(made, diagnostics):
    fold = diagnostics.folds["alpha/s01"]
    figure = drawn(embedding_figure, made.run, "motion", "alpha/s01", fold)
    for axes in figure.axes:
        train, test = axes.collections[:2]
        assert [len(points.get_offsets()) for points in (train, test)] == [
            len(fold["train/clip"]),
            len(fold["test/clip"]),
        ]
        assert test.get_sizes()[0] > 3 * train.get_sizes()[0]
        assert to_rgba(test.get_edgecolor()[0]) == to_rgba("black")
    count = len(fold["test/clip"])
    assert f"Feature motion in fold alpha/s01 (t-SNE after PCA): {count} held-out clips (large)" in title(figure)
    fold = diagnostics.folds["smic-hs/s00"]
    emotion, units = drawn(embedding_figure, made.run, "emotion", "smic-hs/s00", fold).axes
    of_class = Counter(to_hex(colour, keep_alpha=False).upper() for colour in emotion.collections[1].get_facecolor())
    counts = Counter(fold["test/truth"].tolist())
    assert of_class == {CLASS_COLOURS[made.run.file.outputs.index(name)]: count for name, count in counts.items()}
    assert len({tuple(colour) for colour in units.collections[1].get_facecolor()}) == 1  # none of them is coded
    named = [text.get_text().rpartition(" (")[0] for text in units.get_legend().get_texts()]
    assert (named[-2:], len(named)) == ([OTHER, NOT_CODED], len(UNIT_COLOURS) + 2)
    sets = Counter(text for text in fold["train/aus"].tolist() if text)
    assert max(sets.values()) == sets[named[0].removeprefix("AU ")]


def test_kept_maps_are_shares_of_clips(made, diagnostics):
    panels = [axes for axes in drawn(kept_figure, made.run, diagnostics).axes if axes.images]
    truth = diagnostics.clips.truth
    rows = [truth.notna(), *(truth == name for name in made.run.file.outputs)]
    for axes, (inside, rate) in zip(panels, product(rows, ("0.25", "0.5", "0.75")), strict=True):
        share = diagnostics.arrays[f"kept/{rate}"][inside.to_numpy()].mean(axis=0)
        np.testing.assert_allclose(axes.images[0].get_array(), share)
        assert axes.images[0].get_clim() == (0, 1)
    kept = [f"sparsity {rate}\n{count} of 49 kept" for rate, count in ((0.25, 37), (0.5, 25), (0.75, 13))]
    assert [axes.get_title() for axes in panels[:3]] == kept
    assert [axes.get_ylabel().split("\n")[0] for axes in panels[::3]] == ["all classes", *made.run.file.outputs]
    folds = only(made, lambda name: name != "face")  # without a face; and not as many kept of each clip
    folds["alpha/s00"]["test/kept/0.5"] = np.ones_like(folds["alpha/s00"]["test/kept/0.5"])
    found = gathered(folds, made.run.predictions, [])
    mean = found.arrays["kept/0.5"].sum(axis=(1, 2)).mean()
    figure = drawn(kept_figure, made.run, found)
    assert f"sparsity 0.5\n{mean:.1f} on average of 49 kept" in texts(figure)
    assert {len(axes.images) for axes in figure.axes if axes.images} == {1}


def test_attention_graphs_and_weights_of_frames_are_means_of_each_class(made, diagnostics):
    truth = diagnostics.clips.truth
    rows = [truth.notna(), *(truth == name for name in CLASSES)]
    for draw, kind, names, images in ((attention_figure, "attention", ("block-1", "block-2"), 2),
                                      (graph_figure, "graph", ("layer-1", "layer-2"), 1)):  # fmt: skip
        panels = [axes for axes in drawn(draw, made.run, diagnostics).axes if axes.images]
        assert {len(axes.images) for axes in panels} == {images}  # attention has the face over it
        means = {name: [diagnostics.arrays[f"{kind}/{name}"][inside].mean(axis=0) for inside in rows] for name in names}
        tops = {name: np.max(found) for name, found in means.items()}
        for axes, (row, name) in zip(panels, product(range(4), names), strict=True):
            np.testing.assert_allclose(axes.images[0].get_array(), means[name][row] / tops[name], rtol=1e-6)
        assert [axes.get_title() for axes in panels[:2]] == [f"{name}\nlargest {tops[name]:.2g}" for name in names]
    (axes,) = drawn(time_figure, made.run, diagnostics).axes
    for line, name, inside in zip(axes.lines, CLASSES, rows[1:], strict=True):
        np.testing.assert_allclose(line.get_ydata(), diagnostics.arrays["time/attention"][inside].mean(axis=0))
        assert (line.get_label(), list(line.get_xdata())) == (f"{name}, {inside.sum()} clips", list(range(1, 8)))
        assert to_hex(line.get_color()).upper() == CLASS_COLOURS[CLASSES.index(name)]


def test_pictures_are_those_of_right_and_wrong_clips_of_each_class(made, diagnostics):
    grey, rgb = (np.random.default_rng(1).integers(0, 256, (80, 6, 6, *last), np.uint8) for last in ((), (3,)))
    shown = replace(diagnostics, arrays={"picture/onset": grey, "picture/apex": rgb})
    panels, clips = drawn(pictures_figure, made.run, shown).axes, diagnostics.clips
    assert [axes.get_title() for axes in panels[:2]] == ["onset", "apex"]
    for axes, (mark, name) in zip(panels[::2], product("✓✗", CLASSES), strict=True):
        place = next(place for place, picture in enumerate(grey) if np.array_equal(picture, axes.images[0].get_array()))
        truth, predicted = clips.truth[place], clips.predicted[place]
        assert (truth, truth == predicted) == (name, mark == "✓")
        assert axes.get_ylabel().split("\n")[1:] == [truth, f"→ {predicted} {mark}"]


def groups_of(*rows, classes=CLASSES):
    """Return the groups of clips given as rows of dataset, action units, truth, prediction."""
    table = pd.DataFrame(rows, columns=["dataset", "units", "truth", "predicted"])
    table.units = [None if units is None else frozenset(units) for units in table.units]
    return same_unit_groups(table.assign(subject="s", clip=[f"c{i:02d}" for i in range(len(table))]), classes)


def test_groups_share_action_units_and_show_clips_right_and_wrong():
    two = (("negative", "negative"), ("positive", "positive"))
    (group,) = groups_of(
        ("a", {4}, "negative", "negative"), ("a", {4}, "positive", "negative"),
        ("b", {4}, "positive", "negative"),  # another dataset
        ("a", {4, 7}, "surprise", "surprise"),  # another set
        *(("a", {12}, "positive", "positive"),) * 2,  # one class only
        *(("a", None, *each) for each in two),  # not coded
        *(("a", (), *each) for each in two),  # coded, none certain
    )  # fmt: skip
    assert (group.dataset, group.units, group.chosen) == ("a", (4,), [0, 1])
    said = [("negative", "positive"), ("negative", "negative"), ("negative", "negative"), ("positive", "positive"),
            ("positive", "surprise"), ("surprise", "negative")]  # fmt: skip
    (group,) = groups_of(*(("a", {4}, *each) for each in said))
    assert group.chosen == [1, 4, 5]  # the first right one, the first wrong one; surprise has no right one
    many = {"anger": 2, "contempt": 1, "disgust": 1, "fear": 3, "happiness": 2}  # the four with most clips are shown
    rows = [("a", {4}, name, name) for name, count in many.items() for _ in range(count)]
    (group,) = groups_of(*rows, classes=list(many))
    assert [rows[place][2] for place in group.chosen] == ["anger", "contempt", "fear", "happiness"]
    assert len(group.clips) == len(rows)


def test_groups_are_those_of_scoring_and_the_largest_come_first(made, diagnostics):
    aus = np.concatenate([made.folds[fold]["test/aus"] for fold in diagnostics.folds])
    shared = same_units(diagnostics.clips.assign(aus=aus), diagnostics.clips.truth.tolist())
    every = same_unit_groups(diagnostics.clips, made.run.file.outputs, most=100)
    assert sorted(place for group in every for place in group.clips.index) == np.flatnonzero(shared).tolist()
    sizes = [len(group.clips) for group in every]
    assert (sizes, len(sizes) > 2) == (sorted(sizes, reverse=True), True)
    first = same_unit_groups(diagnostics.clips.sample(frac=1, random_state=1), made.run.file.outputs, most=2)
    told = [[(group.dataset, group.units, group.chosen) for group in groups] for groups in (first, every[:2])]
    assert told[0] == told[1]


def test_each_case_shows_truth_prediction_and_gates(made, diagnostics):
    figure = drawn(same_units_figure, made.run, diagnostics)
    groups = same_unit_groups(diagnostics.clips, made.run.file.outputs)
    for row, group in zip(np.array(figure.axes).reshape(len(groups), -1), groups, strict=True):
        assert row[0].get_ylabel() == f"{group.dataset}\nAU {'+'.join(map(str, group.units))}"
        for axes, place in zip(row, group.chosen, strict=False):
            clip = diagnostics.clips.loc[place]
            of_class = group.clips[group.clips.truth == clip.truth]
            right = (of_class.truth == of_class.predicted).sum()
            assert axes.get_title() == f"{clip.truth}\n{right} of {len(of_class)} right"
            mark, colour = ("✓", RIGHT) if clip.truth == clip.predicted else ("✗", WRONG)
            assert (axes.get_xlabel(), axes.xaxis.label.get_color()) == (f"→ {clip.predicted} {mark}", colour)
            (told,) = axes.texts
            gate = f"{diagnostics.arrays['gate/motion'][place]:.2f}".removeprefix("0")
            assert f"{clip.dataset}/{clip.subject}/{clip['clip']}\ngates: emotion" in told.get_text()
            assert f"motion {gate}" in told.get_text()
            veil = axes.images[1].get_array()[..., 3]
            np.testing.assert_array_equal(veil == 0, diagnostics.arrays["kept/0.5"][place])


@pytest.fixture
def show(record, tiny, monkeypatch, capsys, tmp_path):
    """Return what records the made-up run and runs ``merbench show`` on it: output, or the line of the refusal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words, code=0, **changes):
        record(answers_of(tiny), **{"diagnostics": tiny.folds} | changes)
        monkeypatch.setattr(sys, "argv", ["merbench", "show", "toy", "--results", str(tmp_path), *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        told, silent = (said.err, said.out) if code else (said.out, said.err)
        assert (ended.value.code or 0, silent) == (code, "")
        return told

    return call


def test_show_draws_into_the_results_folder_another_or_none(show, quick, tmp_path):
    for words, told in ((("--fold", "alpha/s1"), "no fold 'alpha/s1' (did you mean 'alpha/s01'"),
                        (("--figures", "x", "--no-figures"), "--no-figures")):  # fmt: skip
        (line,) = show(*words, code=2).splitlines()
        assert told in line
    out = show("--no-figures")
    assert (".png" in out, "Linear CKA of emotion and motion" in out) == (False, True)
    assert not (tmp_path / "figures").exists()
    out = show()
    (run,) = (tmp_path / "runs").iterdir()
    folder = tmp_path / "figures" / run.name
    assert sorted(path.name for path in folder.iterdir()) == sorted(ALL)
    lines = [line.split("  ") for line in out.splitlines() if ".png" in line]
    assert [(line[0], len(line[1]) > 10) for line in lines] == [(str(folder / name), True) for name in ALL]
    assert "Action units on held-out clips" in out
    assert "of fold beta/s01" in show("--figures", "here", "--fold", "beta/s01")
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == sorted(ALL)
    (run / "folds" / "alpha--s00" / "diagnostics.npz").write_bytes(b"x")
    out = show()
    assert re.search(r"^excluded: .*alpha--s00.diagnostics\.npz", out, re.MULTILINE)
    assert out.count(".png") == len(ALL)


def test_show_without_diagnostics_names_the_command(show, quick, tmp_path):
    out = show(diagnostics={})
    assert "merbench run toy --protocol FILE --diagnose (FILE: the file or pattern of toys)" in out
    (folder,) = (tmp_path / "figures").iterdir()
    assert [path.name for path in folder.iterdir()] == ["confusion.png"]
