"""A method that fails costs its own folds and nothing else; whatever it says is printed as it is."""

import json
import re

import pytest
from support.cases import matches, says

FLOW = "inputs:\n  flow: {kind: flow}\n"
WILD = "[red]<b>|_%\\\\{$&#~^*`[/]"


@pytest.fixture
def failing(toy):
    """Return what offers a method that does `fail`, a line of code, when SAMM's 006 is held out."""
    body = """
def fit(self, train, run):
    self.held_out = {{"samm/006", "samm/007", "samm/011"}} - set(train.subjects)
def predict(self, inputs):
    from pathlib import Path
    scores, labels = np.eye(3)[np.zeros(inputs.clips, int)], None
    if self.held_out == {{"samm/006"}}:
        {}
    return Prediction(scores, labels)
"""
    return lambda fail: toy(body=body.format(fail), card=FLOW)


def test_a_failing_fold_exits_with_1_and_keeps_all_others(merbench, done, failing, small, tmp_path):
    why = "ValueError: no face"
    failing(f"if not Path({str(tmp_path / 'fixed')!r}).exists(): raise ValueError('no face')")
    said = merbench("run", "toy", "majority", *small)
    assert (said.code, said.err) == (1, "")
    says(said.out, f"toy seed 0, fold samm/006 failed: {why}")
    says(said.out, f"toy: not ranked: seed 0 has 8 of 9 folds; failed samm/006: {why}")
    matches(said.out, "toy seed 0: 8/9 folds.* 1 failed", "^ 1 +majority ", r"^ – +toy .* 21/24 +8/9 +1 *$")
    assert re.fullmatch(r"1 fold failed; \S+: samm/006", said.out.splitlines()[-1])
    assert "Traceback" not in said.out
    (path,) = tmp_path.glob("results/runs/toy-*/folds/samm--006/record.json")
    record = json.loads(path.read_text())
    assert record["status"] == "failed"
    assert record["failure"]["traceback"].startswith("Traceback")
    assert f"failed samm/006: {why}" in done("compare")
    assert f"samm/006: {why}" in done("show", "toy")
    rows = json.loads(done("compare", "toy", "--format", "json"))
    assert {row["part"]: row["clips"] for row in rows} == {"full": 21, "casme2": 8, "samm": 5, "smic-hs": 8}
    assert {(row["status"], row["folds"]) for row in rows} == {("failed", 8)}
    # The same command tries the failed fold again, and no other.
    matches(
        done("run", "toy", *small, "--dry-run"),
        r"^ toy-small-s0-[0-9a-f]{10} +9 +8 +1 +1 *$",
        "^folds of toy-small-s0-[0-9a-f]{10} to run: samm/006$",
    )
    ages = {path: path.stat().st_mtime_ns for path in tmp_path.glob("results/runs/toy-*/folds/*/record.json")}
    (tmp_path / "fixed").touch()
    matches(done("run", "toy", *small), "^ 1 +toy ")
    assert [path.parent.name for path, age in ages.items() if path.stat().st_mtime_ns != age] == ["samm--006"]


PHASES = """
from merbench.training.phases import Phase
from merbench.training.torch_method import TorchConfig, TorchMethod
from torch import nn

class Toy(TorchMethod):
    Config = TorchConfig
    def module(self):
        return nn.Linear(3, len(self.problem.outputs))
    def phases(self, train, run):
        run.epoch_end(1, self)
        return [Phase("training", train.inputs, train.labels)]
"""


def test_a_phase_that_breaks_is_one_line_whatever_the_number_of_folds(merbench, toy, small):
    toy(card=FLOW, **{"method.py": PHASES})
    said = merbench("run", "toy", *small, "--seeds", "0-1")
    assert said.code == 1
    error = r"ValueError: a phase of Toy called epoch_end\(1\): TorchMethod reports the epochs of the last phase"
    matches(said.out, rf"^toy seed 0, fold \S+ failed: {error}")
    assert len(re.findall(rf"fold \S+ failed: {error}", said.out)) == 1
    matches(said.out, r"^toy seed 0: 0/9 folds.* 9 failed \(8 with an error printed above\)$")
    matches(said.out, r"^toy seed 1: 0/9 folds.* 9 failed \(9 with an error printed above\)$")


def test_runs_without_predictions_are_shown_but_not_exported(merbench, done, refused, failing, small):
    failing("scores = scores[:, :2]")
    said = merbench("run", "toy", *small, "--folds", "samm/006")
    assert said.code == 1
    assert "samm/006 failed: PredictionError: scores have shape (3, 2), expected (3, 3)" in said.out
    for kind in ("table", "md", "latex", "csv"):
        assert "toy" in done("compare", "--format", kind)
    (full, *_) = json.loads(done("compare", "--format", "json"))
    undefined = ("uf1", "uf1_low", "uf1_high", "uar", "uar_low", "uar_high", "acc", "seed_sd")
    assert (full["status"], full["clips"], full["folds"]) == ("failed", 0, 0)
    assert [full[name] for name in undefined] == [None] * 8
    assert "0 of 9 folds" in done("show", "toy")
    refused("export", "toy")


def test_rows_of_older_code_are_hidden_with_a_note(merbench, done, toy, small, tmp_path):
    toy()
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


@pytest.mark.parametrize("live", [False, True])
def test_progress_is_plain_lines_unless_there_is_a_terminal(merbench, failing, small, monkeypatch, live):
    failing(f"raise ValueError({WILD!r})")
    if live:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
    said = merbench("run", "toy", "majority", *small)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.out)
    assert ("\x1b" in said.out) == live
    assert f"toy seed 0, fold samm/006 failed: ValueError: {WILD}" in re.sub(r"\s*\n", "", plain) + plain
    assert re.search(r"toy seed 0.* 8/9 folds, .*1 failed", plain)
    assert re.search(r"majority seed 0.* 9/9 folds, [0-9.]+ folds/s", plain)
    if not live:
        assert f"failed samm/006: ValueError: {WILD}\n" in said.out
        assert f"samm/006: ValueError: {WILD}\n" in merbench("show", "toy").out
