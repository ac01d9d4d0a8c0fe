"""Records on disk: what is whole is believed, what is not is named, run again, and never counted."""

import errno
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.toy import CLASSES, prepared

from merbench.contracts.clips import IDENTITY
from merbench.contracts.digests import bytes_digest
from merbench.contracts.errors import MerbenchError, RecordError
from merbench.engine.execute.grid import execute
from merbench.engine.execute.state import run_state
from merbench.engine.fold.folds import run_fold
from merbench.engine.plan.runs import Request, plan_runs
from merbench.records.folder import RunFolder
from merbench.records.predictions import check_clips
from merbench.records.read import read_run
from merbench.records.select import read_runs

FOLDS = ["samm/006", "samm/007", "samm/011", "smic-hs/s11"]
FOLD, LAST = FOLDS[0], FOLDS[-1]


def plans_of(method, **request):
    return plan_runs(Request.named((method,), **request), [prepared(*FOLDS)])


class Watcher:
    def __init__(self):
        self.notes, self.outcomes = [], []

    def note(self, text):
        self.notes.append(text)

    def fold_finished(self, plan, outcome):
        self.outcomes.append(outcome.fold)

    def ignore(self, *args):
        pass

    run_started = run_finished = working = waiting = ignore


@pytest.fixture(scope="module")
def plan():
    return plans_of("stratified-random")[0]


@pytest.fixture(scope="module")
def ststnet():
    return plans_of("ststnet", settings={"epochs": "2"}, keep_epochs=True)[0]


@pytest.fixture(scope="module")
def finished(plan, ststnet, tmp_path_factory):
    """Run everything once; tests damage copies of it."""
    folder = tmp_path_factory.mktemp("finished")
    for state in execute([plan, ststnet], folder, Watcher()):
        assert state.complete
    return folder


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def go(plan, runs, *args, **options):
    watcher = Watcher()
    (state,) = execute([plan], runs, watcher, *args, **options)
    return state, watcher


@pytest.fixture
def whole(plan, runs, finished):
    """Return the folder of a finished run, and its predictions."""
    folder = shutil.copytree(finished / plan.run_id, runs / plan.run_id)
    return folder, read_run(folder).predictions


@pytest.fixture
def part(whole):
    """Return the folder of a run that lacks its last fold, so that tables read the folds themselves."""
    folder, _ = whole
    shutil.rmtree(folder / "folds" / "smic-hs--s11")
    (folder / "complete.json").unlink()
    (folder / "predictions.parquet").unlink()
    return folder


def edit(path, **changes):
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | changes))


def rewrite(folder, change):
    """Change a prediction table and make the commit mark vouch for it."""
    path = folder / "predictions.parquet"
    change(pd.read_parquet(path)).to_parquet(path, index=False)
    record = json.loads((folder / "record.json").read_text())
    record["checksums"]["predictions.parquet"] = bytes_digest(path.read_bytes())
    (folder / "record.json").write_text(json.dumps(record))


def rewriting(change):
    return lambda folder: rewrite(folder, change)


def cell(column, value, kind=None):
    def change(table):
        table[column] = table[column].astype(kind or object)
        table.loc[1, column] = value(table.loc[1, column]) if callable(value) else value
        return table

    return rewriting(change)


def truncate(name, keep=0.5):
    def change(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * keep)])

    return change


def flip(name):
    def change(folder):
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return change


def next_class(name):
    return CLASSES[(CLASSES.index(name) + 1) % 3]


def copy_record(folder):
    shutil.copy(folder.parent / "samm--007" / "record.json", folder / "record.json")


def copy_fold(folder):
    shutil.rmtree(folder)
    shutil.copytree(folder.parent / "samm--007", folder)


def copy_fold_under_this_name(folder):
    copy_fold(folder)
    edit(folder / "record.json", fold=FOLD)


def vouch_for_nothing(folder):
    edit(folder / "record.json", checksums={})


