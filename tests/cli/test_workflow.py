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
from support.cases import each, matches, says

from merbench.contracts.errors import RecordError
from merbench.contracts.protocols import load_protocol
from merbench.databases import DATABASES
from merbench.databases.readers.identity import log_spelling
from merbench.databases.releases import megc2019_flow28
from merbench.engine.plan.catalogue import METHODS
from merbench.records.entries import read_entry
from merbench.records.folder import DIAGNOSTICS, RunFolder
from merbench.records.logs import read_log
from merbench.records.select import find_run
from merbench.scoring.table import part_scores

RELEASE = "megc2019-flow28"


def everything_below(folder):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*")}


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def figures(predictions, spec):
    scores = part_scores([predictions], spec.classes, spec.parts)
    return {score.part: (score.clips, score.uf1, score.uar) for score in scores}


def printed_scores(text):
    """Return the figures of each part from the table that `show` and `score` print; the parts' titles may differ."""
    table = text[text.index(" Part ") : text.index("Confusion")].partition("Mean over folds")[0]
    return sorted(line.split()[-7:] for line in table.splitlines()[2:] if line.strip())


def found_run(folder, name):
    """Return a run as it is read, and its folder."""
    run = find_run(folder / "results", name)
    return run, RunFolder(folder / "results" / "runs" / run.file.run_id)


@pytest.fixture
def compared(done):
    """Return what runs ``compare`` and gives the rows of its JSON."""
    return lambda *words: json.loads(done("compare", *words, "--format", "json"))


def test_a_copy_is_added_and_listed(done, small_release, home):
    says(done("data", "list"), "not registered | merbench data fetch megc2019-flow28")
    assert "HTNet's flat layout, 24 clips, 9 subjects" in done("data", "add", RELEASE, small_release)
    kept = json.loads((home / "databases.json").read_text())
    assert kept == {RELEASE: {"folder": str(small_release.resolve()), "corrections": True}}
    said = done("data", "list")
    assert "merbench data fetch megc2019-flow28" not in said
    says(said, "24 clips, 9 subjects")
    assert "megc2019" in said.split()
    small_release.rename(small_release.with_name("moved"))
    assert "broken: " in done("data", "list")


def test_verify_counts_a_whole_release_and_names_differences(done, merbench, registered, shared, monkeypatch):
    said = merbench("data", "verify", RELEASE)
    assert said.code == 2
    says(said.out, "8/8/8 clips of SMIC, CASME II, SAMM | 436 missing: casme2/sub01/EP02_01f, ")
    says(said.out, "18 not in the official list: casme2/sub06/EP01_01f, ")
    says(said.out, "2 labelled differently: samm/007/007_3_1 (surprise, listed negative), ")
    monkeypatch.setattr(megc2019_flow28.FlowImages, "checksums", DATABASES.get(RELEASE).card.download.checksums)
    done("data", "add", RELEASE, shared / "data" / RELEASE)
    counts = "442 clips, 68 subjects, 164/145/133 clips of SMIC, CASME II, SAMM | 250/109/83 negative/positive/surprise"
    says(done("data", "verify", RELEASE), counts, "equal to the organisers' list")


def test_a_run_says_which_data_and_why_then_prints_the_table(done, small):
    said = done("run", "svm-flow", "majority", *small, "--set", "svm-flow:C=2", "--config", "majority:default")
    assert said.startswith("data: megc2019-flow28, the registered release that holds casme2, samm, smic-hs\n")
    matches(said, r"^ 1 +svm-flow \(C=2\.0\) +1\.0000 ", r"^ 2 +majority +†\.1818 +\.3333 ")


def test_running_again_does_nothing_and_says_so(done, small, recorded):
    before = everything_below(recorded)
    said = done("run", "svm-flow", "majority", *small, "--data", RELEASE)
    assert "nothing to do: all 18 folds of 2 runs are recorded" in said
    matches(said, "^ 1 +svm-flow ")
    assert everything_below(recorded) == before


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
    """Install a method with diagnostics that runs in a configuration of its own where there is no GPU."""
    toy("teller", BODY, CARD)


