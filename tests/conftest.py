"""Fixtures for all rooms: the shared real data, a home of one's own, a small release and a protocol for it."""

import csv
import os
import signal
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import count
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import settings
from support import messages

if TYPE_CHECKING:
    from support.recording import Recorder

settings.register_profile("merbench", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("merbench")

# dataset as the list writes it -> subjects; the numbers are alike on purpose: sub06, 006 and s06 are three people.
SMALL_SUBJECTS = {"casme2": ("sub06", "sub07", "sub11"), "samm": ("006", "007", "011"), "smic": ("s06", "s07", "s11")}
SMALL_LABELS = ((0, 1, 2), (0, 1, 2), (0, 1))  # of each subject's clips, in the order of the subjects

SMALL_PROTOCOL = """\
name: small
title: Small
summary: The classes and datasets of MEGC 2019, for however few clips.
source: {text: made for the tests}
classes: [negative, positive, surprise]
datasets:
  smic-hs:
    title: SMIC
    classes: {negative: [negative], positive: [positive], surprise: [surprise]}
  casme2:
    title: CASME II
    classes: {negative: [disgust, repression], positive: [happiness], surprise: [surprise]}
  samm:
    title: SAMM
    classes: {negative: [anger, contempt, disgust, fear, sadness], positive: [happiness], surprise: [surprise]}
folds: leave-one-subject-out
"""


# Of a script's background jobs shells have Ctrl-C ignored, and so would all that is started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let golden files be rewritten."""
    parser.addoption("--write-golden", action="store_true", help="Rewrite the golden files under tests/golden.")


def pytest_configure(config: pytest.Config) -> None:
    """Gather the messages that are compared with the golden file."""
    config.pluginmanager.register(messages.Messages(config), "golden-messages")


@pytest.fixture
def golden_message(request: pytest.FixtureRequest, tmp_path: Path, home: Path, root: Path) -> "Callable[[str], None]":
    """Return what compares a message with its entry in the golden file."""
    test = request.node.nodeid.removeprefix("tests/")
    plugin = request.config.pluginmanager.get_plugin("golden-messages")
    places = {str(tmp_path): "TMP", str(home): "HOME", str(root): "ROOT"}
    number = count(1)
    return lambda text: plugin.check(test, next(number), messages.normalised(text, places))


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the top of the checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture
def shared() -> Path:
    """Return the folder of shared real data beside the repository.

    Without it the test is skipped, or fails where ``MERBENCH_REQUIRE_SHARED=1``.
    """
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        reason = "the shared data is not beside the repository"
        if os.environ.get("MERBENCH_REQUIRE_SHARED") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def miniature() -> ModuleType:
    """Return the module that writes miniature copies of databases."""
    return import_module("support.miniature")


@pytest.fixture(scope="session")
def made_up() -> ModuleType:
    """Return the module that makes runs with diagnostics of realistic shape."""
    return import_module("support.diagnosed_runs")


@pytest.fixture
def record(tmp_path: Path) -> "Recorder":
    """Return what records runs with given predictions in `tmp_path`."""
    return import_module("support.recording").Recorder(tmp_path)


@pytest.fixture
def answers() -> dict[str, tuple[str, str]]:
    """Return truth and prediction of seven clips; five are right."""
    return dict(import_module("support.recording").ANSWERS)


@pytest.fixture
def right(answers: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Return the same clips, all predicted right."""
    return {name: (truth, truth) for name, (truth, _) in answers.items()}


@pytest.fixture
def wrong(answers: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Return the same clips, all predicted negative."""
    return {name: (truth, "negative") for name, (truth, _) in answers.items()}


@pytest.fixture(autouse=True)
def no_plugin_stays() -> Iterator[None]:
    """Let registries scan anew after a test that installed a package: set up first, it ends last."""
    yield
    plugins = sys.modules.get("support.plugins")
    if plugins is not None and plugins.scanned:
        plugins.forget()
        plugins.scanned.clear()


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty ``MERBENCH_HOME``, so that no test reads or writes the user's registrations and results.

    Nothing is mirrored to MLflow, which would cost each run that a test makes seconds, unless a test asks for it.
    """
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("MERBENCH_HOME", str(folder))
    monkeypatch.delenv("MERBENCH_RESULTS", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "none")
    monkeypatch.delenv("COLUMNS", raising=False)  # the width of tables in a pipe; libraries set it
    return folder


@pytest.fixture
def quick_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute flow by Farneback's method, in a hundredth of the time, where its values do not matter."""

    def calc(first: npt.NDArray[np.uint8], last: npt.NDArray[np.uint8], _: None) -> npt.NDArray[np.float32]:
        return np.asarray(cv2.calcOpticalFlowFarneback(first, last, None, 0.5, 3, 15, 3, 5, 1.2, 0), np.float32)

    monkeypatch.setattr(cv2.optflow, "DualTVL1OpticalFlow_create", lambda: SimpleNamespace(calc=calc))


@pytest.fixture
def small_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a copy of ``megc2019-flow28`` in its flat layout with 24 clips of 9 subjects, and return its folder.

    Each of the three datasets has 3 negative, 3 positive and 2 surprise clips. A class brightens one channel of its
    images, so that a simple classifier tells the classes apart. The same bytes at every call. To this process they are
    the published ones.
    """
    folder = tmp_path / "release"
    images = folder / "STSNet_whole_norm_u_v_os"
    images.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for dataset, subjects in SMALL_SUBJECTS.items():
        for subject, labels in zip(subjects, SMALL_LABELS, strict=True):
            for label in labels:
                smic = f"{subject}_{('ne', 'po', 'sur')[label]}_01"
                clip = {"casme2": f"EP{label + 1:02d}_01f", "samm": f"{subject}_{label + 1}_1", "smic": smic}[dataset]
                flow = rng.integers(0, 120, (28, 28, 3), dtype=np.uint8)  # u, v, strain
                flow[:14, :, label] += 120
                written, png = cv2.imencode(".png", flow[:, :, ::-1])  # OpenCV takes BGR
                assert written
                (images / f"{subject}_{clip} .png").write_bytes(png.tobytes())
                rows.append([dataset, subject, clip, label, "", f"{subject}_{clip}.jpg", ""])
    with (folder / "combined_3_class2_for_optical_flow.csv").open("w", newline="", encoding="utf-8") as file:
        header = ["dataset", "sub", "filename_o", "label", "apex", "imagename", "sub_filename"]
        csv.writer(file).writerows([header, *rows])
    checksums = tmp_path / "checksums.csv"
    checksums.write_text(import_module("merbench.databases.releases.checksums").checksums(folder, [images.name]))
    monkeypatch.setattr("merbench.databases.releases.megc2019_flow28.FlowImages.checksums", checksums)
    return folder


@pytest.fixture
def small_protocol(tmp_path: Path) -> Path:
    """Write the protocol ``small``: MEGC 2019's classes, datasets and folds, without list or expected counts."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL_PROTOCOL, encoding="utf-8")
    return path