def without(*names):
    def change(folder):
        content = json.loads((folder / "record.json").read_text())
        (folder / "record.json").write_text(json.dumps({k: v for k, v in content.items() if k not in names}))

    return change


CHANGED = "has changed since it was recorded"
DAMAGE = {
    "predictions truncated": (truncate("predictions.parquet"), CHANGED),
    "predictions empty": (truncate("predictions.parquet", 0), CHANGED),
    "one byte changed": (flip("predictions.parquet"), CHANGED),
    "predictions gone": (lambda folder: (folder / "predictions.parquet").unlink(), "can't be read"),
    "no table at all": (
        lambda folder: (
            (folder / "predictions.parquet").write_bytes(b"PAR1 nothing"),
            edit(folder / "record.json", checksums={"predictions.parquet": bytes_digest(b"PAR1 nothing")}),
        ),
        "not a readable Parquet",
    ),
    "column missing": (rewriting(lambda t: t.drop(columns="score_surprise")), "lacks the columns score_surprise"),
    "truth missing": (rewriting(lambda t: t.drop(columns="truth")), "lacks the columns truth"),
    "column too many": (rewriting(lambda t: t.assign(extra=1)), "has foreign columns extra"),
    "clip twice": (
        rewriting(lambda t: pd.concat([t.iloc[:2], t.iloc[:1]], ignore_index=True)),
        "has a clip twice: samm/006/006_1_1",
    ),
    "clip missing": (rewriting(lambda t: t.iloc[1:]), "has 2 clips, the fold has 3"),
    "clip too many": (
        rewriting(lambda t: pd.concat([t, t.iloc[:1].assign(clip="006_9_9")], ignore_index=True)),
        "has 4 clips, the fold has 3",
    ),
    "foreign clip": (cell("clip", "006_9_9"), "006_9_9"),
    "foreign subject": (cell("subject", "060"), "060"),
    "truth changed": (cell("truth", next_class), "truth"),
    "all truths changed": (rewriting(lambda t: t.assign(truth=t.truth.map(next_class))), "truth"),
    "truth unknown": (cell("truth", "others"), "'others' is none of negative, positive, surprise"),
    "prediction unknown": (cell("predicted", "Negative"), "'Negative' is none of"),
    "prediction empty": (cell("predicted", None), "is none of"),
    "score NaN": (cell("score_positive", np.nan, float), "a score is missing or not finite for samm/006/006_2_1"),
    "score infinite": (cell("score_positive", np.inf, float), "a score is missing or not finite"),
    "score is text": (rewriting(lambda t: t.assign(score_positive="high")), "scores must be numbers"),
    "record truncated": (truncate("record.json"), "record.json is truncated or not valid JSON"),
    "record empty": (truncate("record.json", 0), "record.json is truncated or not valid JSON"),
    "record is no object": (lambda folder: (folder / "record.json").write_text("[1]"), "truncated or not valid JSON"),
    "record is no text": (
        lambda folder: (folder / "record.json").write_bytes(b"\xff\xfe{"),
        "truncated or not valid JSON",
    ),
    "record lacks a field": (without("checksums", "status"), "record.json does not verify: status"),
    "record with a wrong value": (lambda f: edit(f / "record.json", clips="many"), "does not verify: clips"),
    "record with a field too many": (lambda f: edit(f / "record.json", mood="good"), "does not verify: mood"),
    "record of the future": (lambda f: edit(f / "record.json", schema_version=2), "schema version 2"),
    "record of the future with other fields": (
        lambda f: edit(f / "record.json", schema_version=7, mood="good"),
        "schema version 7.*update merbench",
    ),
    "record of another fold": (copy_record, "belongs to fold samm/007"),
    "folder of another fold": (copy_fold, "belongs to fold samm/007"),
    "folder of another fold, renamed": (copy_fold_under_this_name, "samm/007/007_1_1"),
    "record of another run": (lambda f: edit(f / "record.json", key_digest="0" * 64), "belongs to .*another run"),
    "record vouches for nothing": (vouch_for_nothing, "predictions.parquet"),
}


