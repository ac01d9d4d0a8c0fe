"""Every method holds what is asked of every method; and each tripwire catches the fault it is there for."""

from importlib import import_module
from textwrap import dedent

import pytest
from support import faulty

from merbench.checks import tripwires
from merbench.checks.made_up import without_answers
from merbench.checks.observed import answers, observe
from merbench.checks.process import Alone
from merbench.checks.tripwires import CHECKS, Trial, findings
from merbench.engine.plan.catalogue import METHODS


@pytest.mark.parametrize("name", METHODS.names())
def test_a_registered_method_trips_no_wire(name):
    tiny = "tiny" if "tiny" in METHODS.get(name).card.configurations else None
    found = list(findings(name, config=tiny))
    assert [each for each in found if each.result == "failed"] == []
    assert not [each for each in found if "deterministic: true on the card" in each.evidence]


def tripped(cls, task="classification", but=(), **card):
    """Return the evidence of the checks that fail, by their names; those of `but` are not made."""
    method = faulty.registered(cls, **card)
    trial = Trial(method, cls.Config(), "default", task)
    found = [check(trial) for check in CHECKS if check.name not in but]
    assert all(len(each.evidence.splitlines()) == 1 for each in found)
    return {each.check: each.evidence for each in found if each.result == "failed"}


IN_A_PROCESS = ("between folds", "files and network", "card: data seen")


@pytest.fixture
def no_process(monkeypatch):
    """Let what a process of its own is asked be asked here, which takes less time."""

    def asked_here(task, fold, folder, package, one_by_one):
        seen = observe(without_answers(task, fold), fold, one_by_one=one_by_one)
        prediction = None if seen.failure else answers(seen.table, task.split.problem)
        return Alone(seen.failure, prediction, seen.company)

    monkeypatch.setattr(tripwires, "run_alone", asked_here)


def test_a_sound_method_trips_none():
    assert tripped(faulty.Sound) == {}


def test_a_sound_method_trips_none_with_action_units(no_process):
    assert tripped(faulty.Sound, "au-detection") == {}


