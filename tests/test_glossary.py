"""The glossary is short, and the words that it replaced are gone from code and documents."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")

#: Word that is not used any more -> the one that is. Names of stored fields and of options are in `KEPT`.
RETIRED = {
    r"admi(?:ssions?|ts)": "disclosure, discloses",
    r"company": "batch independence; the other clips in the batch",
    r"given_again": "protocol_argument",
    r"habits?": "selection rule",
    r"made-up": "synthetic",
    r"mend(?:s|ed|ing)?": "corrected, fixed",
    r"person_of": "same_people",
    r"stand-ins?": "synthetic data, synthetic database",
    r"tripwires?|trip(?:s|ped) (?:a|no|its) wire": "check",
    r"without_gpu": "cpu",
    r"nobody|no (?:one|body) knows": "subject first",
    r"of which": "whose, where",
    r"means nothing": "subject first",
    r"besides": "in addition to",
    r"left out": "excluded",
    r"(?:is|are|was|were) no (?:\w+)": "is not a ...",
    r"tells (?:of|what|that|whether|how|you)|tell of|told(?: of| that)?": "reports, says, shows",
    r"stands? (?:there|beside|apart|behind|below|above|in)": "is",
    r"lies? (?:in|beside|above|below|at)": "is",
}
#: Text in which a retired word is a stored field, a quoted name or simply right.
KEPT = re.compile(
    r"\"without_gpu\": \"cpu\"|"
    r"`?\badmissions`?(?=\W*[:=\]\"`)]| in JSON)|left_out|(?:is|are|was) no longer|replaces? `\w+`(?: and `\w+`)?"
)


def entries():
    return re.findall(r"^- \*\*(.+?)\*\*: (.+)$", GLOSSARY, flags=re.M)


def texts():
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))
    yield from (path for path in (ROOT / "docs").iterdir() if path.suffix in (".md", ".py", ".sh"))
    yield from (path for path in (ROOT / "benchmarks").iterdir() if path.suffix in (".md", ".py"))
    yield from (ROOT / "merbench").rglob("*.py")


def test_glossary_names_each_thing_once():
    terms = [part for term, _ in entries() for part in term.split(", ")]
    assert len(entries()) <= 60
    assert len(set(terms)) == len(terms)
    assert all(line.startswith("- **") for line in GLOSSARY.splitlines() if line.startswith("-"))


def test_retired_words_are_gone():
    found = []
    anyone = re.compile(rf"\b(?:{'|'.join(RETIRED)})\b", flags=re.I)
    for path in sorted(texts()):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if anyone.search(line) and (match := anyone.search(KEPT.sub("", line))):
                (instead, *_) = [new for word, new in RETIRED.items() if re.fullmatch(word, match[0], flags=re.I)]
                found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]!r}, use: {instead}")
    assert not found, "\n".join(found)
