"""The size of the house, counted from its syntax trees: ``python tests/support/size.py`` prints it."""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ("merbench", "methods")
_DESCRIBED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


_parse = cache(ast.parse)
#: An import of a private name; texts without one need not be parsed.
_BORROWING = re.compile(r"import\s+(?:\([^)]*|[^\n(]*)\b_(?!_)\w")


def texts(*tops: str, root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """Yield path and text of every Python file below some folders of the checkout."""
    for path in (path for top in tops for path in sorted((root / top).rglob("*.py"))):
        yield path.relative_to(root), path.read_text(encoding="utf-8")


def trees(*tops: str, root: Path = ROOT) -> Iterator[tuple[Path, str, ast.Module]]:
    """Yield path, text and syntax tree of every Python file below some folders of the checkout."""
    yield from ((path, text, _parse(text)) for path, text in texts(*tops, root=root))


def lines(*tops: str, root: Path = ROOT) -> int:
    """Count the lines of all files."""
    return sum(text.count("\n") for _, text in texts(*tops, root=root))


def code_lines(*tops: str, root: Path = ROOT) -> int:
    """Count the lines that hold code: neither blank, nor comment, nor docstring."""
    count = 0
    for _, text, tree in trees(*tops, root=root):
        described: set[int] = set()
        for node in ast.walk(tree):
            if isinstance(node, _DESCRIBED) and ast.get_docstring(node) is not None:
                first = node.body[0]
                described.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
        for number, line in enumerate(text.splitlines(), start=1):
            count += number not in described and bool(re.match(r"\s*[^#\s]", line))
    return count


def long_files(limit: int, root: Path = ROOT) -> list[str]:
    """Name the source files with more lines than `limit`."""
    return [f"{path}: {text.count(chr(10))}" for path, text in texts(*SOURCE, root=root) if text.count("\n") > limit]


def long_functions(limit: int, root: Path = ROOT) -> list[str]:
    """Name the functions with more lines than `limit`."""
    return [
        f"{path}: {node.name}: {length}"
        for path, _, tree in trees(*SOURCE, root=root)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > limit
    ]


def public_classes(root: Path = ROOT) -> list[str]:
    """Name the public classes at the top of the library's files; methods' own are theirs."""
    return [
        node.name
        for _, _, tree in trees("merbench", root=root)
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]


def homonyms(root: Path = ROOT) -> list[str]:
    """Name the public classes of the library that share their name."""
    return sorted(name for name, count in Counter(public_classes(root)).items() if count > 1)


def borrowed_private_names(root: Path = ROOT) -> list[str]:
    """Name the imports of a private name from another file."""
    return [
        f"{path}: {alias.name}"
        for path, text in texts(*SOURCE, "tests", root=root)
        if _BORROWING.search(text)
        for node in ast.walk(_parse(text))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("merbench", "methods", "."))
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]


def figures(root: Path = ROOT) -> dict[str, int]:
    """Return the figures that `benchmarks/README.md` shows."""
    return {
        "lines of merbench/ and methods/": lines(*SOURCE, root=root),
        "lines of code, without docstrings, comments, blanks": code_lines(*SOURCE, root=root),
        "lines of tests/": lines("tests", root=root),
        "files over 400 lines": len(long_files(400, root)),
        "functions over 60 lines": len(long_functions(60, root)),
        "public classes of merbench/": len(public_classes(root)),
        "public classes that share a name": len(homonyms(root)),
        "imports of private names across files": len(borrowed_private_names(root)),
    }


if __name__ == "__main__":
    for name, value in figures(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT).items():
        print(f"{value:>6}  {name}")
