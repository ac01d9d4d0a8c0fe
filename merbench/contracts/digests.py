"""Digests: equal content has an equal digest, on every machine."""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from merbench.contracts.errors import MerbenchError


def digest(value: Any) -> str:
    """Return the SHA-256 of `value` as JSON with sorted keys and no spaces; NaN and infinities raise ValueError."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return bytes_digest(text.encode())


def bytes_digest(data: bytes | memoryview) -> str:
    """Return the SHA-256 of `data`, as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def derived_seed(*parts: object) -> int:
    """Derive a seed in 0..2**63 - 1 from `parts`, so that a random stream depends on its name only.

    >>> derived_seed(0, "casme2/sub01", "shuffle") == derived_seed(0, "casme2/sub01", "init")
    False
    """
    return int(digest([str(part) for part in parts])[:16], 16) >> 1


def plain_syntax(node: Any) -> Any:
    """Convert a syntax tree to nested lists for a digest, without docstrings and positions.

    Empty fields are skipped, since later Python versions add some.
    """
    if isinstance(node, list):
        return [plain_syntax(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    match fields.get("body"):
        case [ast.Expr(ast.Constant(str())), *rest]:
            fields["body"] = rest
    fields = {key: value for key, value in fields.items() if value not in (None, []) and key not in ("ctx", "kind")}
    return [type(node).__name__, {key: plain_syntax(value) for key, value in fields.items()}]


def code_files(place: Path) -> Iterator[tuple[Path, ast.Module | None]]:
    """Yield the files of a folder of code, or one file, each with its syntax tree, None for data such as weights.

    Cards, pages and hidden files are not code. A `MerbenchError` names file and line of Python that does not parse, or
    a link to a folder, whose files are elsewhere.
    """
    for path in [place] if place.is_file() else sorted(place.rglob("*")):
        hidden = any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(place).parts)
        if path.is_symlink() and path.is_dir():
            raise MerbenchError(
                f"{path} is a link to a folder, whose files would not be part of the method: put a copy there"
            )
        describes = path.name == "card.yaml" or path.suffix in (".md", ".pyc")  # what matters of a card is in the key
        if hidden or describes or not path.is_file():
            continue
        yield path, _tree(path) if path.suffix == ".py" else None


def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8-sig"), filename=str(path))
    except (SyntaxError, ValueError) as error:
        raise MerbenchError(f"{path} is not valid Python: {error}") from error


def files_digest(folder: Path, files: Iterable[tuple[Path, ast.Module | None]]) -> str:
    """Digest files of a folder, as `code_files` gives them: syntax trees, and the bytes of data."""
    parts = {}
    for path, tree in files:
        content = bytes_digest(path.read_bytes()) if tree is None else digest(plain_syntax(tree))
        parts[path.relative_to(folder).as_posix()] = content
    return digest(parts)
