"""From a folder on disk to a table, a log and a leaderboard entry."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from merbench.contracts.errors import MerbenchError, RecordError
from merbench.contracts.protocols import load_protocol
from merbench.databases.readers.identity import normalised
from merbench.records.entries import read_entry, write_entry
from merbench.records.folder import RunFolder
from merbench.records.logs import read_log
from merbench.records.select import find_run
from merbench.scoring.table import part_scores

MEGC_COUNTS = "442 clips, 68 subjects, 164/145/133 clips of SMIC, CASME II, SAMM"


def everything_below(folder):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*")}


def figures(predictions, spec):
    return {
        score.part: (score.clips, score.uf1, score.uar)
        for score in part_scores([predictions], spec.classes, spec.parts)
    }


def printed_scores(text):
    """Return the figures of each part from the table that `show` and `score` print; the parts' titles may differ."""
    table = text[text.index(" Part ") : text.index("Confusion")]
    return sorted(line.split()[-7:] for line in table.splitlines()[2:] if line.strip())


def test_adding_a_copy_prints_its_contents(done, small_release, home):
    said = done("data", "add", "megc2019-flow28", small_release)
    assert "HTNet's flat layout, 24 clips, 9 subjects" in said
    assert json.loads((home / "databases.json").read_text()) == {
        "megc2019-flow28": {"folder": str(small_release.resolve()), "corrections": True}
    }