@pytest.mark.parametrize(
    ("cls", "card", "wires"),
    [
        (faulty.WrongShape, {}, {"contract": "scores have shape (6, 2), expected (6, 3)"}),
        (faulty.NotAPrediction, {}, {"contract": "predict returned ndarray, expected a Prediction"}),
        (faulty.Sound, {"inputs": {}}, {"contract": "KeyError: 'flow'"}),
        (
            faulty.BatchStatistics,
            {},
            {"alone and in company": "scores differ by", "card: transductive": "the card says inductive"},
        ),
        (
            faulty.FittedAtTest,
            {},
            {"alone and in company": "scores differ by", "card: transductive": "the card says inductive"},
        ),
        (
            faulty.KeptBehindALock,
            {},
            {
                "alone and in company": "another fit asked one by one, also in a fresh process",
                "card: transductive": "depend on",
            },
        ),
        (
            faulty.ItsOwnCopy,
            {},
            {
                "alone and in company": "it can't be copied; another fit asked one by one",
                "card: transductive": "depend on",
            },
        ),
        (
            faulty.NeverTheSameBehindALock,
            {"deterministic": False},
            {
                "alone and in company": "so this can't be looked at: let copy.deepcopy copy it",
                "same seed twice": "the same seed gives another result",
                "card: transductive": "depend on",
            },
        ),
        (faulty.SoundBehindALock, {}, {}),
        (faulty.InOneFold, {}, {"alone and in company": "scores differ by", "card: transductive": "depend on"}),
        (faulty.InLargeBatches, {}, {"alone and in company": "scores differ by", "card: transductive": "depend on"}),
        (faulty.ChangedByPredicting, {}, {"watched": "predicted after each of 2 epochs, or at the end alone: scores"}),
        (
            faulty.OneClipFails,
            {},
            {"alone and in company": "expected more than 1 value", "card: transductive": "depend on"},
        ),
        (
            faulty.Net,
            {"deterministic": False},
            {"alone and in company": "Expected more than 1 value per channel", "card: transductive": "depend on"},
        ),
        (
            faulty.ByPosition,
            {"deterministic": False},  # each seed has an order of its own
            {"alone and in company": "scores differ", "test order": "scores differ", "card: transductive": ""},
        ),
        (
            faulty.FromTheClock,
            {"deterministic": False},
            {"same seed twice": "other seeds", "global random state": "numpy's global generator"},
        ),
        (faulty.ByEntropy, {"deterministic": False}, {"same seed twice": "the same seed gives another result"}),
        (faulty.FromAConstant, {"deterministic": False}, {"global random state": "seeded by a constant"}),
        (faulty.Random, {}, {"card: deterministic": "the card says deterministic; 4 seeds: scores differ"}),
        (faulty.Random, {"deterministic": False}, {}),
        (faulty.ChangesLabels, {}, {"inputs unchanged": "changed in place: labels"}),
        (faulty.ChangesInputs, {}, {"inputs unchanged": "input flow, input flow of the test clips"}),
        (faulty.KnowsTheAnswers, {}, {"shuffled labels": "UAR 1.000 in 12 folds"}),
        (faulty.made_here(), {}, {"another process": "can't be sent to a worker"}),
        (faulty.Sound, {"summary": " "}, {"card: complete": "nothing under summary"}),
        (faulty.Sound, {"configurations": {"default": {}, "other": {"x": 1}}}, {"card: complete": "x"}),
        (faulty.Sound, {"inputs": faulty.UNITS}, {"card: inputs": "never read: units"}),
        (faulty.Sound, {"transductive": True}, {"card: transductive": "nothing of the test clips is used"}),
        (faulty.Transductive, {"transductive": True}, {}),
        (faulty.Transductive, {}, {"contract": "TypeError"}),
        (faulty.UsesUnits, {"inputs": faulty.UNITS}, {"contract": "KeyError: 'units'"}),
        (faulty.UsesUnits, {"inputs": faulty.UNITS, "au_labels_at_test": True}, {}),
        (
            faulty.Sound,
            {"inputs": faulty.UNITS, "au_labels_at_test": True},
            {"card: inputs": "units", "card: AU labels at test": "reads none"},
        ),
        (faulty.Auxiliary, {"auxiliary": ["elsewhere"]}, {}),
        (faulty.Auxiliary, {}, {"contract": "'elsewhere' is not declared"}),
    ],
    ids=lambda value: getattr(value, "__name__", None) or ", ".join(value) or "none",
)
def test_a_fault_trips_its_wire_and_no_other(no_process, cls, card, wires):
    found = tripped(cls, but=IN_A_PROCESS, **card)
    assert set(found) == set(wires), found
    for name, told in wires.items():
        assert told in found[name]


def test_a_card_that_says_random_of_a_method_that_is_not_gets_a_remark():
    (check,) = [check for check in CHECKS if check.name == "card: deterministic"]
    for cls, told in ((faulty.Sound, True), (faulty.Random, False)):
        trial = Trial(faulty.registered(cls, deterministic=False), cls.Config(), "default", "classification")
        assert ("deterministic: true on the card" in check(trial).evidence) is told


def test_the_answers_of_action_units_are_found_out_too(no_process):
    assert set(tripped(faulty.KnowsTheAnswers, "au-detection")) == {"shuffled labels"}


def test_what_is_kept_of_test_clips_outside_of_the_instance_is_found_out(monkeypatch):
    monkeypatch.setattr(faulty, "ANSWERS", {})
    found = tripped(faulty.KeptInAModule)
    assert set(found) == {"alone and in company", "card: transductive"}
    assert "also in a fresh process: scores differ by" in found["alone and in company"]


def test_state_kept_from_fold_to_fold_is_found_out(monkeypatch):
    monkeypatch.setattr(faulty.KeepsState, "warm", False)
    found = tripped(faulty.KeepsState)
    assert set(found) == {"between folds"}
    assert "a fold after 5 others, and in a fresh process: scores differ by" in found["between folds"]


def test_a_method_that_reads_what_comes_with_merbench_is_found_out():
    found = tripped(faulty.ReadsLabels)
    assert set(found) == {"files and network"}
    assert found["files and network"].endswith("protocols/megc2019.yaml")