#: Damage that only whoever knows the protocol's clips can see.
FOREIGN = ("foreign clip", "foreign subject", "truth changed", "all truths changed", "folder of another fold, renamed")


def copies(folder, cases):
    """Yield each case with a copy of a run's folder of its own, in a folder of runs of its own."""
    for number, name in enumerate(cases):
        yield name, shutil.copytree(folder, folder.parents[1] / f"copy{number}" / folder.name)


def test_every_damage_to_a_fold_is_named_and_not_counted(plan, part):
    for damage, copy in copies(part, DAMAGE):
        change, message = DAMAGE[damage]
        change(copy / "folds" / "samm--006")
        found, state = read_run(copy), run_state(plan, copy.parent)
        if damage not in FOREIGN:
            assert set(found.predictions.dataset + "/" + found.predictions.subject) == set(FOLDS[1:-1]), damage
            assert (found.folds, found.complete, len(found.problems)) == (2, False, 1), damage
            assert re.search(message, found.problems[0]), (damage, found.problems)
        assert state.pending == (FOLD, LAST), damage
        assert len(state.damaged) == 1, damage
        assert re.search(message, state.damaged[0]), (damage, state.damaged)
        assert "samm--006" in state.damaged[0], damage


@pytest.mark.parametrize("damage", ["one byte changed", "record truncated", "truth changed"])
def test_a_damaged_fold_is_run_again(plan, runs, part, damage):
    DAMAGE[damage][0](part / "folds" / "samm--006")
    state, watcher = go(plan, runs)
    assert (watcher.outcomes, len(watcher.notes), state.complete) == ([FOLD, LAST], 1, True)
    found = read_run(part)
    assert found.problems == []
    expected = pd.concat([run_fold(plan.task, fold).predictions for fold in FOLDS], ignore_index=True)
    pd.testing.assert_frame_equal(found.predictions, expected, check_exact=True, check_dtype=False)


def test_unverified_folds_do_not_pass_for_a_whole_run(whole):
    folder, _ = whole
    (folder / "complete.json").unlink()
    for damage, copy in copies(folder, FOREIGN):
        DAMAGE[damage][0](copy / "folds" / "samm--006")
        found = read_run(copy)
        assert found.problems or not found.complete, damage


def test_damaged_epoch_predictions_are_named_and_made_again(ststnet, runs, finished):
    folder = shutil.copytree(finished / ststnet.run_id, runs / ststnet.run_id)
    before = RunFolder(folder).read_epochs(FOLD, ststnet.file)
    assert before.shape == (2, 3, 3)
    gone = (lambda fold: (fold / "epochs.npz").unlink(), "can't be read")
    for change, message in ((flip("epochs.npz"), CHANGED), (truncate("epochs.npz"), CHANGED), gone):
        change(folder / "folds" / "samm--006")
        state = run_state(ststnet, runs)
        assert (state.pending, len(state.damaged)) == ((FOLD,), 1)
        assert message in state.damaged[0]
    state, watcher = go(ststnet, runs)
    assert (watcher.outcomes, state.complete) == ([FOLD], True)
    np.testing.assert_array_equal(RunFolder(folder).read_epochs(FOLD, ststnet.file), before)
    predicted, ends = read_run(folder).epochs()
    assert ends.tolist() == [2] * len(FOLDS)
    assert (np.array(CLASSES)[predicted[:, -1]] == read_run(folder).predictions.predicted).all()


ARRAYS = {
    "feature/motion": np.arange(6, dtype=np.float32).reshape(3, 2),
    "kept/0.5": np.eye(3, dtype=bool)[None].repeat(3, axis=0),
    "face": np.arange(48, dtype=np.uint8).reshape(3, 4, 4),
    "clip": np.array(["006_1_1", "006_2_1", "é"]),
}


