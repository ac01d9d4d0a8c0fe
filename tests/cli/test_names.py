"""Names from outside, whatever they look like, are printed as they are; they style and break nothing."""

import re

import pytest
from markdown_it import MarkdownIt

WILD = "[red]<b>|_%\\[/]"
IN_LATEX = r"[red]\textless{}b\textgreater{}"

PROTOCOL = """\
name: odd_one-out
title: '{wild}'
summary: 'Sums up {wild}'
source: {{text: 'told by {wild}'}}
classes: [nay, yea]
datasets:
  odd_one: {{title: '{wild}', classes: {{nay: ['{wild}'], yea: [joy]}}}}
  odd_two: {{title: '{wild}2', classes: {{nay: ['{wild}'], yea: [joy]}}}}
folds: leave-one-subject-out
"""

DATABASE = """
import numpy as np
import pandas as pd

from merbench.contracts.clips import clip_table
from merbench.contracts.databases import DatabaseCard, Reading
from merbench.contracts.inputs import Flow
from merbench.contracts.notes import Note

WILD = {wild!r}

class Odd:
    card = DatabaseCard(
        name="odd", title=WILD, datasets={{"odd_one": WILD, "odd_two": "two"}}, licence=WILD, source=WILD,
        offers=(Flow(),),
    )
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
    offer("[merbench.databases]\nodd = MODULE.odd:DATABASE\n", {"odd.py": DATABASE.format(wild=WILD)})
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "odd").touch()
    (tmp_path / "odd.yaml").write_text(PROTOCOL.format(wild=WILD), encoding="utf-8")
    return ("--protocol", "odd.yaml", "--data", "copy")


def test_names_of_a_database_are_printed_as_they_are(done, odd):
    said = done("data", "add", "odd", "copy")
    assert f"odd: layout {WILD}, 8 clips" in said
    assert f"note: noted {WILD}" in said
    assert done("data", "list").count(WILD) == 3
    said = done("data", "verify", "odd")
    assert f"layout {WILD}" in said
    assert f"clips of {WILD}, two" in said


def test_names_of_a_protocol_are_printed_as_they_are(done, odd, tmp_path):
    said = done("protocols", tmp_path / "odd.yaml")
    assert f"title: '{WILD}'" in said
    assert f"Sums up {WILD}" in said


def test_names_of_folds_are_printed_as_they_are(done, refused, odd, tmp_path):
    said = done("run", "svm-flow", *odd, "--folds", f"odd_one/{WILD}0")
    assert "seed 0 has 1 of 4 folds" in said
    said = done("run", "svm-flow", *odd, "--dry-run")
    assert f" odd_one/{WILD}1, odd_two/{WILD}0, odd_two/{WILD}1\n" in said
    assert f"unknown fold 'odd_one/[bold]{WILD}'".replace("\\", "\\\\") in refused(
        "run", "svm-flow", *odd, "--folds", f"odd_one/[bold]{WILD}"
    )


def test_names_of_subjects_are_printed_as_they_are(done, odd):
    done("run", "svm-flow", *odd)
    said = done("show", "svm-flow")
    for dataset in ("odd_one", "odd_two"):
        for subject in "01":
            assert re.search(rf"^ {re.escape(f'{dataset}/{WILD}{subject}')} +2/2 +1/1 +1/1 *$", said, re.MULTILINE)


def test_a_log_with_such_names_makes_the_round_trip(done, odd, tmp_path):
    done("run", "svm-flow", *odd)
    for kind in ("csv", "challenge"):
        done("export", "svm-flow", "--format", kind, "--out", f"log.{kind}")
        said = done("score", f"log.{kind}", "--protocol", "odd.yaml")
        assert re.search(r"^ Full +1\.0000 ", said, re.MULTILINE)
        assert re.search(rf"^ {re.escape(WILD)} +1\.0000 ", said, re.MULTILINE)
        assert re.search(rf"^ {re.escape(WILD)}2 +1\.0000 ", said, re.MULTILINE)


def test_the_name_of_a_log_is_printed_as_it_is(done, tmp_path):
    for name in ("[red]<b>|_%.csv", "[bold].csv", "a\\[].csv", "a\\", "[[.csv"):
        (tmp_path / name).write_text("samm 006\n006_1_2 0 0\n", encoding="utf-8")
        said = [line.strip() for line in done("score", name, "--protocol", "megc2019").splitlines()]
        assert f"{name} under megc2019: 1 of 442 clips" in said


def test_a_name_with_markup_is_repeated_as_it_is(refused):
    for words in (("methods",), ("protocols",), ("data", "verify")):
        assert repr("[red]<b>|_%[/]") in refused(*words, "[red]<b>|_%[/]")


def test_clips_of_a_log_are_named_as_they_are(done, tmp_path):
    (tmp_path / "log.csv").write_text(
        f"dataset,subject,clip,truth,predicted\nsamm,006,006_1_2,negative,negative\nmmew,{WILD},c{WILD},negative,positive\n",
        encoding="utf-8",
    )
    assert f" mmew/{WILD}/c{WILD}\n" in done("score", "log.csv", "--protocol", "megc2019")


def test_control_characters_in_a_log_do_not_reach_the_terminal(merbench, tmp_path):
    (tmp_path / "log.csv").write_text(
        "dataset,subject,clip,truth,predicted\nsamm,006,006_1_2,negative,negative\n"
        "mmew,\x1b[31mred\x1b[2J,c1\x07,negative,positive\n",
        encoding="utf-8",
    )
    said = merbench("score", "log.csv", "--protocol", "megc2019")
    assert "red" in said.out + said.err
    assert "\x1b" not in said.out + said.err
    assert "\x07" not in said.out + said.err


def test_control_characters_in_errors_do_not_reach_the_terminal(merbench, small, monkeypatch):
    def fails(self, inputs):
        raise ValueError("\x1b[31mred\x1b[2J\x07")

    monkeypatch.setattr("merbench.methods.floors.majority.method.Majority.features", fails)
    said = merbench("run", "majority", *small)
    assert said.code == 1
    assert "red" in said.out
    assert "\x1b" not in said.out
    assert "\x07" not in said.out


def cells_of(markdown):
    """Return the rows of the Markdown's tables as a reader sees them, and the kinds of markup inside."""
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    inline = [token.children for token in reader.parse(markdown) if token.type == "inline"]
    texts = [
        "".join(child.content for child in children if child.type in ("text", "text_special")) for children in inline
    ]
    return texts, {child.type for children in inline for child in children}


