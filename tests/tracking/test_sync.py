"""MLflow shows what is recorded: once, whole, and again after it is lost; wherever the last pass was broken off."""

import json
import math
import os
import shutil
import sqlite3
from contextlib import closing
from functools import partialmethod
from pathlib import Path

import pytest
from support.mirrored import synced

from merbench.contracts.errors import MerbenchError
from merbench.tracking import contents, servers
from merbench.tracking.servers import connect

pytestmark = pytest.mark.usefixtures("undrawn")

FOLDS = {"alpha/s1", "alpha/s2", "beta/t1"}


def counts(found):
    return (found.added, found.updated, found.kept, found.problems, found.refused)


def files(server, run):
    return {item.path for item in connect(server).list_artifacts(run.info.run_id)}


def plain(found):
    """Return what MLflow shows without what differs from server to server."""

    def one(shown):
        tags = {key: value for key, value in shown.tags.items() if key not in ("merbench.mirrored", "merbench.held")}
        infos = {name: run.info for name, run in shown.folds.items()}
        times = {name: (info.status, info.start_time, info.end_time) for name, info in infos.items()}
        metrics = {name: run.data.metrics for name, run in shown.folds.items()}
        return shown.run.info.status, tags, shown.run.data.params, shown.metrics, times, metrics

    return {name: one(shown) for name, shown in found.items()}


def test_a_second_pass_only_restores_what_was_deleted(record, answers, server, empty, look):
    folders = [record(answers), record(answers, seed=1)]
    synced(server, *folders)
    found = look(server)
    before, database = plain(found), server.artifacts.parent / "mlflow.db"
    written = database.read_bytes()
    assert counts(synced(server, *folders)) == (0, 0, 2, [], [])
    assert plain(look(server)) == before
    assert database.read_bytes() == written
    client, run = connect(server), found[folders[0].name].run
    client.delete_run(run.info.run_id)
    assert counts(synced(server, *folders)) == (1, 0, 1, [], [])
    client.delete_experiment(run.info.experiment_id)
    assert synced(server, *folders).problems == []
    assert set(look(server)) == {folder.name for folder in folders}
    database.write_bytes(empty.read_bytes())
    assert counts(synced(server, *folders)) == (2, 0, 0, [], [])
    assert plain(look(server)) == before


def test_a_run_has_no_figures_until_it_is_complete(record, answers, server, look):
    folder = record(answers, folds=["alpha/s1"])
    synced(server, folder)
    (shown,) = look(server).values()
    assert (shown.run.info.status, shown.tags["status"]) == ("RUNNING", "1 of 3 folds")
    assert set(shown.folds) == {"alpha/s1"}
    assert not {"uf1", "acc", "uf1_low"} & set(shown.metrics)
    assert files(server, shown.run) == {"run.json"}
    record(answers)
    assert counts(synced(server, folder)) == (0, 1, 0, [], [])
    (whole,) = look(server).values()
    assert whole.run.info.run_id == shown.run.info.run_id
    assert (whole.run.info.status, whole.tags["status"], set(whole.folds)) == ("FINISHED", "complete", FOLDS)
    assert whole.folds["alpha/s1"].info.run_id == shown.folds["alpha/s1"].info.run_id
    assert whole.metrics["acc"] == pytest.approx(5 / 7)
    (folder / "complete.json").unlink()
    (folder / "folds" / "beta--t1" / "record.json").unlink()
    synced(server, folder)
    (shown,) = look(server).values()  # no longer complete
    assert (shown.run.info.status, set(shown.folds)) == ("RUNNING", FOLDS - {"beta/t1"})
    assert math.isnan(shown.metrics["uf1"])


def test_a_failed_fold_is_shown_and_replaced_later(record, answers, server, look):
    folder = record(answers, failing={"beta/t1": "no \x1b[31m face"})
    synced(server, folder)
    (shown,) = look(server).values()
    assert (shown.run.info.status, shown.tags["status"]) == ("FAILED", "2 of 3 folds, 1 failed")
    fold = shown.folds["beta/t1"]
    assert (fold.info.status, fold.data.tags["error"]) == ("FAILED", "ValueError: no \\x1b[31m face")
    assert "Traceback" in fold.data.tags["mlflow.note.content"]
    assert "acc" not in fold.data.metrics
    record(answers)
    synced(server, folder)
    (again,) = look(server).values()
    assert (again.run.info.status, again.folds["beta/t1"].info.status) == ("FINISHED", "FINISHED")


