"""The wheel has the files of the tree, under ``merbench``, and no others."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.cases import each

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
MAPPED = ("methods", "protocols", "results")
#: Files of methods' folders that are packed, and others that are not.
FILES = ("medn/weights/net.safetensors", "medn/weights/deep/er/mean.npz", "medn/table.csv", "floors/majority/a.json")
HIDDEN = ("medn/.cache/hub/x.json", "medn/.hidden", ".DS_Store", "medn/__pycache__/x.cpython-311.pyc")


@pytest.fixture(scope="module")
def tracked():
    """Return the paths that git does not ignore, relative to the root."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("without a checkout, the files that belong in the wheel are unknown")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]  # added or not
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for path in listed.split("\0") if path and (ROOT / path).is_file()]


@pytest.fixture(scope="module")
def wheel(tracked, tmp_path_factory):
    """Build the wheel from a copy of the tracked files and return its path."""
    folder = tmp_path_factory.mktemp("wheel")
    for path in tracked:
        target = folder / "source" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, target)
    for name in (*FILES, *HIDDEN):
        path = folder / "source" / "methods" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"weights")
    # Never to be packed, wherever the wheel is built.
    (folder / "source" / "results" / "runs" / "a-run").mkdir(parents=True)
    (folder / "source" / "results" / "runs" / "a-run" / "run.json").write_text("{}", encoding="utf-8")
    (folder / "source" / "results" / "runs" / "a-run" / "predictions.csv").write_text("", encoding="utf-8")
    return built_wheel(folder)


def built_wheel(folder):
    """Build the wheel of a source tree in a folder and return its path."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--disable-pip-version-check", "--wheel-dir", folder / "wheels", folder / "source"],
        capture_output=True, text=True, check=False, env={**os.environ, "PIP_CONFIG_FILE": os.devnull},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (built,) = (folder / "wheels").iterdir()
    return built


@pytest.fixture(scope="module")
def packed(wheel):
    """Return the files of the wheel, without those that describe it."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_has_the_files_of_the_tree_and_no_others(tracked, packed):
    ours = [path for path in tracked if path.startswith(("merbench/", *(f"{top}/" for top in MAPPED)))]
    assert {"methods/ststnet/card.yaml", "protocols/lists/megc2019.csv", "results/published/figures.csv"} <= set(ours)
    expected = {path if path.startswith("merbench/") else f"merbench/{path}" for path in ours}
    expected |= {f"merbench/methods/{name}" for name in FILES}
    assert expected == packed
    assert not [name for name in packed if name.startswith("merbench/results/runs")]


def test_the_wheel_names_its_command_version_and_licence(wheel):
    with zipfile.ZipFile(wheel) as archive:
        described = {name.partition(".dist-info/")[2]: name for name in archive.namelist() if ".dist-info/" in name}
        assert "merbench = merbench.cli:main" in archive.read(described["entry_points.txt"]).decode()
        about = archive.read(described["METADATA"]).decode()
    assert "licenses/LICENSE" in described
    assert "\nLicense-Expression: Apache-2.0\n" in about
    assert "\nRequires-Python: >=3.11\n" in about


def test_an_installed_wheel_finds_its_methods_and_protocols(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = """
import merbench
from merbench.engine.plan.catalogue import METHODS, PROTOCOLS, method_card
from merbench.records.select import read_leaderboard
from merbench.records.published import published

print(merbench.__file__)
print(*(method_card(METHODS.entry(name)).name for name in METHODS.names()))
print(*(f"{name} {len(PROTOCOLS.get(name).official())}" for name in PROTOCOLS.names() if name == "megc2019"))
print(len(published()[0]) > 0, read_leaderboard().problems)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    file, methods, protocols, figures = done.stdout.splitlines()
    assert Path(file).is_relative_to(tmp_path)
    assert {"majority", "stratified-random", "svm-flow", "ststnet"} <= set(methods.split())
    assert protocols == "megc2019 442"
    assert figures == "True []"


def test_the_packages_of_the_guides_ship_their_cards(tmp_path):
    for guide, method in each((("adding-an-input", "edge_svm"), ("adding-a-method", "my_method"))):
        text = (ROOT / "docs" / f"{guide}.md").read_text(encoding="utf-8")
        (declared,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
        source = tmp_path / guide / "source"
        (source / "my_package" / method).mkdir(parents=True)
        for name in ("__init__.py", f"{method}/__init__.py", f"{method}/card.yaml"):
            (source / "my_package" / name).touch()
        (source / "pyproject.toml").write_text(f'[project]\nname = "my-package"\nversion = "1.0"\n{declared}')
        with zipfile.ZipFile(built_wheel(tmp_path / guide)) as archive:
            assert f"my_package/{method}/card.yaml" in archive.namelist()
