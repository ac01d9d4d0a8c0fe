"""Every registered method passes the checks, and each planted fault fails exactly the checks that are there for it."""

from importlib import import_module
from textwrap import dedent

import numpy as np
import pytest
from support import faulty

from merbench.checks import checked as checked_module
from merbench.checks import findings
from merbench.checks.checked import CheckedMethod
from merbench.checks.checks import CHECKS
from merbench.checks.observation import observe
from merbench.checks.synthetic_clips import synthetic_task, without_test_labels
from merbench.contracts.inputs import DynamicImage, FlowSeries, Frames, FrameTimes
from merbench.contracts.methods import MethodConfig
from merbench.engine.fold import opening
from merbench.engine.plan.catalogue import METHODS

IN_A_PROCESS = ("between folds", "files and network", "card: data seen")
RANDOM, GIVEN = {"deterministic": False}, {"inputs": faulty.UNITS, "au_labels_at_test": True}


def batch(evidence):
    return {"batch independence": evidence, "card: transductive": "the card says inductive"}


BATCH = batch("scores differ by")
#: A method, changes of its card, and the checks that fail with a part of their evidence.
FAULTS = [
    (faulty.WrongShape, {}, {"contract": "(6, 2), expected (6, 3)"}),
    (faulty.NotAPrediction, {}, {"contract": "ndarray"}),
    (faulty.Sound, {"inputs": {}}, {"contract": "KeyError: 'flow'"}),
    (faulty.BatchStatistics, {}, BATCH),
    (faulty.FittedAtTest, {}, BATCH),
    (faulty.KeptBehindALock, {}, batch("another fit predicted one by one, also in a fresh process")),
    (faulty.ItsOwnCopy, {}, batch("can't be copied; another fit")),
    (faulty.NeverTheSameBehindALock, RANDOM, batch("__deepcopy__") | {"same seed twice": "a different result"}),
    (faulty.SoundBehindALock, {}, {}),
    (faulty.InOneFold, {}, BATCH),
    (faulty.InLargeBatches, {}, BATCH),
    (faulty.ChangedByPredicting, {}, {"epoch predictions": "after each of 2 epochs, and at the end only: scores"}),
    (faulty.OneClipFails, {}, batch("expected more than 1 value")),
    (faulty.Net, RANDOM, batch("Expected more than 1 value per channel")),
    (faulty.ByPosition, RANDOM, BATCH | {"test order": "scores differ"}),  # each seed has an order of its own
    (
        faulty.FromTheClock,
        RANDOM,
        {"same seed twice": "other seeds", "global random state": "numpy's global generator"},
    ),
    (faulty.ByEntropy, RANDOM, {"same seed twice": "a different result"}),
    (faulty.FromAConstant, RANDOM, {"global random state": "constant"}),
    (faulty.Random, {}, {"card: deterministic": "4 seeds: scores differ"}),
    (faulty.Random, RANDOM, {}),
    (faulty.ChangesLabels, {}, {"inputs unchanged": "labels"}),
    (faulty.ChangesInputs, {}, {"inputs unchanged": "input flow, input flow of the test clips"}),
    (faulty.KnowsTheAnswers, {}, {"shuffled labels": "UAR 1.000 in 24 folds"}),
    (faulty.made_here(), {}, {"another process": "can't be sent to a worker"}),
    (faulty.Sound, {"summary": " "}, {"card: complete": "summary"}),
    (faulty.Sound, {"configurations": {"default": {}, "other": {"x": 1}}}, {"card: complete": "x"}),
    (faulty.Sound, {"inputs": faulty.UNITS}, {"card: inputs": "units"}),
    (
        faulty.Sound,
        {"inputs": faulty.UNITS, "tasks": ["classification", "au-detection"]},
        {"card: inputs": "units under classification; declare_inputs(config, task) may declare fewer"},
    ),
    (faulty.ReadsAllAtOnce, {"inputs": {"flow": faulty.UNITS["flow"], "times": FrameTimes(frames=Frames(size=8))}}, {}),
    (faulty.Sound, {"epochs": False}, {}),
    (faulty.Sound, {"epochs": True}, {"card: epochs": "has epochs; it reports none"}),
    (faulty.HasEpochs, {"epochs": False}, {"card: epochs": "has no epochs; it reports 2"}),
    (faulty.HasEpochs, {"epochs": True}, {}),
    (faulty.Sound, {"transductive": True}, {"card: transductive": "transductive"}),
    (faulty.Transductive, {"transductive": True}, {}),
    (faulty.Transductive, {}, {"contract": "TypeError"}),
    (faulty.UsesUnits, {"inputs": faulty.UNITS}, {"contract": "KeyError: 'units'"}),
    (faulty.UsesUnits, GIVEN, {}),
    (faulty.FailsUnobserved, {}, {"contract": "fails when nothing observes it: RuntimeError"}),
    (faulty.Sound, GIVEN, {"card: inputs": "units", "card: AU labels at test": "none"}),
    (faulty.Auxiliary, {"auxiliary": ["elsewhere"]}, {}),
    (faulty.Pretrained, {"auxiliary": ["elsewhere"]}, {}),
    (faulty.Auxiliary, {}, {"contract": "'elsewhere'"}),
]


