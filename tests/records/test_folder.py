"""Run folders: records and merged files replace each other, and what does not verify is named."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest
from support.damage import CHANGED, FOLD, FOLDS, LAST, Watcher, copies, edit, editing, flip, go, gone, truncate
from support.toy import CLASSES

from merbench.contracts.clips import IDENTITY
from merbench.contracts.digests import bytes_digest
from merbench.contracts.errors import RecordError
from merbench.engine.execute.grid import execute
from merbench.engine.fold.folds import run_fold
from merbench.records.folder import RunFolder
from merbench.records.predictions import check_clips
from merbench.records.read import read_run
from merbench.records.select import read_runs


def swap_predictions(folder):
    """Other predictions, whole and readable, that the mark does not vouch for."""
    path = folder / "predictions.parquet"
    table = pd.read_parquet(path)
    table.assign(predicted=table.truth).to_parquet(path, index=False)


WHOLE = {
    "predictions truncated": (truncate("predictions.parquet"), CHANGED),
    "one byte changed": (flip("predictions.parquet"), CHANGED),
    "other predictions": (swap_predictions, CHANGED),
    "predictions gone": (gone("predictions.parquet"), "can't be read"),
    "mark truncated": (truncate("complete.json"), "complete.json is truncated"),
    "mark with another checksum": (editing("complete.json", sha256="0" * 64), CHANGED),
    "mark with another number": (editing("complete.json", clips=11), "12 clips"),
    "mark of another run": (editing("complete.json", key_digest="0" * 64), "belongs to another run"),
    "mark of the future": (editing("complete.json", schema_version=2), "schema version 2"),
    "mark of the future with other fields": (editing("complete.json", schema_version=3, x=1), "version 3"),
}


def same(found, table):
    """Check that a run has these predictions, in whatever order."""
    pd.testing.assert_frame_equal(found.predictions.sort_values(IDENTITY, ignore_index=True), table)


def test_damaged_merged_files_are_repaired_from_the_folds(plan, whole):
    folder, before = whole
    original = (folder / "predictions.parquet").read_bytes()
    for damage, copy in copies(folder, WHOLE):
        change, message = WHOLE[damage]
        change(copy)
        found = read_run(copy)
        assert (len(found.problems), found.mark) == (1, None), damage
        assert message in found.problems[0], damage
        same(found, before)
        state, watcher = go(plan, copy.parent)
        assert (watcher.outcomes, len(watcher.notes), state.complete) == ([], 1, True), damage
        assert message in watcher.notes[0], damage
        assert read_run(copy).problems == [], damage
        assert (copy / "predictions.parquet").read_bytes() == original, damage


def test_folds_and_merged_files_replace_each_other(plan, whole):
    folder, before = whole
    for lost, copy in copies(folder, ("folds", "merged files", "merged files and a fold")):
        outcomes, notes = [], 0
        if lost == "folds":  # of a whole run they are a log, and not read again
            shutil.rmtree(copy / "folds")
        elif lost == "merged files":
            (copy / "complete.json").unlink()
            (copy / "predictions.parquet").unlink()
            found = read_run(copy)
            assert (found.folds, found.mark) == (len(FOLDS), None)
            same(found, before)
        else:
            truncate("predictions.parquet")(copy)
            flip("predictions.parquet")(copy / "folds" / "samm--006")
            outcomes, notes = [FOLD], 2
        state, watcher = go(plan, copy.parent)
        assert (state.complete, watcher.outcomes, len(watcher.notes)) == (True, outcomes, notes), lost
        assert read_run(copy).mark is not None
        pd.testing.assert_frame_equal(read_run(copy).predictions, before)


RUN_FILE = {
    "truncated": truncate("run.json"),
    "empty": truncate("run.json", 0),
    "field missing": lambda f: (f / "run.json").write_text('{"schema_version": 1}'),
    "wrong value": editing("run.json", folds="all"),
}


def test_a_damaged_run_file_is_named_and_written_again(plan, whole):
    folder, before = whole
    for damage, copy in copies(folder, RUN_FILE):
        RUN_FILE[damage](copy)
        with pytest.raises(RecordError, match=r"run\.json"):
            read_run(copy)
        found = read_runs(shutil.copytree(copy.parent, copy.parents[1] / f"of-{copy.parent.name}" / "runs").parent)
        assert (len(found), ["run.json" in problem for problem in found.problems]) == (0, [True]), damage
        state, watcher = go(plan, copy.parent)
        assert (state.complete, watcher.outcomes) == (True, []), damage
        assert read_run(copy).file.key == plan.file.key
        pd.testing.assert_frame_equal(read_run(copy).predictions, before)
    edit(folder / "run.json", folds={fold: n for fold, n in plan.file.folds.items() if fold != FOLD})
    assert read_run(folder).problems  # a run file that lacks a fold is written again, too
    go(plan, folder.parent)
    found = read_run(folder)
    assert (found.problems, found.file.folds) == ([], plan.file.folds)
    pd.testing.assert_frame_equal(found.predictions, before)


def test_a_run_file_of_a_later_merbench_is_left_alone(plan, whole):
    folder, _ = whole
    changes = ({}, {"mood": "good"}, {"folds": [1]})
    for number, copy in copies(folder, range(6)):
        edit(copy / "run.json", schema_version=2, **changes[number // 2])
        before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
        watcher = Watcher()
        with pytest.raises(RecordError, match=r"run\.json has schema version 2.*update merbench"):
            execute([plan], copy.parent, watcher, existing=("keep", "redo")[number % 2])
        assert watcher.outcomes == []
        assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
        with pytest.raises(RecordError, match="schema version 2"):
            read_run(copy)


def test_folders_of_other_runs_and_copies_are_left_alone(plan, ststnet, runs, finished):
    shutil.copytree(finished, runs, dirs_exist_ok=True)
    folder = runs / plan.run_id
    shutil.copytree(folder, runs / f"{plan.run_id}-copy")
    found = read_runs(runs.parent)
    assert {run.file.run_id for run in found} == {plan.run_id, ststnet.run_id}
    assert ["copying a run folder" in problem for problem in found.problems] == [True]
    shutil.rmtree(runs / f"{plan.run_id}-copy")
    edit(folder / "run.json", key=plan.file.key.model_dump() | {"seed": 5})
    content = (folder / "run.json").read_bytes()
    with pytest.raises(RecordError, match="belongs to a run other than"):
        go(plan, runs)
    assert (folder / "run.json").read_bytes() == content
    truncate("run.json")(folder)  # a damaged run harms no other
    found = read_runs(runs.parent)
    assert ([run.file.method for run in found], len(found.problems)) == (["ststnet"], 1)


def test_a_fold_record_vouches_for_its_files_and_its_origin(plan, runs, whole):
    folder, _ = whole
    fold = folder / "folds" / "samm--006"
    record = json.loads((fold / "record.json").read_text())
    assert sorted(path.name for path in fold.iterdir()) == ["predictions.parquet", "record.json"]
    assert record["checksums"] == {"predictions.parquet": bytes_digest((fold / "predictions.parquet").read_bytes())}
    assert (record["fold"], record["status"], record["clips"], record["train_clips"]) == (FOLD, "ok", 3, 9)
    assert (record["run_id"], record["key_digest"]) == (plan.run_id, plan.key_digest)
    assert (record["threads"], record["device"], record["schema_version"]) == (1, "cpu", 1)
    assert {"python", "numpy", "pandas", "merbench"} <= set(record["packages"])
    assert record["hardware"]["cores"] >= 1
    assert record["seconds"]["total"] > 0
    table = pd.read_parquet(fold / "predictions.parquet")
    assert list(table.columns) == [*IDENTITY, "truth", "predicted", *(f"score_{name}" for name in CLASSES)]
    assert table["clip"].tolist() == ["006_1_1", "006_2_1", "006_3_1"]
    assert table.truth.tolist() == CLASSES
    outcome = replace(run_fold(plan.task, FOLD), peak_gpu_memory_mb=1234.5, device="cuda:0")
    record = RunFolder(folder).write_fold(outcome, plan.file)
    assert (record.device, record.peak_gpu_memory_mb) == ("cuda:0", 1234.5)
    assert RunFolder(folder).read_record(FOLD, plan.key_digest) == record
    assert RunFolder(folder).read_record(LAST, plan.key_digest).peak_gpu_memory_mb is None


def test_the_merged_table_is_sorted_and_its_mark_sums_up(plan, runs, whole):
    folder, table = whole
    truth = plan.task.split.truth().drop(columns="fold")
    pd.testing.assert_frame_equal(table[[*IDENTITY, "truth"]], truth, check_dtype=False)
    mark = json.loads((folder / "complete.json").read_text())
    assert (mark["run_id"], mark["clips"], mark["mixed"]) == (plan.run_id, 12, [])
    seconds = [json.loads(path.read_text())["seconds"]["total"] for path in folder.glob("folds/*/record.json")]
    assert mark["seconds"] == pytest.approx(sum(seconds), abs=1e-3)
    path = folder / "folds" / "samm--006" / "record.json"
    record = json.loads(path.read_text())
    hardware = record["hardware"] | {"processor": "another"}
    edit(path, packages=record["packages"] | {"numpy": "1.0"}, hardware=hardware, threads=2)
    (folder / "complete.json").unlink()
    go(plan, runs)
    assert json.loads((folder / "complete.json").read_text())["mixed"] == ["numpy", "processor", "threads"]


def test_a_folds_folder_stays_below_its_run(tmp_path):
    folder = RunFolder(tmp_path / "run")
    names = ["x/../../up", "x//etc", "x/a--b", "x/a/b", "x", "x/.", "x/..", "x/é ü", "x/a\\b"]
    paths = [folder.fold_path(name) for name in names]
    assert len(set(paths)) == len(names)
    assert all(path.resolve().parent == (tmp_path / "run" / "folds").resolve() for path in paths)


def test_predictions_are_held_against_the_split(plan):
    good = plan.task.split.truth()
    check_clips(good, good, "here")
    other = good.truth.where(good.subject != "s11", "surprise")
    elsewhere = good.assign(clip=good["clip"].replace("006_1_1", "006_7_7"))
    for changed, message in (
        (good.iloc[1:], "here has no prediction for samm/006/006_1_1"),
        (elsewhere, "here has clips that are not in the protocol: samm/006/006_7_7"),
        (good.assign(truth=other), "a truth that differs .* smic-hs/s11/s11_1_1"),
        (good.assign(fold=good.fold.replace("samm/006", "samm/007")), "the wrong fold for samm/006/006_1_1"),
    ):
        with pytest.raises(RecordError, match=message):
            check_clips(changed, good, "here")
