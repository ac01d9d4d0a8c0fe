"""``import merbench as mb``: what it offers, clips and inputs in order, folds as scikit-learn takes them, refusals."""

import ast
import doctest
import importlib
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import cross_val_predict
from support.cases import each

import merbench as mb
from merbench.contracts.databases import persons
from merbench.engine.fold.selection import inner_fold, inner_seed
from merbench.splits.split import make_split

MODULES = ("data", "protocols", "results")
EXCLUDING = "left_out: [{dataset: samm, reason: blurred, clips: [006/006_1_1, 007/007_3_1]}]\n"


def doctests(synthetic):
    """Return the examples of docstrings, those on the synthetic database, which take seconds, or the others."""
    found = []
    for name in MODULES:
        tests = doctest.DocTestFinder().find(importlib.import_module(f"merbench.api.{name}"))
        found += [test for test in tests if test.examples and ("synthetic-small" in test.docstring) == synthetic]
    assert found
    return found


def assert_right(tests):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in tests:
        runner.run(test)
    assert runner.summarize().failed == 0


@pytest.fixture
def clips(small_release):
    """Return the clips of the small release in random order."""
    return mb.clips("megc2019-flow28", small_release).sample(frac=1, random_state=0)


@pytest.fixture
def protocol(small_protocol):
    return mb.protocol(small_protocol)


@pytest.fixture
def excluding(small_protocol):
    """Return a protocol that excludes two clips."""
    small_protocol.write_text(small_protocol.read_text(encoding="utf-8") + EXCLUDING, encoding="utf-8")
    return mb.protocol(small_protocol)


