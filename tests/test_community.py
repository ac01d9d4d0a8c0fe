"""What is around the code: the workflow that verifies rows, the container, the citation, the notebook for Colab."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from support.cases import each

import merbench
from merbench.cli import app

ROOT = Path(__file__).parents[1]
ROWS = Path("results") / "leaderboard" / "megc2019"


@pytest.fixture
def checkouts(tmp_path):
    """Return ours and theirs with the same three rows, and what runs the script in ours with a verify that prints."""
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text('#!/bin/sh\necho "$@"\n')
    uv.chmod(0o755)
    for place in ("ours", "ours/theirs"):
        for name in ("a", "b", "c"):
            (tmp_path / place / ROWS / name).mkdir(parents=True)
            (tmp_path / place / ROWS / name / "run.json").write_text("{}")

    def verify():
        environ = os.environ | {"PATH": f"{uv.parent}:{os.environ['PATH']}"}
        how = {"cwd": tmp_path / "ours", "env": environ, "capture_output": True, "text": True, "check": False}
        done = subprocess.run(["bash", ROOT / ".github" / "verify_rows.sh", "theirs"], **how)
        return done.returncode, done.stdout, done.stderr

    return tmp_path / "ours" / "theirs" / ROWS, verify


def test_a_state_is_not_submitted_with_its_row(checkouts):
    theirs, verify = checkouts
    (theirs / "c" / "verification.json").write_text("{}")  # the row is merged
    assert verify()[:2] == (0, f"1 new or changed rows\nrun --no-sync merbench verify theirs/{ROWS}/c\n")
    (theirs / "c" / "run.json").write_text("{ }")
    code, _, err = verify()
    assert (code, f"{ROWS}/c comes with verification.json" in err) == (1, True)
    (theirs / "c" / "verification.json").unlink()
    ours, lines = theirs.parents[3] / "results" / "reproduced.csv", theirs.parents[1] / "reproduced.csv"
    for old, new, expected in (
        ("a,1", "a,1\nb,1", 0),
        ("a,1", "a,1\nc,1", 1),
        ("a,1\nc,1", "a,1\nc,1", 0),
        ("c,1", "c,2", 1),
    ):
        ours.write_text(f"run_id,sha256\n{old}\n")
        lines.write_text(f"run_id,sha256\n{new}\n")
        code, _, err = verify()
        assert (code, "has a line about" in err) == (expected, bool(expected)), new


def test_rows_that_differ_are_verified_and_strange_files_refused(checkouts):
    theirs, verify = checkouts
    assert verify()[:2] == (0, "no row is new or changed\n")
    (theirs / "a" / "run.json").write_text("{ }")
    (theirs / "a" / "code" / "more").mkdir(parents=True)  # of a method that is not merbench's own
    shutil.rmtree(theirs / "b")
    (theirs / "--help").mkdir()
    code, out, _ = verify()
    rows = f"theirs/{ROWS}/--help theirs/{ROWS}/a"
    assert (code, out.splitlines()) == (0, [
        f"deleted: {ROWS}/b", "2 new or changed rows", f"run --no-sync merbench verify {rows}",
    ])  # fmt: skip
    for make in each((
        lambda: (theirs / "c" / "link.json").symlink_to("/etc/passwd"),
        lambda: (theirs / "linked").symlink_to("/etc"),
        lambda: os.mkfifo(theirs / "c" / "pipe"),
        lambda: (theirs / "c" / "deep").mkdir(),
        lambda: (theirs / "a" / "code" / "link").symlink_to("/etc"),
        lambda: (theirs / "file").touch(),
    )):  # fmt: skip
        before = set(theirs.rglob("*"))
        make()
        code, out, err = verify()
        assert (code, "merbench verify" in out, bool(err)) == (1, False, True)
        for path in set(theirs.rglob("*")) - before:
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def test_the_workflow_runs_no_code_of_the_pull_request():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "verify.yml").read_text(encoding="utf-8"))
    assert set(workflow[True]) == {"pull_request"}  # YAML 1.1 reads the key on as true
    assert workflow["permissions"] == {"contents": "read"}
    ours, theirs, *others = workflow["jobs"]["verify"]["steps"]
    assert "base.sha" in ours["with"]["ref"]
    assert "path" not in ours["with"]
    assert ("head.sha" in theirs["with"]["ref"], theirs["with"]["path"]) == (True, "submitted")
    assert [step["run"] for step in others if "run" in step] == ["uv sync", "bash .github/verify_rows.sh submitted"]


def test_versions_files_and_commands_that_are_named_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == project["version"] == merbench.__version__
    assert f"## {merbench.__version__}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines():
        if line.startswith("COPY "):
            assert all((ROOT / name).exists() for name in line.split()[1:-1]), line
    known = {command.name or command.callback.__name__.replace("_", "-") for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    notebook = json.loads((ROOT / "docs" / "colab.ipynb").read_text(encoding="utf-8"))
    text = "".join("".join(cell["source"]) + "\n" for cell in notebook["cells"])
    assert not any(cell.get("outputs") for cell in notebook["cells"])
    used = set(re.findall(r"^ *!merbench ([\w-]+)", text, flags=re.M))
    assert {"run", "compare", "new-method", "check-method"} <= used <= known
