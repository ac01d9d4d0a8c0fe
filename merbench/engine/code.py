"""The identity of code: the syntax trees of a method's folder, blind to comments, docstrings and layout."""

import ast
from pathlib import Path

from merbench.contracts.digests import bytes_digest, digest, plain_syntax
from merbench.contracts.errors import MerbenchError


def _describes(path: Path) -> bool:
    """Say whether a file only describes the method; what of the card matters enters a key by itself."""
    return path.name == "card.yaml" or path.suffix in (".md", ".pyc")


def code_digest(folder: Path, module: str = "") -> str:
    """Digest a method's folder: the syntax trees of its Python files, and the bytes of data files such as weights.

    Parameters
    ----------
    folder : Path
        The folder.
    module : str
        Name of the method's module, which lies in the folder: ``merbench.methods.ststnet.method``. Without it, imports
        are not looked at.

    Raises
    ------
    MerbenchError
        A Python file does not parse, or imports from its own package but from outside the folder, whose changes no key
        would see; names file and line.
    """
    package = module.rpartition(".")[0]
    parts = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in inside.parts)
        if hidden or _describes(path) or not path.is_file():
            continue
        if path.suffix == ".py":
            tree = _parsed(path)
            _refuse_imports_from_outside(tree, path, depth=len(inside.parts), package=package)
            parts[inside.as_posix()] = digest(plain_syntax(tree))
        else:
            parts[inside.as_posix()] = bytes_digest(path.read_bytes())
    return digest(parts)


def syntax_digest(path: Path) -> str:
    """Digest the syntax tree of one Python file, without docstrings and positions; the same on every Python version."""
    return digest(plain_syntax(_parsed(path)))


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8-sig"), filename=str(path))
    except (SyntaxError, ValueError) as error:
        raise MerbenchError(f"{path} is no valid Python: {error}") from error


def _refuse_imports_from_outside(tree: ast.Module, path: Path, depth: int, package: str) -> None:
    """Refuse imports of code that is the method's own but lies outside its folder, at `depth` folders below it."""
    root = package.partition(".")[0]
    own = "merbench.methods" if root == "merbench" else root  # of merbench, all but other methods is versioned by room
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            names = [] if node.level <= depth else ["." * node.level + (node.module or "")]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            outside = name.startswith(".") or (_within(name, own) and not _within(name, package))
            if outside and package:
                line = getattr(node, "lineno", 0)
                raise MerbenchError(
                    f"{path}, line {line}: {name} lies outside the method's folder, and recorded results would not "
                    "notice its changes: put a copy into the folder"
                )


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")
