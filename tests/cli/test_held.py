"""Runs are compared with their protocol's clips before they are scored, wherever the results folder comes from."""

import json

import cv2
import pandas as pd
from support.forging import forge, forge_fold, predicted_as_truth, truth_as_predicted

from merbench.engine import environment
from merbench.engine.plan.catalogue import METHODS

RELEASE = "megc2019-flow28"


def figures(done, *words):
    rows = json.loads(done("compare", *words, "--format", "json"))
    return {row["method"]: row["compared_with"] for row in rows if row["part"] == "full"}


def test_runs_are_ranked_where_their_data_is_and_only_shown_elsewhere(
    merbench, done, small_release, small_protocol, tmp_path, monkeypatch
):
    said = done("run", "majority", "svm-flow", "--protocol", small_protocol, "--data", small_release)
    assert "not ranked" not in said
    (origin,) = set(figures(done).values())
    assert origin.endswith(" on this machine")
    monkeypatch.setenv("MERBENCH_HOME", str(tmp_path / "elsewhere"))
    said = done("compare")
    assert (
        said.count("not ranked: its clips and labels could not be compared with its protocol: no protocol small") == 2
    )
    assert set(figures(done).values()) == {None}
    refused = merbench("explain", "majority", "svm-flow")
    assert refused.code == 2
    assert "svm-flow: clips and labels could not be compared with the protocol: no protocol small" in refused.err
    done("check-protocol", small_protocol, "--data", small_release)
    assert set(figures(done)) == {"majority", "svm-flow"}
    assert None not in figures(done).values()


def test_an_imported_log_is_compared_when_its_data_comes(
    merbench, done, small_release, small_protocol, tmp_path, monkeypatch
):
    small = ("--protocol", small_protocol)
    done("run", "majority", *small, "--data", small_release)
    log = tmp_path / "log.csv"
    log.write_text(done("export", "majority"), encoding="utf-8")
    monkeypatch.setenv("MERBENCH_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setattr("merbench.engine.logs.strange_subjects", lambda clips: [])
    said = merbench("import", log, "--name", "Net", *small)
    assert said.code == 0, said.err
    assert figures(done, "Net") == {"Net": None}
    done("check-protocol", small_protocol, "--data", small_release)
    assert figures(done, "Net")["Net"].endswith(" on this machine")
    (folder,) = (tmp_path / "results" / "runs").glob("net-*")
    forge(folder, truth_as_predicted)
    assert "other labels of 15 clips" in merbench("compare", "Net").err


def test_runs_that_can_not_be_read_are_named_where_nothing_is_left(merbench, done, small, tmp_path):
    done("run", "majority", *small)
    (path,) = (tmp_path / "results" / "runs").glob("*/run.json")
    path.write_text(path.read_text(encoding="utf-8").replace('"method"', '"colour": "red", "method"', 1), "utf-8")
    refused = merbench("compare", "--no-published")
    assert (refused.code, f"({path} is not valid: " in refused.err) == (2, True), refused.err


def test_a_forged_run_is_named_and_taken_out(merbench, done, small_release, small_protocol, tmp_path):
    done("run", "majority", "svm-flow", "--protocol", small_protocol, "--data", small_release)
    (folder,) = (tmp_path / "results" / "runs").glob("majority*")
    forge(folder, truth_as_predicted)
    code, out, err = merbench("compare")
    assert (code, err) == (1, "")
    assert f"{folder.name} differs from " in out
    assert "other labels of 15 clips: " in out
    assert "majority " not in out.partition("differs from")[0]
    refused = merbench("compare", "majority")
    assert (refused.code, refused.out) == (2, "")
    assert "nothing to compare: majority-small-s0-" in refused.err


def test_only_compared_runs_of_committed_code_on_known_data_are_submitted(
    merbench, done, refused, small_release, small_protocol, tmp_path, monkeypatch
):
    done("run", "majority", "--protocol", small_protocol, "--data", small_release)
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    monkeypatch.setenv("MERBENCH_HOME", str(tmp_path / "elsewhere"))
    for fields, words in (
        ({}, "its clips and labels could not be compared with its protocol: no protocol small"),
        (
            {"git_commit": "0123456789abcdef-dirty"},
            "the code of merbench differed from its commit 0123456789ab: commit",
        ),
        ({"method_source": "toys 0.1, commit 0123456789abcdef-dirty"}, "the code of majority differed from its commit"),
        ({"data": "megc2019-flow28-other-images"}, "megc2019-flow28-other-images is not a database or a published"),
    ):
        forge(folder, **fields)
        said = merbench("submit", "majority", "--to", tmp_path / "board")
        assert (said.code, words in said.err) == (2, True), said.err
    assert not (tmp_path / "board").exists()


def test_a_run_that_differs_from_its_folds_is_not_submitted(merbench, done, small, recorded, tmp_path):
    def said(run):
        found = merbench("submit", run, "--to", tmp_path / "board")
        assert (found.code, (tmp_path / "board").exists()) == (2, False)
        return found.err

    (majority,), (svm,) = recorded.glob("majority*"), recorded.glob("svm-flow*")
    forge(majority, predicted_as_truth)
    assert f"{majority / 'predictions.parquet'} differs from the predictions of its folds" in said("majority")
    forge(svm, mark={"seconds": 0.1, "mixed": ["device"]})
    assert "complete.json and the records of the folds differ in seconds, mixed" in said("svm-flow")
    one, two = svm / "folds" / "casme2--sub06", svm / "folds" / "casme2--sub07"
    names = [pd.read_parquet(fold / "predictions.parquet")["clip"].tolist() for fold in (one, two)]
    forge_fold(one, lambda table: table.assign(subject="sub07", clip=names[1][: len(table)]))
    forge_fold(two, lambda table: table.assign(subject="sub06", clip=names[0][: len(table)]))
    assert " for casme2/sub0" in said("svm-flow")


def test_all_seeds_are_submitted_from_0_on(toy, merbench, done, small, tmp_path):
    toy()
    done("run", "toy", *small, "--seeds", "1")
    assert "seeds 0 are not recorded: the best of several seeds is not a result" in done("compare")
    board = tmp_path / "board"
    refused = merbench("submit", "toy-small-s1", "--to", board)
    assert (refused.code, "seeds 0 are not recorded: run them first (--seeds 0-1)" in refused.err) == (2, True)
    assert "best of several" not in done("run", "toy", *small)
    said = done("submit", "toy-small-s1", "--to", board)
    assert (said.count("written: "), "seeds: 0, 1" in said) == (2, True)
    about = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(board.glob("small/*/submission.json"))]
    assert [(each["seeds"], each["tries"]) for each in about] == [([0, 1], 1)] * 2


