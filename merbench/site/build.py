"""The pages of the site, rendered and written: deterministic to the byte for the same records."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from merbench.contracts.errors import MerbenchError, unwritable
from merbench.contracts.names import shown_lines
from merbench.records.files import write_whole
from merbench.report.table import Column, Report, Table
from merbench.report.write.html import html_tables
from merbench.site import board, pages
from merbench.site.content import SiteContent, safe
from merbench.site.pairs import answers_of, pairs_file

if TYPE_CHECKING:
    from jinja2 import Environment

#: The list of a site's files, in its folder: by it a later site replaces them.
LIST = "files.txt"
#: End tags and quotation marks that HTML leaves out: a sixth of all pages.
_OPTIONAL = re.compile(r"</(?:td|th|tr|li|dt|dd|p|thead|tbody)>\n?")
_TAG, _QUOTED = re.compile(r"<[a-z][^>]*>"), re.compile(r'="([\w.:#,-](?:[\w.:#,/-]*[\w.:#,-])?)"(?=[\s>])')
_STATIC = ("site.css", "site.js", "icon.svg")
#: Nothing is loaded from elsewhere, and no script or style within a page is run.
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'"


def write_site(content: SiteContent, folder: Path) -> dict[str, int]:
    """Write the site into a folder, new, empty or with an earlier site; returns file -> size in bytes.

    Raises MerbenchError if there is nothing to show, the folder has other files, or it can't be written.
    """
    old = _old_files(folder)
    written = {name: text.encode() for name, text in site_files(content)}
    written[LIST] = "".join(f"{name}\n" for name in sorted(written)).encode()
    for name, data in written.items():
        write_whole(folder / name, data)
    for name in old - written.keys():
        (folder / name).unlink(missing_ok=True)
    return {name: len(data) for name, data in sorted(written.items())}


def _old_files(folder: Path) -> set[str]:
    """Return the files of an earlier site; MerbenchError if the folder has others."""
    instead = "give --out a new folder, or one that merbench site wrote"
    try:
        if not folder.exists() or not any(folder.iterdir()):
            return set()
        if not (folder / LIST).is_file():
            raise MerbenchError(f"{folder} is not empty: {instead}")
        names = set((folder / LIST).read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        reason = error if isinstance(error, OSError) else OSError(str(error))
        raise MerbenchError(unwritable(folder, reason, instead)) from error
    return {name for name in names if name and (folder / name).resolve().is_relative_to(folder.resolve())}


def site_files(content: SiteContent) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every file of the site."""
    if not content.boards():
        raise MerbenchError("the board is empty: no run and no published figure is there to show")
    for name in _STATIC:
        yield f"assets/{name}", (files("merbench.site") / "static" / name).read_text(encoding="utf-8")
    for name in content.boards():
        yield from _board_files(content, name)
    for name in content.published:
        yield f"claims/{safe(name)}.html", _page(content, "protocol_claims.html", pages.protocol_claims(content, name))
    for name, spec in content.protocols.items():
        yield f"protocols/{safe(name)}.html", _page(content, "protocol.html", pages.protocol(content, spec))
    for name in content.methods:
        yield f"methods/{safe(name)}.html", _page(content, "method.html", pages.method(content, name))
    single = {"index": pages.index, "protocols": pages.protocols, "methods": pages.methods, "audit": pages.audit,
              "claims": pages.claims}  # fmt: skip
    for name, context in single.items():
        yield f"{name}.html", _page(content, f"{name}.html", context(content), root="")
    yield "about.html", _page(content, "about.html", {}, root="")


def _board_files(content: SiteContent, name: str) -> Iterator[tuple[str, str]]:
    """Yield the board of a protocol, and the pages of its rows."""
    groups = board.board_groups(content, name)
    tests = board.tests(groups)
    yield f"boards/{safe(name)}.html", _page(content, "board.html", pages.board(content, name, groups, tests))
    compared = [(group, answers_of(group)) for group in groups if group.compared]
    if compared:
        yield f"pairs/{safe(name)}.html", _page(content, "pairs.html", pages.pairs(content, name, compared, tests))
    for group, answers in compared:
        yield f"assets/{board.pairs_name(name, group)}", pairs_file(group, answers)
    for group in groups:
        for line in group.lines:
            yield f"rows/{line['slug']}.html", _page(content, "row.html", pages.row(content, name, group, line))


def _page(content: SiteContent, template: str, context: Mapping[str, Any], root: str = "../") -> str:
    made = _environment().get_template(template)
    text = made.render(root=root, own=content.own, policy=Markup(POLICY), notes=content.notes, **context)  # noqa: S704  # a constant
    return _TAG.sub(lambda tag: _QUOTED.sub(r"=\1", tag[0]), _OPTIONAL.sub("", text))


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("merbench.site"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_finished, keep_trailing_newline=True,
    )  # fmt: skip
    made.filters |= {"tables": _tables, "web": _web, "spans": _spans, "safe_name": safe}
    return made


def _finished(value: Any) -> Any:
    """Escape the control characters of everything that is printed."""
    return shown_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _tables(found: Table | list[Table]) -> Markup:
    """Write tables as pages of their own do."""
    report = Report([found] if isinstance(found, Table) else found)
    # site.css aligns cells
    usual = {
        ' class="right"': "",
        '"right best"': '"best"',
        '"right second"': '"second"',
        '<tr><td class="left">': "<tr><td>",
    }
    text = html_tables(report)
    for written, shorter in usual.items():
        text = text.replace(written, shorter)
    return Markup(text)  # noqa: S704  # autoescaped there


def _web(address: str | None) -> str:
    """Return an address of the web; nothing for any other."""
    return address if address and address.startswith(("https://", "http://")) else ""


def _spans(columns: list[Column]) -> list[tuple[str, int]]:
    return [(group, len(list(members))) for group, members in groupby(columns, key=lambda column: column.group)]
