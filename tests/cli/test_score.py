"""Scoring somebody's log: either format, whole or not, and what is wrong with it."""

import re

import pytest
from support.cases import each, says

MEGC = ("--protocol", "megc2019")
HEAD = "dataset,subject,clip,truth,predicted"
LINES = [
    "casme2,sub01,EP02_01f,positive,positive", "casme2,sub01,EP19_05f,negative,negative",
    "casme2,sub02,EP11_01,surprise,surprise", "samm,006,006_1_2,negative,positive",
]  # fmt: skip
BEGIN = "casme2 sub01\nEP02_01f 1 1\n"


def full_line(text):
    """Return UF1, UAR, accuracy and clips of the line of all clips."""
    (line,) = re.findall(r"^ Full +(\S+) +\S+ +(\S+) +\S+ +(\S+) +(\d+) +\d+ *$", text, re.MULTILINE)
    return line


def named(text, phrase):
    """Return the clips that the one line with `phrase` names after its last colon."""
    (line,) = [line for line in text.splitlines() if phrase in line]
    return line.rpartition(": ")[2].split(", ")


@pytest.fixture
def logs(shared):
    return shared / "data" / "published-logs"


@pytest.fixture
def written(tmp_path):
    """Return what writes a log: text, bytes, or lines of our format, without which it has four clips, one wrong."""

    def write(content=LINES):
        text = "\n".join([HEAD, *content]) if isinstance(content, list) else content
        (tmp_path / "log.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "log.txt"

    return write


def test_authors_logs_are_scored_and_what_is_missing_is_named(done, merbench, logs):
    said = done("score", logs / "ststnet_matlab.txt", *MEGC)
    uf1, uar, _, clips = full_line(said)
    assert (uf1, uar, clips) == (".7353", ".7186", "442")
    assert "no prediction for" not in said
    said = merbench("score", logs / "capsulenet.csv", *MEGC)
    assert said.code == 0, said.err
    uf1, uar, _, clips = full_line(said.out)
    assert (uf1, uar, clips) == (".6520", ".6506", "435")
    missing = named(said.out, "no prediction for")
    assert len(set(missing)) == 7
    assert all(clip.startswith("smic-hs/") for clip in missing)
    assert "smic-hs/s18/s18_sur_03" in said.out + said.err  # its truth differs


def test_line_ends_order_and_spelling_change_nothing(done, logs, written):
    content = (logs / "ststnet_matlab.txt").read_bytes().replace(b"\r\n", b"\n")
    before = done("score", written(content), *MEGC)
    assert done("score", written(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")), *MEGC) == before
    before = done("score", written(), *MEGC)
    assert full_line(before)[2:] == (".7500", "4")
    turned = [",".join(line.split(",")[place] for place in (4, 2, 3, 1, 0)) for line in (HEAD, *LINES[::-1])]
    spelled = ["CASME II,1,EP02_01f,1,1", "casme2,sub1,EP19_05f,0,0", LINES[2], "samm,6,6_1_2,0,1"]
    for other in each(("\r\n".join([HEAD, *LINES]), "\n".join(turned), spelled)):
        assert done("score", written(other), *MEGC) == before


def test_swapped_columns_are_named_as_such(refused, done, logs, written):
    path = written("\n".join([HEAD.replace("truth,predicted", "predicted,truth"), *LINES]))
    refused("score", path, *MEGC)
    for log in ("ststnet_matlab.txt", "capsulenet.csv"):
        text = (logs / log).read_text(encoding="utf-8")
        swapped = re.sub(r"^(\S+) (\d) (\d)", r"\1 \3 \2", text, flags=re.MULTILINE)
        refused("score", written(swapped), *MEGC)
    said = done("score", written([LINES[0], "casme2,sub01,EP19_05f,surprise,negative", *LINES[2:]]), *MEGC)
    assert "casme2/sub01/EP19_05f" in said
    assert "swapped" not in said


def test_lines_that_can_not_be_read_are_named(refused, written):
    for content, *said in each(
        (
            ([*LINES, "samm,6,6_1_2,positive,positive"], "a clip twice", "samm/006/006_1_2"),
            (["mmew,s1,c1,surprise,negative"], "mmew/s1/c1"),
            ([*LINES, "casme2,006,006_1_2,positive,positive"], "log.txt, line 6: casme2: ", "EP02_01f"),
            *(
                ([*LINES[:2], f"casme2,sub02,EP11_01,surprise,{word}"], f"line 4: unknown class {word!r}", "0 negative")
                for word in ("3", "-1", "happy", "", "negatively", "²", "1.0")
            ),
            (BEGIN + "EP19_05f 0 7\n", "log.txt, line 3: unknown class '7'"),
            *((text, "log.txt has no prediction") for text in ("", "\n\n", f"{HEAD}\n", "casme2 sub01\n")),
            *((data, "can't be read: it is not text") for data in (b"\x89PNG\r\n\x1a\n\x00\x00,", b"\xff\xfe" * 20)),
            *((zeros, "log.txt") for zeros in ("\0\0\0,\0\0\0\n\0,\0\n", "\0 \0 \0 \0\n")),
            ("\n".join(line.rpartition(",")[0] for line in (HEAD, *LINES)), "lacks the columns predicted"),
            ([*LINES, "casme2,sub01"], "log.txt, line 6 has 2 cells, expected 5: dataset,subject,"),
            ([LINES[0], "", f"{LINES[1]},1,2,3"], "log.txt, line 4 has 8 cells, expected 5"),
            ("\n".join(f"{line}," for line in (HEAD, *LINES)).replace("d,", "d", 1), "line 2 has 6 cells, expected 5"),
            ("EP02_01f 1 1\n", "log.txt, line 1: expected "),
            (BEGIN + "EP19_05f 0 0 0\n", "log.txt, line 3: expected "),
            ("casme2 sub01\n\nEP02_01f 1 1\n\nstray\n", "log.txt, line 5: expected "),
        )
    ):
        line = refused("score", written(content), *MEGC)
        assert all(words in line for words in said), line


def test_long_lists_of_missing_clips_are_cut(done, written):
    (*names, last) = named(done("score", written(), *MEGC), "no prediction for 438 clips")
    assert (len(names), last.partition(" ")[2]) == (19, "and 418 more")


def test_missing_files_and_folders_are_named(refused, tmp_path):
    refused("score", "log.txt", *MEGC)
    refused("score", tmp_path, *MEGC)


def test_foreign_clips_are_named_and_not_scored(done, written):
    before = full_line(done("score", written(), *MEGC))
    foreign = ["casme2,sub01,EP77_01f,positive,negative", "mmew,s1,c1,surprise,negative"]
    said = done("score", written([*LINES, *foreign]), *MEGC)
    assert full_line(said) == before
    assert named(said, "not scored") == ["casme2/sub01/EP77_01f", "mmew/s1/c1"]


def test_a_log_can_be_scored_under_a_protocol_of_ones_own(done, written, small_protocol):
    path = written("samm 006\n006_1_1 0 0\n006_2_1 1 0\nmmew s1\nc1 1 0\n")
    said = done("score", path, "--protocol", small_protocol)
    assert full_line(said)[2:] == (".5000", "2")
    assert re.search(r"^ SMIC +– +– +– +– +– +0 +0 *$", said, re.MULTILINE)
    assert "mmew/s1/c1" in said
    assert "subject-dependent" not in said
    small_protocol.write_text(small_protocol.read_text().replace("-subject-out", "-video-out"))
    said = done("score", path, "--protocol", small_protocol)
    says(said, "warning: subject-dependent: other clips of the tested person are in training")
    says(said, "log.txt under small, subject-dependent")