def test_a_forged_run_is_named_by_score(merbench, done, small, recorded):
    (majority,) = recorded.glob("majority*")
    forge(majority, truth_as_predicted)
    assert "truth is a copy of its predictions: scored with that of the" in done("score", "majority", *small)


def test_a_release_with_other_images_has_another_name_and_ranks_apart(
    merbench, done, small_release, small_protocol, tmp_path
):
    done("run", "svm-flow", "--protocol", small_protocol, "--data", small_release)
    for image in sorted((small_release / "STSNet_whole_norm_u_v_os").iterdir())[:5]:
        picture = cv2.imread(str(image), cv2.IMREAD_UNCHANGED)
        picture[:6, :6] = 0
        cv2.imwrite(str(image), picture)
    name, said = "megc2019-flow28-other-images", "19 of 24 images are the published ones"
    assert f"warning: {said}; in tables it is {name}, and ranked apart" in done("data", "add", RELEASE, small_release)
    verified = merbench("data", "verify", RELEASE)
    assert (verified.code, said in verified.out) == (2, True)
    shown = done("run", "svm-flow", "--protocol", small_protocol, "--data", RELEASE)
    assert f"warning: {name}: {said}: its rows are ranked apart, as {name}" in shown
    rows = [row for row in json.loads(merbench("compare", "--format", "json").out) if row["part"] == "full"]
    assert {row["data"] for row in rows} == {RELEASE, name}
    tables = done("compare")
    assert f"small on {name}, methods with disclosures" in tables
    assert f"svm-flow: {name}: {said}" in tables
    (run_id,) = next(row["run_ids"] for row in rows if row["data"] == name)
    refused = merbench("submit", run_id, "--to", tmp_path / "board")
    assert f"{name} is not a database or a published release" in refused.err