def test_files_that_do_not_verify_are_reported_each_time(record, answers, server, look):
    folder = record(answers, folds=["alpha/s1", "alpha/s2"])
    path = folder / "folds" / "alpha--s2" / "predictions.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    for _ in range(2):
        (problem,) = synced(server, folder).problems
        assert "alpha--s2" in problem
    assert set(next(iter(look(server).values())).folds) == {"alpha/s1"}
    path.write_bytes(content)
    assert counts(synced(server, folder)) == (0, 1, 0, [], [])
    assert set(next(iter(look(server).values())).folds) == {"alpha/s1", "alpha/s2"}
    broken, fine = record(answers, seed=1), record(answers, seed=2)
    (broken / "run.json").write_text("{", encoding="utf-8")
    found = synced(server, broken, fine)
    assert found.added == 1
    assert "run.json is truncated" in found.problems[0]
    assert set(look(server)) == {folder.name, fine.name}


def test_an_unwritable_database_is_named(record, answers, server):
    (server.artifacts.parent / "mlflow.db").write_bytes(b"no database")
    with pytest.raises(MerbenchError, match=r"MLflow at sqlite:.*mlflow\.db: ") as raised:
        synced(server, record(answers))
    assert "\n" not in str(raised.value)


WRITES = ("create_experiment", "create_run", "log_batch", "set_terminated", "log_artifacts", "set_tag")


@pytest.mark.parametrize(
    "allowed", [2, 13, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 1, 3, 4, 5, 9, 12, 14))]
)
def test_an_interrupted_pass_is_completed_by_the_next(record, answers, server, look, monkeypatch, allowed):
    from mlflow import MlflowClient

    folder, other = record(answers), record(answers, seed=1)
    synced(server, other)
    expected = plain(look(server))[other.name]
    left = [allowed]

    def until_cut(client, write, *given, **named):
        left[0] -= 1
        if left[0] < 0:
            raise ConnectionError("cut")
        done = write(client, *given, **named)
        if left[0] == 0 and write.__name__ == "create_run":
            raise ConnectionError("the answer got lost")
        return done

    with monkeypatch.context() as patched:
        for name in WRITES:
            patched.setattr(MlflowClient, name, partialmethod(until_cut, getattr(MlflowClient, name)))
        with pytest.raises(MerbenchError, match="the connection was lost"):
            synced(server, folder)
    assert synced(server, folder).problems == []
    status, _, params, metrics, _, folds = plain(look(server))[folder.name]
    assert (status, params, metrics, folds) == (expected[0], *expected[2:4], expected[5])
    assert files(server, look(server)[folder.name].run) == {"confusion.png", "predictions.csv", "run.json"}


@pytest.mark.slow
def test_runs_and_folds_that_exist_twice_are_reduced_to_one(record, answers, server, look):
    folder = record(answers, folds=["alpha/s1"])
    synced(server, folder)
    client, (shown,) = connect(server), look(server).values()
    for run in (shown.run, shown.folds["alpha/s1"]):
        client.create_run(run.info.experiment_id, tags=run.data.tags, run_name=run.info.run_name)
    record(answers)
    synced(server, folder)
    (one,) = look(server).values()
    assert set(one.folds) == FOLDS
    assert one.run.info.status == "FINISHED"


