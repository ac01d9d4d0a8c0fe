"""Names from outside, whatever they look like, are printed as they are; they style and break nothing."""

import re

import pytest
from markdown_it import MarkdownIt
from support.cases import each, matches, says

WILD = "[red]<b>|_%\\[/]"
PROTOCOL = f"""\
name: odd_one-out
title: '{WILD}'
summary: 'Sums up {WILD}'
source: {{text: 'told by {WILD}'}}
classes: [nay, yea]
datasets:
  odd_one: {{title: '{WILD}', classes: {{nay: ['{WILD}'], yea: [joy]}}}}
  odd_two: {{title: '{WILD}2', classes: {{nay: ['{WILD}'], yea: [joy]}}}}
folds: leave-one-subject-out
"""
DATABASE = f"""
import numpy as np
import pandas as pd
from merbench.contracts.clips import clip_table
from merbench.contracts.databases import DatabaseCard, Reading
from merbench.contracts.inputs import Flow
from merbench.contracts.notes import Note

WILD = {WILD!r}

class Odd:
    card = DatabaseCard(name="odd", title=WILD, datasets={{"odd_one": WILD, "odd_two": "two"}}, licence=WILD,
                        source=WILD, offers=(Flow(),))
    def recognises(self, folder):
        return (folder / "odd").exists()
    def read(self, folder, corrections=True):
        rows = [
            {{"dataset": dataset, "subject": f"{{WILD}}{{subject}}", "clip": f"{{clip}}{{WILD}}", "emotion": emotion}}
            for dataset in ("odd_one", "odd_two") for subject in range(2) for clip, emotion in enumerate((WILD, "joy"))
        ]
        return Reading(clip_table(pd.DataFrame(rows), "odd"), f"layout {{WILD}}", [Note("note", f"noted {{WILD}}")])
    def arrays(self, folder, clips, spec):
        light = (clips.emotion == "joy").to_numpy() * 200
        return np.broadcast_to(light[:, None, None, None], (len(clips), 28, 28, 3)).astype(np.uint8)

DATABASE = Odd()
"""


@pytest.fixture
def odd(offer, tmp_path, monkeypatch):
    """Offer a database, and write a protocol, whose names are full of markup; return the options of a run on them."""
    monkeypatch.setenv("COLUMNS", "1000")
    offer("[merbench.databases]\nodd = MODULE.odd:DATABASE\n", {"odd.py": DATABASE})
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "odd").touch()
    (tmp_path / "odd.yaml").write_text(PROTOCOL, encoding="utf-8")
    return ("--protocol", "odd.yaml", "--data", "copy")


def test_names_of_databases_and_protocols_are_printed_as_they_are(done, odd, tmp_path):
    says(done("data", "add", "odd", "copy"), f"odd: layout {WILD}, 8 clips", f"note: noted {WILD}")
    assert done("data", "list").count(WILD) == 3
    says(done("data", "verify", "odd"), f"layout {WILD}", f"clips of {WILD}, two")
    says(done("protocols", tmp_path / "odd.yaml"), f"title: '{WILD}'", f"Sums up {WILD}")


def test_names_of_folds_subjects_and_logs_are_printed_as_they_are(done, refused, odd):
    run = ("run", "svm-flow", *odd)
    assert "seed 0 has 1 of 4 folds" in done(*run, "--folds", f"odd_one/{WILD}0")
    assert f" odd_one/{WILD}1, odd_two/{WILD}0, odd_two/{WILD}1\n" in done(*run, "--dry-run")
    refused(*run, "--folds", f"odd_one/[bold]{WILD}")
    done(*run)
    names = [f"{dataset}/{WILD}{subject}" for dataset in ("odd_one", "odd_two") for subject in "01"]
    matches(done("show", "svm-flow"), *(rf"^ {re.escape(name)} +2/2 +1/1 +1/1 *$" for name in names))
    for kind in ("csv", "challenge"):
        done("export", "svm-flow", "--format", kind, "--out", f"log.{kind}")
        parts = ("Full", re.escape(WILD), re.escape(f"{WILD}2"))
        matches(done("score", f"log.{kind}", "--protocol", "odd.yaml"), *(rf"^ {part} +1\.0000 " for part in parts))


