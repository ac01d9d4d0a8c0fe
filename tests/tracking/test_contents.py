"""What a run looks like in MLflow: names, scores, settings, files, folds, and what it is compared with."""

import json

import pytest
from support.forging import forge, truth_as_predicted
from support.mirrored import synced

from merbench.records.folder import RunFolder
from merbench.tracking.servers import connect


def test_a_complete_run_is_shown_with_scores_files_and_folds(record, answers, server, look):
    folder = record(answers, seed=3, variant="width=4")
    synced(server, folder)
    (shown,) = look(server).values()
    run = shown.run
    assert (run.info.run_name, run.info.status) == ("toy width=4 seed 3", "FINISHED")
    assert run.data.params == {"variant": "width=4", "width": "4"}
    tags = {"run": folder.name, "status": "complete", "method": "toy", "protocol": "toys", "data": "toy-data"}
    assert shown.tags.items() >= {**tags, "synthetic": "false", "seed": "3", "origin": "measured"}.items()
    assert shown.tags["key"] == RunFolder(folder).read_run().key.digest()
    # negative: 3 right, 1 wrong, 1 foreign; positive: 1 of 2; surprise: 1 right, 1 foreign.
    assert shown.metrics["uf1"] == pytest.approx((6 / 8 + 2 / 3 + 2 / 3) / 3)
    assert shown.metrics["acc"] == pytest.approx(5 / 7)
    assert shown.metrics["beta/acc"] == pytest.approx(2 / 3)
    assert shown.metrics["uf1_low"] <= shown.metrics["uf1"] <= shown.metrics["uf1_high"]
    paths = {item.path: item for item in connect(server).list_artifacts(run.info.run_id)}
    assert set(paths) == {"confusion.png", "predictions.csv", "run.json"}
    picture = server.artifacts / run.info.run_id / "artifacts" / "confusion.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert set(shown.folds) == {"alpha/s1", "alpha/s2", "beta/t1"}
    fold = shown.folds["alpha/s1"]
    assert fold.info.status == "FINISHED"
    assert fold.data.metrics.items() >= {"acc": 0.5, "clips": 2, "train_clips": 5, "seconds": 0.1}.items()
    assert fold.info.end_time - fold.info.start_time == 100


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_incomparable_runs_are_in_different_experiments(record, answers, server):
    one, two = record(answers), record({**answers, "beta/t1/c4": ("negative", "negative")})
    synthetic = record(answers, data="made", synthetic=True)
    synced(server, one, two, synthetic)
    names = {experiment.name for experiment in connect(server).search_experiments()} - {"Default"}
    assert len(names) == 3
    assert sum("synthetic data" in name for name in names) == 1
    assert all(name.startswith("toys on ") for name in names)


@pytest.mark.usefixtures("undrawn")
def test_only_runs_that_agree_with_their_protocol_have_scores(record, answers, server, look, home):
    forged, good = forge(record(answers), truth_as_predicted), record(answers, seed=1)
    before = set((home / "splits").iterdir())
    unknown = record(answers, method="unknown", data="elsewhere")
    (known,) = set((home / "splits").iterdir()) - before
    content = known.read_bytes()
    known.unlink()
    synced(server, forged, unknown, good)
    shown = {name: (each.tags, each.metrics) for name, each in look(server).items()}
    for folder, words in (
        (forged, "other labels of 2 clips: alpha/s1/c2"),
        (unknown, "no protocol toys of this meaning"),
    ):
        tags, metrics = shown[folder.name]
        assert (words in tags["not_ranked"], "compared_with" in tags) == (True, False)
        assert f"No scores: {tags['not_ranked'][:40]}" in tags["mlflow.note.content"]
        assert not {"uf1", "acc", "beta/uf1", "uf1_low"} & set(metrics)
        assert metrics["folds"] == 3
    tags, metrics = shown[good.name]
    assert (tags["compared_with"], "not_ranked" in tags) == ("the clips of the test", False)
    assert "uf1" in metrics
    known.write_bytes(content)
    assert (synced(server, forged, unknown, good).updated, "uf1" in look(server)[unknown.name].metrics) == (1, True)


@pytest.mark.usefixtures("undrawn")
def test_warnings_of_a_protocol_are_shown_and_whole_runs_by_uf1(record, answers, server, look):
    said = ["subject-dependent: other clips", "people are shared: why"]
    warned, plain = record(answers, warnings=said), record(answers, method="other")
    synced(server, warned, plain)
    shown = look(server)
    tags = shown[warned.name].tags
    assert tags["warnings"] == "; ".join(said)
    assert tags["mlflow.note.content"].splitlines()[:2] == said
    assert "warnings" not in shown[plain.name].tags
    client = connect(server)
    (found,) = [one for one in client.search_experiments() if one.name.startswith("toys")]
    view = json.loads(json.loads(found.tags["mlflow.sharedViewState.merbench"])["state"])
    assert {"metrics.`uf1`", "metrics.`beta/uf1`"} <= set(view["selectedColumns"])
    listed = client.search_runs([found.experiment_id], view["searchFilter"], order_by=[view["orderByKey"] + " DESC"])
    assert {run.data.tags["run"] for run in listed} == {warned.name, plain.name}  # without their folds
