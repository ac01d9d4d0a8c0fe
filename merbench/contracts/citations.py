"""Where a protocol comes from; BibTeX is written once a source, in ``sources.bib``, and named by its key."""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from merbench.contracts.errors import MerbenchError, suggestion
from merbench.contracts.notes import LONGEST_REMARK

_SOURCES = "sources.bib"
_ENTRY = re.compile(r"@[a-z]+\{\s*([^\s,{}]+)\s*,", re.IGNORECASE)
_OWN = Path(str(files("merbench.protocols")))


def not_blank(text: str) -> str:
    """Return `text`; ValueError if it is blank."""
    if not text.strip():
        raise ValueError("must not be empty")
    return text


#: Text for readers: not empty.
Words = Annotated[str, AfterValidator(not_blank)]
#: Text that is shown with a row, or a name.
Remark = Annotated[str, Field(max_length=LONGEST_REMARK)]


class Citation(BaseModel, extra="forbid", frozen=True):
    """Where the protocol was fixed."""

    text: Words
    url: str | None = None
    bibtex: str | None = None  #: BibTeX; a file may give instead keys of ``sources.bib``, separated by commas

    def resolved(self, path: Path) -> "Citation":
        """Return the citation with BibTeX in place of keys.

        They are looked up in ``sources.bib`` beside `path`, the protocol's file, then in merbench's own; MerbenchError
        where neither has a key, or a file is not readable.
        """
        if self.bibtex is None or "@" in self.bibtex:
            return self
        known = _own_entries() | ({} if path.parent == _OWN else _entries(path.parent / _SOURCES))
        keys = [word.strip() for word in self.bibtex.split(",")]
        for key in keys:
            if key not in known:
                raise MerbenchError(f"{path}: source.bibtex: {_SOURCES} has no entry {key!r}{suggestion(key, known)}")
        return self.model_copy(update={"bibtex": "\n".join(known[key] for key in keys)})


@cache  # the folder is merbench's own: it does not change while a command runs
def _own_entries() -> dict[str, str]:
    return _entries(_OWN / _SOURCES)


def _entries(path: Path) -> dict[str, str]:
    """Return key -> BibTeX of the entries of a file, each beginning with ``@`` on a line; empty without a file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise MerbenchError(f"{path} can't be read: {error}") from error
    return entries(text, str(path))


def entries(text: str, place: str = "BibTeX") -> dict[str, str]:
    """Return key -> entry of some BibTeX, each beginning with ``@`` on a line; `place` is named in errors."""
    found: dict[str, str] = {}
    for entry in re.findall(r"^@.*?(?=^@|\Z)", text, re.MULTILINE | re.DOTALL):
        match = _ENTRY.match(entry)
        if match is None or match[1] in found or entry.count("{") != entry.count("}"):
            first = entry.splitlines()[0]
            raise MerbenchError(f"{place}: {first!r} must begin an entry with a key of its own and matching braces")
        found[match[1]] = entry.strip() + "\n"
    return found
