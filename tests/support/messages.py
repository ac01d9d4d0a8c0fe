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
    r"faces=(landmarks|haar)": "faces=FACES",  # by what is installed
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


def is_stale(key: str) -> bool:
    """Say whether the test of a key does not exist any more."""
    path, _, test = key.rpartition(" ")[0].partition("::")
    source, name = GOLDEN.parents[1] / path, test.partition("[")[0].rpartition("::")[2]
    return not source.is_file() or not re.search(rf"^def {name}\(", source.read_text(encoding="utf-8"), re.MULTILINE)


def write(tests: set[str], messages: dict[str, str]) -> None:
    """Replace the messages of `tests`, by their ids, in the golden file, and drop stale ones."""
    kept = {key: text for key, text in read().items() if key.rpartition(" ")[0] not in tests and not is_stale(key)}
    found = sorted((kept | messages).items(), key=lambda item: (item[0].rpartition(" ")[0], int(item[0].split()[-1])))
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text("".join(f"{key}\n    {text}\n" for key, text in found), encoding="utf-8")


class Messages:
    """Plugin that gathers the messages of a session, of its xdist workers too, and reports or writes them at the end.

    Messages without an entry make the session fail, in one place; under ``--write-golden`` they become entries.
    """

    def __init__(self, config):
        self.writes = config.getoption("--write-golden")
        self.known = read()
        self.tests: set[str] = set()
        self.messages: dict[str, str] = {}

    def check(self, test, number, text):
        """Take the message of a test by its number, and compare it with its entry."""
        key = f"{test} {number}"
        self.tests.add(test)
        if self.writes or key not in self.known:
            self.messages[key] = text
        else:
            assert text == self.known[key], "--write-golden rewrites this message: review the change"

    def pytest_testnodedown(self, node):
        tests, messages = getattr(node, "workeroutput", {}).get("golden", ([], {}))
        self.tests |= set(tests)
        self.messages |= messages

    def pytest_sessionfinish(self, session):
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["golden"] = sorted(self.tests), self.messages
        elif self.writes and self.tests:
            write(self.tests, self.messages)
        elif self.messages:
            session.exitstatus = 1

    def pytest_terminal_summary(self, terminalreporter):
        if self.messages and not self.writes:
            terminalreporter.section(
                "messages without an entry in tests/golden/messages.txt: add them by --write-golden"
            )
            for key, text in sorted(self.messages.items()):
                terminalreporter.line(f"{key}\n    {text}")
