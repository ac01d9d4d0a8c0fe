"""Damaged folds are named, run again, and never counted."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support import damage as make
from support.damage import CHANGED, FOLD, FOLDS, LAST, copies, go
from support.toy import CLASSES

from merbench.contracts.errors import RecordError
from merbench.engine.execute.state import run_state
from merbench.engine.fold.folds import run_fold
from merbench.records.folder import DIAGNOSTICS, EPOCHS, RunFolder
from merbench.records.read import read_run

TABLE, RECORD = "predictions.parquet", "record.json"
NOT_JSON = "record.json is truncated or not valid JSON"
DAMAGE = {
    "predictions truncated": (make.truncate(TABLE), CHANGED),
    "one byte changed": (make.flip(TABLE), CHANGED),
    "predictions gone": (make.gone(TABLE), "can't be read"),
    "no table at all": (make.vouch_for(TABLE, b"PAR1 nothing"), "not a readable Parquet"),
    "column missing": (make.rewriting(lambda t: t.drop(columns="score_surprise")), "lacks the columns score_surprise"),
    "clip missing": (make.rewriting(lambda t: t.iloc[1:]), "has 2 clips, the fold has 3"),
    "clip too many": (
        make.rewriting(lambda t: pd.concat([t, t.iloc[:1].assign(clip="006_9_9")], ignore_index=True)),
        "has 4 clips, the fold has 3",
    ),
    "foreign clip": (make.cell("clip", "006_9_9"), "006_9_9"),
    "foreign subject": (make.cell("subject", "060"), "060"),
    "truth changed": (make.cell("truth", make.next_class), "truth"),
    "all truths changed": (make.rewriting(lambda t: t.assign(truth=t.truth.map(make.next_class))), "truth"),
    "prediction unknown": (make.cell("predicted", "Negative"), "'Negative' is not one of"),
    "record truncated": (make.truncate(RECORD), NOT_JSON),
    "record is not an object": (lambda folder: (folder / RECORD).write_text("[1]"), NOT_JSON),
    "record is not text": (lambda folder: (folder / RECORD).write_bytes(b"\xff\xfe{"), NOT_JSON),
    "record lacks a field": (make.without("checksums", "status"), "record.json is not valid: status"),
    "record with a wrong value": (make.editing(clips="many"), "is not valid: clips"),
    "record with a field too many": (make.editing(mood="good"), "is not valid: mood"),
    "record of the future": (make.editing(schema_version=2), "schema version 2"),
    "record of a later future": (make.editing(schema_version=7, mood="good"), "version 7.*update merbench"),
    "record of another fold": (make.copy_record, "to fold samm/007, not to"),
    "folder of another fold": (make.copy_fold, "to fold samm/007, not to"),
    "folder of another fold, renamed": (make.copy_fold_under_this_name, "samm/007/007_1_1"),
    "record of another run": (make.editing(key_digest="0" * 64), "belongs to .*another run"),
    "record vouches for nothing": (make.editing(checksums={}), TABLE),
}
#: Damage that only whoever knows the protocol's clips can see.
FOREIGN = ("foreign clip", "foreign subject", "truth changed", "all truths changed", "folder of another fold, renamed")


def there(found):
    return set(found.predictions.dataset + "/" + found.predictions.subject)


def test_every_damage_to_a_fold_is_named_and_not_counted(plan, part):
    for damage, copy in copies(part, DAMAGE):
        change, message = DAMAGE[damage]
        change(copy / "folds" / "samm--006")
        found, state = read_run(copy), run_state(plan, copy.parent)
        assert not found.complete, damage
        if damage not in FOREIGN:
            assert there(found) == set(FOLDS[1:-1]), damage
            assert (found.folds, len(found.problems)) == (2, 1), damage
            assert re.search(message, found.problems[0]), (damage, found.problems)
        assert (state.pending, len(state.damaged)) == ((FOLD, LAST), 1), damage
        assert re.search(message, state.damaged[0]), (damage, state.damaged)
        assert "samm--006" in state.damaged[0], damage


def test_a_damaged_fold_is_run_again(plan, part):
    expected = pd.concat([run_fold(plan.task, fold).predictions for fold in FOLDS], ignore_index=True)
    repaired = {name: DAMAGE[name][0] for name in ("one byte changed", "record truncated", "truth changed")}
    repaired["without mark"] = make.gone(RECORD)
    for damage, copy in copies(part, repaired):
        repaired[damage](copy / "folds" / "samm--006")
        if damage == "without mark":
            found = read_run(copy)
            assert (there(found), found.folds) == (set(FOLDS[1:-1]), 2)
        state, watcher = go(plan, copy.parent)
        notes = int(damage != "without mark")
        assert (watcher.outcomes, len(watcher.notes), state.complete) == ([FOLD, LAST], notes, True), damage
        found = read_run(copy)
        assert found.problems == []
        pd.testing.assert_frame_equal(found.predictions, expected, check_exact=True, check_dtype=False)


def test_damaged_epoch_predictions_are_named_and_made_again(ststnet, runs, finished):
    folder = shutil.copytree(finished / ststnet.run_id, runs / ststnet.run_id)
    before = RunFolder(folder).read_arrays(FOLD, ststnet.file, EPOCHS)["scores"]
    assert before.shape == (2, 3, 3)
    for damage, message in ((make.flip, CHANGED), (make.truncate, CHANGED), (make.gone, "can't be read")):
        damage("epochs.npz")(folder / "folds" / "samm--006")
        state = run_state(ststnet, runs)
        assert (state.pending, len(state.damaged)) == ((FOLD,), 1)
        assert message in state.damaged[0]
    state, watcher = go(ststnet, runs)
    assert (watcher.outcomes, state.complete) == ([FOLD], True)
    np.testing.assert_array_equal(RunFolder(folder).read_arrays(FOLD, ststnet.file, EPOCHS)["scores"], before)
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
    found = told.read_arrays(FOLD, plan.file, DIAGNOSTICS)
    assert list(found) == [f"test/{name}" for name in ARRAYS]
    for name, values in ARRAYS.items():
        assert found[f"test/{name}"].dtype == values.dtype
        np.testing.assert_array_equal(found[f"test/{name}"], values)
    assert told.read_arrays("samm/not-run", plan.file, DIAGNOSTICS) == {}
    (told.fold_path(LAST) / "diagnostics.npz").write_bytes(b"no record vouches for this")
    assert told.read_arrays(LAST, plan.file, DIAGNOSTICS) == {}


TOLD, NO_ARRAYS = "diagnostics.npz", "is not a readable file of arrays"
UNTOLD = {
    "changed": (make.flip(TOLD), CHANGED),
    "truncated": (make.truncate(TOLD), CHANGED),
    "gone": (make.gone(TOLD), "can't be read"),
    "no archive": (make.vouch_for(TOLD, b"PK nothing"), NO_ARRAYS),
    "empty": (make.vouch_for(TOLD, b""), NO_ARRAYS),
    "one bare array": (make.vouch_for(TOLD, make.npy(np.zeros(3))), NO_ARRAYS),
    "pickled objects": (make.vouch_for(TOLD, make.npz(np.array([{}], dtype=object))), NO_ARRAYS),
    "archive cut short": (make.vouch_for(TOLD, make.npz(np.zeros(99))[:-30]), NO_ARRAYS),
    "record truncated": (make.truncate(RECORD), "record.json is truncated"),
    "record of another fold": (make.copy_record, "to fold samm/007, not to"),
}


def test_damaged_diagnostics_are_named_and_made_again(plan, told):
    asked = replace(plan, task=replace(plan.task, diagnose=True))
    for damage, copy in copies(told.path, UNTOLD):
        change, message = UNTOLD[damage]
        change(copy / "folds" / "samm--006")
        with pytest.raises(RecordError, match=message) as raised:
            read_run(copy).diagnostics(FOLD)
        assert ("samm--006" in str(raised.value), "\n" in str(raised.value)) == (True, False), damage
        if damage in ("changed", "truncated", "gone"):
            state = run_state(asked, copy.parent, [FOLD])
            assert state.pending == (FOLD,), damage
            assert "samm--006" in state.damaged[0], damage
            assert run_state(plan, copy.parent).complete  # the predictions verify
