"""From a folder on disk to a table, a log and a leaderboard entry."""

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

from merbench.contracts.errors import RecordError
from merbench.contracts.protocols import load_protocol
from merbench.databases.readers.identity import normalised
from merbench.records.entries import read_entry
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


def test_a_copy_is_added_and_listed(done, small_release, home):
    said = done("data", "list")
    assert "not registered" in said
    assert "merbench data fetch megc2019-flow28" in said
    said = done("data", "add", "megc2019-flow28", small_release)
    assert "HTNet's flat layout, 24 clips, 9 subjects" in said
    assert json.loads((home / "databases.json").read_text()) == {
        "megc2019-flow28": {"folder": str(small_release.resolve()), "corrections": True}
    }
    said = done("data", "list")
    assert "24 clips, 9 subjects" in said
    assert "merbench data fetch megc2019-flow28" not in said
    assert "megc2019\n" in re.sub(" +", "\n", said)
    small_release.rename(small_release.with_name("moved"))
    assert "broken: " in done("data", "list")


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


def test_a_run_says_which_data_and_why_then_prints_the_table(done, small):
    said = done("run", "svm-flow", "majority", *small)
    assert said.splitlines()[0] == ("data: megc2019-flow28, the registered release that holds casme2, samm, smic-hs")
    assert re.search(r"^ 1 +svm-flow +1\.0000 ", said, re.MULTILINE)
    assert re.search(r"^ 2 +majority +†\.1818 +\.3333 ", said, re.MULTILINE)


def test_running_again_does_nothing_and_says_so(done, small, recorded):
    before = everything_below(recorded)
    said = done("run", "svm-flow", "majority", *small)
    assert "nothing to do: all 18 folds of 2 runs are recorded" in said
    assert re.search(r"^ 1 +svm-flow ", said, re.MULTILINE)
    assert everything_below(recorded) == before


def test_settings_and_configurations_can_be_scoped_to_a_method(done, small):
    said = done("run", "svm-flow", "majority", *small, "--set", "svm-flow:C=2", "--config", "majority:default")
    assert "svm-flow (C=2.0)" in said


CARD = """
inputs:
  flow: {kind: flow}
configurations: {full: {power: 3}, small: {power: 2, word: a long one}, glance: {}}
default: full
cpu: small
quick: glance
ablations:
  size: {smaller: {power: 2, weights: [1, 2]}, larger: {power: 9}}
  name: {other: {word: other}}
"""
BODY = """
def predict(self, inputs):
    return Prediction(inputs["flow"].batch().mean(axis=(1, 2)))
def diagnose(self, inputs):
    scores = self.predict(inputs).scores
    return {"feature/scores": scores, "gate/first": scores[:, 0] / 255}
"""


@pytest.fixture
def teller(toy):
    """Install a method that tells of itself, and runs in a configuration of its own where there is no GPU."""
    toy("teller", BODY, CARD)


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
    own = "the method's own settings"
    assert card["configurations"] == {"full": "power=3", "small": "power=2, word=a long one", "glance": own}
    first = "for a first look, on synthetic-small"
    assert card["runs"] == {"where none is named": "full", "without a GPU": "small", first: "glance"}
    sizes = {"smaller": "power=2, weights=[1, 2]", "larger": "power=9"}
    assert card["ablations"] == {"size": sizes, "name": {"other": "word=other"}}
    assert card["settings"]["power"] == 3
    assert {"default", "cpu", "quick"} & card.keys() == set()
    assert {"configurations", "runs", "ablations"} & yaml.safe_load(done("methods", "majority")).keys() == set()


def test_the_results_folder_is_an_option_or_a_variable(done, small, tmp_path, monkeypatch):
    done("run", "majority", *small, "--results", tmp_path / "mine")
    assert not (tmp_path / "results").exists()
    assert "nothing to do" in done("run", "majority", *small, "--results", "mine")
    monkeypatch.setenv("MERBENCH_RESULTS", str(tmp_path / "mine"))
    assert "nothing to do" in done("run", "majority", *small)
    assert "majority" in done("compare")


def test_compare_prints_each_format(done, recorded):
    title = "small on megc2019-flow28 (protocol "
    starts = {"table": title, "md": f"**{title}", "latex": r"% needs \usepackage{booktabs}", "csv": "method,config,var"}
    for kind, start in starts.items():
        said = done("compare", "--format", kind)
        assert said.startswith(start)
        assert said.index("svm-flow") < said.index("majority")


def test_compare_shows_only_what_is_asked_for(done, recorded, small):
    methods = [row["method"] for row in json.loads(done("compare", "majority", "--format", "json"))]
    assert set(methods) == {"majority"}
    assert json.loads(done("compare", "--protocol", "megc2019", "--format", "json")) == []
    assert len(json.loads(done("compare", "--data", "megc2019-flow28", "--protocol", "small", "--format", "json"))) == 8
    assert json.loads(done("compare", "--data", "other", "--format", "json")) == []


def test_published_figures_are_added_on_request(done, recorded):
    assert {row["origin"] for row in json.loads(done("compare", "--format", "json"))} == {"measured"}
    assert "published" not in done("compare", "--protocol", "small", "--format", "csv")
    rows = json.loads(done("compare", "--protocol", "megc2019", "--format", "json", "--published"))
    assert {row["origin"] for row in rows} == {"published"}
    assert all(row["source"] and row["run_ids"] == [] for row in rows)
    assert "STSTNet" in done("compare", "--protocol", "megc2019")
    assert "STSTNet" in done("compare", "--protocol", "megc2019", "--format", "md")
    assert "STSTNet" in done("compare", "--protocol", "megc2019", "--format", "latex", "--published")


