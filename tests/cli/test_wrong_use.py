"""Wrong use gets one line that names the thing and what to do, and exit code 2."""

import csv
import shutil
import sys

import cv2
import numpy as np
import pytest

from merbench.cli import main
from merbench.contracts.errors import MerbenchError

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


def test_wrong_arguments_of_run_are_refused(refused, small, tmp_path):
    for words in (
        ["svm-flw"],
        ["svm-flow", "majorty"],
        ["svm-flow", "--data", "megc2019-flow"],
        ["svm-flow", "--data", "no/such/folder"],
        ["svm-flow", "--set", "kernl=linear"],
        ["svm-flow", "--set", "C=much"],
        ["svm-flow", "--set", "C=-1"],
        ["svm-flow", "--set", "kernel=cubic"],
        ["ststnet", "--set", "epochs=2.5"],
        ["svm-flow", "--set", "C"],
        ["svm-flow", "--set", "=3"],
        ["ststnet", "--config", "quik"],
        ["svm-flow", "ststnet", "--config", "quick"],
        ["svm-flow", "--diagnoze"],
        ["svm-flow", "--config", "ststnet:quick"],
        ["svm-flow", "--set", "ststnet:epochs=3"],
        ["svm-flow", "--set", "svmflow:C=3"],
        ["svm-flow", "--seeds", "many"],
        ["svm-flow", "--seeds", "3-1"],
        ["svm-flow", "--seeds", ""],
        ["svm-flow", "--seeds", "-1"],
        ["svm-flow", "--seeds", "0-999999999"],
        ["ststnet", "--select", "iner"],
        ["ststnet", "--select", "oracle"],
        ["svm-flow", "--existing", "overwrite"],
        ["svm-flow", "--folds", "casme2/sub66"],
        ["svm-flow", "--worker", "2"],
        ["--data", "auto"],
    ):
        refused("run", *words, *small)
    assert not (tmp_path / "results").exists()


def test_selection_without_epochs_is_refused_and_leaves_no_row(refused, merbench, small):
    said = refused("run", "svm-flow", "--select", "inner", *small)
    assert "method SvmFlow does not report epochs" in said
    assert "use --select last" in said
    assert merbench("compare", "--format", "json", "--no-published").out.strip() == "[]"


def test_wrong_arguments_are_refused(refused):
    for words in (
        ["run", "majority"],
        ["run", "majority", "--protocol", "megc2091"],
        ["run", "majority", "--protocol", "mine.yaml"],
        ["score", "log.csv", "--protocol", "megc"],
        ["compare", "majorty"],
        ["compare", "--protocol", "megc2020"],
        ["compare", "--format", "latx"],
        ["compare"],
        ["methods", "STSnet"],
        ["protocols", "mecg2019"],
        ["data", "add", "megc2019-flow82", "."],
        ["data", "verify", "megc2019-flow82"],
        ["data", "verify", "megc2019-flow28"],
        ["data", "add", "megc2019-flow28"],
        ["show", "majority"],
        ["export", "majority"],
        ["submit", "majority"],
        ["comapre"],
        ["data", "ad"],
        ["compare", "--nope"],
        ["methods", "ststnet", "majority"],
    ):
        refused(*words)


def test_missing_databases_are_named(refused, done, small_protocol, tmp_path, miniature):
    miniature.write_smic(tmp_path / "smic")
    done("data", "add", "smic-hs", tmp_path / "smic")
    refused("run", "majority", "--protocol", small_protocol)
    refused("run", "majority", "--protocol", small_protocol, "--data", "megc2019-flow28")


def test_data_that_does_not_serve_the_protocol_is_refused(refused, small, small_protocol):
    refused("run", "majority", "--protocol", "smic-hs-3", "--data", "samm")
    assert "436 missing: casme2/sub01/EP02_01f" in refused("run", "majority", "--protocol", "megc2019")
    small_protocol.write_text(small_protocol.read_text().replace("  samm:", "  mmew:"), encoding="utf-8")
    for data in ("megc2019-flow28", "auto"):
        assert "mmew" in refused("run", "majority", *small, "--data", data)