def test_the_stub_types_what_the_package_offers():
    stub = ast.parse(Path(mb.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    typed = {alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    typed |= {node.target.id for node in stub.body if isinstance(node, ast.AnnAssign)}
    assert typed == set(mb.__all__)
    assert all(callable(getattr(mb, name)) for name in typed - {"__version__"})
    assert set(mb.__all__) <= set(dir(mb))
    with pytest.raises(AttributeError, match="no attribute 'clip'"):
        _ = mb.clip


def test_the_package_is_imported_without_what_it_offers():
    code = "import sys, merbench; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "pandas", "typer", "rich", "pydantic", "sklearn", "torch"} & set(found)


def test_examples_are_right():
    assert_right(doctests(synthetic=False))


@pytest.mark.slow
def test_examples_on_synthetic_data_are_right(synthetic):
    assert_right(doctests(synthetic=True))


def test_clips_say_where_they_are_from(clips, small_release):
    assert len(clips) == 24
    assert set(clips.data) == {"megc2019-flow28"}
    assert set(clips.folder) == {str(small_release)}
    assert all((Path(clip.folder) / clip.path).is_file() for clip in clips.itertuples())


def test_inputs_are_in_the_order_of_the_clips(clips):
    flow = mb.inputs(clips, flow={})["flow"]
    assert (flow.shape, flow.dtype) == ((24, 28, 28, 3), np.uint8)
    brightest = flow[:, :14].mean(axis=(1, 2)).argmax(axis=1)  # a class brightens its channel
    assert [("negative", "positive", "surprise")[index] for index in brightest] == list(clips.emotion)
    facts = mb.inputs(clips, where={"kind": "clip-facts", "facts": ["database"]})["where"][:, 0]
    assert pd.Series(facts).groupby(clips.dataset.to_numpy()).nunique().tolist() == [1, 1, 1]


def test_folds_hold_out_subjects_of_the_clips_given(clips, protocol):
    folds = protocol.folds(clips)
    assert folds.clips[["dataset", "subject", "clip"]].to_numpy().tolist() == (
        clips[["dataset", "subject", "clip"]].to_numpy().tolist()
    )
    assert (len(folds), folds.get_n_splits(), len(folds.excluded)) == (9, 9, 0)
    subjects = (folds.clips.dataset + "/" + folds.clips.subject).to_numpy()
    for name, (train, test) in zip(folds.names, folds, strict=True):
        assert set(subjects[test]) == {name}
        assert sorted([*train, *test]) == list(range(24))
    assert list(folds.labels) == list(folds.clips["class"]) == list(folds.clips.emotion)
    assert list(folds.groups) == list(subjects)


def test_predictions_of_scikit_learn_are_scored(clips, excluding):
    folds = excluding.folds(clips)
    assert len(folds.clips) == 22
    assert sorted(folds.excluded["clip"]) == ["006_1_1", "007_3_1"]
    X = mb.inputs(folds.clips, flow={})["flow"].reshape(22, -1)
    predicted = cross_val_predict(DummyClassifier(), X, folds.labels, cv=folds)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = mb.score(folds.clips.assign(predicted=predicted), excluding)
        whole = mb.score(folds.clips.assign(predicted=folds.labels).sample(frac=1, random_state=1), excluding)
    assert found.part.tolist() == ["full", "smic-hs", "casme2", "samm"]
    assert found.clips.tolist() == [22, 8, 8, 6]
    assert found.acc[0] == pytest.approx((predicted == folds.labels).mean())
    assert (whole.uf1.tolist(), set(whole.compared_with)) == ([1.0] * 4, {"megc2019-flow28"})
    with pytest.warns(UserWarning, match="no prediction for 2 clips"):
        part = mb.score(folds.clips.assign(predicted=predicted)[2:], excluding)
    assert part.clips[0] == 20


def test_the_table_of_folds_has_the_people_that_a_run_holds_out(clips, protocol):
    table = protocol.folds(clips).table(inner=True, seed=3)
    split = make_split(protocol.spec, clips)
    people = persons(split.clips, {})
    for fold in split.folds:
        held_out = inner_fold(split, fold, people, inner_seed(3, fold.name)).test
        own = table[table.fold == fold.name]
        listed = own[own.role == "validation"][["subject", "clip"]].to_numpy().tolist()
        assert listed == split.clips[["subject", "clip"]].iloc[held_out].to_numpy().tolist()
        assert set(own.role) == {"train", "validation", "test"}
        assert len(own) == 24
    assert all(Path(path).is_file() for path in table.image.unique())


def test_clips_that_do_not_fit_are_refused_in_a_line(clips, protocol, excluding):
    official = mb.protocol("casme2-3")
    foreign = clips.assign(clip=clips["clip"].where(clips["clip"] != clips["clip"].iloc[0], "EP99"))
    listed = official.folds().clips.assign(predicted="negative")
    cases = {
        "clips lacks the columns emotion": lambda: protocol.folds(clips.drop(columns="emotion")),
        "clips lacks the columns onset, folder": lambda: mb.inputs(clips.drop(columns=["onset", "folder"]), flow={}),
        "clips must be a data frame, not list": lambda: protocol.folds([1]),
        "has no clips": lambda: protocol.folds(foreign),
        "has no clips ": lambda: mb.inputs(foreign, flow={}),
        "clips: duplicate clips": lambda: protocol.folds(pd.concat([clips, clips[:1]])),
        "small has no official list: give its clips, as in folds(mb.clips('casme2+samm+smic-hs'))": protocol.folds,
        "casme3-3 has no official list: give its clips, as in folds(mb.clips('casme3', PATH)); without a copy, use a "
        "protocol with a list (casme2-3, megc2019, samm-3, smic-hs-3)": mb.protocol("casme3-3").folds,
        "without a copy, use synthetic clips, folds(mb.clips('synthetic-small')) or a": mb.protocol("casme2-5").folds,
        "not in the official list": lambda: official.folds(clips.drop(columns="data")),
        "X has 24 rows, but protocol small uses 22 clips, 2 excluded": lambda: next(
            excluding.folds(clips).split(clips)
        ),
        "name at least one input": lambda: mb.inputs(clips),
        "mb.inputs: unknown key 'inputs.flow.sise' (did you mean 'size'?)": lambda: mb.inputs(clips, flow={"sise": 1}),
        "unknown input kind 'flwo'": lambda: mb.inputs(clips, flwo={}),
        "has only flow(": lambda: mb.inputs(clips, frames={}),
        "predictions lacks the columns predicted": lambda: mb.score(listed.drop(columns="predicted"), "casme2-3"),
        "predictions must be a data frame, not dict": lambda: mb.score({}, "casme2-3"),
        "predictions, row 1: unknown class 'happy'": lambda: mb.score(listed.assign(predicted="happy"), "casme2-3"),
        "has no clip of protocol casme2-3": lambda: mb.score(listed[:1].assign(clip="EP99"), "casme2-3"),
        "protocol samm-au is for au-detection": lambda: mb.score(listed, "samm-au"),
        "did you mean 'casme2-3'": lambda: mb.protocol("casme23"),
        "database 'casme2' is not registered here": lambda: mb.clips("casme2"),
        "is not a folder": lambda: mb.clips("casme2", "nowhere"),
        "--seeds 'x'": lambda: mb.run("majority", protocol, seeds="x"),
        "methods must be a name or several, not []": lambda: mb.run([], protocol),
        "protocol must be a name, a path": lambda: mb.run("majority", []),
        "seeds must be whole numbers, or text such as '0-4', not [0.5]": lambda: mb.run(
            "majority", protocol, seeds=[0.5]
        ),
        "unknown method 'majorty'": lambda: mb.run("majorty", protocol),
        "no run in": lambda: mb.explain("a", "b", "casme2-3"),
    }
    for line, call in cases.items():
        with pytest.raises(mb.MerbenchError) as refused:
            call()
        assert line.strip() in str(refused.value), (line, str(refused.value))
        assert "\n" not in str(refused.value)


def test_arguments_of_other_types_are_refused_in_a_line(clips, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folds = protocol.folds(clips)
    listed = mb.protocol("casme2-3").folds().clips
    cases = {
        "data must be the name of a database or a folder, not 3": lambda: mb.clips(3),
        "data must be the name of a database or a folder, not a DataFrame": lambda: mb.clips(clips),
        "data must be the name of a database or a folder, not ''": lambda: mb.clips(""),
        "path must be a folder, not 3": lambda: mb.clips("casme2", 3),
        "nowhere is not a folder": lambda: mb.clips("casme2", tmp_path / "nowhere"),
        "protocol must be a name, a path or what mb.protocol returns, not int": lambda: mb.protocol(3),
        "nowhere.yaml": lambda: mb.protocol("nowhere.yaml"),
        "clips must be a data frame, not dict": lambda: protocol.folds({"clip": []}),
        "clips lacks the columns dataset, subject, clip, emotion; it has none": lambda: protocol.folds(pd.DataFrame()),
        "clips has no rows": lambda: protocol.folds(clips[:0]),
        "inner must be True or False, not 'yes'": lambda: folds.table(inner="yes"),
        "seed must be a whole number from 0, not 'a'": lambda: folds.table(inner=True, seed="a"),
        "seed must be a whole number from 0, not -1": lambda: folds.table(inner=True, seed=-1),
        "X must have a row for each clip, found int": lambda: next(folds.split(3)),
        "clips must be a data frame, not str": lambda: mb.inputs("casme2", flow={}),
        "mb.inputs: inputs.flow: must be a mapping": lambda: mb.inputs(clips, flow=3),
        "methods must be a name or several, not 3": lambda: mb.run(3, protocol),
        "protocol must be a name, a path or what mb.protocol returns, not DataFrame": lambda: mb.run("majority", clips),
        "data must be the name of a database or a folder, not None": lambda: mb.run("majority", protocol, data=None),
        "data must be the name of a database or a folder, not a Da": lambda: mb.run("majority", protocol, data=clips),
        "a mapping, such as {'C': 10}, not 'C=10'": lambda: mb.run("svm-flow", protocol, settings="C=10"),
        "config must be a name or several, not 3": lambda: mb.run("majority", protocol, config=3),
        "seeds must be whole numbers, or text": lambda: mb.run("majority", protocol, seeds=True),
        "one of last, inner, inner-keep, not 'best'": lambda: mb.run("majority", protocol, select="best"),
        "existing must be one of keep, redo, not None": lambda: mb.run("majority", protocol, existing=None),
        "folds must be a name or several, not 0": lambda: mb.run("majority", protocol, folds=0),
        "quiet must be True or False, not 1": lambda: mb.run("majority", protocol, quiet=1),
        "results must be a folder, not 3": lambda: mb.run("majority", protocol, results=3),
        "workers must be a whole number from 1, not 'x'": lambda: mb.run("majority", protocol, workers="x"),
        "workers must be a whole number from 1, not 0": lambda: mb.run("majority", protocol, workers=0),
        "folds_per_gpu must be a whole number from 1": lambda: mb.run("majority", protocol, folds_per_gpu="all"),
        "executor must be one of serial, ray, not 'dask'": lambda: mb.run("majority", protocol, executor="dask"),
        "mb.run has no argument 'worker' (did you mean 'workers'?)": lambda: mb.run("majority", protocol, worker=2),
        "methods must be a name or several, not [1]": lambda: mb.compare([1]),
        "data must be a name, not 3": lambda: mb.compare(data=3),
        "one must be a method, a row or a run, not None": lambda: mb.explain(None, "majority"),
        "two must be a method, a row or a run, not a DataFrame": lambda: mb.explain("majority", clips),
        "force must be True or False, not 'no'": lambda: mb.explain("a", "b", force="no"),
        "predictions has no rows": lambda: mb.score(listed[:0].assign(predicted=""), "casme2-3"),
        "predictions must be a data frame, a log or a run, not ''": lambda: mb.score("", "casme2-3"),
        "log.csv can't be read: No such file": lambda: mb.score("log.csv", "casme2-3"),
        "lacks the columns dataset, subject, clip, predicted": lambda: mb.score(pd.DataFrame({"x": [1]}), "megc2019"),
        "data must be the name of a database or a folder, not 0": lambda: mb.score(listed, "casme2-3", data=0),
        "pred and y_pred both mean predicted": lambda: mb.score(listed.assign(pred=0, y_pred=0), "casme2-3"),
    }
    for line, call in each(cases.items()):
        with pytest.raises(mb.MerbenchError) as refused:
            call()
        assert line in str(refused.value)
        assert "\n" not in str(refused.value)


def test_frames_lack_no_marks_of_frames(miniature, tmp_path):
    clips = mb.clips("casme2", miniature.write_casme2(tmp_path / "CASME2"))
    clips.loc[1, "onset"] = None
    with pytest.raises(mb.MerbenchError, match=f"clips: onset is missing in casme2/.*{clips['clip'][1]}: fill it"):
        mb.inputs(clips, flow={})


def test_columns_have_the_other_names_that_files_may_have(clips, protocol, tmp_path):
    folds = protocol.folds(clips)
    own = folds.clips.assign(predicted=folds.labels)
    assert mb.score(own, protocol).uf1[0] == 1
    log = own[["dataset", "subject", "clip"]].rename(columns=str.upper).assign(label=own["class"], pred=own["class"])
    with warnings.catch_warnings(record=True) as said:
        assert mb.score(log, protocol).uf1[0] == 1
    assert "the truth equals the predictions" in " ".join(str(each.message) for each in said)
    listed = mb.protocol("casme2-3").folds().clips
    for frame in each(
        (
            listed[["dataset", "subject", "clip"]].assign(pred=listed["class"]),
            listed.set_index(["subject", "clip"])[["class"]].rename(columns={"class": "Predicted Label"}),
            listed[["subject", "clip"]].assign(**{name: (listed["class"] == name) * 1.0 for name in protocol.classes}),
        )
    ):
        assert mb.score(frame, "casme2-3").uf1[0] == 1
    frame.to_csv(tmp_path / "log.csv")
    for path in (tmp_path / "log.csv", str(tmp_path / "log.csv")):
        assert mb.score(path, mb.protocol("casme2-3")).uf1[0] == 1


def test_runs_are_rows_and_compared(clips, protocol, small_release, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = mb.run(["majority", "svm-flow"], protocol, data=small_release, seeds=range(2), quiet=True)
    assert capsys.readouterr() == ("", "")
    again = mb.compare(protocol=protocol)
    pd.testing.assert_frame_equal(again[rows.columns], rows)
    assert rows[rows.part == "full"].method.tolist() == ["svm-flow", "majority"]
    assert set(rows.status) == {"complete"}
    tables = mb.explain("svm-flow", "majority", protocol)
    (full,) = tables["parts"][tables["parts"].part == "full"].itertuples()
    assert full.uf1_difference == pytest.approx(rows.uf1[0] - rows.uf1[4])
    assert set(tables) == {"parts", "classes", "subjects", "clips", "agreement"}
    assert mb.compare("majority", "casme2-3").empty