def test_show_takes_the_beginning_of_an_id(done, recorded):
    said = done("show", "svm")
    assert re.search(r"^ run +svm-flow-small-s0-[0-9a-f]{10}$", said, re.MULTILINE)
    assert re.search(r"^ recorded +9 of 9 folds", said, re.MULTILINE)
    assert re.search(r"^ negative +9 +0 +0 +9 +1\.0000 +1\.0000 +1\.0000", said, re.MULTILINE)
    assert re.search(r"^ samm/011 +2/2 +1/1 +1/1", said, re.MULTILINE)


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


def test_an_exported_log_lists_every_clip(done, recorded):
    table = pd.read_csv(io.StringIO(done("export", "svm-flow")), dtype=str)
    assert list(table.columns[:5]) == ["dataset", "subject", "clip", "truth", "predicted"]
    assert len(table) == 24
    assert table[["score_negative", "score_positive", "score_surprise"]].notna().all(axis=None)
    lines = done("export", "svm-flow", "--format", "challenge").splitlines()
    assert lines[:4] == ["casme2 sub06", "EP01_01f 0 0", "EP02_01f 1 1", "EP03_01f 2 2"]
    assert lines[-3:] == ["smic s11", "s11_ne_01 0 0", "s11_po_01 1 1"]
    assert len(lines) == 24 + 9


def test_incomplete_runs_are_exported_with_a_note_and_not_submitted(merbench, done, refused, small, tmp_path):
    done("run", "majority", *small, "--folds", "samm/006")
    said = merbench("export", "majority")
    assert said.code == 0
    assert "1 of 9 folds" in said.err
    assert len(said.out.splitlines()) == 4
    assert "1 of 9 folds" in refused("submit", "majority", "--to", tmp_path / "leaderboard")
    assert not (tmp_path / "leaderboard").exists()


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
    for name, old, new in (
        ("predictions.csv", b",positive,positive,", b",positive,surprise,"),
        ("run.json", b'"seed": 0', b'"seed": 1'),
        ("complete.json", b'"sha256": "', b'"sha256": "0'),
    ):
        content = (entry / name).read_bytes()
        assert old in content
        (entry / name).write_bytes(content.replace(old, new, 1))
        with pytest.raises(RecordError, match="changed since it was recorded"):
            read_entry(entry)
        (entry / name).write_bytes(content)
    (entry / "predictions.csv").unlink()
    with pytest.raises(RecordError, match="can't be read"):
        read_entry(entry)


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


def test_the_list_of_methods_names_each_with_a_line(done):
    lines = done("methods").splitlines()
    assert len(lines) <= 24
    assert all(len(line) <= 100 for line in lines)
    names = {line.split()[0] for line in lines if line.strip()}
    assert names >= {"majority", "stratified-random", "svm-flow", "ststnet"}


def test_a_methods_card_has_its_paper_settings_and_origin(done):
    text = done("methods", "ststnet")
    card = yaml.safe_load(text)
    assert (card["name"], card["origin"], card["paper"]["year"]) == ("ststnet", "merbench", 2019)
    assert {"default", "quick"} <= set(card["configurations"])
    assert card["inputs"] == {"flow": "flow(onset-apex, 28, u/v/strain, tvl1, clip)"}
    assert card["settings"]["epochs"] == 800
    lines = [line.strip() for line in text.splitlines()]
    assert lines[lines.index("@inproceedings{liong2019shallow,") :][6] == "}"


def test_a_protocols_page_has_its_source_bibtex_and_digest(done):
    assert "\n megc2019  " in done("protocols")
    page = yaml.safe_load(done("protocols", "megc2019"))
    assert page["source"]["bibtex"].startswith("@inproceedings{see2019megc,\n")
    assert page["classes"] == ["negative", "positive", "surprise"]
    assert re.fullmatch("[0-9a-f]{64}", page["spec_digest"])


def test_doctor_lists_versions_folders_and_databases(done, merbench, registered, home):
    said = done("doctor")
    assert re.search(rf"^merbench +{re.escape(version('merbench'))}$", said, re.MULTILINE)
    assert re.search(rf"^MERBENCH_HOME +{re.escape(str(home))}$", said, re.MULTILINE)
    assert re.search(rf"^megc2019-flow28 +{re.escape(str(registered))}, 24 clips$", said, re.MULTILINE)
    assert said.endswith("no problems found\n")
    registered.rename(registered.with_name("moved"))
    said = merbench("doctor")
    assert said.code == 1
    assert said.err.startswith("broken: registered megc2019-flow28: ")
    assert "no problems found" not in said.out


@pytest.mark.slow
def test_merbench_runs_as_a_module(tmp_path):
    found = subprocess.run(
        [sys.executable, "-m", "merbench", "run", "--help"], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "COLUMNS": "200"}, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stderr) == (0, "")
    assert "Usage: python -m merbench run [OPTIONS]" in found.stdout
    assert "Example: merbench run " in found.stdout


def test_every_command_has_a_help_with_an_example(done):
    assert done("--version") == f"merbench {version('merbench')}\n"
    data = [f"data {verb}" for verb in ("add", "list", "verify", "prepare", "remove", "show", "synthesize")]
    for verb in [*["run", "compare", "score", "show", "export", "submit", "methods", "protocols", "doctor"], *data]:
        assert f"Example: merbench {verb}" in done(*verb.split(), "--help")