def test_mistakes_in_a_protocol_file_are_named_with_the_file(refused, small, small_protocol):
    text = small_protocol.read_text()
    for old, new in (
        ("title: Small", "titel: Small"),
        ("classes: [neg", "expectd: {}\nclasses: [neg"),
        ("folds: leave-one-subject-out", "folds: leave-one-out"),
        ("negative: [negative]", "negatve: [negative]"),
        ("title: Small", "title: [Small"),
    ):
        small_protocol.write_text(text.replace(old, new), encoding="utf-8")
        assert str(small_protocol) in refused("run", "majority", *small)


def test_folders_without_a_copy_are_not_added(refused, tmp_path, home, small_release):
    (tmp_path / "empty").mkdir()
    refused("data", "add", "megc2019-flow28", tmp_path / "nowhere")
    refused("data", "add", "megc2019-flow28", tmp_path / "empty")
    for gone in (IMAGES, LIST):
        (small_release / gone).rename(tmp_path / "gone")
        refused("data", "add", "megc2019-flow28", small_release)
        (tmp_path / "gone").rename(small_release / gone)
    an_image(small_release).unlink()
    assert "casme2/sub06/EP01_01f" in refused("data", "add", "megc2019-flow28", small_release)
    assert list(home.iterdir()) == []


def test_a_copy_that_was_moved_is_named(refused, small, registered):
    registered.rename(registered.with_name("moved"))
    assert str(registered) in refused("run", "majority", *small)
    assert str(registered) in refused("data", "verify", "megc2019-flow28")


def test_unreadable_images_are_named_with_their_clip(refused, small, registered):
    for content in (b"", b"no image at all", b"\x89PNG\r\n\x1a\n"):
        an_image(registered).write_bytes(content)
        for words in (["run", "svm-flow", *small], ["data", "verify", "megc2019-flow28"]):
            said = refused(*words)
            assert str(an_image(registered)) in said
            assert "casme2/sub06/EP01_01f" in said
    for shape in ((27, 28, 3), (28, 28), (28, 28, 4)):
        an_image(registered).write_bytes(cv2.imencode(".png", np.zeros(shape, np.uint8))[1].tobytes())
        assert str(an_image(registered)) in refused("run", "svm-flow", *small)


def test_damaged_lists_of_a_release_are_named_with_the_line(refused, small_release):
    content = (small_release / LIST).read_bytes()

    def added(change):
        (small_release / LIST).write_bytes(content)
        edited(small_release / LIST, change)
        return refused("data", "add", "megc2019-flow28", small_release)

    assert "casme2/sub07/EP02_01f" in added(lambda rows: rows.append(rows[5]))
    for label in ("3", "", "positive", "-1"):
        assert f"{LIST}, line 6" in added(lambda rows, label=label: rows[5].__setitem__(3, label))
    assert f"{LIST}, line 6" in added(lambda rows: rows[5].__setitem__(1, "s07"))
    assert "label" in added(lambda rows: rows[0].__setitem__(3, "emotion"))
    (small_release / LIST).write_bytes(bytes(range(128, 256)))
    assert LIST in refused("data", "add", "megc2019-flow28", small_release)


def test_damaged_registrations_are_named(refused, small, home):
    for content in ("{", "[1, 2]", '"text"', '{"megc2019-flow28": 3}'):
        (home / "databases.json").write_text(content, encoding="utf-8")
        assert str(home / "databases.json") in refused("run", "majority", *small)


def test_files_in_place_of_folders_are_named(refused, small, small_release, tmp_path, monkeypatch):
    (tmp_path / "results").write_text("a file", encoding="utf-8")
    assert str(tmp_path / "results") in refused("run", "majority", *small)
    monkeypatch.setenv("MERBENCH_HOME", str(tmp_path / "results"))
    assert str(tmp_path / "results") in refused("data", "add", "megc2019-flow28", small_release)


