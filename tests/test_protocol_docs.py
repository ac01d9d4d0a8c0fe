"""The table of docs/protocols.md says what the files say."""

from pathlib import Path

from merbench.engine.plan.catalogue import PROTOCOLS, family_of

DOCS = Path(__file__).resolve().parents[1] / "docs" / "protocols.md"


def _row(spec):
    expected = spec.expected
    counts = [getattr(expected, name, None) or "–" for name in ("clips", "subjects")]
    rule = spec.folds.rule + (f", {spec.folds.k} folds" if spec.folds.rule == "subject-k-fold" else "")
    return f"| `{spec.name}` | {spec.title} | {len(spec.outputs)} | {counts[0]} | {counts[1]} | {rule} |"


def test_the_table_of_protocols_is_that_of_the_files():
    written = [
        line
        for line in DOCS.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `") and line.count("|") == 7
    ]
    own = [entry.name for entry in PROTOCOLS.entries() if entry.origin == "merbench" and not family_of(entry.name)]
    assert written == [_row(PROTOCOLS.get(name)) for name in own]
