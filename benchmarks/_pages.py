"""Shared by the benchmarks that write their tables into pages of the documentation, each between its two marks."""

from pathlib import Path


def between_marks(path: Path, script: str, table: str) -> str:
    """Return the text of a page with `table` in place of what is between the marks of a script."""
    begin, end = (f"<!-- {script}: {mark} -->" for mark in ("begin", "end"))
    before, found, rest = path.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{path} lacks the lines {begin} and {end}: add them where the table belongs")
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"


def write_pages(pages: dict[Path, str]) -> None:
    """Write pages, a line a page."""
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
        print(f"written: {path}")
