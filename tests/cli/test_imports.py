"""What a command imports: help answers at once, and a table needs no torch."""

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "timm", "mlflow", "ray", "pandas", "sklearn", "pyarrow", "cv2", "numpy", "scipy", "requests", "pooch"}
CODE = """
import contextlib, io, json, sys
from merbench.cli import main

codes = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["merbench", *words]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            main()
    except SystemExit as ended:
        codes.append(ended.code or 0)
print(json.dumps([codes, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def imported(*lines, cwd):
    """Run command lines in one fresh process, where all must succeed; returns the packages that it imported."""
    words = json.dumps([line if isinstance(line, list) else line.split() for line in lines])
    found = subprocess.run([sys.executable, "-c", CODE, words], capture_output=True, text=True, cwd=cwd, check=False)
    assert found.returncode == 0, found.stderr
    codes, names = json.loads(found.stdout)
    assert codes == [0] * len(lines), found.stderr
    return set(names)


def test_help_imports_nothing_heavy(tmp_path):
    assert "pydantic" not in imported("--help", cwd=tmp_path)
    names = imported("--help", "run --help", "compare --help", "data --help", "data fetch --help", cwd=tmp_path)
    assert "typer" in names
    assert names & HEAVY == set()


@pytest.mark.slow
def test_tables_and_logs_do_not_import_torch(recorded, tmp_path):
    lines = [f"compare --published --format {name}" for name in ("table", "md", "latex", "csv", "json")]
    names = imported(*lines, "show svm-flow", "export svm-flow --out log.csv", cwd=tmp_path)
    assert "pandas" in names
    assert names & {"torch", "timm", "mlflow", "ray", "sklearn"} == set()


@pytest.mark.slow
def test_a_run_of_methods_without_torch_imports_no_torch(recorded, small, tmp_path):
    names = imported(["run", "majority", *small], cwd=tmp_path)
    assert {"sklearn", "pyarrow"} <= names
    assert names & {"torch", "timm", "mlflow", "ray"} == set()
