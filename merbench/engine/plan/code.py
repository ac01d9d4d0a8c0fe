"""The identity of code: the syntax trees of a method's folder, blind to comments, docstrings and layout."""

import ast
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from merbench.contracts.digests import code_files, files_digest
from merbench.contracts.errors import MerbenchError


def code_digest(folder: Path, package: str | None = None) -> str:
    """Digest a method's folder: the syntax trees of its Python files, and the bytes of data files such as weights.

    `package` is the name of the package that the folder is (``merbench.methods.ststnet``), empty where it is none; with
    None imports are not looked at. A `MerbenchError` names file and line of Python that does not parse, or that imports
    what is outside the folder and is neither Python's own, nor merbench's, nor an installed package, so that its
    changes would go unnoticed; or it names a link to a folder, whose files are elsewhere.
    """
    found = list(code_files(folder))
    if package is not None:
        places = [folder, *map(Path, library_folders())]
        known = frozenset(places + [each.resolve() for each in places])
        for path, tree in found:
            if tree is not None:
                below = path.relative_to(folder).parts[:-1]
                _refuse_imports_from_outside(tree, path, below, package, known)
    return files_digest(folder, found)


def imported_modules(folder: Path) -> list[str]:
    """Return the top-level modules that the Python files of a folder import, but Python's own and merbench.

    Modules that are named while the code runs (``importlib.import_module``) are not seen.
    """
    found = {
        name.partition(".")[0]
        for _, tree in code_files(folder)
        if tree is not None
        for node in ast.walk(tree)
        for name, _ in _imported(node, (), "")
    }
    return sorted(found - sys.stdlib_module_names - {"merbench"})


def _refuse_imports_from_outside(
    tree: ast.Module, path: Path, below: tuple[str, ...], package: str, known: frozenset[Path]
) -> None:
    """Refuse imports of code that is neither in the method's folder, which the file is `below`, nor installed."""
    for node in ast.walk(tree):
        named = (_outside(name, module, package, known) for name, module in _imported(node, below, package))
        for module in filter(None, named):
            line = getattr(node, "lineno", 0)
            raise MerbenchError(
                f"{path}, line {line}: {module} is outside the method's folder, so its changes would not "
                "change the resume key: put a copy into the folder"
            )


def _imported(node: ast.AST, below: tuple[str, ...], package: str) -> list[tuple[str, str]]:
    """Return what a line imports by full names, each with its module: ``from .. import net`` may name either."""
    if isinstance(node, ast.Import):
        return [(alias.name, alias.name) for alias in node.names]
    if not isinstance(node, ast.ImportFrom) or (node.level and not package):
        return []
    here = [*package.split("."), *below]
    base = here[: max(len(here) - node.level + 1, 0)] or ["." * node.level] if node.level else []
    module = ".".join(filter(None, [*base, node.module]))
    return [(f"{module}.{alias.name}", module) for alias in node.names]


def _outside(name: str, module: str, package: str, known: frozenset[Path]) -> str:
    """Name a module that is outside a method's folder and not an installed package; empty for others."""
    root = package.partition(".")[0]
    own = "merbench.methods" if root == "merbench" else root  # of merbench, all but other methods is versioned by room
    if name.startswith(".") or (package and _within(name, own)):
        return "" if package and _within(name, package) else module
    place = None if _within(name, "merbench") else _elsewhere(name.partition(".")[0], known)
    return f"{module} ({place}, which is not installed)" if place else ""


def _elsewhere(name: str, known: frozenset[Path]) -> str | None:
    """Return the path of a top-level module outside all known folders; it is located, but not imported."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):  # ValueError: it is in use, but came from no file
        return None
    if spec is None:
        return None
    places = [spec.origin] if spec.has_location and spec.origin else list(spec.submodule_search_locations or [])
    for place in places:
        if known.isdisjoint({Path(place), *Path(place).parents, *Path(place).resolve().parents}):
            return place
    return None


def library_folders() -> list[str]:
    """Return the folders of Python, of its libraries and of installed packages, wherever these are."""
    installed = [path for path in sys.path if any(Path(path).glob("*.dist-info"))]
    return [sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *installed]


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")
