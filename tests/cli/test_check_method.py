"""``merbench check-method``: a line a check, exit codes, wrong use."""

import json

import pytest

from merbench.checks import checked, checks
from merbench.checks.observation import Observation

IN_A_PROCESS = ("between folds", "files and network", "card: data seen")
CARD = "name: toy\ntitle: T\nsummary: S\nimplementation: method:Toy\ndeterministic: true\n"
METHOD = """
import numpy as np
from merbench.contracts.methods import MethodConfig, Prediction

class Config(MethodConfig):
    power: int = 1

class Toy:
    Config = Config
    def __init__(self, config, problem):
        self.outputs = len(problem.outputs)
    def fit(self, train, run):
        train.labels[:] = 0
    def predict(self, inputs):
        return Prediction(np.zeros((inputs.clips, self.outputs)))
"""


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Leave out the checks that start a process; tests/checks has them."""
    few = [check for check in checks.CHECKS if check.name not in IN_A_PROCESS]
    monkeypatch.setattr(checks, "CHECKS", few)
    monkeypatch.setattr(checked, "run_alone", lambda *_, **__: Observation(failure="not started"))


def test_each_check_is_a_line_under_each_method(done):
    first, *lines, last = done("check-method", "majority").splitlines()
    assert first == "majority default, classification: 36 synthetic clips of 6 subjects, on the CPU"
    assert [line[16:].split("  ")[0] for line in lines] == [check.name for check in checks.CHECKS]
    others = [line for line in lines if not line.startswith("passed  ")]
    (other,) = [" ".join(line.split()) for line in others]
    assert other == "not applicable epoch predictions the method does not report epochs"
    assert last == "none of 14 checks failed"


def test_failed_checks_are_shown_with_evidence(merbench, offer):
    offer("[merbench.methods]\ntoy = MODULE.method:Toy\n", {"card.yaml": CARD, "method.py": METHOD})
    said = merbench("check-method", "toy", "majority", "--set", "toy:power=2")
    assert (said.code, said.err) == (1, "")
    (failed,) = [line for line in said.out.splitlines() if line.startswith("failed")]
    assert failed.split(None, 3)[1:] == ["inputs", "unchanged", "changed in place: labels"]
    assert "toy default power=2, classification" in said.out
    assert said.out.splitlines()[-1] == "1 of 28 checks failed"


def test_json_has_every_finding_and_nothing_else_is_printed(done):
    found = json.loads(done("check-method", "always-shown", "--json"))
    assert [each["check"] for each in found] == [check.name for check in checks.CHECKS]
    assert found[0] == {
        "method": "always-shown",
        "config": "default",
        "check": "contract",
        "holds": "every fold runs and returns a score for each clip and output",
        "task": "au-detection",
        "result": "passed",
        "evidence": "6 folds run; finite scores of 3 outputs for every clip",
    }


def test_the_output_of_a_method_is_kept_apart(merbench, offer):
    loud = METHOD.replace("train.labels[:] = 0", "print('epoch 1')")
    offer("[merbench.methods]\ntoy = MODULE.method:Toy\n", {"card.yaml": CARD, "method.py": f"print('loaded')\n{loud}"})
    said = merbench("check-method", "toy", "--json")
    assert {each["result"] for each in json.loads(said.out)} == {"passed", "not applicable"}
    assert {"loaded", "epoch 1"} == set(said.err.split("\n")) - {""}
    lines = merbench("check-method", "toy").out.splitlines()
    assert len(lines) == len(checks.CHECKS) + 2
    assert not [line for line in lines if "epoch" in line and "epochs" not in line]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["majorty"], "unknown method 'majorty' (did you mean 'majority'?)"),
        (["majority", "--config", "quik"], "method majority has no configuration 'quik'"),
        (["ststnet", "--set", "epoch=3"], "did you mean 'epochs'?"),
        (["majority", "--set", "ststnet:epochs=3"], "'ststnet' is not part of this run"),
        ([], "Missing argument 'METHOD'"),
    ],
)
def test_wrong_use_is_one_line(refused, words, told):
    assert told in refused("check-method", *words)
