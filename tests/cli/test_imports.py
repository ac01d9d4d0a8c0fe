"""What a command imports: help answers at once, and a table needs no torch."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = ["torch", "timm", "mlflow", "ray", "pandas", "sklearn", "pyarrow", "cv2", "numpy", "scipy"]
CODE = """
import json, sys
sys.argv = ["merbench", *sys.argv[1:]]
from merbench.cli import main
try:
    main()
except SystemExit as ended:
    print("\\n" + json.dumps([ended.code or 0, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def imported(*words, cwd):
    """Run a command line in a process of its own; returns its exit code and the packages that it imported."""
    found = subprocess.run(
        [sys.executable, "-c", CODE, *words], capture_output=True, text=True, cwd=cwd, env=dict(os.environ), check=True
    )
    code, names = json.loads(found.stdout.splitlines()[-1])
    return code, set(names)


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["data", "add", "--help"]])
def test_help_imports_nothing_heavy(words, tmp_path):
    code, names = imported(*words, cwd=tmp_path)
    assert code == 0
    assert "typer" in names
    assert names & set(HEAVY) == set()


@pytest.mark.parametrize("format", ["table", "latex"])
def test_compare_imports_neither_torch_nor_anything_else_that_trains(recorded, tmp_path, format):
    code, names = imported("compare", "--format", format, "--published", cwd=tmp_path)
    assert code == 0
    assert "pandas" in names
    assert names & {"torch", "timm", "mlflow", "ray", "sklearn"} == set()


def test_score_and_show_import_no_torch(recorded, tmp_path):
    code, names = imported("show", "svm-flow", cwd=tmp_path)
    assert code == 0
    assert "pandas" in names
    assert "torch" not in names


def test_a_run_of_methods_without_torch_imports_no_torch(recorded, small, tmp_path):
    code, names = imported("run", "majority", *small, cwd=tmp_path)
    assert code == 0
    assert {"sklearn", "pyarrow"} <= names
    assert "torch" not in names
