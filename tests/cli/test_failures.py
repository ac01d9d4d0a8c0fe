"""A method that fails costs its own folds and nothing else; whatever it says is printed as it is."""

import json
import re

import pytest

CARD = """
name: NAME
title: A method of the tests
summary: Answers class 0, unless it fails.
implementation: method:Toy
inputs:
  flow: {kind: flow}
"""

METHOD = """
import numpy as np

from merbench.contracts.methods import MethodConfig, Prediction

class Config(MethodConfig):
    word: str = ""

class Toy:
    Config = Config
    def __init__(self, config, problem):
        self.outputs = len(problem.outputs)
    def fit(self, train, run):
        self.held_out = {"samm/006", "samm/007", "samm/011"} - set(train.subjects)
    def predict(self, inputs):
        scores = np.zeros((inputs.clips, self.outputs))
        scores[:, 0] = 1
        labels = None
        if self.held_out == {"samm/006"}:
            FAIL
        return Prediction(scores, labels)
"""


@pytest.fixture
def toy(offer):
    """Return what offers a method `name` that does `fail`, a line of code, when SAMM's 006 is held out."""

    def put(name, fail):
        offer(
            f"[merbench.methods]\n{name} = MODULE.method:Toy\n",
            {"card.yaml": CARD.replace("NAME", name), "method.py": METHOD.replace("FAIL", fail)},
        )

    return put


@pytest.mark.parametrize(
    ("fail", "told"),
    [
        ("raise ValueError('no face')", "ValueError: no face"),
        ("scores = scores[:, :2]", "PredictionError: scores have shape (3, 2), expected (3, 3)"),
        ("scores = scores[:1]", "PredictionError: scores have shape (1, 3), expected (3, 3)"),
        ("scores[0, 0] = np.nan", "PredictionError: 1 of 3 clips have NaN or infinite scores"),
        ("labels = np.full(inputs.clips, 3)", "PredictionError: labels must be 0..2"),
        ("scores[:, 0] = inputs.clips", "PredictionError: the prediction for a clip depends"),
        ("raise SystemError", "SystemError"),
    ],
)
def test_a_failing_fold_exits_with_1_and_keeps_all_others(merbench, toy, small, tmp_path, fail, told):
    toy("toy", fail)
    said = merbench("run", "toy", "majority", *small)
    assert (said.code, said.err) == (1, "")
    assert f"toy seed 0, fold samm/006 failed: {told}" in said.out
    assert "toy seed 0: 8/9 folds" in said.out
    assert "1 failed" in said.out
    assert re.fullmatch(r"1 fold failed; \S+: samm/006", said.out.splitlines()[-1])
    assert re.search(r"^ 1 +majority ", said.out, re.MULTILINE)
    assert re.search(r"^ – +toy .* 21/24 +8/9 +1 *$", said.out, re.MULTILINE)
    assert f"toy: not ranked: seed 0 has 8 of 9 folds; failed samm/006: {told}" in said.out
    assert "Traceback" not in said.out
    (run,) = (tmp_path / "results" / "runs").glob("toy-*")
    record = json.loads((run / "folds" / "samm--006" / "record.json").read_text())
    assert record["status"] == "failed"
    assert record["failure"]["traceback"].startswith("Traceback")


def test_a_failed_fold_is_tried_again_and_the_others_are_not(merbench, done, toy, small, tmp_path):
    toy("toy", f"from pathlib import Path; assert Path({str(tmp_path / 'mended')!r}).exists()")
    assert merbench("run", "toy", *small).code == 1
    dry = done("run", "toy", *small, "--dry-run")
    assert re.search(r"^ toy-small-s0-[0-9a-f]{10} +9 +8 +1 +1 *$", dry, re.MULTILINE)
    assert re.search("^would run.* samm/006$", dry, re.MULTILINE)
    (run,) = (tmp_path / "results" / "runs").glob("toy-*")
    ages = {path: path.stat().st_mtime_ns for path in run.glob("folds/*/record.json")}
    (tmp_path / "mended").touch()
    said = done("run", "toy", *small)
    assert re.search(r"^ 1 +toy ", said, re.MULTILINE)
    changed = [path.parent.name for path, age in ages.items() if path.stat().st_mtime_ns != age]
    assert changed == ["samm--006"]


def test_compare_and_show_report_the_hole(merbench, done, toy, small):
    toy("toy", "raise ValueError('no face')")
    merbench("run", "toy", *small)
    assert "failed samm/006: ValueError: no face" in done("compare")
    assert "samm/006: ValueError: no face" in done("show", "toy")
    rows = json.loads(done("compare", "--format", "json"))
    assert {row["part"]: row["clips"] for row in rows} == {"full": 21, "casme2": 8, "samm": 5, "smic-hs": 8}
    assert {(row["status"], row["folds"]) for row in rows} == {("failed", 8)}