@pytest.fixture
def told(plan, whole):
    """Give the first fold of a finished run diagnostics."""
    folder, _ = whole
    outcome = replace(run_fold(plan.task, FOLD), diagnostics={f"test/{name}": a for name, a in ARRAYS.items()})
    RunFolder(folder).write_fold(outcome, plan.file)
    return RunFolder(folder)


def test_diagnostics_are_read_back_as_they_were(plan, told):
    record, _ = told.read_fold(FOLD, plan.file)
    assert record.diagnostics
    assert sorted(record.checksums) == ["diagnostics.npz", "predictions.parquet"]
    found = told.read_diagnostics(FOLD, plan.file)
    assert list(found) == [f"test/{name}" for name in ARRAYS]
    for name, values in ARRAYS.items():
        assert found[f"test/{name}"].dtype == values.dtype
        np.testing.assert_array_equal(found[f"test/{name}"], values)


def test_a_fold_without_diagnostics_has_none(plan, told):
    assert told.read_diagnostics(LAST, plan.file) == {}
    assert told.read_diagnostics("samm/not-run", plan.file) == {}
    (told.fold_path(LAST) / "diagnostics.npz").write_bytes(b"nobody vouches for this")
    assert told.read_diagnostics(LAST, plan.file) == {}


def vouch_for(name, content):
    def change(folder):
        (folder / name).write_bytes(content)
        checksums = json.loads((folder / "record.json").read_text())["checksums"]
        edit(folder / "record.json", checksums=checksums | {name: bytes_digest(content)})

    return change


def npy(values, **options):
    buffer = io.BytesIO()
    np.save(buffer, values, **options)
    return buffer.getvalue()


def npz(values):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, face=values)
    return buffer.getvalue()


NO_ARRAYS = "is not a readable file of arrays"
UNTOLD = {
    "changed": (flip("diagnostics.npz"), CHANGED),
    "truncated": (truncate("diagnostics.npz"), CHANGED),
    "gone": (lambda folder: (folder / "diagnostics.npz").unlink(), "can't be read"),
    "no archive": (vouch_for("diagnostics.npz", b"PK nothing"), NO_ARRAYS),
    "empty": (vouch_for("diagnostics.npz", b""), NO_ARRAYS),
    "one bare array": (vouch_for("diagnostics.npz", npy(np.zeros(3))), NO_ARRAYS),
    "pickled objects": (vouch_for("diagnostics.npz", npz(np.array([{}], dtype=object))), NO_ARRAYS),
    "archive cut short": (vouch_for("diagnostics.npz", npz(np.zeros(99))[:-30]), NO_ARRAYS),
    "record truncated": (truncate("record.json"), "record.json is truncated"),
    "record of another fold": (copy_record, "belongs to fold samm/007"),
}


def test_damaged_diagnostics_are_named_and_made_again_if_asked_for(plan, told):
    asked = replace(plan, task=replace(plan.task, diagnose=True))
    for damage, copy in copies(told.path, UNTOLD):
        change, message = UNTOLD[damage]
        change(copy / "folds" / "samm--006")
        with pytest.raises(RecordError, match=message) as raised:
            read_run(copy).diagnostics(FOLD)
        assert "samm--006" in str(raised.value), damage
        assert "\n" not in str(raised.value), damage
        if damage in ("changed", "truncated", "gone"):
            state = run_state(asked, copy.parent, [FOLD])
            assert state.pending == (FOLD,), damage
            assert "samm--006" in state.damaged[0], damage
            assert run_state(plan, copy.parent).complete  # the predictions verify


def test_a_fold_without_commit_mark_is_not_there(plan, runs, part):
    (part / "folds" / "samm--006" / "record.json").unlink()
    found = read_run(part)
    assert set(found.predictions.dataset + "/" + found.predictions.subject) == set(FOLDS[1:-1])
    assert found.folds == 2
    state, watcher = go(plan, runs)
    assert watcher.outcomes == [FOLD, LAST]
    assert state.complete


