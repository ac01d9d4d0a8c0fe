"""The golden messages are those of tests that exist."""

from support import messages


def test_golden_messages_belong_to_tests():
    stale = [key for key in messages.read() if messages.is_stale(key)]
    assert not stale, "--write-golden removes these entries from tests/golden/messages.txt"


def test_words_that_change_between_runs_are_replaced():
    places = {"/tmp/a": "TMP", "/tmp/a/home": "HOME"}
    text = "/tmp/a/home/x of run-s0-0123456789 at 2026-01-02T03:04:05+00:00 on 127.0.0.1:5000, offered_12"
    assert messages.normalised(text, places) == "HOME/x of run-s0-DIGEST at TIME on 127.0.0.1:PORT, PACKAGE"