def test_whatever_a_method_reaches_for_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trial = Trial(faulty.registered(faulty.GoesOutside), faulty.GoesOutside.Config(), "default", "classification")
    told = [line.replace("\\", "/") for line in trial.one_by_one.trespasses]
    assert trial.one_by_one.failure == ""
    for begins, ends in (
        ("listed", f"/{faulty.HERE.parent.name}"), ("wrote", "/notes.txt"), ("os.mkdir", "/here"),
        ("opened the database", "/labels.db"), ("started a process", "(true)"), ("connected to", "'nobody'"),
    ):  # fmt: skip
        assert [line for line in told if line.startswith(begins) and line.endswith(ends)], (begins, told)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Install a library that reads a file of the user's while it is imported."""
    site = tmp_path / "site-packages"
    (site / "library_with_a_cache-1.0.dist-info").mkdir(parents=True)
    (tmp_path / "cache.json").write_text("{}")
    code = f"def cached():\n    return open({str(tmp_path / 'cache.json')!r}).read()\nCACHED = cached()\n"
    (site / "library_with_a_cache.py").write_text(code)
    monkeypatch.syspath_prepend(str(site))


def test_code_from_elsewhere_and_what_it_reads_are_found_out(library, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("helper_of_mine", "labels"):
        (elsewhere / f"{name}.py").write_text("LABELS = {}\n")
    config = faulty.Elsewhere(folder=str(elsewhere))
    trial = Trial(faulty.registered(faulty.LoadsCodeFromElsewhere), config, "default", "classification")
    assert (trial.one_by_one.failure, trial.one_by_one.files) == ("", ())
    assert trial.one_by_one.trespasses == (
        f"imported {elsewhere / 'helper_of_mine.py'}",
        f"opened {elsewhere / 'labels.py'}",
        f"opened {tmp_path / 'cache.json'}",
    )


def test_what_a_library_reads_while_it_is_imported_and_scratch_files_are_fine(library):
    trial = Trial(faulty.registered(faulty.KeepsToItself), faulty.KeepsToItself.Config(), "default", "classification")
    assert (trial.one_by_one.failure, trial.one_by_one.trespasses, trial.one_by_one.files) == ("", (), ())


def test_of_the_package_around_the_method_nothing_is_read_but_what_it_imports_itself(tmp_path, monkeypatch):
    files = {
        "__init__.py": "from . import shared\n",
        "shared.py": "NOTES = open(__file__.replace('shared.py', 'notes.txt')).read()\n",
        "later.py": "",
        "notes.txt": "",
        "mine/__init__.py": "",
        "mine/method.py": """
            from importlib import import_module
            import numpy as np
            import package_around.shared
            from merbench.contracts.methods import MethodConfig, Prediction

            class Method:
                Config = MethodConfig

                def __init__(self, config, problem):
                    self.outputs = len(problem.outputs)

                def fit(self, train, run):
                    import_module("package_around.later")
                    open(package_around.shared.__file__.replace("shared.py", "notes.txt"))

                def predict(self, inputs):
                    return Prediction(np.zeros((inputs.clips, self.outputs)))
            """,
        "../package_around-1.0.dist-info/METADATA": "",
    }
    for name, text in files.items():
        path = tmp_path / "package_around" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path))
    cls = import_module("package_around.mine.method").Method
    registered = faulty.registered(cls, tmp_path / "package_around" / "mine", "package_around.mine", inputs={})
    trial = Trial(registered, cls.Config(), "default", "classification")
    assert trial.one_by_one.failure == ""
    assert trial.one_by_one.trespasses == (
        f"imported {tmp_path / 'package_around' / 'later.py'}",
        f"opened {tmp_path / 'package_around' / 'notes.txt'}",
    )


def test_weights_that_are_read_must_have_their_data_on_the_card():
    config = faulty.Weights(file=str(faulty.HERE / "plugin" / "mer_toys" / "two.yaml"))
    silent = Trial(faulty.registered(faulty.ReadsWeights), config, "default", "classification")
    open_ = Trial(faulty.registered(faulty.ReadsWeights, data_seen=["imagenet"]), config, "", "classification")
    vars(open_)["alone"] = silent.alone
    (check,) = [check for check in CHECKS if check.name == "card: data seen"]
    assert silent.alone.trespasses == ()
    assert check(silent).result == "failed"
    assert "two.yaml" in check(silent).evidence
    assert (check(open_).result, "imagenet" in check(open_).evidence) == ("passed", True)