# --- the whole run --------------------------------------------------------------------------------------------------


def swap_predictions(folder):
    """Other predictions, whole and readable, that the mark does not vouch for."""
    path = folder / "predictions.parquet"
    table = pd.read_parquet(path)
    table.assign(predicted=table.truth).to_parquet(path, index=False)


WHOLE = {
    "predictions truncated": (truncate("predictions.parquet"), CHANGED),
    "one byte changed": (flip("predictions.parquet"), CHANGED),
    "other predictions": (swap_predictions, CHANGED),
    "predictions gone": (lambda f: (f / "predictions.parquet").unlink(), "can't be read"),
    "mark truncated": (truncate("complete.json"), "complete.json is truncated"),
    "mark with another checksum": (lambda f: edit(f / "complete.json", sha256="0" * 64), CHANGED),
    "mark with another number": (lambda f: edit(f / "complete.json", clips=11), "12 clips"),
    "mark of another run": (lambda f: edit(f / "complete.json", key_digest="0" * 64), "belongs to another run"),
    "mark of the future": (lambda f: edit(f / "complete.json", schema_version=2), "schema version 2"),
    "mark of the future with other fields": (lambda f: edit(f / "complete.json", schema_version=3, x=1), "version 3"),
}


def test_damage_to_the_merged_files_is_named_and_repaired_from_the_folds(plan, whole):
    folder, before = whole
    original = (folder / "predictions.parquet").read_bytes()
    for damage, copy in copies(folder, WHOLE):
        change, message = WHOLE[damage]
        change(copy)
        found = read_run(copy)
        assert (len(found.problems), found.mark) == (1, None), damage
        assert message in found.problems[0], damage
        pd.testing.assert_frame_equal(found.predictions.sort_values(IDENTITY, ignore_index=True), before)
        state, watcher = go(plan, copy.parent)
        assert (watcher.outcomes, len(watcher.notes), state.complete) == ([], 1, True), damage
        assert message in watcher.notes[0], damage
        assert read_run(copy).problems == [], damage
        assert (copy / "predictions.parquet").read_bytes() == original, damage


def test_the_folds_of_a_whole_run_are_its_log_and_not_read_again(plan, runs, whole):
    folder, before = whole
    shutil.rmtree(folder / "folds")
    state, watcher = go(plan, runs)
    assert state.complete
    assert watcher.outcomes == []
    pd.testing.assert_frame_equal(read_run(folder).predictions, before)


def test_a_run_that_lost_its_mark_and_a_fold_runs_that_fold(plan, runs, whole):
    folder, before = whole
    truncate("predictions.parquet")(folder)
    flip("predictions.parquet")(folder / "folds" / "samm--006")
    state, watcher = go(plan, runs)
    assert watcher.outcomes == [FOLD]
    assert len(watcher.notes) == 2
    assert state.complete
    pd.testing.assert_frame_equal(read_run(folder).predictions, before)


def test_a_run_with_all_folds_but_not_yet_put_together_counts_and_is_put_together(plan, runs, whole):
    folder, before = whole
    (folder / "complete.json").unlink()
    (folder / "predictions.parquet").unlink()
    found = read_run(folder)
    assert found.folds == len(FOLDS)
    pd.testing.assert_frame_equal(found.predictions.sort_values(IDENTITY, ignore_index=True), before)
    state, watcher = go(plan, runs)
    assert state.complete
    assert watcher.outcomes == []
    assert read_run(folder).mark is not None


RUN_FILE = {
    "truncated": truncate("run.json"),
    "empty": truncate("run.json", 0),
    "field missing": lambda f: (f / "run.json").write_text('{"schema_version": 1}'),
    "wrong value": lambda f: edit(f / "run.json", folds="all"),
}


