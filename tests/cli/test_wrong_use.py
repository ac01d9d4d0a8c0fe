"""Wrong use gets one line that names the thing and what to do, and exit code 2."""

import shutil
import sys

import cv2
import numpy as np
import pytest

from merbench.cli import main

IMAGES = "STSNet_whole_norm_u_v_os"
LIST = "combined_3_class2_for_optical_flow.csv"
ADD = ("data", "add", "megc2019-flow28")
RUN = """svm-flw | svm-flow majorty | svm-flow --data megc2019-flow | svm-flow --data no/such/folder |
svm-flow --set kernl=linear | svm-flow --set C=much | ststnet --set epochs=2.5 | svm-flow --set C | svm-flow --set =3 |
ststnet --config quik | svm-flow ststnet --config quick | svm-flow --diagnoze | svm-flow --config ststnet:quick |
svm-flow --set ststnet:epochs=3 | svm-flow --set svmflow:C=3 | svm-flow --seeds many | svm-flow --seeds 3-1 |
svm-flow --seeds '' | svm-flow --seeds -1 | svm-flow --seeds 0-999999999 | ststnet --select iner |
ststnet --select oracle | svm-flow --existing overwrite | svm-flow --folds casme2/sub66 | --data auto"""
OTHERS = """run majority | run majority --protocol megc2091 | run majority --protocol mine.yaml |
score log.csv --protocol megc | compare majorty | compare --protocol megc2020 | compare --format latx | compare |
methods STSnet | protocols mecg2019 | data add megc2019-flow82 . | data verify megc2019-flow28 |
data add megc2019-flow28 | show majority | export majority | submit majority | comapre | data ad | compare --nope |
methods ststnet majority"""


def an_image(release, stem="sub06_EP01_01f"):
    return release / IMAGES / f"{stem} .png"


def test_wrong_arguments_are_refused(all_refused, refused, merbench, small, tmp_path):
    all_refused("|".join(f"run {line.strip()}" for line in RUN.split("|")), *small)
    assert not (tmp_path / "results").exists()
    refused("run", "svm-flow", "--select", "inner", *small)
    assert merbench("compare", "--format", "json", "--no-published").out.strip() == "[]"


def test_wrong_names_and_verbs_are_refused(all_refused):
    all_refused(OTHERS)


def test_missing_or_unfit_data_is_named(all_refused, refused, done, small_protocol, tmp_path, miniature):
    miniature.write_smic(tmp_path / "smic")
    done("data", "add", "smic-hs", tmp_path / "smic")
    all_refused("run majority|run majority --data megc2019-flow28", "--protocol", small_protocol)
    refused("run", "majority", "--protocol", "smic-hs-3", "--data", "samm")


def test_data_that_does_not_serve_the_protocol_is_refused(refused, all_refused, small, small_protocol):
    refused("run", "majority", "--protocol", "megc2019")
    small_protocol.write_text(small_protocol.read_text().replace("  samm:", "  dfme:"), encoding="utf-8")
    all_refused("run majority --data megc2019-flow28 | run majority --data auto", *small)
    small_protocol.write_text("title: [Small", encoding="utf-8")
    refused("run", "majority", *small)


def test_damaged_and_moved_copies_are_named(refused, done, small_protocol, tmp_path, home, small_release):
    small, image = ("--protocol", small_protocol), an_image(small_release)
    (tmp_path / "empty").mkdir()
    for folder in ("nowhere", "empty"):
        refused(*ADD, tmp_path / folder)
    for gone in (small_release / IMAGES, small_release / LIST, image):
        gone.rename(tmp_path / "gone")
        refused(*ADD, small_release)
        (tmp_path / "gone").rename(gone)
    rows = (small_release / LIST).read_bytes()
    (small_release / LIST).write_bytes(rows.replace(b",0,", b",3,", 1))
    refused(*ADD, small_release)
    (small_release / LIST).write_bytes(rows)
    assert list(home.iterdir()) == []
    done(*ADD, small_release)
    shapes = ((27, 28, 3), (28, 28), (28, 28, 4))
    wrong = [cv2.imencode(".png", np.zeros(shape, np.uint8))[1].tobytes() for shape in shapes]
    for content in (b"", b"\x89PNG\r\n\x1a\n", *wrong):
        image.write_bytes(content)
        refused("run", "svm-flow", *small)
    refused("data", "verify", "megc2019-flow28")
    small_release.rename(small_release.with_name("moved"))
    refused("run", "majority", *small)
    refused("data", "verify", "megc2019-flow28")


