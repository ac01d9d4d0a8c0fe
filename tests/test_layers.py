"""Who may import whom: import-linter holds it, and no room is forgotten in what it holds."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def linter():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]


@pytest.fixture(scope="module")
def rooms():
    """Return the sub-packages of merbench, and those that are folders at the top of the tree."""
    return {f"merbench.{path.parent.name}" for path in (ROOT / "merbench").glob("*/__init__.py")}


def contracts(linter, kind):
    return [contract for contract in linter["contracts"] if contract["type"] == kind]


def test_the_layers_are_kept():
    code = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_the_layers_name_every_room_and_no_other(linter, rooms):
    (layers,) = [contract["layers"] for contract in contracts(linter, "layers")]
    named = [name.strip() for layer in layers for name in layer.replace("|", ":").split(":")]
    assert sorted(named) == sorted(rooms)


def test_the_layers_stand_in_the_order_of_the_design(linter):
    (layers,) = [contract["layers"] for contract in contracts(linter, "layers")]
    place = {name.strip(): index for index, layer in enumerate(layers) for name in layer.replace("|", ":").split(":")}
    order = ["contracts", "databases", "training", "engine", "audit", "report", "cli"]
    places = [place[f"merbench.{name}"] for name in order]
    assert places == sorted(places, reverse=True)
    assert len({place[f"merbench.{name}"] for name in ("databases", "prepare", "scoring")}) == 1


def test_only_training_preparation_and_methods_may_import_torch(linter, rooms):
    (sources,) = [
        contract["source_modules"]
        for contract in contracts(linter, "forbidden")
        if "torch" in contract["forbidden_modules"]
    ]
    assert set(sources) >= rooms - {"merbench.training", "merbench.prepare"}


def test_methods_may_import_nothing_that_runs_or_judges_them(linter, rooms):
    forbidden = {
        name
        for contract in contracts(linter, "forbidden")
        if "methods" in contract["source_modules"]
        for name in contract["forbidden_modules"]
    }
    free = {f"merbench.{name}" for name in ("contracts", "databases", "prepare", "scoring", "training")}
    assert rooms - free <= forbidden


def test_the_library_imports_no_method_by_name(linter):
    assert any(
        contract["source_modules"] == ["merbench"] and "methods" in contract["forbidden_modules"]
        for contract in contracts(linter, "forbidden")
    )


def test_every_file_of_the_library_belongs_to_a_package():
    for top in ("merbench", "methods", "protocols", "results"):
        for path in (ROOT / top).rglob("*.py"):
            if "runs" not in path.relative_to(ROOT).parts:
                assert (path.parent / "__init__.py").is_file(), path
