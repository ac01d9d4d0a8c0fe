"""What installed packages offer may be wrong in any way: it is told with its name, and everything else works on."""

import re

import pytest

CARD = "name: NAME\ntitle: T\nsummary: S\nimplementation: method:Toy\n"
METHOD = """
from merbench.contracts.methods import MethodConfig

class Toy:
    Config = MethodConfig
    def fit(self, train, run): ...
    def predict(self, inputs): ...
"""
OURS = {"majority", "stratified-random", "svm-flow", "ststnet"}


def listed(text):
    return {line.split()[0] for line in text.splitlines() if line.strip()}


def test_a_name_that_two_claim_fails_at_lookup_with_both_and_harms_nobody_else(merbench, refused, done, small, offer):
    module = offer(
        "[merbench.methods]\nmajority = MODULE.method:Toy\n",
        {"card.yaml": CARD.replace("NAME", "majority"), "method.py": METHOD},
    )
    for words in (["methods", "majority"], ["run", "svm-flow", "majority", *small]):
        said = refused(*words)
        assert "'majority' is claimed by" in said
        assert "merbench (merbench.methods.floors.majority.method:Majority)" in said
        assert f"{module} 1.0 ({module}.method:Toy)" in said
    said = merbench("methods")
    assert said.code == 0
    assert listed(said.out) >= OURS - {"majority"}
    assert len(said.err.splitlines()) == 1
    assert f"{module} 1.0" in said.err
    assert re.search(r"^ 1 +svm-flow ", done("run", "svm-flow", *small), re.MULTILINE)


def test_two_packages_that_claim_one_name_are_both_named(refused, offer):
    files = {"card.yaml": CARD.replace("NAME", "toy"), "method.py": METHOD}
    one = offer("[merbench.methods]\ntoy = MODULE.method:Toy\n", files)
    two = offer("[merbench.methods]\ntoy = MODULE.method:Toy\n", files)
    said = refused("methods", "toy")
    assert f"{one} 1.0" in said
    assert f"{two} 1.0" in said


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "card.yaml is missing"),
        ({"card.yaml": CARD.replace("NAME", "other")}, "'other'"),
        ({"card.yaml": CARD.replace("NAME", "toy") + "transductiv: true\n"}, "did you mean 'transductive'?"),
        ({"card.yaml": CARD.replace("NAME", "toy").replace("title: T\n", "")}, "'title' is missing"),
        ({"card.yaml": "[toy"}, "YAML"),
        ({"card.yaml": CARD.replace("NAME", "toy"), "method.py": "import nowhere_at_all"}, "nowhere_at_all"),
        ({"card.yaml": CARD.replace("NAME", "toy"), "method.py": "def Toy(): ..."}, "is not a method class"),
        ({"card.yaml": CARD.replace("NAME", "toy"), "method.py": "class Toy: ..."}, "Config, fit, predict missing"),
        ({"card.yaml": CARD.replace("NAME", "toy"), "method.py": "raise SystemExit(3)"}, "SystemExit"),
        (
            {"card.yaml": CARD.replace("NAME", "toy"), "method.py": METHOD.replace("= MethodConfig", "= dict")},
            "Config must be a class derived from MethodConfig",
        ),
    ],
)
def test_a_broken_method_is_told_of_and_the_others_are_listed(merbench, refused, offer, files, told):
    module = offer("[merbench.methods]\ntoy = MODULE.method:Toy\n", {"method.py": METHOD, **files})
    said = merbench("methods")
    assert said.code == 0
    assert listed(said.out) >= OURS
    assert "toy" not in listed(said.out)
    (line,) = said.err.splitlines()
    assert "toy" in line
    assert module in line
    assert told in line
    assert told in refused("methods", "toy")


def test_doctor_names_what_is_broken_and_exits_with_1(merbench, offer):
    module = offer("[merbench.methods]\ntoy = MODULE.method:Toy\n", {"method.py": "raise RuntimeError('a toy broke')"})
    said = merbench("doctor")
    assert said.code == 1
    (line,) = said.err.splitlines()
    for word in ("'toy'", f"{module} 1.0", "a toy broke"):
        assert word in line
    for ours in OURS:
        assert ours in said.out
    assert "no problems found" not in said.out


@pytest.mark.parametrize("name", ["Toy", "a/b", "..", "-toy", "toy method"])
def test_a_method_with_a_name_that_is_no_name_is_told_of(merbench, refused, offer, name):
    module = offer(
        f"[merbench.methods]\n{name} = MODULE.method:Toy\n",
        {"card.yaml": CARD.replace("NAME", repr(name)), "method.py": METHOD},
    )
    said = merbench("methods")
    assert said.code == 0
    assert listed(said.out) >= OURS
    assert module in said.err
    assert module in merbench("methods", "--", name).err


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("MODULE:PATH", "nowhere.yaml"),
        ("MODULE:NUMBER", "neither a path nor a protocol"),
        ("MODULE:ABSENT", "ABSENT"),
        ("MODULE.absent:X", "absent"),
    ],
)
def test_a_broken_protocol_is_told_of_and_the_others_are_listed(merbench, offer, target, told):
    offer(
        f"[merbench.protocols]\ntoy = {target}\n",
        {"__init__.py": "from pathlib import Path\nPATH = Path('nowhere.yaml')\nNUMBER = 3\n"},
    )
    said = merbench("protocols")
    assert said.code == 0
    assert {"megc2019", "casme2-5", "cdmer-*"} <= listed(said.out)
    (line,) = said.err.splitlines()
    assert "toy" in line
    assert told in line


@pytest.mark.parametrize("target", ["MODULE:NUMBER", "MODULE:ABSENT", "MODULE.absent:X"])
def test_a_broken_database_is_told_of_and_the_others_work(merbench, done, refused, registered, small, offer, target):
    offer(f"[merbench.databases]\ntoy = {target}\n", {"__init__.py": "NUMBER = 3\n"})
    said = merbench("data", "list")
    assert said.code == 0
    assert "24 clips, 9 subjects" in said.out
    assert "toy" in said.out + said.err
    assert "toy" in refused("data", "add", "toy", registered)
    assert re.search(r"^ 1 +majority ", done("run", "majority", *small), re.MULTILINE)
