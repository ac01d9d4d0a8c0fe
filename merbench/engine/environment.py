"""The environment of a fold: packages, hardware and the state of the checkout. Recorded, never part of a key."""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions, version
from pathlib import Path
from types import ModuleType
from typing import Any

from packaging.utils import canonicalize_name

PACKAGES = (
    "merbench", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "torch", "opencv-contrib-python-headless",
    "dlib-bin",
)  # fmt: skip
#: Modules of these packages that have another name.
_NAMED = {"sklearn": "scikit-learn", "cv2": "opencv-contrib-python-headless", "dlib": "dlib-bin"}


@cache
def distribution_of(module: str) -> tuple[str, ...]:
    """Return the installed packages that a top-level module is from: one of its name, else all that provide it."""
    name = _NAMED.get(module, module)
    try:
        return (str(canonicalize_name(distribution(name).metadata["Name"])),)
    except PackageNotFoundError:  # the search takes a second
        return tuple(sorted({str(canonicalize_name(each)) for each in packages_distributions().get(module, ())}))


@cache
def packages(required: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the versions of Python, of the packages that results depend on, and of those that a method uses."""
    found = {"python": platform.python_version()}
    for name in PACKAGES + required:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@cache
def hardware() -> dict[str, str | int]:
    """Return processor, its cores and the operating system."""
    return {
        "processor": _processor(),
        "machine": platform.machine(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.release()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


#: Of merbench's checkout, what results depend on: results and documents may be changed.
_CODE = ("merbench", "methods", "protocols", "setup.py", "pyproject.toml")


@cache
def git_commit() -> str | None:
    """Return the commit of merbench's checkout, with ``-dirty`` if its code differs from it; None outside one."""
    root = Path(__file__).parents[2]
    return _commit(root, _CODE) if (root / ".git").exists() else None


@cache
def method_source(folder: Path, origin: str) -> str | None:
    """Return the package of a method that is not merbench's, and its commit.

    That of the checkout that its folder is in, else the one that the installer took it from.
    """
    if origin == "merbench":
        return None
    tracked = _git(folder, "ls-files", "--error-unmatch", "card.yaml") is not None
    commit = _commit(folder, (".",)) if tracked else _installed_commit(origin.rpartition(" ")[0] or origin)
    return f"{origin}, commit {commit}" if commit else origin


@cache
def repository(folder: Path) -> tuple[str | None, str | None]:
    """Return the address of the repository that a folder is in, without user and password, and its commit."""
    address, commit = _git(folder, "config", "--get", "remote.origin.url"), _git(folder, "rev-parse", "HEAD")
    return (re.sub(r"//[^/@]*@", "//", address) if address else None), commit


def _installed_commit(package: str) -> str | None:
    """Return the commit that an installer recorded of a package, see PEP 610; None if it did not."""
    try:
        found = json.loads(distribution(package).read_text("direct_url.json") or "{}")
        commit = found.get("vcs_info", {}).get("commit_id")
    except (PackageNotFoundError, ValueError, AttributeError):
        return None
    return commit if isinstance(commit, str) and re.fullmatch("[0-9a-f]{7,64}", commit) else None


def _commit(folder: Path, code: Sequence[str]) -> str | None:
    paths = [*code, ":(exclude,glob)**/__pycache__/**", ":(exclude,glob)**/*.egg-info/**"]  # written by Python and pip
    commit, changed = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain", "-uall", "--", *paths)
    return None if commit is None or changed is None else commit + "-dirty" * bool(changed)


def _git(folder: Path, *words: str) -> str | None:
    """Return what git says in a folder; None if it fails."""
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def peak_memory_mb() -> float | None:
    """Return the highest resident memory of this process so far, in MiB; None where the system does not report it."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def device_of(method: type) -> str:
    """Return ``cuda:0`` if a method uses torch and torch, not imported for this, finds a GPU; else ``cpu``."""
    torch: Any = sys.modules.get("torch")
    return "cuda:0" if uses_torch(method) and torch.cuda.is_available() else "cpu"


def uses_torch(method: type) -> bool:
    """Return whether the module of the class, or of one of its bases, has imported torch."""
    modules = [vars(sys.modules[cls.__module__]) for cls in method.__mro__ if cls.__module__ in sys.modules]
    imported = {value.__name__ for names in modules for value in names.values() if isinstance(value, ModuleType)}
    return any(name.partition(".")[0] == "torch" for name in imported)


def gpus() -> int:
    """Return how many GPUs torch finds; 0 if it is not imported."""
    torch: Any = sys.modules.get("torch")
    return torch.cuda.device_count() if torch else 0


def _torch_on(device: str) -> Any:
    """Return torch if it has used this GPU; None for a CPU."""
    torch: Any = sys.modules.get("torch")
    return torch if device != "cpu" and torch and torch.cuda.is_initialized() else None


def begin_gpu_memory(device: str) -> None:
    """Let `peak_gpu_memory_mb` count from here; does nothing for a CPU, or a GPU that was not used so far."""
    if torch := _torch_on(device):
        torch.cuda.reset_peak_memory_stats(device)


def peak_gpu_memory_mb(device: str) -> float | None:
    """Return the most memory that torch held on a GPU since `begin_gpu_memory`, in MiB; None for a CPU."""
    torch = _torch_on(device)
    return float(torch.cuda.max_memory_allocated(device) / 2**20) if torch else None


def gpu_memory_mb(device: str) -> float | None:
    """Return all the memory of a GPU that was used, in MiB; None for a CPU."""
    torch = _torch_on(device)
    return float(torch.cuda.get_device_properties(device).total_memory / 2**20) if torch else None


def free_gpu_memory(device: str) -> None:
    """Release the GPU memory that torch keeps for later: others may share it."""
    if torch := _torch_on(device):
        torch.cuda.empty_cache()
