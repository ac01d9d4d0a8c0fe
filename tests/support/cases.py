"""Loops over cases within one test, where the case that failed is the last one printed; texts with many phrases."""

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

Case = TypeVar("Case")


def each(cases: Iterable[Case]) -> Iterator[Case]:
    """Yield the cases, and print each first: pytest shows what was printed when a test fails."""
    for case in cases:
        print(f"case: {case!r}")
        yield case


def says(text: str, *phrases: str) -> None:
    """Fail unless `text` contains each of the phrases; `` | `` separates the phrases of one argument."""
    missing = [phrase for some in phrases for phrase in some.split(" | ") if phrase not in text]
    assert not missing, f"without {missing}:\n{text}"


def matches(text: str, *patterns: str) -> None:
    """Fail unless each of the patterns is found in `text`, where ``^`` and ``$`` match at lines."""
    missing = [pattern for pattern in patterns if not re.search(pattern, text, re.MULTILINE)]
    assert not missing, f"without {missing}:\n{text}"
