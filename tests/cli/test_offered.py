"""Broken entries of installed packages are reported by name, and everything else keeps working."""

import json
import re
from importlib.metadata import version

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


def test_methods_that_lack_a_package_are_not_installed_and_others_work(merbench, refused, done, small, toy, tmp_path):
    toy(
        "toy-0",
        card="requires: [no-such-package>=2]\ninputs:\n  flow: {kind: flow}\n",
        **{"method.py": "import no_such_package\n"},
    )
    toy("toy-1", card="requires: [MODULE>=2]\n")
    toy("toy-2", card="requires: [typer]\n")
    for words in ("run toy-0", "run majority toy-1", "ablate toy-1", "ablate medn --beside toy-0"):
        refused(*words.split(), *small)
    refused("check-method", "toy-0")
    said = merbench("methods")
    assert (said.code, OURS | {"toy-2"} <= listed(said.out), "toy-0" in said.out) == (0, True, False)
    lines = said.err.splitlines()
    assert [("broken" in line, "is not installed: pip install '" in line) for line in lines] == [(False, True)] * 2
    card = done("methods", "toy-0")
    says(card, "\nnot installed: pip install 'no-such-package>=2'\n", "\n  flow: flow(onset-apex, 28, u/v/strain, ")
    found = done("doctor")
    assert lines == [line for line in found.splitlines() if "not installed" in line]
    assert re.search(f"^timm +{re.escape(version('timm'))}$", found, re.MULTILINE)  # which the card of medn requires
    done("run", "toy-2", *small)
    for path in (tmp_path / "results" / "runs").glob("toy-2-*/folds/*/record.json"):
        assert json.loads(path.read_bytes())["packages"]["typer"] == version("typer")
