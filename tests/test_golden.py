"""The golden messages are those of tests that exist."""

import re
from pathlib import Path

from support import messages


def test_golden_messages_belong_to_tests():
    stale = []
    for key in messages.read():
        path, _, test = key.rpartition(" ")[0].partition("::")
        source = Path(__file__).parent / path
        name = test.partition("[")[0].rpartition("::")[2]
        if not source.is_file() or not re.search(rf"^def {name}\(", source.read_text(encoding="utf-8"), re.MULTILINE):
            stale.append(key)
    assert not stale, "remove these entries from tests/golden/messages.txt"


def test_words_that_change_between_runs_are_replaced():
    places = {"/tmp/a": "TMP", "/tmp/a/home": "HOME"}
    text = "/tmp/a/home/x of run-s0-0123456789 at 2026-01-02T03:04:05+00:00 on 127.0.0.1:5000, offered_12"
    assert messages.normalised(text, places) == "HOME/x of run-s0-DIGEST at TIME on 127.0.0.1:PORT, PACKAGE"
