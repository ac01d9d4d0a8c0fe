"""Digests: equal content has an equal digest, on every machine."""

import ast
import hashlib
import json
from typing import Any


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