def test_a_method_without_inputs_is_another_row_on_other_images(
    merbench, done, small_release, small_protocol, tmp_path, monkeypatch
):
    small = ("--protocol", small_protocol, "--data", small_release)
    done("run", "majority", *small)
    (folder,) = (tmp_path / "results" / "runs").glob("majority*")
    done("data", "add", RELEASE, small_release)
    done("submit", folder.name, "--to", tmp_path / "board")
    monkeypatch.setattr("merbench.records.select._shipped", lambda: tmp_path / "board")
    image = next((small_release / "STSNet_whole_norm_u_v_os").iterdir())
    cv2.imwrite(str(image), cv2.imread(str(image), cv2.IMREAD_UNCHANGED) // 2)
    said = done("run", "majority", *small)
    assert f"{folder.name} was a run on {RELEASE} and is one on {RELEASE}-other-images from now on" in said
    found = json.loads(merbench("compare", "--leaderboard", "--format", "json").out)
    rows = {(row["origin"], row["data"]) for row in found if row["part"] == "full"}
    assert rows == {("measured", f"{RELEASE}-other-images"), ("leaderboard", RELEASE)}


def test_a_release_is_refused_for_classes_that_it_does_not_know(merbench, small_release, small_protocol):
    text = small_protocol.read_text(encoding="utf-8").replace("name: small", "name: other")
    text = text.replace("[anger, contempt, disgust, fear, sadness]", "[anger, disgust, fear, sadness]")
    other = small_protocol.with_name("other.yaml")
    other.write_text(
        text.replace(
            "positive: [happiness], surprise: [surprise]}\nfolds",
            "positive: [happiness, contempt], surprise: [surprise]}\nfolds",
        )
    )
    merbench("data", "add", RELEASE, small_release)
    for words in (("run", "majority", "--protocol"), ("check-protocol",)):
        for data in (RELEASE, small_release):
            said = merbench(*words, other, "--data", data)
            assert said.code == 2
            assert "protocol other makes others (samm contempt: positive, the release has negative)" in said.err


def test_files_read_outside_the_folder_are_named_and_must_be_on_the_card(toy, merbench, done, small, tmp_path):
    weights = tmp_path / "weights.txt"
    weights.write_text("1", encoding="utf-8")
    body = f"def fit(self, train, run): open({str(weights)!r}).read()"
    toy(body=body)
    toy("honest", body=f"WEIGHTS = open({str(weights)!r}).read()", card="data_seen: [other faces]")
    said = done("run", "toy", "honest", *small)
    assert f"read files outside the method's folder, which no key covers: {weights} (" in said
    assert "toy: not ranked: it read files outside its folder, and its card does not say what they have seen" in said
    assert "honest: not ranked" not in said
    refused = merbench("submit", "toy", "--to", tmp_path / "board")
    assert (refused.code, "it read files outside its folder" in refused.err) == (2, True)
    done("submit", "honest", "--to", tmp_path / "board")
    (folder,) = (tmp_path / "results" / "runs").glob("honest*")
    assert list(json.loads((folder / "complete.json").read_text(encoding="utf-8"))["read"]) == [str(weights)]
    (folder,) = (tmp_path / "results" / "runs").glob("toy*")
    record = json.loads(next(folder.glob("folds/*/record.json")).read_text(encoding="utf-8"))
    assert list(record["read"]) == list(json.loads((folder / "complete.json").read_text(encoding="utf-8"))["read"])
    weights.write_text("2", encoding="utf-8")
    said = done("run", "toy", *small)
    assert f"was computed with other content of {weights}" in said
    assert "nothing to do" not in said
    assert "nothing to do" in done("run", "toy", *small)


def test_seeds_of_uncommitted_code_or_another_environment_are_run_again_first(
    toy, merbench, done, small, tmp_path, monkeypatch
):
    toy()
    known, submit = environment.packages, ("submit", "toy-small-s0", "--to", tmp_path / "board")
    with monkeypatch.context() as patch:
        patch.setattr(environment, "git_commit", lambda: "c0ffee-dirty")
        done("run", "toy", *small)
    with monkeypatch.context() as patch:
        patch.setattr(environment, "packages", lambda *names: known(*names) | {"numpy": "1.0"})
        done("run", "toy", *small, "--seeds", "1")
    done("run", "toy", *small, "--existing", "redo", "--folds", "samm/006")
    assert "the code of merbench differed from its commit c0ffee: commit the changes" in merbench(*submit).err
    done("run", "toy", *small, "--existing", "redo")
    said = merbench(*submit)
    assert (said.code, "its seeds were run with other versions of numpy: run them again in one" in said.err) == (
        2,
        True,
    )
    done("run", "toy", *small, "--seeds", "1", "--existing", "redo")
    assert done(*submit).count("written: ") == 2
    (METHODS.get("toy").folder / "more.py").write_text("WORD = 1\n", encoding="utf-8")
    assert "its code can't be verified from its folder: it has changed since the run" in merbench(*submit).err
