"""The notebook and the training script of the documents run as they are printed there."""

import re
import subprocess
import sys

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

import merbench as mb

pytestmark = pytest.mark.slow


@pytest.fixture
def docs(root):
    return root / "docs"


def test_the_notebook_ends_with_a_table_and_a_figure(docs, synthetic):
    notebook = nbformat.read(docs / "notebook.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": synthetic}}).execute()
    shown = [kind for cell in notebook.cells for out in cell.get("outputs", ()) for kind in out.get("data", ())]
    assert shown.count("text/html") >= 5
    assert shown.count("image/png") == 1
    assert mb.compare().method.unique().tolist() == ["svm-flow", "majority"]


def test_the_training_script_writes_a_log_that_is_scored(docs, synthetic):
    text = (docs / "own-training-script.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.+?)```", text, flags=re.S)
    (lines,) = re.findall(r"```sh\n(uv run merbench folds .+?)```", text, flags=re.S)
    (synthetic / "train.py").write_text(script, encoding="utf-8")
    printed = []
    for line in lines.replace("--data casme2", "--data synthetic-small").splitlines():
        command = line.replace("uv run merbench", f"{sys.executable} -m merbench").replace(
            "uv run python", sys.executable
        )
        done = subprocess.run(command, shell=True, cwd=synthetic, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    folds, log = pd.read_csv(synthetic / "folds.csv", dtype=str), pd.read_csv(synthetic / "log.csv", dtype=str)
    tested = folds[folds.role == "test"]
    assert sorted(log["clip"]) == sorted(tested["clip"])
    assert "34" in printed[-1]
    scored = mb.score(mb.clips("synthetic-small").merge(log.drop(columns="truth")), "casme2-5")
    assert scored.clips.tolist() == [34]
