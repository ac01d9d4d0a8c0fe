"""Folds in processes of their own: the same predictions, and neither labels, files nor network in reach."""

import json
import socket

import numpy as np
import pandas as pd
import pytest

from merbench.engine.execute import namespaces
from merbench.engine.execute.sandbox import isolation
from merbench.records.select import read_entries
from merbench.records.states import state_of

pytestmark = pytest.mark.slow
WAYS = ("bubblewrap", "unshare")
FOLDS = ("--folds", "casme2/sub06", "--folds", "samm/006")
#: What a method tries to reach while it is trained; each returns what it found, or raises.
PRYING = """
import gc, os, socket, sys
from pathlib import Path
import numpy as np
import pandas as pd

def network():
    socket.create_connection(("127.0.0.1", PORT), timeout=2)
    return "a connection"

def files():
    return [place for place in PLACES if Path(place).exists() and any(Path(place).iterdir())]

def processes():
    return [pid for pid in os.listdir("/proc") if pid.isdecimal() and int(pid) > 30]

def environment():
    return [name for name in os.environ if "SECRET" in name]

def temporary():
    return [name for name in os.listdir("/tmp") if name not in TOPS]

def writes():
    Path(WRITABLE).write_text("x")
    return ""

def tables():
    found = []
    for thing in gc.get_objects():
        if isinstance(thing, pd.DataFrame) and "clip" in thing:
            found += [name for name in thing["clip"].astype(str) if not name.isdecimal()]
    return sorted(set(found))

def labels():
    frame, found = sys._getframe(), []
    while frame is not None:
        for value in frame.f_locals.values():
            split = getattr(getattr(value, "task", value), "split", None)
            if split is not None and hasattr(split, "fold"):
                found += np.asarray(split.labels)[split.fold("samm/006").test].tolist()
        frame = frame.f_back
    return sorted({label for label in found if label})
"""
METHOD = """
from merbench.contracts.methods import MethodConfig, Prediction

class Toy:
    Config = MethodConfig
    def __init__(self, config, problem): ...
    def predict(self, inputs): ...
    def fit(self, train, run):
        found = {}
        for name in NAMES:
            try:
                found[name] = globals()[name]()[:5]
            except BaseException:
                found[name] = []
        raise RuntimeError({name: value for name, value in found.items() if value})
"""


def predictions(folder):
    return {
        path.parent.name: pd.read_parquet(path) for path in sorted(folder.glob("runs/*/folds/*/predictions.parquet"))
    }


def test_isolated_runs_have_the_predictions_of_plain_ones(done, small, tmp_path):
    more = ("--set", "ststnet:epochs=2", "--keep-epochs", *small, *FOLDS)
    for way in ([], ["--isolated"]):
        said = done("run", "svm-flow", "ststnet", *more, *way, "--results", tmp_path / "-".join(["r", *way]))
        assert (isolation().text in said) == bool(way)
    plain, apart = tmp_path / "r", tmp_path / "r---isolated"
    assert len(predictions(plain)) == 2
    for folder in plain.glob("runs/*/folds/*"):
        other = apart / folder.relative_to(plain)
        pd.testing.assert_frame_equal(*(pd.read_parquet(each / "predictions.parquet") for each in (folder, other)))
        records = [json.loads((each / "record.json").read_text(encoding="utf-8")) for each in (folder, other)]
        assert records[0]["packages"] == records[1]["packages"]
        assert [record.get("isolated", False) for record in records] == [False, isolation().whole]
        if (folder / "epochs.npz").exists():
            with np.load(folder / "epochs.npz") as one, np.load(other / "epochs.npz") as two:
                np.testing.assert_array_equal(one["scores"], two["scores"])


@pytest.fixture
def majority_row(done, three, tmp_path):
    """Submit the run of a floor; return its folder."""
    done("run", "majority", *three)
    done("submit", "majority", "--to", tmp_path / "board")
    (folder,) = (tmp_path / "board").glob("three/*")
    return folder


