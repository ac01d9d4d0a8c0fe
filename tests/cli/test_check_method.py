"""``merbench check-method``: a line a check, exit codes, wrong use."""

import json

import pytest

from merbench.checks import checked, checks
from merbench.checks.observation import Observation

IN_A_PROCESS = ("between folds", "files and network", "card: data seen")
CARD = "deterministic: true\n"


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
    assert [" ".join(line.split()) for line in others] == [
        "not applicable epoch predictions the method does not report epochs",
        "not applicable auxiliary data no auxiliary data in this configuration",
    ]
    assert last == "none of 16 checks failed"


def test_failed_checks_are_shown_with_evidence(merbench, toy):
    toy(body="def fit(self, train, run):\n    train.labels[:] = 0\n", card=CARD)
    said = merbench("check-method", "toy", "majority", "--set", "toy:power=2")
    assert (said.code, said.err) == (1, "")
    (failed,) = [line for line in said.out.splitlines() if line.startswith("failed")]
    assert failed.split(None, 3)[1:] == ["inputs", "unchanged", "changed in place: labels"]
    assert "toy default power=2, classification" in said.out
    assert said.out.splitlines()[-1] == "1 of 32 checks failed"


def test_json_has_every_finding_and_nothing_else_is_printed(done):
    found = json.loads(done("check-method", "always-shown", "--json"))
    assert [each["check"] for each in found] == [check.name for check in checks.CHECKS]
    assert set(found[0]) == {"method", "config", "check", "holds", "task", "result", "evidence"}
    assert (found[0]["method"], found[0]["task"], found[0]["result"]) == ("always-shown", "au-detection", "passed")


def test_the_output_of_a_method_is_kept_apart(merbench, toy):
    toy(body="print('loaded')\ndef fit(self, train, run):\n    print('epoch 1')\n", card=CARD)
    said = merbench("check-method", "toy", "--json")
    assert {each["result"] for each in json.loads(said.out)} == {"passed", "not applicable"}
    assert {"loaded", "epoch 1"} == set(said.err.split("\n")) - {""}
    lines = merbench("check-method", "toy").out.splitlines()
    assert len(lines) == len(checks.CHECKS) + 2
    assert not [line for line in lines if "epoch" in line and "epochs" not in line]


def test_wrong_use_is_one_line(all_refused):
    lines = "majorty | majority --config quik | ststnet --set epoch=3 | majority --set ststnet:epochs=3 | "
    all_refused("|".join(f"check-method {words}" for words in lines.split("|")))
