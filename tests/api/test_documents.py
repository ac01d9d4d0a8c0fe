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
    (more,) = re.findall(r"```sh\n(uv run merbench import .+?)```", text, flags=re.S)
    assert "--data casme2" in more
    printed = []
    for line in (lines + more).replace("--data casme2", "--data synthetic-small").splitlines():
        command = line.replace("uv run merbench", f"{sys.executable} -m merbench").replace(
            "uv run python", sys.executable
        )
        done = subprocess.run(command, shell=True, cwd=synthetic, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    folds, log = pd.read_csv(synthetic / "folds.csv", dtype=str), pd.read_csv(synthetic / "log.csv", dtype=str)
    tested = folds[folds.role == "test"]
    assert sorted(log["clip"]) == sorted(tested["clip"])
    assert "log.csv under casme2-5, synthetic data (compared with synthetic-small)" in printed[2]
    assert printed[3].startswith("imported: my-net-casme2-5-s0-")
    assert "casme2-5 on synthetic-small, synthetic data, imported logs" in printed[-1]
    assert mb.compare(protocol="casme2-5").compared_with.unique().tolist() == ["synthetic-small on this machine"]
    for scored in (
        mb.score(mb.clips("synthetic-small").merge(log.drop(columns="truth")), "casme2-5"),
        mb.score(log, "casme2-5", data="synthetic-small"),
    ):
        assert (scored.clips.tolist(), set(scored.compared_with)) == ([34], {"synthetic-small"})
    with pytest.raises(
        mb.MerbenchError, match="has the clips of synthetic-small: score it with --data synthetic-small"
    ):
        mb.score(log, "casme2-5")
