"""Loops over cases within one test: the case that failed is the last one printed."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

Case = TypeVar("Case")


def each(cases: Iterable[Case]) -> Iterator[Case]:
    """Yield the cases, and print each first: pytest shows what was printed when a test fails."""
    for case in cases:
        print(f"case: {case!r}")
        yield case
