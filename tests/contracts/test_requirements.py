"""Packages that methods require: which are missing, and the command that installs them."""

from importlib.metadata import PackageNotFoundError

import pytest
from support.cases import each

from merbench.contracts import requirements
from merbench.contracts.requirements import installation, lacking_of, required_packages

INSTALLED = {"timm": "1.0.15", "face-net": "0.9", "nightly": "2.0.dev3"}


@pytest.fixture
def installed(monkeypatch):
    """Let `INSTALLED` be the installed packages; gives what these require, by their names."""

    def version(name):
        if name not in INSTALLED:
            raise PackageNotFoundError(name)
        return INSTALLED[name]

    required = {}
    monkeypatch.setattr(requirements, "version", version)
    monkeypatch.setattr(requirements, "requires", required.get)
    return required


def test_packages_that_are_missing_or_of_a_wrong_version_get_a_command(installed):
    for given, command in each((
        ([], ""),
        (["timm>=1.0", "timm", "nightly>=1.5", "absent; python_version < '3'"], ""),
        (["absent"], "pip install 'absent'"),
        (["absent[gpu]>=2,<3 ; python_version > '3'"], "pip install 'absent[gpu]<3,>=2'"),
        (["timm>=1.1"], "pip install 'timm>=1.1' (timm 1.0.15 is installed)"),
        (["timm", "absent>1", "face-net==1"],
         "pip install 'absent>1' 'face-net==1' (face-net 0.9 is installed)"),
    )):  # fmt: skip
        assert installation(given) == command


def test_an_installed_package_may_lack_what_it_requires(installed):
    installed |= {"kit": ["timm", "absent>=2", "faces; extra == 'faces'"], "odd": ["not a requirement"]}
    assert [lacking_of(name) for name in ("kit", "odd", "nothing")] == ["pip install 'absent>=2'", "", ""]


def test_required_packages_are_named_as_indexes_name_them():
    assert required_packages(["Face_Net>=1", "timm"]) == ("face-net", "timm")
    assert lacking_of("no-such-package-anywhere") == ""