def test_such_names_are_read_from_markdown_as_they_are(done, odd, offer):
    offer("[merbench.protocols]\nodd_one-out = MODULE:PROTOCOL\n", {
        "__init__.py": "from pathlib import Path\nPROTOCOL = Path(__file__).parent / 'odd.yaml'\n",
        "odd.yaml": PROTOCOL.format(wild=WILD),
    })  # fmt: skip
    done("run", "svm-flow", "majority", *odd)
    texts, kinds = cells_of(done("compare", "--format", "md"))
    for figure in ("UF1", "UAR"):
        assert f"{WILD} {figure}" in texts
        assert f"{WILD}2 {figure}" in texts
    own = {"strong_open", "strong_close", "em_open", "em_close", "softbreak"}  # the legend has two lines
    assert kinds <= {"text", "text_special", *own}


def test_a_setting_is_read_from_markdown_as_it_is(done, small, offer):
    word = " ".join([WILD, "~~x~~", "&lt;", "`x`", "*x*", "__x__", "![x](y)", "a | b", "\\", "$x$", "#"])
    offer("[merbench.methods]\nwordy = MODULE.method:Wordy\n", {
        "card.yaml": "name: wordy\ntitle: W\nsummary: W\nimplementation: method:Wordy\ndeterministic: true\n",
        "method.py": """
            from merbench.contracts.methods import MethodConfig
            from merbench.methods.floors.majority.method import Majority

            class Config(MethodConfig):
                word: str = ""

            class Wordy(Majority):
                Config = Config
            """,
    })  # fmt: skip
    done("run", "wordy", *small, "--set", f"word='{word}'")
    texts, _ = cells_of(done("compare", "--format", "md"))
    assert f"wordy (word={word})" in texts


def test_such_names_are_escaped_in_latex(done, odd, offer):
    offer("[merbench.protocols]\nodd_one-out = MODULE:PROTOCOL\n", {
        "__init__.py": "from pathlib import Path\nPROTOCOL = Path(__file__).parent / 'odd.yaml'\n",
        "odd.yaml": PROTOCOL.format(wild=WILD),
    })  # fmt: skip
    done("run", "svm-flow", "majority", *odd)
    table = done("compare", "--format", "latex", "--published")
    assert rf"{{{IN_LATEX}" in table
    assert r"odd\_one-out on odd" in table