def test_synthetic_clips_are_drawn_as_declared():
    pairs = Frames(span="onset-apex", count=2, size=8, onset_draw=(0, 0.1), difference="onset")
    jittered = Frames(count=3, size=8, sampling="jittered")
    inputs = {"pairs": pairs, "times": FrameTimes(frames=pairs), "jittered": jittered}
    inputs |= {"every": FrameTimes(frames=Frames(count=None)), "active": DynamicImage(size=8, weights="active")}
    inputs |= {"series": FlowSeries(size=16, count=3)}
    method = faulty.registered(faulty.Sound, inputs=inputs)
    given = synthetic_task(method, MethodConfig(), "classification").inputs
    for name, versions in (("pairs", [1, 2, 3]), ("times", [1, 2, 3]), ("jittered", [3, 3, 3])):
        assert [len(clip) for clip in given[name].stored()[:3]] == versions, name
    batch = given.batch(slice(0, 6), np.random.default_rng(0))
    shapes = {name: (values.dtype, values.shape) for name, values in batch.items()}
    assert shapes == {
        "pairs": (np.int16, (6, 1, 8, 8, 1)),
        "times": (np.float32, (6, 1)),
        "jittered": (np.uint8, (6, 3, 8, 8, 1)),
        "every": (object, (6,)),
        "active": (np.uint8, (6, 8, 8, 1)),
        "series": (np.float32, (6, 2, 16, 16, 2)),
    }
    assert all((np.diff(times) > 0).all() for times in batch["every"])


def checked(cls, task="classification", config=None, **card):
    return CheckedMethod(faulty.registered(cls, **card), config or cls.Config(), "default", task)


def failing(method, but=()):
    """Return the evidence of the checks that fail, by their names; those of `but` are not run."""
    found = [check(method) for check in CHECKS if check.name not in but]
    assert all(len(each.evidence.splitlines()) == 1 for each in found)
    return {each.check: each.evidence for each in found if each.result == "failed"}


def verdict(name, method):
    (check,) = [check for check in CHECKS if check.name == name]
    return check(method)


@pytest.fixture
def no_process(monkeypatch):
    """Run in this process what is otherwise run in a process of its own, which takes less time."""

    def here(task, fold, folder, package, one_by_one):
        return observe(without_test_labels(task, fold), fold, one_by_one=one_by_one)

    monkeypatch.setattr(checked_module, "run_alone", here)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS.names())
def test_registered_methods_pass_all_checks(name):
    configuration = "tiny" if "tiny" in METHODS.get(name).card.configurations else None
    found = list(findings(name, config=configuration))
    assert {each.check for each in found} == {check.name for check in CHECKS}
    assert [each for each in found if each.result == "failed"] == []
    assert not [each for each in found if "deterministic: true on the card" in each.evidence]


@pytest.mark.slow
def test_a_method_above_the_bound_by_chance_is_judged_by_further_shuffles():
    """Of `mdmo` the first twelve folds are three deviations above chance; over 40 other shuffles the UAR is .31."""
    method = METHODS.get("frame-classifier")
    found = verdict("shuffled labels", CheckedMethod(method, method.resolve("mdmo"), "mdmo", "classification"))
    assert (found.result, "in 24 folds" in found.evidence) == ("passed", True)
    assert found.evidence.endswith("; UAR 0.500 in 12 folds before, bound 0.496")


def test_auxiliary_clips_of_held_out_people_would_be_noticed(monkeypatch):
    """The engine takes them out; here it does not, neither for `pretrain` nor for `fit`."""
    for cls in (faulty.Auxiliary, faulty.Pretrained):
        found = verdict("auxiliary data", checked(cls, auxiliary=["elsewhere"]))
        assert (found.result, found.evidence.partition(" held")[0]) == ("passed", "6 auxiliary clips of the person")
    monkeypatch.setattr(opening, "auxiliary_people", lambda task, data: np.full(len(data), "someone", dtype=object))
    for cls in (faulty.Auxiliary, faulty.Pretrained):
        assert verdict("auxiliary data", checked(cls, auxiliary=["elsewhere"])).result == "failed"
    assert verdict("auxiliary data", checked(faulty.Sound)).result == "not applicable"


