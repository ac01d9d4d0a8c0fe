"""Broken entries of installed packages are reported by name, and everything else keeps working."""

import re

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


def test_a_name_that_two_claim_is_refused_and_others_work(merbench, refused, done, small, offer):
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


def test_broken_methods_are_named_and_the_others_are_listed(merbench, refused, offer):
    card = CARD.replace("NAME", "toy")
    cases = {
        "card.yaml is missing": {},
        "'other'": {"card.yaml": CARD.replace("NAME", "other")},
        "did you mean 'transductive'?": {"card.yaml": card + "transductiv: true\n"},
        "'title' is missing": {"card.yaml": card.replace("title: T\n", "")},
        "YAML": {"card.yaml": "[toy"},
        "nowhere_at_all": {"card.yaml": card, "method.py": "import nowhere_at_all"},
        "is not a method class": {"card.yaml": card, "method.py": "def Toy(): ..."},
        "Config, fit, predict missing": {"card.yaml": card, "method.py": "class Toy: ..."},
        "SystemExit": {"card.yaml": card, "method.py": "raise SystemExit(3)"},
        "MethodConfig": {"card.yaml": card, "method.py": METHOD.replace("= MethodConfig", "= dict")},
    }
    for number, files in enumerate(cases.values()):
        named = {path: text.replace("name: toy", f"name: toy-{number}") for path, text in files.items()}
        offer(f"[merbench.methods]\ntoy-{number} = MODULE.method:Toy\n", {"method.py": METHOD, **named})
    said = merbench("methods")
    assert said.code == 0
    assert listed(said.out) >= OURS
    assert not any(name.startswith("toy") for name in listed(said.out))
    for number, (line, why) in enumerate(zip(said.err.splitlines(), cases, strict=True)):
        assert f"toy-{number}" in line
        assert why in line
        assert why in refused("methods", f"toy-{number}")


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


def test_methods_with_invalid_names_are_named(merbench, offer):
    names = ("Toy", "a/b", "..", "-toy", "toy method")
    modules = [
        offer(
            f"[merbench.methods]\n{name} = MODULE.method:Toy\n",
            {"card.yaml": CARD.replace("NAME", repr(name)), "method.py": METHOD},
        )
        for name in names
    ]
    said = merbench("methods")
    assert said.code == 0
    assert listed(said.out) >= OURS
    for name, module in zip(names, modules, strict=True):
        assert module in said.err
        assert module in merbench("methods", "--", name).err


def test_broken_protocols_and_databases_are_named(merbench, refused, registered, offer):
    code = {"__init__.py": "from pathlib import Path\nPATH = Path('nowhere.yaml')\nNUMBER = 3\n"}
    targets = {
        "MODULE:PATH": "nowhere.yaml",
        "MODULE:NUMBER": "neither a path nor a protocol",
        "MODULE:ABSENT": "ABSENT",
        "MODULE.absent:X": "absent",
    }
    for number, target in enumerate(targets):
        offer(f"[merbench.protocols]\ntoy-{number} = {target}\n[merbench.databases]\ntoy-{number} = {target}\n", code)
    said = merbench("protocols")
    assert said.code == 0
    assert {"megc2019", "casme2-5", "cdmer-*"} <= listed(said.out)
    for number, (line, why) in enumerate(zip(said.err.splitlines(), targets.values(), strict=True)):
        assert f"toy-{number}" in line
        assert why in line
    said = merbench("data", "list")
    assert said.code == 0
    assert "24 clips, 9 subjects" in said.out
    for number in range(len(targets)):
        assert f"toy-{number}" in said.out + said.err
        refused("data", "add", f"toy-{number}", registered)
