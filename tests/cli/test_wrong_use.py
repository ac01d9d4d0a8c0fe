"""Wrong use gets one line that names the thing and what to do, and exit code 2."""

import csv
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
    said = refused("run", "svm-flow", "--select", "inner", *small)
    assert "method SvmFlow does not report epochs" in said
    assert merbench("compare", "--format", "json", "--no-published").out.strip() == "[]"


def test_wrong_names_and_verbs_are_refused(all_refused):
    all_refused(OTHERS)


def test_missing_or_unfit_data_is_named(all_refused, refused, done, small_protocol, tmp_path, miniature):
    miniature.write_smic(tmp_path / "smic")
    done("data", "add", "smic-hs", tmp_path / "smic")
    all_refused("run majority|run majority --data megc2019-flow28", "--protocol", small_protocol)
    refused("run", "majority", "--protocol", "smic-hs-3", "--data", "samm")


def test_data_that_does_not_serve_the_protocol_is_refused(refused, small, small_protocol):
    assert "436 missing: casme2/sub01/EP02_01f" in refused("run", "majority", "--protocol", "megc2019")
    small_protocol.write_text(small_protocol.read_text().replace("  samm:", "  mmew:"), encoding="utf-8")
    for data in ("megc2019-flow28", "auto"):
        assert "mmew" in refused("run", "majority", *small, "--data", data)
    small_protocol.write_text("title: [Small", encoding="utf-8")
    assert str(small_protocol) in refused("run", "majority", *small)


def test_folders_without_a_copy_are_not_added(refused, tmp_path, home, small_release):
    (tmp_path / "empty").mkdir()
    for folder in ("nowhere", "empty"):
        refused(*ADD, tmp_path / folder)
    for gone in (IMAGES, LIST):
        (small_release / gone).rename(tmp_path / "gone")
        refused(*ADD, small_release)
        (tmp_path / "gone").rename(small_release / gone)
    an_image(small_release).unlink()
    assert "casme2/sub06/EP01_01f" in refused(*ADD, small_release)
    assert list(home.iterdir()) == []


def test_moved_copies_and_unreadable_images_are_named(refused, small, registered):
    for content in (b"", b"\x89PNG\r\n\x1a\n"):
        an_image(registered).write_bytes(content)
        for words in (["run", "svm-flow", *small], ["data", "verify", "megc2019-flow28"]):
            said = refused(*words)
            assert str(an_image(registered)) in said
            assert "casme2/sub06/EP01_01f" in said
    for shape in ((27, 28, 3), (28, 28), (28, 28, 4)):
        an_image(registered).write_bytes(cv2.imencode(".png", np.zeros(shape, np.uint8))[1].tobytes())
        assert str(an_image(registered)) in refused("run", "svm-flow", *small)
    registered.rename(registered.with_name("moved"))
    assert str(registered) in refused("run", "majority", *small)
    assert str(registered) in refused("data", "verify", "megc2019-flow28")


def test_damaged_lists_of_a_release_are_named_with_the_line(refused, small_release):
    path = small_release / LIST
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))

    def added(*places):
        changed = [list(row) for row in rows]
        for row, column, value in places:
            changed[row][column] = value
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(changed)
        return refused(*ADD, small_release)

    assert "casme2/sub07/EP02_01f" in added(*((6, column, rows[5][column]) for column in range(7)))
    for label in ("3", "", "positive", "-1"):
        assert f"{LIST}, line 6" in added((5, 3, label))
    assert f"{LIST}, line 6" in added((5, 1, "s07"))
    assert "label" in added((0, 3, "emotion"))
    path.write_bytes(bytes(range(128, 256)))
    assert LIST in refused(*ADD, small_release)


def test_damaged_registrations_are_named(refused, small, home):
    for content in ("{", '{"megc2019-flow28": 3}'):
        (home / "databases.json").write_text(content, encoding="utf-8")
        assert str(home / "databases.json") in refused("run", "majority", *small)


def test_files_in_place_of_folders_are_named(refused, small, small_release, tmp_path, monkeypatch):
    (tmp_path / "results").write_text("a file", encoding="utf-8")
    assert str(tmp_path / "results") in refused("run", "majority", *small)
    monkeypatch.setenv("MERBENCH_HOME", str(tmp_path / "results"))
    assert str(tmp_path / "results") in refused(*ADD, small_release)


def test_unfit_outputs_names_and_files_of_runs_are_named(refused, recorded, tmp_path):
    (tmp_path / "leaderboard").write_text("a file", encoding="utf-8")
    assert str(tmp_path / "leaderboard") in refused("submit", "majority", "--to", tmp_path / "leaderboard")
    assert str(tmp_path / "results") in refused("export", "majority", "--out", tmp_path / "results")
    refused("export", "majority", "--format", "chalenge")
    (run,) = recorded.glob("majority-*")
    assert f"did you mean {run.name!r}" in refused("show", run.name.replace("majority", "majorty"))
    shutil.copytree(run, recorded / "majority-copy")
    assert ", ".join(sorted(path.name for path in recorded.glob("majority-*"))) in refused("show", "m")
    shutil.rmtree(recorded / "majority-copy")
    for content in ("{", '{"schema_version": 99}', "{}"):
        (run / "run.json").write_text(content, encoding="utf-8")
        assert str(run / "run.json") in refused("show", "majority")


def test_methods_with_missing_inputs_are_refused(refused, small, toy):
    toy("frame-eater", card="inputs:\n  faces: {kind: frames, count: 8}\n")
    said = refused("run", "frame-eater", *small)
    for words in ("frame-eater can't run on megc2019-flow28", "'faces'", "flow(onset-apex, 28"):
        assert words in said


def test_unknown_diagnostics_are_reported_and_predictions_kept(merbench, done, small, toy):
    toy(body="def diagnose(self, inputs):\n    return {'attention/map': np.zeros((inputs.clips, 7, 7))}")
    said = merbench("run", "toy", *small, "--diagnose", "--folds", "samm/006")
    assert said.code == 1
    (line,) = [line for line in said.out.splitlines() if "samm/006: PredictionError" in line]
    assert "diagnose returned 'attention/map', expected names of the form feature/<name>, gate/<name>, kept/" in line
    assert "Traceback" not in said.out + said.err
    assert "failed" not in said.out + done("run", "toy", *small)


def test_cards_with_unknown_configurations_are_refused(refused, small, toy):
    toy(card="configurations: {full: {}}\ndefault: tiny\n")
    said = refused("run", "toy", *small)
    assert "card.yaml" in said
    assert "default" in said


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