def test_a_damaged_run_file_is_named_and_written_again(plan, whole):
    folder, before = whole
    for damage, copy in copies(folder, RUN_FILE):
        RUN_FILE[damage](copy)
        with pytest.raises(RecordError, match=r"run\.json"):
            read_run(copy)
        found = read_runs(shutil.copytree(copy.parent, copy.parents[1] / f"of-{copy.parent.name}" / "runs").parent)
        assert (len(found), len(found.problems)) == (0, 1), damage
        assert "run.json" in found.problems[0], damage
        state, watcher = go(plan, copy.parent)
        assert (state.complete, watcher.outcomes) == (True, []), damage
        assert read_run(copy).file.key == plan.file.key
        pd.testing.assert_frame_equal(read_run(copy).predictions, before)


def test_a_run_file_that_lacks_a_fold_is_mended_too(plan, runs, whole):
    """Else the table would go on refusing the run while nothing is left to do for it."""
    folder, before = whole
    edit(folder / "run.json", folds={fold: n for fold, n in plan.file.folds.items() if fold != FOLD})
    assert read_run(folder).problems
    go(plan, runs)
    found = read_run(folder)
    assert found.problems == []
    assert found.file.folds == plan.file.folds
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


def test_a_folder_that_holds_another_run_is_left_alone(plan, runs, whole):
    folder, _ = whole
    content = json.loads((folder / "run.json").read_text())
    content["key"]["seed"] = 5
    (folder / "run.json").write_text(json.dumps(content))
    with pytest.raises(RecordError, match="belongs to another run than"):
        go(plan, runs)
    assert json.loads((folder / "run.json").read_text()) == content


def test_a_copied_run_is_not_counted_a_second_time(plan, runs, whole):
    folder, _ = whole
    shutil.copytree(folder, runs / f"{plan.run_id}-copy")
    found = read_runs(runs.parent)
    assert [run.file.run_id for run in found] == [plan.run_id]
    assert len(found.problems) == 1
    assert "copying a run folder" in found.problems[0]


def test_a_damaged_run_harms_no_other(plan, ststnet, runs, finished):
    shutil.copytree(finished, runs, dirs_exist_ok=True)
    truncate("run.json")(runs / plan.run_id)
    found = read_runs(runs.parent)
    assert [run.file.method for run in found] == ["ststnet"]
    assert len(found.problems) == 1


# --- what a record holds --------------------------------------------------------------------------------------------


def test_a_fold_record_vouches_for_its_files_and_tells_how_they_came_about(plan, runs, whole):
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


def test_a_fold_on_a_gpu_says_which_and_how_much_memory_it_took(plan, runs, whole):
    folder, _ = whole
    outcome = replace(run_fold(plan.task, FOLD), peak_gpu_memory_mb=1234.5)
    record = RunFolder(folder).write_fold(replace(outcome, device="cuda:0"), plan.file)
    assert (record.device, record.peak_gpu_memory_mb) == ("cuda:0", 1234.5)
    assert RunFolder(folder).read_record(FOLD, plan.key_digest) == record
    assert RunFolder(folder).read_record(LAST, plan.key_digest).peak_gpu_memory_mb is None


def test_the_whole_runs_table_is_in_the_order_of_identity_and_its_mark_sums_up(plan, runs, whole):
    folder, table = whole
    pd.testing.assert_frame_equal(
        table[[*IDENTITY, "truth"]], plan.task.split.truth().drop(columns="fold"), check_dtype=False
    )
    mark = json.loads((folder / "complete.json").read_text())
    assert (mark["run_id"], mark["clips"], mark["mixed"]) == (plan.run_id, 12, [])
    seconds = [json.loads(path.read_text())["seconds"]["total"] for path in folder.glob("folds/*/record.json")]
    assert mark["seconds"] == pytest.approx(sum(seconds), abs=1e-3)