def test_files_and_folders_in_place_of_output_are_named(refused, recorded, tmp_path):
    (tmp_path / "leaderboard").write_text("a file", encoding="utf-8")
    assert str(tmp_path / "leaderboard") in refused("submit", "majority", "--to", tmp_path / "leaderboard")
    assert str(tmp_path / "results") in refused("export", "majority", "--out", tmp_path / "results")
    refused("export", "majority", "--format", "chalenge")


def test_run_names_that_fit_none_or_several_are_refused(refused, recorded):
    (run,) = recorded.glob("majority-*")
    wrong = run.name.replace("majority", "majorty")
    assert f"did you mean {run.name!r}" in refused("show", wrong)
    shutil.copytree(run, recorded / "majority-copy")
    names = sorted(path.name for path in recorded.glob("majority-*"))
    assert ", ".join(names) in refused("show", "m")


def test_damaged_run_files_are_named(refused, recorded):
    (run,) = recorded.glob("majority-*")
    for content in ("", "{", "[]", '{"schema_version": 99}', "{}"):
        (run / "run.json").write_text(content, encoding="utf-8")
        assert str(run / "run.json") in refused("show", "majority")


def test_methods_with_missing_inputs_are_refused(refused, small, offer):
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


def test_unknown_diagnostics_are_reported_and_predictions_kept(merbench, done, small, offer):
    offer("[merbench.methods]\nchatty = MODULE.method:Chatty\n", {"card.yaml": SMALL_CARD, "method.py": CHATTY})
    said = merbench("run", "chatty", *small, "--diagnose", "--folds", "samm/006")
    assert said.code == 1
    (line,) = [line for line in said.out.splitlines() if "samm/006: PredictionError" in line]
    assert "diagnose returned 'attention/map', expected names of the form feature/<name>, gate/<name>, kept/" in line
    assert "Traceback" not in said.out + said.err
    assert "failed" not in said.out
    assert "failed" not in done("run", "chatty", *small)


def test_cards_with_unknown_keys_or_names_are_refused(refused, small, offer):
    for key in ("default", "cpu", "quick", "without_gpu"):
        card = SMALL_CARD.replace("default: full", f"{key}: tiny" + ("" if key == "default" else "\n    default: full"))
        name = f"chatty-{key.replace('_', '-')}"
        card = card.replace("name: chatty", f"name: {name}")
        offer(f"[merbench.methods]\n{name} = MODULE.method:Chatty\n", {"card.yaml": card, "method.py": CHATTY})
        said = refused("run", name, *small)
        assert "card.yaml" in said
        assert key in said


@pytest.mark.parametrize("words", ["--debug methods nosuch", "methods --debug nosuch", "methods nosuch --debug"])
def test_debug_shows_the_traceback_wherever_it_stands(words, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["merbench", *words.split()])
    with pytest.raises(MerbenchError, match="unknown method 'nosuch'"):
        main()


@pytest.mark.parametrize("words", ["--debug nosuch", "methods --nosuch --debug"])
def test_debug_shows_the_traceback_of_a_wrong_command_line(words, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["merbench", *words.split()])
    with pytest.raises(Exception, match="nosuch") as raised:
        main()
    assert raised.type.__module__.startswith(("click", "typer"))


def test_debug_changes_nothing_of_what_succeeds(done):
    assert done("--debug", "protocols") == done("protocols", "--debug") == done("protocols")


def test_unexpected_errors_are_one_line(merbench, monkeypatch):
    def broken(self, name):
        raise RuntimeError("the roof\nis on fire")

    monkeypatch.setattr("merbench.contracts.registry.Registry.get", broken)
    said = merbench("methods", "majority")
    assert (said.code, said.out) == (1, "")
    assert said.err.splitlines() == [
        "error: unexpected RuntimeError: the roof is on fire (--debug shows the traceback)"
    ]


def test_interrupted_runs_can_be_resumed(merbench, small, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("merbench.engine.execute.grid._execute_held", interrupted)
    said = merbench("run", "majority", *small)
    assert said.code == 130
    assert len(said.err.splitlines()) == 1
    assert "the same command to resume" in said.err