def test_copies_added_by_relative_paths_are_found(done, merbench, small_release, tmp_path, monkeypatch):
    done("data", "add", "megc2019-flow28", small_release.relative_to(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "24 clips, 9 subjects" in merbench("data", "verify", "megc2019-flow28").out


def test_the_list_of_databases_says_how_to_add_missing_ones(done):
    said = done("data", "list")
    assert "not registered" in said
    assert "merbench data fetch megc2019-flow28" in said


def test_the_list_of_databases_shows_copies_and_protocols(done, registered):
    said = done("data", "list")
    assert "24 clips, 9 subjects" in said
    assert "merbench data fetch megc2019-flow28" not in said
    assert "megc2019\n" in re.sub(" +", "\n", said)


def test_the_list_of_databases_survives_a_copy_that_has_gone(done, registered):
    registered.rename(registered.with_name("moved"))
    assert "broken: " in done("data", "list")


def test_a_copy_that_was_moved_is_added_again(done, registered, tmp_path, home):
    registered.rename(tmp_path / "moved")
    done("data", "add", "megc2019-flow28", tmp_path / "moved")
    assert json.loads((home / "databases.json").read_text())["megc2019-flow28"]["folder"] == str(tmp_path / "moved")


def test_the_whole_release_has_the_counts_of_the_organisers(done, shared):
    done("data", "add", "megc2019-flow28", shared / "data" / "megc2019-flow28")
    said = done("data", "verify", "megc2019-flow28")
    assert MEGC_COUNTS in said
    assert "250/109/83 negative/positive/surprise" in said
    assert "equal to the organisers' list" in said


def test_verify_names_missing_extra_and_relabelled_clips(merbench, registered):
    said = merbench("data", "verify", "megc2019-flow28")
    assert said.code == 2
    assert "8/8/8 clips of SMIC, CASME II, SAMM" in said.out
    assert "436 missing: casme2/sub01/EP02_01f, " in said.out
    assert "18 not in the official list: casme2/sub06/EP01_01f, " in said.out
    assert "2 labelled otherwise: samm/007/007_3_1 (surprise, listed negative), " in said.out


def test_a_dry_run_lists_the_units_and_writes_nothing(done, small, tmp_path, home):
    before = everything_below(tmp_path), everything_below(home)
    said = done("run", "svm-flow", "majority", *small, "--dry-run")
    for method in ("svm-flow", "majority"):
        assert re.search(rf"{method}-small-s0-[0-9a-f]{{10}} +9 +0 +0 +9", said)
    assert "18 of 18 folds would run" in said
    assert (everything_below(tmp_path), everything_below(home)) == before


def test_a_dry_run_lists_recorded_and_missing_folds(done, small):
    done("run", "svm-flow", *small, "--folds", "samm/006", "--folds", "casme2/sub06")
    said = done("run", "svm-flow", *small, "--dry-run")
    assert re.search(r"svm-flow-small-s0-[0-9a-f]{10} +9 +2 +0 +7", said)
    left = "casme2/sub07, casme2/sub11, samm/007, samm/011, smic-hs/s06, smic-hs/s07, smic-hs/s11"
    assert re.search(rf"^would run.* {left}$", said, re.MULTILINE)


def test_a_run_says_which_data_and_why_then_prints_the_table(done, small):
    said = done("run", "svm-flow", "majority", *small)
    assert said.splitlines()[0] == ("data: megc2019-flow28, the registered release that holds casme2, samm, smic-hs")
    assert re.search(r"^ 1 +svm-flow +1\.0000 ", said, re.MULTILINE)
    assert re.search(r"^ 2 +majority +†\.1818 +\.3333 ", said, re.MULTILINE)


def test_a_folder_can_be_named_instead_of_a_registered_copy(done, small_release, small_protocol):
    said = done("run", "majority", "--protocol", small_protocol, "--data", small_release)
    assert "a copy of megc2019-flow28" in said.splitlines()[0]
    assert re.search(r"^ 1 +majority +\.1818 ", said, re.MULTILINE)


def test_data_by_name_is_the_same_run_as_auto(done, small, recorded):
    assert "nothing to do" in done("run", "svm-flow", "majority", *small, "--data", "megc2019-flow28")


def test_running_again_does_nothing_and_says_so(done, small, recorded):
    before = everything_below(recorded)
    said = done("run", "svm-flow", "majority", *small)
    assert "nothing to do: all 18 folds of 2 runs are recorded" in said
    assert re.search(r"^ 1 +svm-flow ", said, re.MULTILINE)
    assert everything_below(recorded) == before


def test_redo_runs_all_folds_anew_with_the_same_predictions(done, small, recorded):
    before = {path: path.read_bytes() for path in recorded.glob("*/predictions.parquet")}
    ages = everything_below(recorded)
    said = done("run", "svm-flow", "majority", *small, "--existing", "redo")
    assert "nothing to do" not in said
    assert "svm-flow seed 0: 9/9 folds" in said
    assert {path: path.read_bytes() for path in recorded.glob("*/predictions.parquet")} == before
    marks = [path for path in ages if path.name == "record.json"]
    assert len(marks) == 18
    assert all((recorded / path).stat().st_mtime_ns > ages[path] for path in marks)


def test_a_deterministic_method_runs_one_seed_and_the_others_all(done, small, tmp_path):
    done("run", "stratified-random", "majority", *small, "--seeds", "0-1,3")
    seeds = sorted(re.sub("-[0-9a-f]{10}$", "", path.name) for path in (tmp_path / "results" / "runs").iterdir())
    assert seeds == ["majority-small-s0", *(f"stratified-random-small-s{seed}" for seed in (0, 1, 3))]


def test_settings_and_configurations_can_be_scoped_to_a_method(done, small):
    said = done("run", "svm-flow", "majority", *small, "--set", "svm-flow:C=2", "--config", "majority:default")
    assert "svm-flow (C=2.0)" in said


TELLER = {
    "card.yaml": """
        name: teller
        title: Teller
        summary: Tells of itself.
        implementation: method:Teller
        inputs:
          flow: {kind: flow}
        configurations:
          full: {step: 3}
          small: {step: 2, name: a long one}
          glance: {}
        default: full
        cpu: small
        quick: glance
        ablations:
          size: {smaller: {step: 2, weights: [1, 2]}, larger: {step: 9}}
          name: {other: {name: other}}
        """,
    "method.py": """
        from merbench.contracts.methods import MethodConfig, Prediction

        class Config(MethodConfig):
            step: int = 1
            name: str = ""
            weights: tuple[int, ...] = ()

        class Teller:
            Config = Config
            def __init__(self, config, problem): ...
            def fit(self, train, run): ...
            def predict(self, inputs):
                return Prediction(inputs["flow"].batch().mean(axis=(1, 2)))
            def diagnose(self, inputs):
                scores = self.predict(inputs).scores
                return {"feature/scores": scores, "gate/first": scores[:, 0] / 255}
        """,
}


@pytest.fixture
def teller(offer):
    """Install a method that tells of itself, and runs in a configuration of its own where there is no GPU."""
    offer("[merbench.methods]\nteller = MODULE.method:Teller\n", TELLER)


def test_diagnostics_are_kept_on_request(done, small, teller, tmp_path):
    grid = ["run", "teller", "stratified-random", *small, "--seeds", "0-1"]
    assert "diagnose" not in done(*grid)
    assert list(tmp_path.rglob("diagnostics.npz")) == []
    said = done(*grid, "--diagnose")
    assert said.splitlines().count("method stratified-random has no diagnostics") == 1
    assert "method teller" not in said
    assert "stratified-random seed 1: 9/9 folds, recorded before" in said
    kept = list(tmp_path.rglob("diagnostics.npz"))
    assert len(kept) == 18
    run = find_run(tmp_path / "results", "teller-small-s1")
    records = RunFolder(tmp_path / "results" / "runs" / run.file.run_id)
    found = records.read_diagnostics("samm/006", run.file)
    inside = run.predictions[run.predictions.subject == "006"]
    assert found["test/clip"].tolist() == inside["clip"].tolist()
    scores = inside[["score_negative", "score_positive", "score_surprise"]].to_numpy(dtype=np.float32)
    np.testing.assert_array_equal(found["test/feature/scores"], scores)
    assert found["train/feature/scores"].shape == (24 - len(inside), 3)
    assert "006" not in found["train/subject"]
    assert "nothing to do" in done(*grid, "--diagnose")


@pytest.mark.slow
def test_the_method_of_the_guide_runs_with_diagnostics(done, small, offer, tmp_path):
    guide = (Path(__file__).parents[2] / "docs" / "adding-a-method.md").read_text(encoding="utf-8")
    card, *_ = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    code, diagnose, test = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    module = f"{code}\n{diagnose}"
    offer("[merbench.methods]\nmy-method = MODULE.method:MyMethod\n", {"card.yaml": card, "method.py": module})
    said = done("run", "my-method", *small, "--config", "my-method:quick", "--diagnose")
    assert "my-method quick seed 0: 9/9 folds" in said
    run = find_run(tmp_path / "results", "my-method")
    folder = RunFolder(tmp_path / "results" / "runs" / run.file.run_id)
    for fold, clips in run.file.folds.items():
        found = folder.read_diagnostics(fold, run.file)
        assert found["test/feature/hidden"].shape == (clips, 32)
        assert found["train/feature/hidden"].shape == (24 - clips, 32)
    own = {}
    exec(test, own)
    own["test_my_method_passes_all_checks"]()


def test_a_dry_run_counts_folds_whose_diagnostics_are_missing(done, small, teller):
    done("run", "teller", *small)
    done("run", "teller", *small, "--diagnose", "--folds", "samm/006")
    assert "8 of 9 folds would run" in done("run", "teller", *small, "--diagnose", "--dry-run")
    assert "0 of 9 folds would run" in done("run", "teller", *small, "--dry-run")


def test_the_cpu_configuration_is_noted_and_named_in_tables(done, small, teller):
    said = done("run", "teller", *small)
    line = "configuration teller:small, no GPU found; --config teller:full is for GPUs"
    assert said.splitlines().count(line) == 1
    assert "teller small seed 0: 9/9 folds" in said
    assert re.search(r"^ +1 +teller \(small\) ", said, re.MULTILINE)
    assert "nothing to do" in done("run", "teller", *small, "--config", "teller:small")
    said = done("run", "teller", *small, "--config", "full")
    assert "configuration" not in said
    assert "teller full seed 0: 9/9 folds" in said
    rows = json.loads(done("compare", "--format", "json"))
    assert {row["config"] for row in rows} == {"small", "full"}


def test_a_printed_card_has_configurations_and_ablations(done, teller):
    card = yaml.safe_load(done("methods", "teller"))
    assert card["configurations"] == {
        "full": "step=3",
        "small": "step=2, name=a long one",
        "glance": "the method's own settings",
    }
    assert card["runs"] == {
        "where none is named": "full",
        "without a GPU": "small",
        "for a first look, on synthetic-small": "glance",
    }
    assert card["ablations"] == {
        "size": {"smaller": "step=2, weights=[1, 2]", "larger": "step=9"},
        "name": {"other": "name=other"},
    }
    assert card["settings"]["step"] == 3
    assert {"default", "cpu", "quick"} & card.keys() == set()


def test_a_card_with_one_configuration_does_not_list_it(done):
    assert {"configurations", "runs", "ablations"} & yaml.safe_load(done("methods", "majority")).keys() == set()


def test_a_printed_card_has_inputs_that_depend_on_settings(done, offer):
    declaring = TELLER["method.py"].replace(
        "    def fit", "    @classmethod\n            def declare_inputs(cls, config):\n"
        "                from merbench.contracts.inputs import Frames\n"
        "                return {'faces': Frames(count=config.step)}\n            def fit"
    )  # fmt: skip
    offer("[merbench.methods]\nteller = MODULE.method:Teller\n", TELLER | {"method.py": declaring})
    assert yaml.safe_load(done("methods", "teller"))["inputs"] == {"faces": "frames(onset-offset, 3, 112, grey)"}


def test_the_results_folder_is_an_option_or_a_variable(done, small, tmp_path, monkeypatch):
    done("run", "majority", *small, "--results", tmp_path / "mine")
    assert not (tmp_path / "results").exists()
    assert "nothing to do" in done("run", "majority", *small, "--results", "mine")
    monkeypatch.setenv("MERBENCH_RESULTS", str(tmp_path / "mine"))
    assert "nothing to do" in done("run", "majority", *small)
    assert "majority" in done("compare")


@pytest.mark.parametrize(
    ("format", "start"),
    [
        ("table", "small on megc2019-flow28 (protocol "),
        ("md", "**small on megc2019-flow28 (protocol "),
        ("latex", r"% needs \usepackage{booktabs}"),
        ("csv", "method,config,variant,protocol,"),
        ("json", "[\n"),
    ],
)
def test_compare_prints_each_format(done, recorded, format, start):
    said = done("compare", "--format", format)
    assert said.startswith(start)
    assert said.index("svm-flow") < said.index("majority")


def test_compare_shows_only_what_is_asked_for(done, recorded, small):
    methods = [row["method"] for row in json.loads(done("compare", "majority", "--format", "json"))]
    assert set(methods) == {"majority"}
    assert json.loads(done("compare", "--protocol", "megc2019", "--format", "json")) == []
    assert len(json.loads(done("compare", "--data", "megc2019-flow28", "--protocol", "small", "--format", "json"))) == 8
    assert json.loads(done("compare", "--data", "other", "--format", "json")) == []


def test_compare_as_json_of_nothing_is_an_empty_list(done):
    assert json.loads(done("compare", "--format", "json")) == []


def test_compare_as_csv_holds_what_json_holds(done, recorded):
    rows = json.loads(done("compare", "--format", "json"))
    table = list(csv.DictReader(io.StringIO(done("compare", "--format", "csv"))))
    assert len(rows) == len(table) == 8
    for row, line in zip(rows, table, strict=True):
        assert list(line) == list(row)
        assert line["run_ids"].split() == row["run_ids"]
        assert float(line["uf1_low"]) == row["uf1_low"]
        assert (line["synthetic"], row["synthetic"]) == ("false", False)
        assert (line["seed_sd"], row["seed_sd"]) == ("", None)


def test_published_figures_are_added_on_request(done, recorded):
    assert {row["origin"] for row in json.loads(done("compare", "--format", "json"))} == {"measured"}
    assert "published" not in done("compare", "--protocol", "small", "--format", "csv")
    rows = json.loads(done("compare", "--protocol", "megc2019", "--format", "json", "--published"))
    assert {row["origin"] for row in rows} == {"published"}
    assert all(row["source"] and row["run_ids"] == [] for row in rows)
    assert "STSTNet" in done("compare", "--protocol", "megc2019")
    assert "STSTNet" in done("compare", "--protocol", "megc2019", "--format", "md")
    assert "STSTNet" in done("compare", "--protocol", "megc2019", "--format", "latex", "--published")


def test_published_figures_can_be_excluded_from_the_table(done, shared):
    data = shared / "data" / "megc2019-flow28"
    done("run", "majority", "--protocol", "megc2019", "--data", data)
    assert "STSTNet" in done("compare", "--protocol", "megc2019")
    said = done("compare", "--protocol", "megc2019", "--no-published")
    assert "STSTNet" not in said
    assert re.search(r"^ 1 +majority +\.2408 +\.3333 ", said, re.MULTILINE)


def test_show_takes_the_beginning_of_an_id(done, recorded):
    said = done("show", "svm")
    assert re.search(r"^ run +svm-flow-small-s0-[0-9a-f]{10}$", said, re.MULTILINE)
    assert re.search(r"^ recorded +9 of 9 folds", said, re.MULTILINE)
    assert re.search(r"^ negative +9 +0 +0 +9 +1\.0000 +1\.0000 +1\.0000", said, re.MULTILINE)
    assert re.search(r"^ samm/011 +2/2 +1/1 +1/1", said, re.MULTILINE)


def test_show_prefers_a_whole_id_to_a_prefix(done, recorded):
    (run,) = recorded.glob("majority-*")
    longer = recorded / f"{run.name}0"
    longer.mkdir()
    (longer / "run.json").write_bytes((run / "run.json").read_bytes())
    assert "9 of 9 folds, started" in done("show", run.name)


@pytest.mark.parametrize("format", ["csv", "challenge"])
@pytest.mark.parametrize("method", ["svm-flow", "stratified-random"])
def test_an_exported_log_scores_as_the_run_did(done, small, small_protocol, tmp_path, format, method):
    done("run", method, *small)
    log = tmp_path / f"log.{format}"
    log.write_text(done("export", method, "--format", format), encoding="utf-8")
    spec, run = load_protocol(small_protocol), find_run(tmp_path / "results", method)
    assert figures(read_log(log, spec, normalised).predictions, spec) == figures(run.predictions, spec)
    shown = printed_scores(done("show", method))
    assert len(shown) == 4
    assert printed_scores(done("score", log, *small)) == shown


def test_an_export_to_a_file_is_what_is_printed_without_one(done, recorded, tmp_path):
    assert done("export", "majority", "--out", tmp_path / "new" / "log.csv") == ""
    assert (tmp_path / "new" / "log.csv").read_text(encoding="utf-8") == done("export", "majority")


def test_an_exported_log_lists_every_clip_with_scores(done, recorded):
    table = pd.read_csv(io.StringIO(done("export", "svm-flow")), dtype=str)
    assert list(table.columns[:5]) == ["dataset", "subject", "clip", "truth", "predicted"]
    assert len(table) == 24
    assert table[["score_negative", "score_positive", "score_surprise"]].notna().all(axis=None)
    assert {"006", "007", "011"} <= set(table.subject)


def test_the_challenge_format_has_the_organisers_spelling(done, recorded):
    lines = done("export", "svm-flow", "--format", "challenge").splitlines()
    assert lines[:4] == ["casme2 sub06", "EP01_01f 0 0", "EP02_01f 1 1", "EP03_01f 2 2"]
    assert lines[-3:] == ["smic s11", "s11_ne_01 0 0", "s11_po_01 1 1"]
    assert len(lines) == 24 + 9


def test_incomplete_runs_are_exported_with_a_note(merbench, done, small):
    done("run", "majority", *small, "--folds", "samm/006")
    said = merbench("export", "majority")
    assert said.code == 0
    assert "1 of 9 folds" in said.err
    assert len(said.out.splitlines()) == 4


def test_a_submitted_run_reads_back_whole(done, recorded, tmp_path):
    said = done("submit", "svm-flow", "--to", tmp_path / "leaderboard")
    (entry,) = (tmp_path / "leaderboard" / "small").iterdir()
    assert said.strip() == f"written: {entry}"
    run, back = find_run(tmp_path / "results", "svm-flow"), read_entry(entry)
    assert (back.origin, back.file, back.folds, back.complete) == ("leaderboard", run.file, 9, True)
    columns = ["dataset", "subject", "clip", "truth", "predicted"]
    pd.testing.assert_frame_equal(back.predictions[columns], run.predictions[columns], check_dtype=False)
    scores = [name for name in run.predictions if name.startswith("score_")]
    pd.testing.assert_frame_equal(back.predictions[scores], run.predictions[scores], atol=5e-7, rtol=0)


@pytest.mark.slow
def test_submitted_runs_keep_the_classes_of_every_epoch(merbench, done, small, tmp_path):
    settings = "--set", "epochs=3", "--set", "batch_size=8", "--keep-epochs"
    done("run", "ststnet", *small, *settings, "--results", tmp_path / "kept")
    done("submit", "ststnet", "--to", tmp_path / "leaderboard", "--results", tmp_path / "kept")
    (entry,) = (tmp_path / "leaderboard" / "small").iterdir()
    back = read_entry(entry)
    found, _ = back.epochs()
    names = np.array(back.file.outputs)
    assert found.shape == (len(back.predictions), 3)
    assert (names[found[:, -1]] == back.predictions.predicted).all()
    for row, clip in enumerate(back.predictions.itertuples()):  # against the scores themselves, clip by clip
        folder = tmp_path / "kept" / "runs" / entry.name / "folds" / f"{clip.dataset}--{clip.subject}"
        table = pd.read_parquet(folder / "predictions.parquet")
        with np.load(folder / "epochs.npz") as stored:
            scores = stored["scores"][:, list(table["clip"]).index(clip.clip)]
        assert list(found[row]) == [list(epoch).index(max(epoch)) for epoch in scores]
    (entry / "epochs.npz").write_bytes((entry / "epochs.npz").read_bytes()[:-1])
    with pytest.raises(RecordError, match="changed since it was recorded"):
        read_entry(entry)


@pytest.mark.slow
def test_runs_with_inner_selection_are_rows_of_their_own(merbench, done, small, tmp_path):
    settings, results = ("--set", "epochs=5", "--set", "batch_size=8"), ("--results", tmp_path / "selected")
    kept = {}
    for selection in ("last", "inner", "inner-keep"):
        done("run", "ststnet", *small, *settings, *results, "--select", selection, "--keep-epochs")
    rows = json.loads(done("compare", "--format", "json", *results))
    assert {row["selection"] for row in rows} == {"last", "inner", "inner-keep"}
    table = done("compare", *results)
    assert "inner epoch)" in " ".join(table.split())
    for row in (row for row in rows if row["part"] == "full"):
        done("submit", row["run_ids"][0], "--to", tmp_path / "leaderboard", *results)
        entry = tmp_path / "leaderboard" / row["protocol"] / row["run_ids"][0]
        back = read_entry(entry)
        curves, (labels, _) = back.inner(), back.epochs()
        kept[row["selection"]] = curves, labels
        if row["selection"] == "last":
            assert curves is None
            continue
        assert curves.shape == (len(back.file.folds), 5)
        fold = (back.predictions.dataset + "/" + back.predictions.subject).to_numpy()
        names = np.array(back.file.outputs)
        for number, name in enumerate(back.file.folds):
            picked = int(np.argmax(curves[number]))
            record = json.loads((tmp_path / "selected" / "runs" / entry.name / "folds" / name.replace("/", "--") /
                                 "record.json").read_text())  # fmt: skip
            assert record["selected_epoch"] == picked + 1
            assert (
                back.predictions.predicted[fold == name].tolist() == names[labels[fold == name][:, picked:]].T
            ).all()
        said = done("show", row["run_ids"][0], "--no-figures", *results)
        picked = curves.argmax(axis=1) + 1
        assert f"{row['selection']} (epochs {picked.min()} to {picked.max()} of 5, median " in " ".join(said.split())
    np.testing.assert_array_equal(kept["inner"][0], kept["inner-keep"][0])  # they select alike, and train other clips
    for number, name in enumerate(back.file.folds):
        picked = int(kept["inner"][0][number].argmax()) + 1
        np.testing.assert_array_equal(
            kept["inner"][1][fold == name][:, :picked], kept["last"][1][fold == name][:, :picked]
        )


def test_the_same_run_submitted_twice_gives_the_same_bytes(done, recorded, tmp_path):
    for folder in ("one", "two"):
        done("submit", "svm-flow", "--to", tmp_path / folder)
    one, two = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in
                (tmp_path / "one", tmp_path / "two"))  # fmt: skip
    assert one == two
    assert {path.name for path in one} == {"run.json", "predictions.csv", "complete.json"}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("predictions.csv", b",positive,positive,", b",positive,surprise,"),
        ("run.json", b'"seed": 0', b'"seed": 1'),
        ("complete.json", b'"sha256": "', b'"sha256": "0'),
    ],
)
def test_a_changed_leaderboard_entry_is_refused(done, recorded, tmp_path, name, old, new):
    done("submit", "svm-flow", "--to", tmp_path / "leaderboard")
    (entry,) = (tmp_path / "leaderboard" / "small").iterdir()
    content = (entry / name).read_bytes()
    assert old in content
    (entry / name).write_bytes(content.replace(old, new, 1))
    with pytest.raises(RecordError, match="changed since it was recorded"):
        read_entry(entry)