def test_folds_computed_with_different_packages_or_hardware_are_flagged(plan, runs, whole):
    folder, _ = whole
    path = folder / "folds" / "samm--006" / "record.json"
    record = json.loads(path.read_text())
    record["packages"]["numpy"] = "1.0"
    record["hardware"]["processor"] = "another"
    record["threads"] = 2
    path.write_text(json.dumps(record))
    (folder / "complete.json").unlink()
    go(plan, runs)
    assert json.loads((folder / "complete.json").read_text())["mixed"] == ["numpy", "processor", "threads"]


def test_a_records_folder_stays_below_the_run_whatever_a_subject_is_called(tmp_path):
    folder = RunFolder(tmp_path / "run")
    names = ["x/../../up", "x//etc", "x/a--b", "x/a/b", "x", "x/.", "x/..", "x/é ü", "x/a\\b"]
    paths = [folder.fold_path(name) for name in names]
    assert len(set(paths)) == len(names)
    assert all(path.resolve().parent == (tmp_path / "run" / "folds").resolve() for path in paths)


def test_predictions_are_held_against_the_split(plan):
    good = plan.task.split.truth()
    check_clips(good, good, "here")
    for changed, message in (
        (good.iloc[1:], "here has no prediction for samm/006/006_1_1"),
        (good.assign(clip=good["clip"].replace("006_1_1", "006_7_7")), "here has foreign clips samm/006/006_7_7"),
        (
            good.assign(truth=good.truth.where(good.subject != "s11", "surprise")),
            "another truth .* smic-hs/s11/s11_1_1",
        ),
        (good.assign(fold=good.fold.replace("samm/006", "samm/007")), "under another fold samm/006/006_1_1"),
    ):
        with pytest.raises(RecordError, match=message):
            check_clips(changed, good, "here")


# --- disk full ------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(monkeypatch):
    """Give a disk that is full at the n-th write, after half of it."""

    class Disk:
        full_at = 0
        writes = 0

    ordinary = Path.open

    class Guarded:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, content):
            Disk.writes += 1
            if Disk.writes == Disk.full_at:
                self.file.write(content[: len(content) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(content)

    def guarded(path, mode="r", *args, **options):
        file = ordinary(path, mode, *args, **options)
        return Guarded(file) if "w" in mode else file

    monkeypatch.setattr(Path, "open", guarded)
    return Disk


FILES = 1 + 2 * len(FOLDS) + 2  # run.json, the folds with two files each, the two files of the whole run


def test_a_full_disk_at_any_write_keeps_what_is_recorded(plan, tmp_path, disk):
    for number in range(1, FILES + 1):
        disk.writes, disk.full_at, runs = 0, number, tmp_path / f"runs{number}"
        with pytest.raises(MerbenchError, match=r"can't be written \(No space left on device\)") as caught:
            go(plan, runs)
        assert disk.writes == number
        named = Path(str(caught.value).split(" can't be written")[0])
        assert runs / plan.run_id in named.parents
        assert not named.exists()
        assert not [path.name for path in runs.rglob("*") if path.name.endswith(".tmp")]
        done = min(max(number - 2, 0) // 2, len(FOLDS))
        assert run_state(plan, runs).recorded == tuple(FOLDS[:done])
        state, watcher = go(plan, runs)
        assert (state.complete, watcher.outcomes, watcher.notes) == (True, FOLDS[done:], [])
        assert read_run(runs / plan.run_id).problems == []


def test_a_full_disk_at_a_second_try_leaves_the_first_result_or_none(plan, runs, whole, disk):
    folder, before = whole
    for number in (1, 2):
        disk.writes, disk.full_at = 0, number
        with pytest.raises(MerbenchError, match="No space left"):
            go(plan, runs, [FOLD], existing="redo")
        found = read_run(folder)
        assert found.problems == []
        assert (found.folds, found.complete) == (3, False)
        disk.full_at = 0
        state, watcher = go(plan, runs)
        assert watcher.outcomes == [FOLD]
        assert state.complete
        pd.testing.assert_frame_equal(read_run(folder).predictions, before)
