"""Build sdist and wheel, and try the wheel in an empty folder and a fresh environment, for each version of Python.

Without the checkout: a run on synthetic clips, the committed leaderboard, a row by its digest, and for each kind of
skeleton a distribution that is installed, checked, run, and tested as its own CI does. Packages are downloaded unless
uv has them. ``--light`` leaves torch, timm, Ray and MLflow away, some gigabytes, and tries what needs none of them.
``--notebook`` runs the cells of ``docs/colab.ipynb`` instead, with the wheel as source; ``--container`` does what the
Dockerfile does, but for the image: its files alone in an empty folder, its installation, its command as another user.

Run: uv run python benchmarks/try_release.py [--python 3.11 3.12 3.13] [--light] [--tested] [--notebook] [--container]
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = ("torch", "timm", "ray", "mlflow")
KINDS = {"sklearn": True, "plain": True, "torch": False, "pretrained": False}  # and whether it needs no torch
SMALL = ("--protocol", "megc2019", "--data", "synthetic-small")


def built(folder: Path) -> tuple[Path, Path]:
    """Build sdist and wheel from the files that git knows, and hold the wheel against one built from the sdist."""
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True,
        check=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(["uv", "build", "--quiet", "--sdist", "--wheel", "--out-dir", folder / "one", source], check=True)
    (sdist,), (wheel,) = (folder / "one").glob("*.tar.gz"), (folder / "one").glob("*.whl")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "sdist", filter="data")
    (unpacked,) = (folder / "sdist").iterdir()
    subprocess.run(["uv", "build", "--quiet", "--wheel", "--out-dir", folder / "two", unpacked], check=True)
    (again,) = (folder / "two").glob("*.whl")
    names = [set(zipfile.ZipFile(path).namelist()) for path in (wheel, again)]
    assert names[0] == names[1], f"the sdist lacks {sorted(names[0] ^ names[1])[:5]}"
    return sdist, wheel


class Environment:
    """A fresh environment of one Python, and an empty folder in which its commands run."""

    def __init__(self, python: str, folder: Path, wheel: Path | None, light: bool, tested: bool) -> None:
        self.folder, self.bin = folder / "here", folder / "env" / "bin"
        self.folder.mkdir(parents=True)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("MERBENCH", "PYTHON"))}
        self.environ = environ | {"MERBENCH_HOME": str(folder / "home"), "PATH": f"{self.bin}:{environ['PATH']}"}
        self.environ |= {"VIRTUAL_ENV": str(folder / "env"), "MLFLOW_TRACKING_URI": "none"}
        subprocess.run(["uv", "venv", "--quiet", "--python", python, folder / "env"], check=True)
        if wheel is None:
            return
        needed = [each for each in PROJECT["project"]["dependencies"] if not (light and each.startswith(HEAVY))]
        versions = folder / "versions.txt"
        versions.write_text("\n".join(PROJECT["tool"]["uv"]["constraint-dependencies"]) if tested else "")
        self.uv("install", "--constraint", str(versions), *needed, "pytest")
        self.uv("install", "--no-deps", str(wheel))

    def uv(self, *words: str) -> None:
        """Call uv's pip."""
        subprocess.run(["uv", "pip", words[0], "--quiet", *words[1:]], env=self.environ, cwd=self.folder, check=True)

    def __call__(self, *words: str, folder: Path | None = None) -> str:
        """Run a command that must succeed; return what it printed."""
        where = folder or self.folder
        done = subprocess.run(words, cwd=where, env=self.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout


def tried(here: Environment, light: bool) -> None:
    """Do what a new user does, one line a step."""

    def step(what: str, *words: str, folder: Path | None = None) -> str:
        begin = time.perf_counter()
        said = here(*words, folder=folder)
        print(f"  {time.perf_counter() - begin:6.1f} s  {what}", flush=True)
        return said

    assert step("version", "merbench", "--version").split() == ["merbench", PROJECT["project"]["version"]]
    step("import merbench", "python", "-c", "import merbench as mb; mb.protocol('megc2019').folds().table()")
    step("methods, protocols", "merbench", "protocols")
    step("run", "merbench", "run", "majority", "svm-flow", *SMALL)
    rows = json.loads(step("compare --leaderboard", "merbench", "compare", "--leaderboard", "--format", "json"))
    wanted = {
        "method": "svm-flow",
        "protocol": "megc2019",
        "part": "full",
        "data": "megc2019-flow28",
        "origin": "leaderboard",
    }
    (row,) = (row for row in rows if wanted.items() <= row.items())
    assert round(row["uf1"], 4) == 0.7182, row
    digest = row["run_ids"][0].rpartition("-")[2]
    assert ".7182" in step("show DIGEST", "merbench", "show", digest, "--no-figures")
    package = Path(here("python", "-c", "import merbench; print(merbench.__path__[0])").strip())
    assert package.is_relative_to(here.folder.parent), package
    if (package / "cli" / "site.py").is_file():
        step("site", "merbench", "site", "--out", "site")
    for kind, bare in KINDS.items():
        if light and not bare:
            continue
        name = f"my-{kind}"
        step(f"new-method --kind {kind} --package", "merbench", "new-method", name, "--kind", kind, "--package")
        here.uv("install", "--no-deps", "-e", name)
        step(f"check-method {name}", "merbench", "check-method", name)
        step(f"run {name}", "merbench", "run", name, *SMALL)
        workflow = yaml.safe_load((here.folder / name / ".github" / "workflows" / "tests.yml").read_text())
        for each in (each["run"] for job in workflow["jobs"].values() for each in job["steps"] if "run" in each):
            if "install" not in each:
                step(f"its CI: {each}", "bash", "-ec", each, folder=here.folder / name)


#: What cells of a notebook call in place of IPython's magic.
MAGIC = """import os, shlex, subprocess
def shell(command): subprocess.run(command, shell=True, check=True)
def install(words): subprocess.run(["uv", "pip", *shlex.split(words)], check=True)
"""


def notebook(here: Environment, wheel: Path) -> None:
    """Run the cells of the notebook for Colab in one process, with the wheel as its source."""
    content = json.loads((ROOT / "docs" / "colab.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]
    program = MAGIC + "\n".join(f"print('cell', {number}, flush=True)\n{cell}" for number, cell in enumerate(cells, 1))
    program = program.replace('SOURCE = ""', f"SOURCE = {str(wheel)!r}")
    program = re.sub(r"^( *)!(.*)$", r'\1shell(f"""\2""")', program, flags=re.M)
    program = re.sub(r"^( *)%pip (.*)$", r'\1install(f"""\2""")', program, flags=re.M)
    here.uv("install", "setuptools")  # Colab has it
    (here.folder / "cells.py").write_text(program, encoding="utf-8")
    print(here("python", "cells.py"))


def container(here: Environment, user: int = 12_345) -> None:
    """Do by hand what the Dockerfile does: copy its files, install them, run its command as another user."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    image = here.folder / "image"
    image.mkdir()
    for _, *names, to in (line.split() for line in lines if line.startswith("COPY ")):
        for name in names:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, image / to, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            else:
                shutil.copy(ROOT / name, image / to)
    (what,) = (line.rpartition(" ")[2] for line in lines if "pip install" in line)
    here.uv("install", what.strip('"').replace(".[", f"{image}["))
    work = here.folder / "work"
    work.mkdir(mode=0o777)
    work.chmod(0o777)
    away = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if os.getuid() == 0 else []
    home = ["env", f"HOME={work}", f"MERBENCH_HOME={work}/home"]
    print(here(*away, *home, "merbench", "run", "svm-flow", "--protocol", "megc2019", folder=work))
    print(here(*away, *home, "merbench", "doctor", folder=work))


def main() -> None:
    """Try each Python."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", nargs="+", default=["3.11"], metavar="VERSION")
    parser.add_argument("--light", action="store_true", help="without torch, timm, Ray and MLflow")
    parser.add_argument("--notebook", action="store_true", help="run the cells of the notebook for Colab instead")
    parser.add_argument("--container", action="store_true", help="do what the Dockerfile does instead")
    parser.add_argument("--tested", action="store_true", help="with the versions that the project is tested with")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        sdist, wheel = built(Path(place))
        for path in (sdist, wheel):
            print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
        for python in options.python:
            print(f"Python {python}{', without ' + ', '.join(HEAVY) if options.light else ''}", flush=True)
            folder = Path(place) / Path(python).name
            if options.container:
                Path(place).chmod(0o755)
                container(Environment(python, folder, None, False, False))
                continue
            if options.notebook:
                notebook(Environment(python, folder, None, False, False), wheel)
                continue
            tried(Environment(python, folder, wheel, options.light, options.tested), options.light)
    print("all steps passed")


if __name__ == "__main__":
    sys.exit(main())
