"""The rendered messages of the command line, in one golden file: a change of words is one reviewed diff.

``uv run pytest tests/cli --write-golden`` rewrites the entries of the tests that run. A key is the test's id and the
number of the message in it; text that differs between machines or runs is replaced by a word in capitals.
"""

import re
import sys
from pathlib import Path

from merbench import __version__

GOLDEN = Path(__file__).parents[1] / "golden" / "messages.txt"
_REPLACED = {
    r"offered_\d+": "PACKAGE",
    r"toyplan\d+": "PACKAGE",
    r"\b[0-9a-f]{64}\b": "SHA256",
    r"(?<=-)[0-9a-f]{10}\b": "DIGEST",
    r"\b\d{4}-\d\d-\d\dT[\d:.]+(\+[\d:]+|Z)?": "TIME",
    r"(127\.0\.0\.1|localhost):\d+": r"\1:PORT",
    r" at 0x[0-9a-f]+": " at ADDRESS",
}


def normalised(text: str, places: dict[str, str]) -> str:
    """Replace paths by the names of `places`, and versions, digests and times by words in capitals."""
    for path, name in sorted(places.items(), key=lambda item: -len(item[0])):
        text = text.replace(path, name)
    for pattern, word in _REPLACED.items():
        text = re.sub(pattern, word, text)
    return text.replace(sys.prefix, "PYTHON").replace(__version__, "VERSION")


def read() -> dict[str, str]:
    """Return the messages by their keys."""
    text = GOLDEN.read_text(encoding="utf-8") if GOLDEN.exists() else ""
    return dict(re.findall(r"^(\S.*)\n    (.*)$", text, re.MULTILINE))


def write(tests: set[str], messages: dict[str, str]) -> None:
    """Replace the messages of `tests`, by their ids, in the golden file."""
    kept = {key: text for key, text in read().items() if key.rpartition(" ")[0] not in tests}
    found = sorted((kept | messages).items(), key=lambda item: (item[0].rpartition(" ")[0], int(item[0].split()[-1])))
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text("".join(f"{key}\n    {text}\n" for key, text in found), encoding="utf-8")


class Written:
    """Plugin that gathers the messages of a session, of its xdist workers too, and writes them at the end."""

    def __init__(self) -> None:
        self.tests: set[str] = set()
        self.messages: dict[str, str] = {}

    def pytest_testnodedown(self, node, error):
        self.tests |= set(getattr(node, "workeroutput", {}).get("golden_tests", []))
        self.messages |= getattr(node, "workeroutput", {}).get("golden_messages", {})

    def pytest_sessionfinish(self, session):
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["golden_tests"], output["golden_messages"] = sorted(self.tests), self.messages
        elif self.tests:
            write(self.tests, self.messages)