def test_a_leaderboard_entry_without_its_predictions_is_refused(done, recorded, tmp_path):
    done("submit", "svm-flow", "--to", tmp_path / "leaderboard")
    (entry,) = (tmp_path / "leaderboard" / "small").iterdir()
    (entry / "predictions.csv").unlink()
    with pytest.raises(RecordError, match="can't be read"):
        read_entry(entry)


def test_a_run_with_holes_is_not_submitted(done, refused, small, tmp_path):
    done("run", "majority", *small, "--folds", "samm/006")
    assert "1 of 9 folds" in refused("submit", "majority", "--to", tmp_path / "leaderboard")
    with pytest.raises(MerbenchError, match="1 of 9 folds"):
        write_entry(find_run(tmp_path / "results", "majority"), tmp_path / "leaderboard")
    assert not (tmp_path / "leaderboard").exists()


def test_the_list_of_methods_names_each_with_a_line(done):
    lines = done("methods").splitlines()
    assert len(lines) <= 24
    assert all(len(line) <= 100 for line in lines)
    names = {line.split()[0] for line in lines if line.strip()}
    assert names >= {"majority", "stratified-random", "svm-flow", "ststnet"}


def test_a_methods_card_has_its_paper_configurations_and_origin(done):
    card = yaml.safe_load(done("methods", "ststnet"))
    assert (card["name"], card["origin"], card["paper"]["year"]) == ("ststnet", "merbench", 2019)
    assert {"default", "quick"} <= set(card["configurations"])


