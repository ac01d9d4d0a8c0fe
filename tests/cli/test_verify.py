"""Submitted rows are looked at as hostile input, and their methods are run again where they find nothing."""

import json
import os
import shutil
import time

import pytest
from support.forging import forge
from support.hostile import HOSTILE, hostile

from merbench.engine.execute.sandbox import isolation
from merbench.records.select import Runs, read_entries, read_leaderboard
from merbench.records.states import read_reproduced, reproduced, state_of
from merbench.submissions.verify import submitted_runs, taken


@pytest.fixture
def board(done, three, tmp_path):
    """Submit the run of a floor; return the folder of the board."""
    done("run", "majority", *three)
    done("submit", "majority", "--to", tmp_path / "board")
    return tmp_path / "board"


def test_a_submission_is_consistent_until_it_is_run_again(done, merbench, board):
    (folder,) = board.glob("three/*")
    said = done("verify", folder)
    assert said.count("  ok ") >= 9
    assert said.endswith("state: consistent\n")
    assert not (folder / "verification.json").exists()
    assert state_of(read_entries(board)).word == "claimed"
    done("verify", board, "--by", "A. Maintainer")
    kept = json.loads((folder / "verification.json").read_text(encoding="utf-8"))
    assert (kept["by"], kept["state"], kept["of"]) == ("A. Maintainer", "consistent", 3)
    said = done("verify", folder)  # anybody can have written it
    assert "verification.json says consistent, by A. Maintainer: believe it only if" in said
    assert state_of(read_entries(board)).text == "consistent"
    about = json.loads((folder / "submission.json").read_text(encoding="utf-8"))
    assert {"numpy", "python"} < about["packages"].keys()
    assert (about["seeds"], about["tries"], about["target"]) == (
        [0],
        1,
        "merbench.methods.floors.majority.method:Majority",
    )


def test_no_hostile_submission_is_consistent(board, tmp_path, monkeypatch):
    (good,) = board.glob("three/*")
    monkeypatch.chdir(tmp_path)
    assert len(HOSTILE) >= 60
    through, otherwise, slow = [], [], []
    for name, folder, check in hostile(good, tmp_path / "hostile"):
        began = time.process_time()
        with taken([folder], Runs()) as (verdict,):
            failed = [line for line in verdict.lines if line.result == "failed"]
            verdict.verification("me")
        slow += [name] * (time.process_time() - began > 2)
        through += [name] * (verdict.state != "failed")
        otherwise += [f"{name}: {failed}"] * (bool(failed) and check not in {line.check for line in failed})
        assert all(line.evidence.isprintable() for line in failed), name
        shutil.rmtree(folder.parents[1])
    assert (through, otherwise, slow) == ([], [], [])
    assert not list(tmp_path.rglob("EXECUTED"))


def test_what_is_no_submission_is_refused_in_a_line(refused, merbench, board, tmp_path, root):
    (tmp_path / "empty").mkdir()
    (tmp_path / "many").mkdir()
    for number in range(1_000):
        (tmp_path / "many" / f"{number}").touch()
    (tmp_path / "link").symlink_to(board)
    os.mkfifo(tmp_path / "pipe")
    for words in (["empty"], ["many"], ["nowhere"], ["link"], ["pipe"]):
        refused("verify", *words)
    itself = merbench("verify", root)
    assert (itself.code, itself.err.count("\n")) == (2, 1)
    for words in ("0", "-1", "some", "1.5", "99999999"):
        refused("verify", board, "--rerun", words)


def test_all_runs_below_a_board_are_found(board, tmp_path):
    (entry,) = board.glob("three/*")
    assert submitted_runs([board]) == submitted_runs([board / "three"]) == submitted_runs([entry]) == [entry]


def test_committed_rows_are_made_again(merbench, done, refused, board, tmp_path, monkeypatch):
    monkeypatch.setattr("merbench.records.select._shipped", lambda: board)
    out = tmp_path / "again.csv"
    assert "1 runs, 0 s as recorded on one core; nothing was run" in done("reproduce", "--plan")
    said = merbench("reproduce", "majority", "--out", out, "--format", "json")
    (line,) = json.loads(said.out)
    assert (said.code, line["outcome"], line["folds"], line["of"], line["clips"]) == (0, "bitwise", 3, 3, 24)
    out.write_text(out.read_text().replace(line["run_id"], "withdrawn"))
    said = merbench("reproduce", "--new", "--folds", "1", "--out", out)
    assert (said.code, "1 lines are about no committed run: withdrawn" in said.out) == (0, True), said
    assert len(read_reproduced(out)) == 2
    drawn = json.loads(merbench("reproduce", "--folds", "1", "--isolated", "--format", "json").out)
    assert [(row["folds"], row["isolated"]) for row in drawn] == [(1, "yes" if isolation().whole else "no")]
    assert state_of(read_entries(board)).word == "claimed"  # it is not merbench's own
    monkeypatch.setattr("merbench.records.states.reproduced", lambda: read_reproduced(out))
    assert state_of(read_entries(board)) == ("recorded", "recorded", "")
    (entry,) = board.glob("three/*")
    forge(entry, lambda table: table.assign(predicted="surprise", score_surprise=2.0))
    said = merbench("reproduce", "--format", "json")
    assert (said.code, [row["outcome"] for row in json.loads(said.out)]) == (1, ["differs"])
    monkeypatch.setattr("merbench.records.states.reproduced", lambda: read_reproduced(out))
    before = out.read_bytes()
    line = read_reproduced(out)[entry.name]
    assert "1 runs, 0 s" in done("reproduce", "--new", "--plan", "--out", out)  # its predictions are others
    assert merbench("reproduce", "--out", out).code == 1
    assert "0 runs, 0 s" in done("reproduce", "--new", "--plan", "--out", out)
    assert state_of(read_entries(board)).word == "failed"
    out.write_bytes(before)
    moved = forge(entry, key={"code_digest": "0" * 64})
    out.write_bytes(before.replace(entry.name.encode(), moved.name.encode()))
    said = merbench("reproduce", moved.name, "--format", "json", "--out", out)
    assert json.loads(said.out)[0]["outcome"] == "not made again: its key differs now in code_digest"
    assert f"{moved.name} was not made again, its line stays: bitwise, 1 of 3 folds, {line['when']}" in said.err
    assert read_reproduced(out)[moved.name]["outcome"] == "bitwise"
    monkeypatch.setattr("merbench.engine.environment.git_commit", lambda: "c0ffee-dirty")
    changed = merbench("reproduce", "--out", out)
    assert (changed.code, "the code differs from it: commit the changes first" in changed.err) == (2, True)
    (tmp_path / "other.csv").write_text("run_id,sha256\na,b\n")
    for words in (["majorty"], ["--folds", "0"], ["--seconds", "0"], ["--format", "tabel"], ["--out", "other.csv"]):
        refused("reproduce", *words)


def test_every_committed_row_is_listed_with_what_came_of_it():
    board, known = read_leaderboard(), reproduced()
    assert {run.file.run_id: run.mark.sha256 for run in board} == {name: row["sha256"] for name, row in known.items()}
    assert {state_of([run]).word for run in board} == {"recorded"}
    assert {row["outcome"] for row in known.values()} <= {"bitwise", "within tolerance", ""}
