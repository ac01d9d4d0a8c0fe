"""Broken entries of installed packages are reported by name, and everything else keeps working."""

import re

from support.cases import each, says

OURS = {"majority", "stratified-random", "svm-flow", "ststnet"}


def listed(text):
    return {line.split()[0] for line in text.splitlines() if line.strip()}


def test_a_name_that_two_claim_is_refused_and_others_work(merbench, refused, done, small, toy):
    module = toy("majority")
    for words in (["methods", "majority"], ["run", "svm-flow", "majority", *small]):
        refused(*words)
    said = merbench("methods")
    assert said.code == 0
    assert listed(said.out) >= OURS - {"majority"}
    assert len(said.err.splitlines()) == 1
    assert f"{module} 1.0" in said.err
    assert re.search(r"^ 1 +svm-flow ", done("run", "svm-flow", *small), re.MULTILINE)


def test_broken_entries_are_named_and_the_others_are_listed(merbench, refused, registered, toy, offer):
    broken = {
        "toy-0": ({"card.yaml": None}, "card.yaml is missing"),
        "toy-1": ({"card": "transductiv: true\n"}, "did you mean 'transductive'?"),
        "toy-2": ({"method.py": "import nowhere_at_all"}, "nowhere_at_all"),
        "toy-3": ({"method.py": "raise SystemExit(3)"}, "SystemExit"),
        "toy method": ({}, "must be lower-case"),
    }
    for name, (files, _) in broken.items():
        toy(name, **files)
    said = merbench("methods")
    assert (said.code, listed(said.out) >= OURS, "toy" in said.out) == (0, True, False)
    for name, (_, why) in each(broken.items()):
        assert sum(f"'{name}'" in line and why in line for line in said.err.splitlines()) == 1
        refused("methods", "--", name)
    said = merbench("doctor")
    assert (said.code, "no problems found" in said.out, len(said.err.splitlines())) == (1, False, len(broken))
    says(said.out, *OURS)
    code = {"__init__.py": "NUMBER = 3\n"}
    offer("[merbench.protocols]\nodd = MODULE:NUMBER\n[merbench.databases]\nodd = MODULE.absent:X\n", code)
    said = merbench("protocols")
    assert (said.code, "'odd'" in said.err) == (0, True)
    assert {"megc2019", "casme2-5", "cdmer-*"} <= listed(said.out)
    said = merbench("data", "list")
    assert (said.code, "'odd'" in said.out + said.err, "24 clips, 9 subjects" in said.out) == (0, True, True)
    refused("data", "add", "odd", registered)
