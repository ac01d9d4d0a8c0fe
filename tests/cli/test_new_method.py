"""``merbench new-method``: what it writes runs at once and keeps the rules; names and places that can't be used."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.plugins import forget

from merbench.checks import findings
from merbench.contracts.cards import Card
from merbench.contracts.yamlfiles import load_yaml_model

KINDS = ("torch", "sklearn", "plain", "pretrained")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a folder that passes as the checkout of merbench."""
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "__init__.py").write_text('"""Methods."""\n')
    monkeypatch.setattr("merbench.__file__", str(tmp_path / "merbench" / "__init__.py"))
    return tmp_path


@pytest.fixture
def installed(tmp_path, monkeypatch, done):
    """Return what writes a distribution, and puts it where Python finds it, as an installer would."""
    made = []

    def install(name, kind):
        done("new-method", name, "--kind", kind, "--package")
        module = name.replace("-", "_")
        info = tmp_path / name / f"{module}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
        points = (tmp_path / name / "pyproject.toml").read_text().partition("[project.entry-points.")[2]
        (info / "entry_points.txt").write_text("[" + points.partition("]")[0].strip('"') + "]\n" + entry(points))
        monkeypatch.syspath_prepend(tmp_path / name)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / name))  # of processes that check-method starts
        importlib.invalidate_caches()
        forget()
        made.append(module)

    def entry(points):
        return points.partition("]\n")[2].partition("\n\n")[0].replace('"', "") + "\n"

    yield install
    forget()
    for name in [name for name in sys.modules if name.partition(".")[0] in made]:
        del sys.modules[name]


def own_lines(text):
    """Count the lines of code that are neither imports nor docstrings nor comments."""
    found = ast.parse(text)
    documented = [node for node in ast.walk(found) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    imported = [node for node in ast.walk(found) if isinstance(node, ast.Import | ast.ImportFrom)]
    skipped = [*imported, *(node.body[0] for node in documented if ast.get_docstring(node))]
    numbers = {number for node in skipped for number in range(node.lineno, node.end_lineno + 1)}
    lines = enumerate(text.splitlines(), start=1)
    return sum(bool(line.strip()) and number not in numbers and line.strip()[0] != "#" for number, line in lines)


def test_a_method_is_written_into_a_checkout(done, checkout, root):
    for kind in KINDS:
        said = done("new-method", f"my-{kind}.2", "--kind", kind)
        folder = checkout / "methods" / f"my_{kind}_2"
        assert f"written: {folder / 'card.yaml'}\n" in said
        assert f"1. merbench check-method my-{kind}.2 " in said
        assert f"2. merbench run my-{kind}.2 svm-flow --protocol megc2019 " in said
        assert sorted(path.name for path in folder.iterdir()) == ["README.md", "__init__.py", "card.yaml", "method.py"]
        card = load_yaml_model(folder / "card.yaml", Card)
        assert (card.name, card.implementation) == (f"my-{kind}.2", f"method:My{kind.title()}2")
        assert own_lines((folder / "method.py").read_text(encoding="utf-8")) < 40
        every = "".join(path.read_text(encoding="utf-8") for path in folder.iterdir())
        assert not {"NAME", "MODULE", "CLASS", "TITLE"} & set(every.split())
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "-n", "--config", root / "pyproject.toml", checkout / "methods"],
        capture_output=True, text=True, check=False, cwd=root,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


def test_a_distribution_is_written_with_tests_and_ci(done, tmp_path):
    said = done("new-method", "my-net", "--package")
    assert "1. pip install -e my-net " in said
    folder = tmp_path / "my-net"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*") if path.is_file()) == [
        ".github/workflows/tests.yml", ".gitignore", "README.md", "my_net/__init__.py", "my_net/card.yaml",
        "my_net/method.py", "pyproject.toml", "tests/test_method.py",
    ]  # fmt: skip
    assert '"my-net" = "my_net.method:MyNet"' in (tmp_path / "my-net" / "pyproject.toml").read_text()
    ast.parse((tmp_path / "my-net" / "tests" / "test_method.py").read_text())


def test_names_that_can_not_be_used_are_refused(refused, checkout, done):
    done("new-method", "mine")
    for words in (
        ("mine",),
        ("svm-flow",),
        ("My net",),
        ("3d-net",),
        ("class",),
        ("mine", "--kind", "keras"),
        ("json", "--package"),
    ):
        refused("new-method", *words)


def test_outside_a_checkout_a_distribution_is_advised(refused, tmp_path):
    assert "is not in the checkout of merbench that is installed: use --package" in refused("new-method", "another")
    assert list(tmp_path.glob("*/method.py")) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_passes_all_checks_and_runs(kind, installed, done, small, tmp_path):
    name = f"fresh-{kind}"
    installed(name, kind)
    assert [found for found in findings(name) if found.result == "failed"] == []
    done("run", name, *small, "--data", "megc2019-flow28", *(("--set", "pretrain_epochs=0") * (kind == "pretrained")))
    (row,) = (row for row in json.loads(done("compare", name, "--format", "json")) if row["part"] == "full")
    assert (row["status"], row["clips"], row["compared_with"] is None) == ("complete", 24, False)
    assert Path(name, "README.md").is_file()