def test_diagnostics_are_kept_on_request(done, small, teller, tmp_path):
    grid = ["run", "teller", "stratified-random", *small, "--seeds", "0-1"]
    assert "diagnose" not in done(*grid)
    assert list(tmp_path.rglob("diagnostics.npz")) == []
    said = done(*grid, "--diagnose")
    assert said.splitlines().count("method stratified-random has no diagnostics") == 1
    assert "method teller" not in said
    assert "stratified-random seed 1: 9/9 folds, recorded before" in said
    assert len(list(tmp_path.rglob("diagnostics.npz"))) == 18
    run, records = found_run(tmp_path, "teller-small-s1")
    found = records.read_arrays("samm/006", run.file, DIAGNOSTICS)
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
    checks = (Path(__file__).parents[2] / "docs" / "checks.md").read_text(encoding="utf-8")
    code, _, diagnose, test = re.findall(r"```python\n(.*?)```", guide + checks, re.DOTALL)
    module = f"{code}\n{diagnose}"
    offer("[merbench.methods]\nmy-method = MODULE.method:MyMethod\n", {"card.yaml": card, "method.py": module})
    assert "my-method quick seed 0: 9/9 folds" in done(
        "run", "my-method", *small, "--config", "my-method:quick", "--diagnose"
    )
    run, folder = found_run(tmp_path, "my-method")
    for fold, clips in run.file.folds.items():
        found = folder.read_arrays(fold, run.file, DIAGNOSTICS)
        assert found["test/feature/hidden"].shape == (clips, 32)
        assert found["train/feature/hidden"].shape == (24 - clips, 32)
    own = {}
    exec(test, own)
    own["test_my_method_passes_all_checks"]()


def test_the_cpu_configuration_is_noted_and_named_in_tables(done, small, teller, compared):
    said = done("run", "teller", *small)
    line = "configuration teller:small, no GPU found; --config teller:full is for GPUs"
    assert said.splitlines().count(line) == 1
    matches(said, "teller small seed 0: 9/9 folds", r"^ +1 +teller \(small\) ")
    assert "nothing to do" in done("run", "teller", *small, "--config", "teller:small")
    said = done("run", "teller", *small, "--config", "full")
    assert "configuration" not in said
    assert "teller full seed 0: 9/9 folds" in said
    assert {row["config"] for row in compared()} == {"small", "full"}


def test_a_card_is_printed_with_all_that_it_says(done, teller):
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
    text = done("methods", "ststnet")
    card = yaml.safe_load(text)
    assert (card["name"], card["origin"], card["paper"]["year"]) == ("ststnet", "merbench", 2019)
    assert {"default", "quick"} <= set(card["configurations"])
    assert card["inputs"] == {"flow": "flow(onset-apex, 28, u/v/strain, tvl1, clip)"}
    assert card["settings"]["epochs"] == 800
    lines = [line.strip() for line in text.splitlines()]
    assert lines[lines.index("@inproceedings{liong2019shallow,") :][6] == "}"


def test_the_results_folder_is_an_option_or_a_variable(done, small, tmp_path, monkeypatch):
    done("run", "majority", *small, "--results", tmp_path / "mine")
    assert not (tmp_path / "results").exists()
    assert "nothing to do" in done("run", "majority", *small, "--results", "mine")
    monkeypatch.setenv("MERBENCH_RESULTS", str(tmp_path / "mine"))
    assert "nothing to do" in done("run", "majority", *small)
    assert "majority" in done("compare")


