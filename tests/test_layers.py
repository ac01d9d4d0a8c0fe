"""Which room may import which: import-linter holds it, and no room is missing from its contracts."""

import runpy
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
    return {f"merbench.{path.parent.name}" for path in (ROOT / "merbench").glob("*/__init__.py")}


def forbidding(linter, name):
    return [contract for contract in linter["contracts"] if name in contract.get("forbidden_modules", [])]


def test_layers_are_kept():
    code = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_layers_name_every_room_in_the_designed_order(linter, rooms):
    (layers,) = [contract["layers"] for contract in linter["contracts"] if contract["type"] == "layers"]
    place = {name.strip(): index for index, layer in enumerate(layers) for name in layer.replace("|", ":").split(":")}
    assert place.keys() == rooms
    wings = (
        ["contracts", "databases", "prepare", "engine", "checks", "cli"],
        ["contracts", "records", "analysis", "report", "site", "cli"],
    )
    for order in wings:
        places = [place[f"merbench.{name}"] for name in order]
        assert places == sorted(places, reverse=True)
        assert len(set(places)) == len(places)


def test_heavy_packages_are_confined(linter, rooms):
    allowed = {"torch": {"training", "prepare"}, "ray": {"engine"}, "mlflow": {"tracking"}}
    for package, users in allowed.items():
        held = [set(contract["source_modules"]) for contract in forbidding(linter, package)]
        assert any(sources >= rooms - {f"merbench.{name}" for name in users} for sources in held), package


def test_reading_wing_is_free_of_the_engine(linter):
    sources = {f"merbench.{name}" for name in ("records", "scoring", "analysis", "report", "site")}
    assert any(
        sources <= set(contract["source_modules"]) and not contract.get("allow_indirect_imports")
        for contract in forbidding(linter, "merbench.engine")
    )


def test_methods_and_library_are_separate(linter, rooms):
    held = [contract for contract in linter["contracts"] if "methods" in contract.get("source_modules", [])]
    forbidden = {name for contract in held for name in contract["forbidden_modules"]}
    free = {f"merbench.{name}" for name in ("contracts", "databases", "prepare", "scoring", "training")}
    assert rooms - free <= forbidden
    assert any(contract["source_modules"] == ["merbench"] for contract in forbidding(linter, "methods"))


def test_every_file_of_the_library_belongs_to_a_package():
    for top in ("merbench", "methods", "protocols", "results"):
        for path in (ROOT / top).rglob("*.py"):
            if "runs" not in path.relative_to(ROOT).parts:
                assert (path.parent / "__init__.py").is_file(), path


def test_picture_of_the_house_is_current():
    house = runpy.run_path(str(ROOT / "docs" / "house.py"))
    rooms, arrows = house["committed"]()
    again = "draw it again: uv run python docs/house.py"
    assert rooms == house["rooms"]().keys(), again
    assert arrows == house["shown"](house["imports"]()).keys(), again