def test_files_in_place_of_folders_and_damaged_ones_are_named(refused, recorded, small, home, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("a file", encoding="utf-8")
    refused("run", "majority", *small, "--results", tmp_path / "file")
    refused("submit", "majority", "--to", tmp_path / "file")
    refused("export", "majority", "--out", tmp_path / "results")
    refused("export", "majority", "--format", "chalenge")
    (run,) = recorded.glob("majority-*")
    refused("show", run.name.replace("majority", "majorty"))
    shutil.copytree(run, recorded / "majority-copy")
    refused("show", "m")
    shutil.rmtree(recorded / "majority-copy")
    for content in ("{", '{"schema_version": 99}', "{}"):
        (run / "run.json").write_text(content, encoding="utf-8")
        refused("show", "majority")
    (home / "databases.json").write_text("{", encoding="utf-8")
    refused("run", "majority", *small)
    monkeypatch.setenv("MERBENCH_HOME", str(tmp_path / "file"))
    refused(*ADD, tmp_path / "release")


def test_methods_with_missing_inputs_or_a_wrong_card_are_refused(refused, small, toy):
    toy("frame-eater", card="inputs:\n  faces: {kind: frames, count: 8}\n")
    refused("run", "frame-eater", *small)
    toy(card="configurations: {full: {}}\ndefault: tiny\n")
    refused("run", "toy", *small)


def test_unknown_diagnostics_are_reported_and_predictions_kept(merbench, done, small, toy):
    toy(body="def diagnose(self, inputs):\n    return {'heat/map': np.zeros((inputs.clips, 7, 7))}")
    said = merbench("run", "toy", *small, "--diagnose", "--folds", "samm/006")
    assert said.code == 1
    (line,) = [line for line in said.out.splitlines() if "samm/006: PredictionError" in line]
    assert "diagnose returned 'heat/map', expected names of the form feature/<name>, gate/<name>, kept/" in line
    assert "Traceback" not in said.out + said.err
    assert "failed" not in said.out + done("run", "toy", *small)


def test_debug_shows_the_traceback_wherever_it_stands(monkeypatch, done):
    for words in ("--debug methods nosuch", "methods --debug nosuch", "--debug nosuch", "methods --nosuch --debug"):
        monkeypatch.setattr(sys, "argv", ["merbench", *words.split()])
        with pytest.raises(Exception, match="nosuch") as raised:
            main()
        assert raised.type.__module__.startswith(("click", "typer", "merbench.contracts.errors"))
    assert done("--debug", "protocols") == done("protocols", "--debug") == done("protocols")


def test_unexpected_errors_are_one_line(merbench, monkeypatch):
    def broken(self, name):
        raise RuntimeError("the roof\nis on fire")

    monkeypatch.setattr("merbench.contracts.registry.Registry.get", broken)
    said = merbench("methods", "majority")
    assert said == (1, "", "error: unexpected RuntimeError: the roof is on fire (--debug shows the traceback)\n")


def test_interrupted_runs_can_be_resumed(merbench, small, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("merbench.engine.execute.grid._execute_held", interrupted)
    said = merbench("run", "majority", *small)
    assert said.code == 130
    assert len(said.err.splitlines()) == 1
    assert "the same command to resume" in said.err
    monkeypatch.setattr("merbench.records.select.read_runs", interrupted)
    assert merbench("compare") == (130, "", "error: interrupted\n")
