"""An installed package offers a method, protocols and a database."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from merbench.analysis.rows import measured_rows
from merbench.records.select import read_runs

pytestmark = pytest.mark.slow
PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install the package from a copy, so that nothing is built in the tree, and return where."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(PLUGIN, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--disable-pip-version-check", "--target", folder / "site", folder / "source"],
        capture_output=True, text=True, check=False, env={**os.environ, "PIP_CONFIG_FILE": os.devnull},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (folder / "site" / "mer_toys" / "mean" / "card.yaml").is_file()
    return folder / "site"


@pytest.fixture
def lights(tmp_path):
    """Write a copy of the database ``toy-lights`` and return its folder."""
    rows = [f"room{room},{kind},{kind},{light + room}" for room in range(3) for kind, light in
            (("dark", 10), ("bright", 200), ("flicker", 90))]  # fmt: skip
    (tmp_path / "lights").mkdir()
    (tmp_path / "lights" / "lights.csv").write_text("\n".join(["room,clip,kind,light", *rows]) + "\n", encoding="utf-8")
    return tmp_path / "lights"


@pytest.fixture
def merbench(installed, tmp_path):
    """Return what runs ``python -m merbench`` where the package is installed: gives exit code, output and errors."""

    def call(*words):
        found = subprocess.run(
            [sys.executable, "-m", "merbench", *map(str, words)], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "200"}, check=False,
        )  # fmt: skip
        return found.returncode, found.stdout, found.stderr

    return call


def test_methods_lists_plug_ins_and_names_broken_ones(merbench):
    code, out, err = merbench("methods")
    assert code == 0
    assert re.search(r"^ *toy-mean .*\[mer-toys 0\.1\]", out, re.MULTILINE)
    listed = {line.split()[0] for line in out.splitlines() if line.strip()}
    assert {"majority", "svm-flow", "ststnet", "stratified-random"} <= listed
    assert "toy-broken" not in out
    (line,) = err.splitlines()
    for word in ("toy-broken", "mer-toys 0.1", "RuntimeError", "[bold]a toy"):
        assert word in line


def test_plug_in_methods_have_a_card(merbench):
    code, out, err = merbench("methods", "toy-mean")
    card = yaml.safe_load(out)
    assert (code, err, card["name"], card["origin"]) == (0, "", "toy-mean", "mer-toys 0.1")
    assert card["paper"]["bibtex"].startswith("@misc{toy2026,")


def test_protocols_lists_those_of_a_file_and_those_of_an_object(merbench):
    code, out, err = merbench("protocols")
    assert (code, err) == (0, "")
    assert re.search(r"^ *toy-two +Calm and glad\. \[mer-toys 0\.1\]", out, re.MULTILINE)
    assert re.search(r"^ *toy-rooms +One room is held out at a time\. \[mer-toys 0\.1\]", out, re.MULTILINE)
    assert re.search(r"^ *megc2019 ", out, re.MULTILINE)


def test_plug_in_method_protocol_and_database_make_a_table(merbench, lights, tmp_path):
    code, out, err = merbench(
        "run", "toy-mean", "majority", "--protocol", "toy-two", "--protocol", "toy-rooms", "--data", lights,
        "--set", "toy-mean:power=2",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "a copy of toy-lights" in out.splitlines()[0]
    assert len(re.findall(r"^ 1 +toy-mean \(power=2\) +1\.0000 +1\.0000 ", out, re.MULTILINE)) == 2
    runs = read_runs(tmp_path / "results")
    assert runs.problems == []
    records = [record for row in measured_rows(runs)[0] for record in row.records()]
    assert {(r["method"], r["protocol"]): (r["uf1"], r["clips"], r["folds"], r["part"]) for r in records} == {
        ("toy-mean", "toy-two"): (1.0, 6, 3, "full"),
        ("toy-mean", "toy-rooms"): (1.0, 9, 3, "full"),
        ("majority", "toy-two"): (pytest.approx(1 / 3), 6, 3, "full"),  # 6 clips called calm, 3 are: F1 2/3 and 0
        ("majority", "toy-rooms"): (pytest.approx(0.4), 9, 3, "full"),  # 9 clips called dark, 6 are: F1 12/15 and 0
    }


def test_a_broken_method_looked_up_by_name_is_one_error_line(merbench, lights):
    code, out, err = merbench("run", "toy-broken", "--protocol", "toy-two", "--data", lights)
    assert code == 2
    assert "Traceback" not in out + err
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    for word in ("'toy-broken'", "mer-toys 0.1", "mer_toys.broken.method:ToyBroken", "RuntimeError"):
        assert word in line