@pytest.fixture
def only(monkeypatch):
    """Return what leaves one way to isolate installed, or none; skips the test where the system does not let it."""
    real = namespaces.tool

    def call(way):
        monkeypatch.setattr(namespaces, "tool", lambda name: real(name) if name == way else "")
        isolation.cache_clear()
        if way and not isolation().whole:
            pytest.skip(isolation().text)

    yield call
    monkeypatch.undo()
    isolation.cache_clear()


@pytest.mark.parametrize("way", WAYS)
def test_nothing_but_the_inputs_is_in_reach(
    toy, merbench, small, home, tmp_path, small_release, root, monkeypatch, only, way
):
    only(way)
    monkeypatch.setenv("MY_SECRET", "token")
    written = tmp_path / "written"
    with socket.create_server(("127.0.0.1", 0)) as server:
        places = [
            home,
            tmp_path / "results",
            small_release,
            root / "results" / "leaderboard",
            root / "protocols" / "lists",
        ]
        assert all(place.exists() for place in places[2:])
        body = PRYING.replace("PORT", str(server.getsockname()[1])).replace("PLACES", repr([*map(str, places)]))
        body = body.replace("WRITABLE", repr(str(written))).replace("TOPS", repr([tmp_path.parts[2]]))
        names = [line.partition("(")[0][4:] for line in PRYING.splitlines() if line.startswith("def ")]
        text = METHOD.replace("NAMES", repr(names)) + body
        toy(**{"method.py": text})
        found = []
        for way in ([], ["--isolated"]):
            said = merbench("run", "toy", *small, "--folds", "samm/006", *way)
            assert said.code == 1
            (record,) = (tmp_path / "results" / "runs").glob("toy*/folds/*/record.json")
            found.append(json.loads(record.read_text(encoding="utf-8"))["failure"]["message"])
            record.unlink()
            assert written.exists() == (not way)  # in its own temporary folder, if isolated
            written.unlink(missing_ok=True)
    assert all(f"'{name}'" in found[0] for name in ("network", "files", "environment", "tables", "labels")), found[0]
    assert found[1] == "{}", found[1]


@pytest.mark.parametrize("way", ["", *WAYS])
def test_the_way_that_is_used_is_named(done, majority_row, only, way):
    only(way)
    found = done("verify", majority_row, "--rerun", "all", "--by", "me")
    assert (f"({way})" in found) == bool(way), found
    assert ("state: rerun (3 of 3 folds), bitwise" in found) == bool(way)  # too few clips to judge cheats: not verified
    assert ("state: rerun (3 of 3 folds), not isolated, bitwise" in found) == (not way)
    state = state_of(read_entries(majority_row.parents[1]))
    assert f", {way}" in state.found if way else "not isolated" in state.text


def test_a_folder_with_other_file_systems_is_read_only_in_all_of_them(only, tmp_path):
    only("unshare")
    inner = {str(tmp_path): ["nosuid", "nodev", "relatime"], str(tmp_path / "a b" / "c"): ["noexec", "noatime"]}
    (tmp_path / "a b" / "c").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a b")
    place = str(tmp_path / "link")
    words = namespaces.mounted("bind", place, {"/": ["relatime"], **inner})
    assert words == ["bind", place, "ro", place, "nosuid,nodev,relatime", "ro", f"{place}/c", "noexec,noatime"]
    assert namespaces.mounted("bind", str(tmp_path / "absent"), inner) == []


def test_answers_are_bounded_and_never_unpickled(merbench, toy, small, tmp_path):
    bodies = {
        "import os; os._exit(3)": "ended with exit code 3",
        "import os; os.write(1, b'printed'); print('printed')": "",
        "[] * 0; raise SystemExit('stop')": "SystemExit: stop",
        "bytearray(60 << 30)": "MemoryError",
    }
    for number, (body, words) in enumerate(bodies.items()):
        toy(f"toy{number}", body=f"def fit(self, train, run):\n    {body}")
        said = merbench("run", f"toy{number}", *small, "--folds", "samm/006", "--isolated")
        assert (said.code, words in said.out) == (1 if words else 0, True), said.out
    refused = merbench("run", "toy0", *small, "--isolated", "--workers", "2")
    assert (refused.code, "leave out --workers 2" in refused.err) == (2, True)