def test_a_sound_method_passes_all_checks_of_either_task(no_process):
    assert failing(checked(faulty.Sound)) == {}
    assert failing(checked(faulty.Sound, "au-detection")) == {}
    assert set(failing(checked(faulty.KnowsTheAnswers, "au-detection"))) == {"shuffled labels"}


def test_each_fault_fails_exactly_its_checks(no_process):
    for cls, card, expected in FAULTS:
        found = failing(checked(cls, **card), but=IN_A_PROCESS)
        assert set(found) == set(expected), (cls, card, found)
        for name, evidence in expected.items():
            assert evidence in found[name]


def test_a_method_that_could_be_deterministic_gets_a_hint():
    for cls, hint in ((faulty.Sound, True), (faulty.Random, False)):
        found = verdict("card: deterministic", checked(cls, deterministic=False))
        assert ("deterministic: true on the card" in found.evidence) is hint


@pytest.mark.slow
def test_state_outside_of_the_instance_is_found(monkeypatch):
    monkeypatch.setattr(faulty, "ANSWERS", {})
    found = failing(checked(faulty.KeptInAModule))
    assert set(found) == set(BATCH)
    assert "also in a fresh process: scores differ by" in found["batch independence"]
    monkeypatch.setattr(faulty.KeepsState, "warm", False)
    found = failing(checked(faulty.KeepsState))
    assert set(found) == {"between folds"}
    assert "a fold after 5 others, and in a fresh process: scores differ by" in found["between folds"]


@pytest.mark.slow
def test_reading_files_of_merbench_is_found():
    found = failing(checked(faulty.ReadsLabels))
    assert set(found) == {"files and network"}
    assert found["files and network"].endswith("protocols/megc2019.yaml")


@pytest.mark.slow
def test_everything_reached_for_outside_is_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    alone = checked(faulty.GoesOutside).one_by_one
    lines = [line.replace("\\", "/") for line in alone.trespasses]
    assert alone.failure == ""
    for begins, ends in (
        ("listed", f"/{faulty.HERE.parent.name}"), ("wrote", "/notes.txt"), ("os.mkdir", "/here"),
        ("opened the database", "/labels.db"), ("started a process", "(true)"), ("connected to", "'nobody'"),
    ):  # fmt: skip
        assert [line for line in lines if line.startswith(begins) and line.endswith(ends)], (begins, lines)
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


@pytest.mark.slow
def test_code_from_elsewhere_is_found_and_libraries_may_read(library, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("helper_of_mine", "labels"):
        (elsewhere / f"{name}.py").write_text("LABELS = {}\n")
    alone = checked(faulty.LoadsCodeFromElsewhere, config=faulty.Elsewhere(folder=str(elsewhere))).one_by_one
    assert (alone.failure, alone.files) == ("", [])
    assert alone.trespasses == [
        f"imported {elsewhere / 'helper_of_mine.py'}",
        f"opened {elsewhere / 'labels.py'}",
        f"opened {tmp_path / 'cache.json'}",
    ]
    alone = checked(faulty.KeepsToItself).one_by_one
    assert (alone.failure, alone.trespasses, alone.files) == ("", [], [])


def test_only_imports_of_the_package_around_a_method_are_allowed(tmp_path, monkeypatch):
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
    around = tmp_path / "package_around"
    alone = checked(cls, folder=around / "mine", package="package_around.mine", inputs={}).one_by_one
    assert alone.failure == ""
    assert alone.trespasses == [f"imported {around / 'later.py'}", f"opened {around / 'notes.txt'}"]


@pytest.mark.slow
def test_data_behind_weights_must_be_on_the_card():
    folder = faulty.HERE.parent
    config = faulty.Weights(file=str(folder / "plugin" / "mer_toys" / "two.yaml"))
    silent = checked(faulty.ReadsWeights, config=config, folder=folder)
    disclosed = checked(faulty.ReadsWeights, config=config, data_seen=["imagenet"])
    vars(disclosed)["alone"] = silent.alone
    found = verdict("card: data seen", silent)
    assert (found.result, "two.yaml" in found.evidence) == ("failed", True)
    assert silent.alone.trespasses == []
    found = verdict("card: data seen", disclosed)
    assert (found.result, "imagenet" in found.evidence) == ("passed", True)
