"""The command line, called in this process; and packages that offer methods, protocols and databases."""

import importlib
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from textwrap import dedent, indent
from typing import NamedTuple

import pytest
from support.plugins import forget

from merbench.cli import main

NUMBER = count()
METHOD = """
import numpy as np
from merbench.contracts.methods import MethodConfig, Prediction

class Config(MethodConfig):
    word: str = ""
    power: int = 1

class Toy:
    Config = Config
    def __init__(self, config, problem):
        self.config, self.problem = config, problem
    def fit(self, train, run): ...
    def predict(self, inputs):
        return Prediction(np.eye(len(self.problem.outputs))[np.zeros(inputs.clips, int)])
"""


@pytest.fixture(autouse=True)
def clean_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs be of a commit, whatever the developer has changed."""
    monkeypatch.setattr("merbench.engine.environment.git_commit", lambda: "c0ffee" * 6 + "c0de")


class Said(NamedTuple):
    """How a command ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing of the developer's terminal change what is printed."""
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "CLICOLOR_FORCE", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def merbench(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Said]:
    """Return what runs a command line as a user would, in the folder `tmp_path`."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["merbench", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Said(int(ended.value.code or 0), *capsys.readouterr())

    return call


@pytest.fixture
def done(merbench: Callable[..., Said]) -> Callable[..., str]:
    """Return what runs a command that must succeed, and gives its output."""

    def call(*words: object) -> str:
        said = merbench(*words)
        assert (said.code, said.err) == (0, ""), said
        return said.out

    return call


@pytest.fixture
def refused(merbench: Callable[..., Said], golden_message: Callable[[str], None]) -> Callable[..., str]:
    """Return what runs a command that is wrong use: exit code 2 and one error line, that of the golden file."""

    def call(*words: object) -> str:
        said = merbench(*words)
        assert said.code == 2, said
        line, end, more = said.err.partition("\n")
        assert (line[:7], end, more) == ("error: ", "\n", ""), said.err
        assert "Traceback" not in said.out
        assert "error" not in said.out, said.out
        golden_message(line)
        return line

    return call


@pytest.fixture
def all_refused(refused: Callable[..., str]) -> Callable[..., None]:
    """Return what runs the command lines of a text, joined by ``|``, all to be refused."""

    def call(lines: str, *more: object) -> None:
        for line in lines.split("|"):
            refused(*shlex.split(line), *more)

    return call


@pytest.fixture
def registered(small_release: Path, done: Callable[..., str]) -> Path:
    """Register the small release and return its folder."""
    done("data", "add", "megc2019-flow28", small_release)
    return small_release


@pytest.fixture
def small(registered: Path, small_protocol: Path) -> tuple[str, str]:
    """Return the options of a run on the small release, which is registered, under the small protocol."""
    return ("--protocol", str(small_protocol))


@pytest.fixture(scope="session")
def results_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the first test that needs recorded runs leaves a copy of them for the others."""
    return tmp_path_factory.mktemp("once") / "results"


@pytest.fixture
def recorded(done: Callable[..., str], small: tuple[str, str], tmp_path: Path, results_once: Path, home: Path) -> Path:
    """Give what ``run svm-flow majority`` records on the small release, and return the folder of the runs."""
    if not results_once.exists():
        done("run", "svm-flow", "majority", *small)
        shutil.copytree(tmp_path / "results", results_once)
        shutil.copytree(home / "splits", results_once.with_name("splits"))
    else:
        shutil.copytree(results_once, tmp_path / "results")
        shutil.copytree(results_once.with_name("splits"), home / "splits")
    return tmp_path / "results" / "runs"


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Return what puts a package with entry points where Python finds it: ``offer(points, files) -> its module``.

    `points` are lines of ``entry_points.txt``, `files` are name -> text; ``MODULE`` in either stands for the package,
    which has a name of its own each time.
    """
    made = []

    def put(points: str, files: dict[str, str]) -> str:
        module = f"offered_{next(NUMBER)}"
        site = tmp_path / "site" / module
        info = site / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(dedent(points).replace("MODULE", module), encoding="utf-8")
        for name, text in {"__init__.py": "", **files}.items():
            (site / module / name).parent.mkdir(exist_ok=True)
            (site / module / name).write_text(dedent(text).replace("MODULE", module), encoding="utf-8")
        monkeypatch.syspath_prepend(site)
        importlib.invalidate_caches()
        forget()
        made.append(module)
        return module

    yield put
    forget()
    for name in [name for name in sys.modules if name.partition(".")[0] in made]:
        del sys.modules[name]


@pytest.fixture
def toy(offer: Callable[..., str]) -> Callable[..., str]:
    """Return what offers a method that answers class 0, with `body` added to its class and `card` to its card.

    `files` replace ``card.yaml`` or ``method.py``, or remove it where None.
    """

    def put(name: str = "toy", body: str = "", card: str = "", **files: str | None) -> str:
        lines = f"name: {name}\ntitle: T\nsummary: S\nimplementation: method:Toy\n{dedent(card)}"
        made = {"card.yaml": lines, "method.py": METHOD + indent(dedent(body), "    ")} | files
        kept = {path: text for path, text in made.items() if text is not None}
        return offer(f"[merbench.methods]\n{name} = MODULE.method:Toy\n", kept)

    return put


@pytest.fixture
def three(registered: Path, small_protocol: Path, offer: Callable[..., str]) -> tuple[str, str]:
    """Register a protocol with three folds, on the small release."""
    text = small_protocol.read_text(encoding="utf-8").replace("name: small", "name: three")
    text = text.replace("folds: leave-one-subject-out", "folds: {rule: subject-k-fold, k: 3}")
    offer(
        "[merbench.protocols]\nthree = MODULE:THREE\n",
        {
            "__init__.py": "from pathlib import Path\nTHREE = Path(__file__).with_name('three.yaml')\n",
            "three.yaml": text,
        },
    )
    return ("--protocol", "three")