def test_names_of_files_clips_and_unknown_things_are_printed_as_they_are(done, refused, tmp_path):
    for name in each(("[red]<b>|_%.csv", "a\\[].csv", "a\\", "[[.csv")):
        (tmp_path / name).write_text("samm 006\n006_1_2 0 0\n", encoding="utf-8")
        assert f"{name} under megc2019: 1 of 442 clips" in done("score", name, "--protocol", "megc2019")
    for words in (("methods",), ("protocols",), ("data", "verify")):
        refused(*words, "[red]<b>|_%[/]")
    for subject, shown in ((WILD, WILD), ("\x1b[31mred\x1b[2J\x07", r"\x1b[31mred\x1b[2J\x07")):
        lines = "samm,006,006_1_2,negative,negative", f"dfme,{subject},c{WILD},negative,positive"
        text = "\n".join(["dataset,subject,clip,truth,predicted", *lines, ""])
        (tmp_path / "log.csv").write_text(text, encoding="utf-8")
        said = done("score", "log.csv", "--protocol", "megc2019")
        assert f" dfme/{shown}/c{WILD}\n" in said
        assert "\x1b" not in said


def test_control_characters_in_errors_do_not_reach_the_terminal(merbench, small, toy):
    toy(body=r"def fit(self, train, run): raise ValueError('\x1b[31mred\x1b[2J\x07')")
    said = merbench("run", "toy", *small)
    assert (said.code, "red" in said.out, "\x1b" in said.out, "\x07" in said.out) == (1, True, False, False)


def cells_of(markdown):
    """Return the rows of the Markdown's tables as a reader sees them, and the kinds of markup inside."""
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    inline = [token.children for token in reader.parse(markdown) if token.type == "inline"]
    read = [[child.content for child in children if child.type in ("text", "text_special")] for children in inline]
    return ["".join(texts) for texts in read], {child.type for children in inline for child in children}


def test_such_names_are_read_from_papers_formats_as_they_are(done, odd, offer, small, toy):
    code = "from pathlib import Path\nPROTOCOL = Path(__file__).parent / 'odd.yaml'\n"
    offer("[merbench.protocols]\nodd_one-out = MODULE:PROTOCOL\n", {"__init__.py": code, "odd.yaml": PROTOCOL})
    done("run", "svm-flow", "majority", *odd)
    texts, kinds = cells_of(done("compare", "--format", "md"))
    assert {f"{WILD}{more} {figure}" for more in ("", "2") for figure in ("UF1", "UAR")} <= set(texts)
    own = {"strong_open", "strong_close", "em_open", "em_close", "softbreak"}  # the legend has two lines
    assert kinds <= {"text", "text_special", *own}
    table = done("compare", "--format", "latex", "--published")
    says(table, r"{[red]\textless{}b\textgreater{}", r"odd\_one-out on odd")
    marks = ["~~x~~", "&lt;", "`x`", "*x*", "__x__", "![x](y)", "a | b", "\\", "$x$", "#", "50 %", "[/red] c:\\d"]
    word = " ".join([WILD, *marks])
    toy(card="deterministic: true\n")
    run = ("run", "toy", *small, "--set", f"word='{word}'")
    assert f"toy (word={word})" in done(*run)
    assert "toy" in done(*run, "--dry-run")
    assert f"toy (word={word})" in cells_of(done("compare", "--format", "md"))[0]


#: What escapes by itself.
SAID_BY_ITSELF = {"printing.py"}


def test_every_line_is_printed_by_what_escapes_control_characters(root):
    """Names come from sheets, folders, packages and records: no command prints on its own."""
    for path in each(sorted((root / "merbench").rglob("*.py"))):
        text = path.read_text(encoding="utf-8")
        if path.name not in SAID_BY_ITSELF:
            assert "typer.echo(" not in text
        made = re.findall(r"(?<![_\w])Console\(", text)
        assert not made or path.name == "terminal.py"
        assert not re.search(r"^ *print\(", text, re.MULTILINE) or path.name in ("__main__.py", "process.py")


def test_controls_in_packages_databases_and_cards_are_escaped(merbench, offer, toy, miniature, tmp_path):
    controls = "\x1b[31m\u202e\x9b"
    toy(name="toy", card=f'title: "T {controls}"\n'.replace("title", "remark").encode("unicode_escape").decode())
    offer(f"[merbench.methods]\nbro{controls}ken = MODULE:Toy\n", {})
    (tmp_path / f"copy{controls}").mkdir()
    for words in (
        ("methods",), ("methods", "toy"), ("methods", f"toy{controls}"), ("protocols", controls), ("doctor",),
        ("data", "add", "casme2", tmp_path / f"copy{controls}"), ("data", "verify", controls), ("data", "list"),
        ("run", controls), ("show", controls), ("compare", "--format", controls), ("new-method", controls, "--package"),
        (f"run{controls}",), ("score", f"log{controls}.csv", "--protocol", "megc2019"),
    ):  # fmt: skip
        said = merbench(*words)
        assert {char for char in said.out + said.err if not char.isprintable()} <= {"\n"}, words