def test_compare_shows_what_is_asked_for_in_each_format(done, recorded, compared):
    title = "small on megc2019-flow28 (protocol "
    starts = {"table": title, "md": f"**{title}", "latex": r"% needs \usepackage{booktabs}", "csv": "method,config,var"}
    for kind, start in each(starts.items()):
        said = done("compare", "--format", kind)
        assert said.startswith(start)
        assert said.index("svm-flow") < said.index("majority")
    assert {row["method"] for row in compared("majority")} == {"majority"}
    assert compared("--protocol", "megc2019") == compared("--data", "other") == []
    assert len(compared("--data", RELEASE, "--protocol", "small")) == 8


def test_published_figures_are_added_on_request(done, recorded, compared):
    megc = ("--protocol", "megc2019")
    assert {row["origin"] for row in compared()} == {"measured"}
    assert "published" not in done("compare", "--protocol", "small", "--format", "csv")
    rows = compared(*megc, "--published")
    assert {row["origin"] for row in rows} == {"published"}
    assert all(row["source"] and row["run_ids"] == [] for row in rows)
    for words in ([], ["--format", "md"], ["--format", "latex", "--published"]):
        assert "STSTNet" in done("compare", *megc, *words)
    assert compared(*megc, "--no-published") == []


@pytest.mark.parametrize("format", ["csv", "challenge"])
@pytest.mark.parametrize("method", ["svm-flow", "stratified-random"])
def test_an_exported_log_scores_as_the_run_did(done, small, small_protocol, tmp_path, format, method):
    done("run", method, *small)
    log = tmp_path / f"log.{format}"
    log.write_text(done("export", method, "--format", format), encoding="utf-8")
    spec, run = load_protocol(small_protocol), find_run(tmp_path / "results", method)
    assert figures(read_log(log, spec, log_spelling(spec)).predictions, spec) == figures(run.predictions, spec)
    shown = printed_scores(done("show", method))
    assert len(shown) == 4
    assert printed_scores(done("score", log, *small)) == shown


def test_a_run_is_shown_by_the_beginning_of_its_id_and_exported_whole(done, merbench, recorded, tmp_path):
    matches(
        done("show", "svm"),
        r"^ run +svm-flow-small-s0-[0-9a-f]{10} \(record [0-9a-f]{12}\)$",
        "^ recorded +9 of 9 folds",
        r"^ negative +9 +0 +0 +9 +1\.0000 +1\.0000 +1\.0000",
        "^ samm/011 +2/2 +1/1 +1/1",
    )
    table = pd.read_csv(io.StringIO(done("export", "svm-flow")), dtype=str)
    assert list(table.columns[:5]) == ["dataset", "subject", "clip", "truth", "predicted"]
    assert len(table) == 24
    assert table[["score_negative", "score_positive", "score_surprise"]].notna().all(axis=None)
    (tmp_path / "link").symlink_to(tmp_path / "log.csv")
    os.mkfifo(tmp_path / "pipe")
    for place, what in (("link", "a link"), ("pipe", "a pipe"), (tmp_path, "a folder"), ("/", "a folder")):
        said = merbench("export", "svm-flow", "--out", place)
        assert (said.code, f"is {what}" in said.err) == (2, True), said.err
    lines = done("export", "svm-flow", "--format", "challenge").splitlines()
    assert lines[:4] == ["casme2 sub06", "EP01_01f 0 0", "EP02_01f 1 1", "EP03_01f 2 2"]
    assert lines[-3:] == ["smic s11", "s11_ne_01 0 0", "s11_po_01 1 1"]
    assert len(lines) == 24 + 9


def test_incomplete_runs_are_exported_with_a_note_and_not_submitted(merbench, done, refused, small, tmp_path):
    done("run", "majority", *small, "--folds", "samm/006")
    said = merbench("export", "majority")
    assert (said.code, len(said.out.splitlines())) == (0, 4)
    assert "1 of 9 folds" in said.err
    refused("submit", "majority", "--to", tmp_path / "leaderboard")
    assert not (tmp_path / "leaderboard").exists()


