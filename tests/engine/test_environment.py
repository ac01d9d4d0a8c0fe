"""The device of a method's folds: a GPU if it uses torch and there is one; torch is not imported to find out."""

import json
import subprocess
import sys
from types import ModuleType

import pytest
import torch
from support.cases import each

from merbench.engine.environment import device_of, method_source
from merbench.engine.plan.catalogue import METHODS


@pytest.fixture
def module(monkeypatch):
    """Return what makes a module from its text."""

    def make(text):
        made = ModuleType("made_for_a_test")
        monkeypatch.setitem(sys.modules, made.__name__, made)
        exec(text, made.__dict__)
        return made

    return make


TORCH = {
    "import": "import torch",
    "part of it": "from torch import nn",
    "another name": "import torch.nn.functional as F",
    "base class": "from merbench.training.torch_method import TorchMethod as Base",
}


def test_a_method_that_imports_torch_runs_on_an_available_gpu(module, monkeypatch):
    for available, device in each([(True, "cuda:0"), (False, "cpu")]):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: available)  # noqa: B023
        for how, line in TORCH.items():
            base = "Base" if how == "base class" else "object"
            assert device_of(module(f"{line}\nclass Mine({base}): pass").Mine) == device


def test_a_method_without_torch_runs_on_the_cpu(module, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    text = "import numpy as np\nfrom merbench.training.sklearn_method import SklearnMethod\n"
    assert device_of(module(text + "class Mine(SklearnMethod): torch = 'a word'").Mine) == "cpu"
    assert [METHODS.get(name).device for name in ("ststnet", "svm-flow", "majority")] == ["cuda:0", "cpu", "cpu"]


@pytest.mark.slow
def test_torch_is_not_imported_to_find_the_device():
    code = (
        "import sys; from merbench.engine.plan.catalogue import METHODS; found = METHODS.get('svm-flow'); "
        "print(found.device, found.usual_config, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["cpu", "default", "False"]


def test_the_commit_of_a_package_is_its_own(tmp_path, monkeypatch):
    info = tmp_path / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    commit = "c0ffee" * 6 + "c0de"
    for content, expected in each((
        (None, "their-package 1.0"),
        ("{", "their-package 1.0"),
        ('{"url": "x", "dir_info": {}}', "their-package 1.0"),
        ('{"url": "x", "vcs_info": {"vcs": "git", "commit_id": "; rm"}}', "their-package 1.0"),
        (json.dumps({"vcs_info": {"commit_id": commit}}), f"their-package 1.0, commit {commit}"),
    )):  # fmt: skip
        if content is not None:
            (info / "direct_url.json").write_text(content)
        method_source.cache_clear()
        assert method_source(tmp_path, "their-package 1.0") == expected
    assert method_source(tmp_path, "merbench") is None


def test_caches_are_no_changes_of_code(tmp_path):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    folder = tmp_path / "their_net"
    folder.mkdir()
    (folder / "card.yaml").write_text("name: x\n")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    for path, dirty in each([("__pycache__/a.pyc", False), ("x.egg-info/PKG-INFO", False), ("deep/method.py", True)]):
        (folder / path).parent.mkdir()
        (folder / path).touch()
        method_source.cache_clear()
        assert method_source(folder, "their-net 1.0").endswith("-dirty") == dirty