@pytest.mark.parametrize("format", ["table", "md", "latex", "csv", "json"])
def test_runs_without_predictions_are_holes_in_each_format(merbench, done, toy, small, format):
    toy("toy", "raise ValueError('no face')")
    assert merbench("run", "toy", *small, "--folds", "samm/006").code == 1
    assert "toy" in done("compare", "--format", format)
    (full, *_) = json.loads(done("compare", "--format", "json"))
    undefined = ("uf1", "uf1_low", "uf1_high", "uar", "uar_low", "uar_high", "acc", "seed_sd")
    assert (full["status"], full["clips"], full["folds"]) == ("failed", 0, 0)
    assert [full[name] for name in undefined] == [None] * 8


def test_runs_without_predictions_are_shown_but_not_exported(merbench, done, refused, toy, small):
    toy("toy", "raise ValueError('no face')")
    merbench("run", "toy", *small, "--folds", "samm/006")
    assert "0 of 9 folds" in done("show", "toy")
    assert "no prediction yet" in refused("export", "toy")


def test_rows_of_older_code_are_hidden_with_a_note(merbench, done, toy, small, tmp_path):
    toy("toy", "pass")
    done("run", "toy", *small)
    (old,) = (tmp_path / "results" / "runs").glob("toy-*")
    (code,) = tmp_path.glob("site/*/*/method.py")
    code.write_text(code.read_text(encoding="utf-8") + "\n# a comment changes nothing\n", encoding="utf-8")
    assert "nothing to do" in done("run", "toy", *small)
    code.write_text(code.read_text(encoding="utf-8") + "\nCHANGED = True\n", encoding="utf-8")
    assert "nothing to do" not in done("run", "toy", *small)
    file = json.loads((old / "run.json").read_text(encoding="utf-8"))
    (old / "run.json").write_text(json.dumps(file | {"created": "2020-01-01T00:00:00+00:00"}), encoding="utf-8")
    (new,) = set((tmp_path / "results" / "runs").glob("toy-*")) - {old}
    said = merbench("compare", "--format", "json")
    assert {run for row in json.loads(said.out) for run in row["run_ids"]} == {new.name}
    assert "--older" in said.err
    rows = json.loads(done("compare", "--format", "json", "--older"))
    assert {run for row in rows for run in row["run_ids"]} == {old.name, new.name}
    assert len(re.findall(r"^ \S+ +toy ", done("compare"), re.MULTILINE)) == 1
    assert len(re.findall(r"^ \S+ +toy ", done("compare", "--older"), re.MULTILINE)) == 2


WILD = "[red]<b>|_%\\\\{$&#~^*`[/]"


def test_markup_in_what_a_method_raises_is_printed_as_it_is(merbench, toy, small):
    toy("toy", f"raise ValueError({WILD!r})")
    said = merbench("run", "toy", *small)
    assert said.code == 1
    assert f"fold samm/006 failed: ValueError: {WILD}\n" in said.out
    assert f"failed samm/006: ValueError: {WILD}\n" in said.out
    assert f"samm/006: ValueError: {WILD}\n" in merbench("show", "toy").out


@pytest.mark.parametrize("word", ["[red]", "[/red] <b> a|b", "50 % $x_i$ c:\\\\d"])
def test_markup_in_a_setting_is_printed_as_it_is(done, toy, small, word):
    toy("toy", "pass")
    said = done("run", "toy", *small, "--set", f"word={json.dumps(word)}")
    shown = f"toy (word={word})"
    assert shown in said
    assert shown in done("compare")
    assert f"word={word}" in done("show", "toy")
    assert "toy" in done("run", "toy", *small, "--set", f"word={json.dumps(word)}", "--dry-run")


@pytest.mark.parametrize("live", [False, True])
def test_progress_is_plain_lines_unless_there_is_a_terminal(merbench, toy, small, monkeypatch, live):
    toy("toy", f"raise ValueError({WILD!r})")
    if live:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
    said = merbench("run", "toy", "majority", *small)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.out)
    assert ("\x1b" in said.out) == live
    assert f"toy seed 0, fold samm/006 failed: ValueError: {WILD}" in re.sub(r"\s*\n", "", plain) + plain
    assert re.search(r"toy seed 0.* 8/9 folds, .*1 failed", plain)
    assert re.search(r"majority seed 0.* 9/9 folds, [0-9.]+ folds/s", plain)
