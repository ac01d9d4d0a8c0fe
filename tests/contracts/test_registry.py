import re
import signal
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from support.cases import says
from support.refusals import refusal

from merbench.contracts import registry as registry_module
from merbench.contracts.errors import MerbenchError
from merbench.contracts.notes import Note
from merbench.contracts.registry import Registry

BUILTIN = {"dumps": "json:dumps", "decode": "json:JSONDecoder.decode"}


def _point(name, value, dist="plugin 1.2"):
    package, _, version = dist.partition(" ")
    return SimpleNamespace(
        name=name, value=value, dist=SimpleNamespace(name=package, version=version) if dist else None
    )


@pytest.fixture
def installed(monkeypatch):
    """Return a list of entry points that count as installed in the group ``merbench.things``."""
    points = []
    monkeypatch.setattr(registry_module, "entry_points", lambda group: points if group == "merbench.things" else [])
    return points


def _registry(builtin=BUILTIN, convert=lambda entry, found: found):
    return Registry("thing", "merbench.things", builtin.copy, convert)


def test_names_of_the_library_and_of_plugins(installed):
    installed.append(_point("loads", "json:loads"))
    things = _registry()
    assert things.names() == ["decode", "dumps", "loads"]
    assert [entry.origin for entry in things.entries()] == ["merbench", "merbench", "plugin 1.2"]
    import json

    assert things.get("dumps") is json.dumps
    assert things.get("decode") is json.JSONDecoder.decode
    assert things.get("loads") is json.loads


def test_an_unknown_name_is_reported_with_close_ones(installed):
    for name, said in (("dump", "did you mean 'dumps'?"), ("xyzzy", "known: decode, dumps")):
        assert refusal(_registry().get, name) == f"unknown thing '{name}' ({said})"


def test_names_claimed_once_or_twice(installed):
    installed.extend([_point("dumps", "pickle:dumps"), _point("loads", "json:loads"), _point("loads", "json:loads")])
    things = _registry()
    assert things.names().count("dumps") == 1
    line = refusal(things.get, "dumps")
    assert all(text in line for text in ("thing 'dumps'", "merbench (json:dumps)", "plugin 1.2 (pickle:dumps)"))
    assert things.get("loads")('"x"') == "x"


def test_entries_that_cannot_be_loaded_are_reported(installed, tmp_path, monkeypatch):
    (tmp_path / "merbench_test_failing.py").write_text("1 / 0\n")
    (tmp_path / "merbench_test_ending.py").write_text(
        "class End(BaseException):\n    def __repr__(self):\n        raise self\nraise End\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for target, cause in (
        ("no_such_module_anywhere:thing", ""),
        ("json:no_such_object", ""),
        ("json:JSONDecoder.nothing", ""),
        ("json", ""),
        ("json:", ""),
        ("merbench_test_failing:thing", "division by zero"),
        ("merbench_test_ending:thing", "End, whose message can't be written: End"),
    ):
        installed[:] = [_point("broken", target)]
        says(
            refusal(_registry().get, "broken", case=target),
            f"'broken' of plugin 1.2 can't be loaded from {target}: ",
            cause,
        )
    installed[:] = [_point("../loads", "json:loads")]
    assert re.search(r"'\.\./loads' must be lower-case .*plugin 1\.2", refusal(_registry().get, "../loads"))
    installed[:] = [_point("loads", "json:loads", dist="")]
    assert _registry().entry("loads").origin == "an unknown package"


def test_a_broken_plugin_harms_no_other(installed):
    installed.extend(
        [_point("broken", "no_such_module_anywhere:thing"), _point("Bad", "json:loads"), _point("dumps", "json:loads")]
    )
    items, problems = _registry().load_all()
    assert list(items) == ["decode"]
    assert len(problems) == 3
    for name in ("broken", "Bad", "dumps"):
        assert sum(f"'{name}'" in problem.text for problem in problems) == 1
    assert all(p.text.startswith("broken: thing ") and "plugin 1.2" in p.text for p in problems)
    assert {problem.kind for problem in problems} == {"problem"}


def test_a_loaded_object_is_checked_with_its_entry(installed):
    def convert(entry, found):
        if entry.name == "decode":
            raise MerbenchError(f"{entry.name} of {entry.origin} does not fit")
        return (entry.name, found)

    items, problems = _registry(convert=convert).load_all()
    assert [item[0] for item in items.values()] == ["dumps"]
    assert problems == [Note("problem", "broken: thing 'decode': decode of merbench does not fit")]


def test_packages_are_scanned_once_until_forgotten(installed):
    scans, loads = [], []

    def convert(entry, found):
        loads.append(entry)
        return found

    things = Registry("thing", "merbench.things", lambda: scans.append(1) or BUILTIN, convert)
    for _ in range(3):
        things.names()
        things.get("dumps")
        things.load_all()
    assert (len(scans), len(loads)) == (1, 2)
    installed.append(_point("loads", "json:loads"))
    assert "loads" not in things.names()
    things.forget()
    assert "loads" in things.names()
    assert len(scans) == 2


@pytest.mark.parametrize("main", [True, False])
def test_an_import_that_never_ends_is_reported(installed, tmp_path, monkeypatch, main):
    endless = "import time\nwhile True:\n    try:\n        time.sleep(1)\n    except Exception:\n        pass\n"
    (tmp_path / f"merbench_test_endless_{main}.py").write_text(endless)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry_module, "IMPORT_SECONDS", 0.2)
    installed += [_point("endless", f"merbench_test_endless_{main}:thing"), _point("loads", "json:loads")]
    before = signal.getsignal(signal.SIGALRM)
    if main:
        items, problems = _registry().load_all()
    else:
        with ThreadPoolExecutor(1) as threads:
            items, problems = threads.submit(_registry().load_all).result()
    assert list(items) == ["decode", "dumps", "loads"]
    assert "its import took more than 0.2 s" in problems[0].text
    assert (signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)) == (before, (0.0, 0.0))