@pytest.mark.slow
def test_odd_names_and_too_long_settings_are_cut(record, server, look):
    people = ["o'brien", 'quote"d`', "Ünïcödé 😀", "a b", "..", "x" * 200, "100%"]
    answers = {f"alpha/{person}/c": ("negative", "negative") for person in people}
    folder = record(answers, variant="long " * 3000)
    assert counts(synced(server, folder)) == (1, 0, 0, [], [])
    (shown,) = look(server).values()
    assert len(shown.folds) == len(people)
    assert "alpha/o'brien" in shown.folds
    (setting,) = shown.run.data.params.values()
    assert len(setting) == 6000
    assert setting.endswith("…")
    path = Path(connect(server).download_artifacts(shown.run.info.run_id, "run.json"))
    assert json.loads(path.read_text(encoding="utf-8"))["key"]["config"]["variant"] == "long " * 3000
    assert counts(synced(server, folder)) == (0, 0, 1, [], [])


def test_a_part_without_clips_has_no_figures(record, answers, server, look):
    parts = {"full": "Full", "alpha": "Alpha", "gamma": "Gamma"}
    synced(server, record(answers, parts=parts))
    (shown,) = look(server).values()
    assert {"uf1", "alpha/uf1"} <= set(shown.metrics)
    assert "gamma/uf1" not in shown.metrics
    assert all(not math.isnan(value) for value in shown.metrics.values())


@pytest.mark.slow
def test_figures_after_a_clock_step_replace_earlier_ones(record, answers, server, look, monkeypatch):
    """MLflow shows the figure with the latest time."""
    for now, folds in ((4_000_000_000.0, ["alpha/s1"]), (1_000_000_000.0, ())):
        monkeypatch.setattr("merbench.tracking.sync.time.time", lambda now=now: now)
        synced(server, record(answers, folds=folds))
    (shown,) = look(server).values()
    assert shown.metrics["folds"] == 3
    assert not math.isnan(shown.metrics["uf1"])


def test_what_one_run_lacks_stops_no_other(record, answers, server, look, monkeypatch):
    without, broken, fine = record(answers), record(answers, seed=1), record(answers, seed=2)
    shutil.rmtree(without / "folds")
    whole = contents.read_content

    def read(folder, *known):
        return whole(folder, *known) if folder != broken else [] + 1

    monkeypatch.setattr(contents, "read_content", read)
    found = synced(server, broken, without, fine)
    assert counts(found)[:2] == (2, 0)
    assert [broken.name in problem and "TypeError" in problem for problem in found.problems] == [True]
    assert set(look(server)) == {without.name, fine.name}


def test_figures_and_tags_edited_in_mlflow_are_set_right(record, answers, server, look):
    folder = record(answers)
    synced(server, folder)
    client, (shown,) = connect(server), look(server).values()
    client.log_metric(shown.run.info.run_id, "uf1", 0.9999)
    client.set_tag(shown.run.info.run_id, "not_ranked", "")
    client.set_tag(shown.run.info.run_id, "compared_with", "the official list")
    assert counts(synced(server, folder)) == (0, 1, 0, [], [])
    (again,) = look(server).values()
    assert (again.metrics["uf1"], again.tags["compared_with"]) == (shown.metrics["uf1"], shown.tags["compared_with"])
    client.log_metric(shown.run.info.run_id, "mine", 1.0)  # of the user: kept
    synced(server, folder)
    assert counts(synced(server, folder)) == (0, 0, 1, [], [])
    assert next(iter(look(server).values())).metrics["mine"] == 1.0


def test_a_database_that_can_not_be_opened_is_told_at_once(record, answers, server, monkeypatch):
    folder, path = record(answers), server.artifacts.parent / "mlflow.db"
    monkeypatch.setattr(servers, "ANSWER_SECONDS", 0.1)
    content = path.read_bytes()

    def refused(match):
        with pytest.raises(MerbenchError, match=match) as raised:
            synced(server, folder)
        assert "\n" not in str(raised.value)

    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        refused("database is locked: another program writes to it")
    path.write_bytes(b"no database" * 100)
    refused("move it away; merbench sync mlflow then writes another from the records")
    path.unlink()
    path.mkdir()
    refused("not a file: move it away")
    path.rmdir()
    os.mkfifo(path)
    refused("not a file: move it away")
    path.unlink()
    real = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda file, **given: real(f"file:{file}?mode=ro", uri=True)
    )  # root may write
    path.write_bytes(content)
    refused("readonly database: make mlflow.db and its folder writable")
