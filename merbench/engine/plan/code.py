"""The identity of code: the syntax trees of a method's folder, blind to comments, docstrings and layout."""

import ast
import sys
import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from merbench.contracts.digests import code_files, digest, files_digest
from merbench.contracts.errors import MerbenchError


def code_digest(folder: Path, package: str | None = None) -> str:
    """Digest a method's folder: the syntax trees of its Python files, and the bytes of data files such as weights.

    `package` is the name of the package that the folder is (``merbench.methods.ststnet``), empty where it is none; with
    None imports are not looked at. Folders of other methods that it imports from, directly or not, are part of the
    digest. A `MerbenchError` names file and line of Python that does not parse, or that imports what is in no method's
    folder and is neither Python's own, nor merbench's, nor an installed package, so that its changes would go
    unnoticed; or it names a link to a folder, whose files are elsewhere.
    """
    own, *others = [files_digest(place, code_files(place)) for place in _folders(folder, package).values()]
    return digest([own, *others]) if others else own


def imported_modules(folder: Path, package: str | None = None) -> list[str]:
    """Return the top-level modules that a method's Python files import, but Python's own and merbench.

    Modules that are named while the code runs (``importlib.import_module``) are not seen.
    """
    found = {
        name.partition(".")[0]
        for place in _folders(folder, package).values()
        for _, tree in code_files(place)
        if tree is not None
        for node in ast.walk(tree)
        for name, _ in _imported(node, (), "")
    }
    return sorted(found - sys.stdlib_module_names - {"merbench"})


def _folders(folder: Path, package: str | None) -> dict[str, Path]:
    """Return a method's folder, then those of other methods that it imports from, directly or not, by package."""
    found = {package or "": folder}
    waiting = [] if package is None else [package]
    while waiting:
        place = found[waiting[0]]
        others = _imported_methods(place, waiting.pop(0))
        new = {name: others[name] for name in sorted(others) if name not in found}
        found |= new
        waiting += new
    return found


def _imported_methods(folder: Path, package: str) -> dict[str, Path]:
    """Return the folders of other methods that the files of one import from; refuse imports from elsewhere."""
    places = [folder, *map(Path, library_folders())]
    known = frozenset(places + [each.resolve() for each in places])
    found: dict[str, Path] = {}
    for path, tree in code_files(folder):
        below = path.relative_to(folder).parts[:-1]
        for line, name, module in _imports_from_outside(tree, below, package, known):
            method = _method_of(name, folder, package)
            if method is None:
                raise MerbenchError(
                    f"{path}, line {line}: {module} is outside the method's folder, so its changes would not "
                    "change the resume key: put a copy into the folder"
                )
            found[method[0]] = method[1]
    return found


def _imports_from_outside(
    tree: ast.Module | None, below: tuple[str, ...], package: str, known: frozenset[Path]
) -> Iterator[tuple[int, str, str]]:
    """Yield line, full name and module of what a file `below` a method's folder imports from outside."""
    for node in ast.walk(tree) if tree is not None else ():
        for name, imported in _imported(node, below, package):
            if module := _outside(name, imported, package, known):
                yield getattr(node, "lineno", 0), name, module


def _method_of(name: str, folder: Path, package: str) -> tuple[str, Path] | None:
    """Return package and folder of the method that has a name of the same package tree; None if no method has it."""
    own, parts = package.split("."), name.split(".")
    alike = next((index for index, pair in enumerate(zip(own, parts, strict=False)) if pair[0] != pair[1]), 0)
    if not alike:
        return None
    place = folder.parents[len(own) - alike - 1]
    for index, part in enumerate(parts[alike:], start=alike + 1):
        place = place / part
        if (place / "card.yaml").is_file():
            return ".".join(parts[:index]), place
    return None


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
