"""Where a protocol comes from; BibTeX is written once a source, in ``sources.bib``, and named by its key."""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from merbench.contracts.errors import MerbenchError, suggestion

SOURCES = "sources.bib"
_ENTRY = re.compile(r"@[a-z]+\{\s*([^\s,{}]+)\s*,", re.IGNORECASE)


def not_blank(text: str) -> str:
    """Return `text`; ValueError if it is blank."""
    if not text.strip():
        raise ValueError("must not be empty")
    return text


#: Text for readers: not empty.
Words = Annotated[str, AfterValidator(not_blank)]


class Citation(BaseModel):
    """Where the protocol was fixed.

    Attributes
    ----------
    text : str
        For readers.
    url : str, optional
        Its page.
    bibtex : str, optional
        BibTeX. A file may give instead the keys of entries of ``sources.bib``, separated by commas.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Words
    url: str | None = None
    bibtex: str | None = None

    def resolved(self, path: Path) -> "Citation":
        """Return the citation with BibTeX in place of keys.

        Parameters
        ----------
        path : Path
            The file that it was read from. Keys are looked up in ``sources.bib`` beside it, then in merbench's own.

        Raises
        ------
        MerbenchError
            No entry has the key; or ``sources.bib`` is not readable.
        """
        if self.bibtex is None or "@" in self.bibtex:
            return self
        known = _own_entries() | ({} if path.parent == _OWN else _entries(path.parent / SOURCES))
        found = []
        for key in (word.strip() for word in self.bibtex.split(",")):
            if key not in known:
                raise MerbenchError(f"{path}: source.bibtex: {SOURCES} has no entry {key!r}{suggestion(key, known)}")
            found.append(known[key])
        return self.model_copy(update={"bibtex": "\n".join(found)})


_OWN = Path(str(files("merbench.protocols")))


@cache  # the folder is merbench's own: it does not change while a command runs
def _own_entries() -> dict[str, str]:
    return _entries(_OWN / SOURCES)


def _entries(path: Path) -> dict[str, str]:
    """Return key -> BibTeX of the entries of a file; empty without a file. An entry begins with ``@`` on a line.

    Raises
    ------
    MerbenchError
        The file is not readable, or an entry has no key, another's key, or braces that do not match.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise MerbenchError(f"{path} can't be read: {error}") from error
    found: dict[str, str] = {}
    for entry in re.findall(r"^@.*?(?=^@|\Z)", text, re.MULTILINE | re.DOTALL):
        entry = entry.strip() + "\n"
        match = _ENTRY.match(entry)
        if match is None or match[1] in found or entry.count("{") != entry.count("}"):
            first = entry.splitlines()[0]
            raise MerbenchError(f"{path}: {first!r} must begin an entry with a key of its own and matching braces")
        found[match[1]] = entry
    return found