def test_the_bibtex_of_a_card_can_be_copied(done):
    lines = [line.strip() for line in done("methods", "ststnet").splitlines()]
    start = lines.index("@inproceedings{liong2019shallow,")
    assert lines[start:][6] == "}"


def test_a_method_is_shown_with_inputs_and_settings(done):
    card = yaml.safe_load(done("methods", "ststnet"))
    for word in ("flow", "onset-apex", "28", "strain", "tvl1"):
        assert word in str(card["inputs"]["flow"])
    assert card["settings"]["epochs"] == 800


def test_a_protocols_page_has_its_source_bibtex_and_digest(done):
    assert "\n megc2019  " in done("protocols")
    page = yaml.safe_load(done("protocols", "megc2019"))
    assert page["source"]["bibtex"].startswith("@inproceedings{see2019megc,\n")
    assert page["classes"] == ["negative", "positive", "surprise"]
    assert re.fullmatch("[0-9a-f]{64}", page["spec_digest"])


def test_a_protocol_of_ones_own_is_shown_by_its_path(done, small_protocol):
    assert yaml.safe_load(done("protocols", small_protocol))["name"] == "small"


def test_doctor_lists_versions_folders_and_databases(done, registered, home, tmp_path):
    said = done("doctor")
    assert re.search(rf"^merbench +{re.escape(version('merbench'))}$", said, re.MULTILINE)
    assert re.search(rf"^MERBENCH_HOME +{re.escape(str(home))}$", said, re.MULTILINE)
    assert re.search(rf"^megc2019-flow28 +{re.escape(str(registered))}, 24 clips$", said, re.MULTILINE)
    assert said.endswith("no problems found\n")


def test_doctor_reports_a_registered_copy_that_has_gone(merbench, registered):
    registered.rename(registered.with_name("moved"))
    said = merbench("doctor")
    assert said.code == 1
    assert said.err.startswith("broken: registered megc2019-flow28: ")
    assert "no problems found" not in said.out


def test_the_version_is_printed(done):
    assert done("--version") == f"merbench {version('merbench')}\n"


@pytest.mark.slow
def test_merbench_runs_as_a_module(tmp_path):
    found = subprocess.run(
        [sys.executable, "-m", "merbench", "run", "--help"], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "COLUMNS": "200"}, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stderr) == (0, "")
    assert "Usage: python -m merbench run [OPTIONS]" in found.stdout
    assert "Example: merbench run " in found.stdout


@pytest.mark.parametrize(
    "verb",
    [
        "run", "compare", "score", "show", "export", "submit", "methods", "protocols", "doctor", "data add",
        "data list", "data verify", "data prepare", "data remove", "data show", "data synthesize",
    ],
)  # fmt: skip
def test_every_command_has_a_help_with_an_example(done, verb):
    assert f"Example: merbench {verb}" in done(*verb.split(), "--help")
