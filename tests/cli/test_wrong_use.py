"""Wrong use gets one line that names the thing and what to do, and exit code 2."""

import csv
import shutil
import sys

import cv2
import numpy as np
import pytest

from merbench.cli import main
from merbench.contracts.errors import UnknownNameError

IMAGES = "STSNet_whole_norm_u_v_os"
LIST = "combined_3_class2_for_optical_flow.csv"


def edited(path, change):
    """Rewrite a CSV file: `change` gets its rows, as lists, to work on."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    change(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def an_image(release, stem="sub06_EP01_01f"):
    return release / IMAGES / f"{stem} .png"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["svm-flw"], ["unknown method 'svm-flw'", "did you mean 'svm-flow' or 'svm-flow-aus'?"]),
        (["svm-flow", "majorty"], ["unknown method 'majorty'", "did you mean 'majority'?"]),
        (["svm-flow", "--data", "megc2019-flow"], ["'megc2019-flow'", "did you mean 'megc2019-flow28'?"]),
        (["svm-flow", "--data", "no/such/folder"], ["no/such/folder"]),
        (["svm-flow", "--set", "kernl=linear"], ["svm-flow", "'kernl'", "did you mean 'kernel'?"]),
        (["svm-flow", "--set", "C=much"], ["svm-flow", "C: ", "number", "'much'"]),
        (["svm-flow", "--set", "C=-1"], ["svm-flow", "C: ", "-1"]),
        (["svm-flow", "--set", "kernel=cubic"], ["svm-flow", "kernel: ", "'rbf'", "'cubic'"]),
        (["ststnet", "--set", "epochs=2.5"], ["ststnet", "epochs: ", "2.5"]),
        (["svm-flow", "--set", "C"], ["--set 'C'", "key=value"]),
        (["svm-flow", "--set", "=3"], ["--set '=3'", "key=value"]),
        (["ststnet", "--config", "quik"], ["ststnet", "'quik'", "did you mean 'quick'?"]),
        (["svm-flow", "ststnet", "--config", "quick"], ["svm-flow", "no configuration 'quick'", "default"]),
        (["svm-flow", "--diagnoze"], ["--diagnoze", "merbench run --help"]),
        (["svm-flow", "--config", "ststnet:quick"], ["'ststnet'", "not part of this run", "svm-flow"]),
        (["svm-flow", "--set", "ststnet:epochs=3"], ["'ststnet'", "not part of this run", "svm-flow"]),
        (["svm-flow", "--set", "svmflow:C=3"], ["'svmflow'", "did you mean 'svm-flow'?"]),
        (["svm-flow", "--seeds", "many"], ["--seeds 'many'", "0-4"]),
        (["svm-flow", "--seeds", "3-1"], ["--seeds '3-1'", "0-4"]),
        (["svm-flow", "--seeds", ""], ["--seeds ''", "0-4"]),
        (["svm-flow", "--seeds", "-1"], ["--seeds '-1'", "0-4"]),
        (["svm-flow", "--seeds", "0-999999999"], ["--seeds '0-999999999'", "10000"]),
        (["ststnet", "--select", "iner"], ["--select 'iner'", "did you mean 'inner'?"]),
        (["ststnet", "--select", "oracle"], ["--select 'oracle'", "inner, inner-keep, last"]),
        (["svm-flow", "--existing", "overwrite"], ["--existing 'overwrite'", "keep, redo"]),
        (["svm-flow", "--folds", "casme2/sub66"], ["unknown fold 'casme2/sub66'", "did you mean 'casme2/sub06'"]),
        (["svm-flow", "--worker", "2"], ["--worker", "merbench run --help"]),
        (["--data", "auto"], ["METHOD", "merbench run --help"]),
    ],
)
def test_a_wrong_word_for_run_is_named(refused, small, tmp_path, words, told):
    said = refused("run", *words, *small)
    for phrase in told:
        assert phrase in said
    assert not (tmp_path / "results").exists()


def test_a_method_without_epochs_has_none_to_select_and_leaves_no_row_behind(refused, merbench, small):
    said = refused("run", "svm-flow", "--select", "inner", *small)
    assert "method SvmFlow does not report epochs" in said
    assert "use --select last" in said
    assert merbench("compare", "--format", "json", "--no-published").out.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "majority"], ["--protocol", "merbench run --help"]),
        (["run", "majority", "--protocol", "megc2091"], ["unknown protocol 'megc2091'", "did you mean 'megc2019'"]),
        (["run", "majority", "--protocol", "mine.yaml"], ["mine.yaml"]),
        (["score", "log.csv", "--protocol", "megc"], ["unknown protocol 'megc'", "megc2019"]),
        (["compare", "majorty"], ["unknown method 'majorty'", "did you mean 'majority'?"]),
        (["compare", "--protocol", "megc2020"], ["unknown protocol 'megc2020'", "did you mean 'megc2019'"]),
        (["compare", "--format", "latx"], ["--format 'latx'", "did you mean 'latex'?"]),
        (["compare"], ["nothing to compare", "merbench run"]),
        (["methods", "STSnet"], ["unknown method 'STSnet'", "did you mean 'ststnet'?"]),
        (["protocols", "mecg2019"], ["unknown protocol 'mecg2019'", "did you mean 'megc2019'"]),
        (["data", "add", "megc2019-flow82", "."], ["'megc2019-flow82'", "did you mean 'megc2019-flow28'?"]),
        (["data", "verify", "megc2019-flow82"], ["'megc2019-flow82'", "did you mean 'megc2019-flow28'?"]),
        (["data", "verify", "megc2019-flow28"], ["not registered", "merbench data add megc2019-flow28 PATH"]),
        (["data", "add", "megc2019-flow28"], ["PATH", "merbench data add --help"]),
        (["show", "majority"], ["no run", "merbench run METHOD"]),
        (["export", "majority"], ["no run", "merbench run METHOD"]),
        (["submit", "majority"], ["no run", "merbench run METHOD"]),
        (["comapre"], ["No such command 'comapre'", "merbench --help"]),
        (["data", "ad"], ["No such command 'ad'", "merbench data --help"]),
        (["compare", "--nope"], ["No such option", "--nope", "merbench compare --help"]),
        (["methods", "ststnet", "majority"], ["majority", "merbench methods --help"]),
    ],
)
def test_a_wrong_word_is_named(refused, words, told):
    said = refused(*words)
    for phrase in told:
        assert phrase in said


def test_with_some_of_the_databases_registered_the_missing_ones_are_named(
    refused, done, small_protocol, tmp_path, miniature
):
    miniature.write_smic(tmp_path / "smic")
    done("data", "add", "smic-hs", tmp_path / "smic")
    said = refused("run", "majority", "--protocol", small_protocol)
    assert "no data is registered for casme2, samm (registered: smic-hs)" in said
    assert "merbench data add megc2019-flow28 PATH" in said
    assert "--data synthetic-small" in said


def test_named_data_that_is_not_registered_is_told_how_to_add(refused, small_protocol):
    said = refused("run", "majority", "--protocol", small_protocol, "--data", "megc2019-flow28")
    assert "merbench data add megc2019-flow28 PATH" in said


def test_data_without_a_dataset_of_the_protocol_is_refused(refused, registered):
    said = refused("run", "majority", "--protocol", "smic-hs-3", "--data", "samm")
    assert "'samm' has no clips of smic-hs" in said


def test_a_dataset_that_nothing_reads_is_named_whatever_the_data(refused, small, small_protocol):
    small_protocol.write_text(small_protocol.read_text().replace("  samm:", "  mmew:"), encoding="utf-8")
    said = refused("run", "majority", *small, "--data", "megc2019-flow28")
    assert "no reader for mmew yet" in said


def test_data_auto_names_the_dataset_that_nothing_serves(refused, small, small_protocol):
    small_protocol.write_text(small_protocol.read_text().replace("  samm:", "  mmew:"), encoding="utf-8")
    assert "mmew" in refused("run", "majority", *small)


def test_a_release_that_differs_from_the_official_list_is_refused_with_the_clips(refused, registered):
    said = refused("run", "majority", "--protocol", "megc2019")
    assert "436 missing: casme2/sub01/EP02_01f" in said
    assert "24 clips instead of 442" in said


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("title: Small", "titel: Small", ["'titel'", "did you mean 'title'?"]),
        ("classes: [neg", "expectd: {}\nclasses: [neg", ["'expectd'", "did you mean 'expected'?"]),
        ("folds: leave-one-subject-out", "folds: leave-one-out", ["folds", "leave-one-subject-out"]),
        ("negative: [negative]", "negatve: [negative]", ["'negatve'"]),
        ("title: Small", "title: [Small", ["line", "YAML"]),
    ],
)
def test_a_mistake_in_a_protocol_file_is_named_with_the_file(refused, small, small_protocol, old, new, told):
    small_protocol.write_text(small_protocol.read_text().replace(old, new), encoding="utf-8")
    said = refused("run", "majority", *small)
    for phrase in [str(small_protocol), *told]:
        assert phrase in said


def test_a_missing_folder_is_not_added(refused, tmp_path, home):
    said = refused("data", "add", "megc2019-flow28", tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in said
    assert list(home.iterdir()) == []


def test_an_empty_folder_is_not_added_and_the_layouts_are_told(refused, tmp_path, home):
    (tmp_path / "empty").mkdir()
    said = refused("data", "add", "megc2019-flow28", tmp_path / "empty")
    assert IMAGES in said
    assert LIST in said
    assert "u_test" in said
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(("gone", "kept"), [(IMAGES, LIST), (LIST, IMAGES)])
def test_half_a_copy_is_not_added_and_the_missing_half_is_named(refused, small_release, home, gone, kept):
    path = small_release / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert f"not {gone}" in refused("data", "add", "megc2019-flow28", small_release)
    assert list(home.iterdir()) == []


def test_a_copy_without_an_image_of_its_list_is_not_added(refused, small_release):
    an_image(small_release).unlink()
    assert "casme2/sub06/EP01_01f" in refused("data", "add", "megc2019-flow28", small_release)


def test_a_copy_that_has_gone_since_it_was_added_is_named(refused, small, registered):
    registered.rename(registered.with_name("moved"))
    assert str(registered) in refused("run", "majority", *small)
    assert str(registered) in refused("data", "verify", "megc2019-flow28")


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n"])
def test_an_unreadable_image_is_named_with_its_clip(refused, small, registered, content):
    an_image(registered).write_bytes(content)
    for words in (["run", "svm-flow", *small], ["data", "verify", "megc2019-flow28"]):
        said = refused(*words)
        assert str(an_image(registered)) in said
        assert "casme2/sub06/EP01_01f" in said
        assert "PNG" in said


@pytest.mark.parametrize("shape", [(27, 28, 3), (28, 28), (28, 28, 4)])
def test_an_image_of_another_size_is_named_with_what_is_expected(refused, small, registered, shape):
    an_image(registered).write_bytes(cv2.imencode(".png", np.zeros(shape, np.uint8))[1].tobytes())
    said = refused("run", "svm-flow", *small)
    assert str(an_image(registered)) in said
    assert "expected uint8 (28, 28, 3)" in said


def test_a_row_listed_twice_is_named(refused, small_release):
    edited(small_release / LIST, lambda rows: rows.append(rows[5]))
    said = refused("data", "add", "megc2019-flow28", small_release)
    assert "listed twice" in said
    assert "casme2/sub07/EP02_01f" in said


@pytest.mark.parametrize("label", ["3", "", "positive", "-1"])
def test_an_unknown_class_is_named_with_its_line(refused, small_release, label):
    edited(small_release / LIST, lambda rows: rows[5].__setitem__(3, label))
    said = refused("data", "add", "megc2019-flow28", small_release)
    assert f"{LIST}, line 6" in said
    assert f"unknown class {label!r}" in said
    assert "0 (negative), 1 (positive) or 2 (surprise)" in said


def test_a_subject_that_is_none_of_its_dataset_is_named_with_its_line(refused, small_release):
    edited(small_release / LIST, lambda rows: rows[5].__setitem__(1, "s07"))
    assert f"{LIST}, line 6" in refused("data", "add", "megc2019-flow28", small_release)


def test_a_list_without_a_column_is_named(refused, small_release):
    edited(small_release / LIST, lambda rows: rows[0].__setitem__(3, "emotion"))
    assert "lacks the columns label" in refused("data", "add", "megc2019-flow28", small_release)


def test_a_binary_list_is_named(refused, small_release):
    (small_release / LIST).write_bytes(bytes(range(128, 256)))
    assert LIST in refused("data", "add", "megc2019-flow28", small_release)


def test_damaged_registrations_are_named_with_what_to_do(refused, small, home):
    (home / "databases.json").write_text("{", encoding="utf-8")
    said = refused("run", "majority", *small)
    assert str(home / "databases.json") in said
    assert "add your databases again" in said


@pytest.mark.parametrize("content", ["[1, 2]", '"text"', '{"megc2019-flow28": 3}'])
def test_registrations_of_another_form_are_named(refused, small, home, content):
    (home / "databases.json").write_text(content, encoding="utf-8")
    assert str(home / "databases.json") in refused("run", "majority", *small)


def test_a_file_in_place_of_the_results_folder_is_named(refused, small, tmp_path):
    (tmp_path / "results").write_text("a file", encoding="utf-8")
    said = refused("run", "majority", *small)
    assert str(tmp_path / "results") in said
    assert "--results" in said


def test_a_file_in_place_of_the_home_is_named(refused, small_release, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("a file", encoding="utf-8")
    monkeypatch.setenv("MERBENCH_HOME", str(tmp_path / "file"))
    said = refused("data", "add", "megc2019-flow28", small_release)
    assert str(tmp_path / "file") in said
    assert "MERBENCH_HOME" in said


def test_a_file_in_place_of_the_leaderboard_is_named(refused, recorded, tmp_path):
    (tmp_path / "leaderboard").write_text("a file", encoding="utf-8")
    assert str(tmp_path / "leaderboard") in refused("submit", "majority", "--to", tmp_path / "leaderboard")


def test_a_folder_in_place_of_an_exported_log_is_named(refused, recorded, tmp_path):
    assert str(tmp_path / "results") in refused("export", "majority", "--out", tmp_path / "results")


def test_an_unknown_export_format_is_named(refused, recorded):
    assert "did you mean 'challenge'?" in refused("export", "majority", "--format", "chalenge")


def test_an_unknown_run_is_named_with_a_close_one(refused, recorded):
    (run,) = recorded.glob("majority-*")
    wrong = run.name.replace("majority", "majorty")
    said = refused("show", wrong)
    assert repr(wrong) in said
    assert f"did you mean {run.name!r}" in said


def test_a_beginning_that_fits_several_runs_is_refused_with_all_of_them(refused, done, small, recorded):
    done("run", "stratified-random", *small)
    said = refused("show", "s")
    names = sorted(path.name for path in recorded.iterdir() if path.name.startswith("s"))
    assert len(names) == 2
    assert ", ".join(names) in said


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema_version": 99}', "{}"])
def test_a_damaged_run_file_is_named(refused, recorded, content):
    (run,) = recorded.glob("majority-*")
    (run / "run.json").write_text(content, encoding="utf-8")
    assert str(run / "run.json") in refused("show", "majority")


def test_a_method_that_asks_for_more_than_the_release_has_is_refused_with_what_is_missing(refused, small, offer):
    offer(
        "[merbench.methods]\nframe-eater = MODULE.method:FrameEater\n",
        {
            "card.yaml": """
                name: frame-eater
                title: Frame eater
                summary: Wants frames.
                implementation: method:FrameEater
                inputs:
                  faces: {kind: frames, count: 8}
                """,
            "method.py": """
                from merbench.contracts.methods import MethodConfig

                class FrameEater:
                    Config = MethodConfig
                    def fit(self, train, run): ...
                    def predict(self, inputs): ...
                """,
        },
    )
    said = refused("run", "frame-eater", *small)
    assert "frame-eater can't run on megc2019-flow28" in said
    assert "'faces'" in said
    assert "flow(onset-apex, 28" in said


SMALL_CARD = """
    name: chatty
    title: Chatty
    summary: Tells too much.
    implementation: method:Chatty
    configurations: {full: {}, small: {}}
    default: full
    """
CHATTY = """
    import numpy as np
    from merbench.contracts.methods import MethodConfig, Prediction

    class Chatty:
        Config = MethodConfig
        def __init__(self, config, problem): ...
        def fit(self, train, run): ...
        def predict(self, inputs):
            return Prediction(np.zeros((inputs.clips, 3)))
        def diagnose(self, inputs):
            return {"attention/map": np.zeros((inputs.clips, 7, 7))}
    """


def test_a_method_that_tells_what_nobody_can_read_hears_which_names_are_known_and_keeps_its_predictions(
    merbench, done, small, offer
):
    offer("[merbench.methods]\nchatty = MODULE.method:Chatty\n", {"card.yaml": SMALL_CARD, "method.py": CHATTY})
    said = merbench("run", "chatty", *small, "--diagnose", "--folds", "samm/006")
    assert said.code == 1
    (line,) = [line for line in said.out.splitlines() if "samm/006: PredictionError" in line]
    assert "diagnose returned 'attention/map', expected names of the form feature/<name>, gate/<name>, kept/" in line
    assert "Traceback" not in said.out + said.err
    assert "failed" not in said.out
    assert "failed" not in done("run", "chatty", *small)


@pytest.mark.parametrize("field", ["default", "cpu", "quick"])
def test_a_card_that_names_a_configuration_which_is_not_there_is_named(refused, small, offer, field):
    card = SMALL_CARD.replace("default: full", f"{field}: tiny" + ("" if field == "default" else "\n    default: full"))
    offer("[merbench.methods]\nchatty = MODULE.method:Chatty\n", {"card.yaml": card, "method.py": CHATTY})
    said = refused("run", "chatty", *small)
    assert "card.yaml" in said
    assert f"{field} names 'tiny', which is not a configuration of the card: full, small" in said


@pytest.mark.parametrize("words", ["--debug methods nosuch", "methods --debug nosuch", "methods nosuch --debug"])
def test_debug_shows_the_traceback_wherever_it_stands(words, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["merbench", *words.split()])
    with pytest.raises(UnknownNameError, match="unknown method 'nosuch'"):
        main()


@pytest.mark.parametrize("words", ["--debug nosuch", "methods --nosuch --debug"])
def test_debug_shows_the_traceback_of_a_wrong_command_line(words, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["merbench", *words.split()])
    with pytest.raises(Exception, match="nosuch") as raised:
        main()
    assert raised.type.__module__.startswith(("click", "typer"))


def test_debug_changes_nothing_of_what_succeeds(done):
    assert done("--debug", "protocols") == done("protocols", "--debug") == done("protocols")


def test_something_unforeseen_is_one_line_that_says_how_to_see_more(merbench, monkeypatch):
    def broken(self, name):
        raise RuntimeError("the roof\nis on fire")

    monkeypatch.setattr("merbench.contracts.registry.Registry.get", broken)
    said = merbench("methods", "majority")
    assert (said.code, said.out) == (1, "")
    assert said.err.splitlines() == [
        "error: unforeseen RuntimeError: the roof is on fire (run it again with --debug for the traceback)"
    ]


def test_an_interrupted_run_says_that_it_can_go_on(merbench, small, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("merbench.engine.execute.grid._execute_held", interrupted)
    said = merbench("run", "majority", *small)
    assert said.code == 130
    assert len(said.err.splitlines()) == 1
    assert "the same command goes on" in said.err