def test_a_submitted_run_reads_back_whole(done, recorded, tmp_path):
    said = done("submit", "svm-flow", "--to", tmp_path / "leaderboard")
    (entry,) = (tmp_path / "leaderboard" / "small").iterdir()
    assert said.strip() == f"written: {entry}"
    done("submit", "svm-flow", "--to", tmp_path / "again")
    assert contents(tmp_path / "again") == contents(tmp_path / "leaderboard")
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
def test_epochs_and_selections_are_submitted_and_are_rows_of_their_own(done, small, compared, tmp_path):
    settings, results = ("--set", "epochs=5", "--set", "batch_size=8"), ("--results", tmp_path / "results")
    kept = {}
    for selection in ("last", "inner", "inner-keep"):
        done("run", "ststnet", *small, *settings, *results, "--select", selection, "--keep-epochs")
    rows = [row for row in compared(*results) if row["part"] == "full"]
    assert {row["selection"] for row in rows} == {"last", "inner", "inner-keep"}
    assert "inner epoch)" in " ".join(done("compare", *results).split())
    for row in rows:
        (run_id,) = row["run_ids"]
        done("submit", run_id, "--to", tmp_path / "leaderboard", *results)
        back = read_entry(tmp_path / "leaderboard" / row["protocol"] / run_id)
        curves, (labels, _) = back.inner(), back.epochs()
        kept[row["selection"]] = curves, labels
        assert labels.shape == (len(back.predictions), 5)
        picked = np.full(9, 5) if curves is None else curves.argmax(axis=1) + 1
        for (fold, clips), epoch in zip(back.predictions.groupby(["dataset", "subject"]), picked, strict=True):
            folder = tmp_path / "results" / "runs" / run_id / "folds" / "--".join(fold)
            assert (json.loads((folder / "record.json").read_text())["selected_epoch"] or 5) == epoch
            assert (np.array(back.file.outputs)[labels[clips.index, epoch - 1]] == clips.predicted).all()
            names = list(pd.read_parquet(folder / "predictions.parquet")["clip"])
            with np.load(folder / "epochs.npz") as stored:  # against the scores themselves, of every epoch
                scores = stored["scores"][:epoch, [names.index(clip) for clip in clips["clip"]]]
            np.testing.assert_array_equal(labels[clips.index, :epoch].T, scores.argmax(axis=2))
            if row["selection"] != "inner-keep":
                np.testing.assert_array_equal(labels[clips.index, :epoch], kept["last"][1][clips.index, :epoch])
        if curves is not None:
            said = " ".join(done("show", run_id, "--no-figures", *results).split())
            assert f"{row['selection']} (epochs {picked.min()} to {picked.max()} of 5, median " in said
    assert kept["last"][0] is None
    np.testing.assert_array_equal(kept["inner"][0], kept["inner-keep"][0])  # they select alike, and train other clips
    entry = tmp_path / "leaderboard" / "small" / run_id
    (entry / "epochs.npz").write_bytes((entry / "epochs.npz").read_bytes()[:-1])
    with pytest.raises(RecordError, match="changed since it was recorded"):
        read_entry(entry)


def test_methods_and_protocols_are_listed_each_with_a_line(done):
    lines = done("methods").splitlines()
    assert len(lines) <= len(METHODS.names()) + 5
    assert all(len(line) <= 100 for line in lines)
    names = {line.split()[0] for line in lines if line.strip()}
    assert names >= {"majority", "stratified-random", "svm-flow", "ststnet"}
    page = yaml.safe_load(done("protocols", "megc2019"))
    assert page["source"]["bibtex"].startswith("@inproceedings{see2019megc,\n")
    assert page["classes"] == ["negative", "positive", "surprise"]
    assert re.fullmatch("[0-9a-f]{64}", page["spec_digest"])


def test_doctor_lists_versions_folders_and_databases(done, merbench, registered, home):
    said = done("doctor")
    for name, value in (
        ("merbench", version("merbench")),
        ("MERBENCH_HOME", home),
        (RELEASE, f"{registered}, 24 clips"),
    ):
        matches(said, rf"^{name} +{re.escape(str(value))}$")
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
