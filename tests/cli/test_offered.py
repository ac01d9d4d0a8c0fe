"""Broken entries of installed packages are reported by name, and everything else keeps working."""

import re

from support.cases import each

OURS = {"majority", "stratified-random", "svm-flow", "ststnet"}


def listed(text):
    return {line.split()[0] for line in text.splitlines() if line.strip()}


def test_a_name_that_two_claim_is_refused_and_others_work(merbench, refused, done, small, toy):
    module = toy("majority")
    for words in (["methods", "majority"], ["run", "svm-flow", "majority", *small]):
        said = refused(*words)
        assert "merbench (merbench.methods.floors.majority.method:Majority)" in said
        assert f"{module} 1.0 ({module}.method:Toy)" in said
    said = merbench("methods")
    assert said.code == 0
    assert listed(said.out) >= OURS - {"majority"}
    assert len(said.err.splitlines()) == 1
    assert f"{module} 1.0" in said.err
    assert re.search(r"^ 1 +svm-flow ", done("run", "svm-flow", *small), re.MULTILINE)


def test_broken_methods_are_named_and_the_others_are_listed(merbench, refused, toy):
    toy("toy-0", **{"card.yaml": None})
    toy("toy-1", card="transductiv: true\n")
    toy("toy-2", **{"card.yaml": "[toy"})
    toy("toy-3", **{"method.py": "import nowhere_at_all"})
    toy("toy-4", **{"method.py": "class Toy: ..."})
    toy("toy-5", **{"method.py": "raise SystemExit(3)"})
    said = merbench("methods")
    assert said.code == 0
    assert listed(said.out) >= OURS
    assert not any(name.startswith("toy") for name in listed(said.out))
    cases = ("card.yaml is missing", "did you mean 'transductive'?", "YAML", "nowhere_at_all", "Config, fit, predict")
    for number, (line, why) in each(enumerate(zip(said.err.splitlines(), (*cases, "SystemExit"), strict=True))):
        assert f"toy-{number}" in line
        assert why in line
        assert why in refused("methods", f"toy-{number}")


def test_doctor_names_what_is_broken_and_exits_with_1(merbench, toy):
    module = toy(**{"method.py": "raise RuntimeError('a toy broke')"})
    said = merbench("doctor")
    assert said.code == 1
    (line,) = said.err.splitlines()
    for word in ("'toy'", f"{module} 1.0", "a toy broke"):
        assert word in line
    assert all(ours in said.out for ours in OURS)
    assert "no problems found" not in said.out


def test_methods_with_invalid_names_are_named(merbench, toy):
    modules = {name: toy(name) for name in ("Toy", "a/b", "..", "-toy", "toy method")}
    said = merbench("methods")
    assert said.code == 0
    assert listed(said.out) >= OURS
    for name, module in modules.items():
        assert module in said.err
        assert module in merbench("methods", "--", name).err


def test_broken_protocols_and_databases_are_named(merbench, refused, registered, offer):
    code = {"__init__.py": "from pathlib import Path\nPATH = Path('nowhere.yaml')\nNUMBER = 3\n"}
    targets = {"MODULE:PATH": "nowhere.yaml", "MODULE:NUMBER": "neither a path nor", "MODULE.absent:X": "absent"}
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
