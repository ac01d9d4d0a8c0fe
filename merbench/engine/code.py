"""The identity of code: the syntax trees of a method's folder, blind to comments, docstrings and layout."""

import ast
from pathlib import Path
from typing import Any

from merbench.contracts.digests import bytes_digest, digest
from merbench.contracts.errors import MerbenchError


def _describes(path: Path) -> bool:
    """Say whether a file only describes the method; what of the card matters enters a key by itself."""
    return path.name == "card.yaml" or path.suffix in (".md", ".pyc")


def code_digest(folder: Path) -> str:
    """Digest a method's folder: the syntax trees of its Python files, and the bytes of data files such as weights.

    Raises
    ------
    MerbenchError
        A Python file does not parse; names file and line.
    """
    parts = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in inside.parts)
        if hidden or _describes(path) or not path.is_file():
            continue
        parts[inside.as_posix()] = syntax_digest(path) if path.suffix == ".py" else bytes_digest(path.read_bytes())
    return digest(parts)


def syntax_digest(path: Path) -> str:
    """Digest the syntax tree of one Python file, without docstrings and positions; the same on every Python version."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8-sig"), filename=str(path))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise MerbenchError(f"{path} is no valid Python: {error}") from error
    return digest(_plain(tree))


def _plain(node: Any) -> Any:
    """Write a syntax tree as nested lists; empty fields are skipped, since later Pythons add some."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    body = fields.get("body")
    if isinstance(body, list) and body and _is_text(body[0]):
        fields["body"] = body[1:]
    kept = {
        name: _plain(value) for name, value in fields.items() if value not in (None, []) and name not in ("ctx", "kind")
    }
    return [type(node).__name__, kept]


def _is_text(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
