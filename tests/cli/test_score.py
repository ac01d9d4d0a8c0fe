"""Scoring somebody's log: either format, whole or not, and what is wrong with it."""

import re

import pandas as pd
import pytest

MEGC = ("--protocol", "megc2019")


def full_line(text):
    """Return UF1, UAR, accuracy and clips of the line of all clips."""
    (line,) = re.findall(r"^ Full +(\S+) +\S+ +(\S+) +\S+ +(\S+) +(\d+) +\d+ *$", text, re.MULTILINE)
    return line


def named(text, phrase):
    """Return the clips that the one line with `phrase` names after its last colon."""
    (line,) = [line for line in text.splitlines() if phrase in line]
    return line.rpartition(": ")[2].split(", ")


@pytest.fixture
def matlab(shared):
    return shared / "data" / "published-logs" / "ststnet_matlab.txt"


@pytest.fixture
def our_log(tmp_path):
    """Write a log of the first clips of the official list in our format, all right but one; return it and its lines."""
    path = tmp_path / "log.csv"
    lines = [
        "dataset,subject,clip,truth,predicted",
        "casme2,sub01,EP02_01f,positive,positive",
        "casme2,sub01,EP19_05f,negative,negative",
        "casme2,sub02,EP11_01,surprise,surprise",
        "samm,006,006_1_2,negative,positive",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path, lines


def test_ststnets_own_log_gives_its_uf1_and_its_true_uar(done, matlab):
    said = done("score", matlab, *MEGC)
    assert full_line(said)[:2] == (".7353", ".7186")
    assert full_line(said)[3] == "442"
    assert "no prediction for" not in said


def test_an_incomplete_log_is_scored_and_what_is_missing_is_named(merbench, shared):
    said = merbench("score", shared / "data" / "published-logs" / "capsulenet.csv", *MEGC)
    assert said.code == 0, said.err
    uf1, uar, _, clips = full_line(said.out)
    assert (uf1, uar, clips) == (".6520", ".6506", "435")
    missing = named(said.out, "no prediction for")
    assert len(set(missing)) == 7
    assert all(clip.startswith("smic-hs/") for clip in missing)


def test_the_one_truth_that_differs_in_an_authors_log_is_named(merbench, shared):
    said = merbench("score", shared / "data" / "published-logs" / "capsulenet.csv", *MEGC)
    assert "smic-hs/s18/s18_sur_03" in said.out + said.err


def test_windows_line_ends_and_byte_order_marks_are_read(done, matlab, tmp_path):
    content = matlab.read_bytes().replace(b"\r\n", b"\n")
    (tmp_path / "unix").mkdir()
    (tmp_path / "windows").mkdir()
    (tmp_path / "unix" / "log.txt").write_bytes(content)
    (tmp_path / "windows" / "log.txt").write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"))
    assert done("score", "windows/log.txt", *MEGC) == done("score", "unix/log.txt", *MEGC)


def test_line_ends_of_windows_change_nothing_in_our_format(done, our_log):
    path, lines = our_log
    before = done("score", path, *MEGC)
    path.write_bytes("\r\n".join(lines).encode())
    assert done("score", path, *MEGC) == before
    assert full_line(before)[2:] == (".7500", "4")


def test_the_order_of_rows_and_columns_changes_nothing(done, our_log):
    path, lines = our_log
    before = done("score", path, *MEGC)
    table = pd.DataFrame([line.split(",") for line in lines[1:]], columns=lines[0].split(","))
    table[::-1][["predicted", "clip", "truth", "subject", "dataset"]].to_csv(path, index=False)
    assert done("score", path, *MEGC) == before


def test_other_spellings_of_identities_and_classes_are_read(done, our_log):
    path, lines = our_log
    before = done("score", path, *MEGC)
    path.write_text(
        "\n".join([lines[0], "CASME II,1,EP02_01f,1,1", "casme2,sub1,EP19_05f,0,0", *lines[3:4], "samm,6,6_1_2,0,1"]),
        encoding="utf-8",
    )
    assert done("score", path, *MEGC) == before


def test_swapped_columns_are_named_as_such(refused, our_log):
    path, lines = our_log
    path.write_text("\n".join([lines[0].replace("truth,predicted", "predicted,truth"), *lines[1:]]), encoding="utf-8")
    said = refused("score", path, *MEGC)
    assert str(path) in said
    assert "swapped" in said


@pytest.mark.parametrize("log", ["ststnet_matlab.txt", "capsulenet.csv"])
def test_swapped_columns_of_an_authors_log_are_named_as_such(refused, shared, tmp_path, log):
    text = (shared / "data" / "published-logs" / log).read_text(encoding="utf-8")
    swapped = re.sub(r"^(\S+) (\d) (\d)", r"\1 \3 \2", text, flags=re.MULTILINE)
    assert swapped != text
    (tmp_path / "swapped.txt").write_text(swapped, encoding="utf-8")
    assert "swapped" in refused("score", tmp_path / "swapped.txt", *MEGC).replace("swapped.txt", "")


def test_a_wrong_truth_is_named_and_not_called_swapped(merbench, our_log):
    path, lines = our_log
    lines[2] = "casme2,sub01,EP19_05f,surprise,negative"
    path.write_text("\n".join(lines), encoding="utf-8")
    said = merbench("score", path, *MEGC)
    assert "casme2/sub01/EP19_05f" in said.out + said.err
    assert "swapped" not in said.out + said.err


def test_a_clip_twice_is_named_also_in_another_spelling(refused, our_log):
    path, lines = our_log
    path.write_text("\n".join([*lines, "samm,6,6_1_2,positive,positive"]), encoding="utf-8")
    said = refused("score", path, *MEGC)
    assert "a clip twice" in said
    assert "samm/006/006_1_2" in said


@pytest.mark.parametrize("word", ["3", "-1", "happy", "", "negatively", "²", "1.0"])
def test_an_unknown_class_is_named_with_its_line(refused, our_log, word):
    path, lines = our_log
    lines[3] = f"casme2,sub02,EP11_01,surprise,{word}"
    path.write_text("\n".join(lines), encoding="utf-8")
    said = refused("score", path, *MEGC)
    assert f"{path}, line 4: unknown class {word!r}" in said
    assert "0 negative, 1 positive, 2 surprise" in said


def test_unknown_classes_of_the_challenge_format_are_named(refused, tmp_path):
    (tmp_path / "log.txt").write_text("casme2 sub01\nEP02_01f 1 1\nEP19_05f 0 7\n", encoding="utf-8")
    assert "log.txt, line 3: unknown class '7'" in refused("score", "log.txt", *MEGC)


def test_foreign_clips_are_named_and_not_scored(done, our_log):
    path, lines = our_log
    before = full_line(done("score", path, *MEGC))
    foreign = ["casme2,sub01,EP77_01f,positive,negative", "mmew,s1,c1,surprise,negative"]
    path.write_text("\n".join([*lines, *foreign]), encoding="utf-8")
    said = done("score", path, *MEGC)
    assert full_line(said) == before
    assert named(said, "not scored") == ["casme2/sub01/EP77_01f", "mmew/s1/c1"]


def test_a_log_of_foreign_clips_only_is_refused(refused, our_log):
    path, lines = our_log
    path.write_text("\n".join([lines[0], "mmew,s1,c1,surprise,negative"]), encoding="utf-8")
    assert "mmew/s1/c1" in refused("score", path, *MEGC)


def test_unknown_subjects_are_named_with_their_line(refused, our_log):
    path, lines = our_log
    path.write_text("\n".join([*lines, "casme2,006,006_1_2,positive,positive"]), encoding="utf-8")
    said = refused("score", path, *MEGC)
    assert f"{path}, line 6: casme2: " in said
    assert "EP02_01f" in said


@pytest.mark.parametrize("content", ["", "\n\n", "dataset,subject,clip,truth,predicted\n", "casme2 sub01\n"])
def test_a_log_without_a_prediction_is_named(refused, tmp_path, content):
    (tmp_path / "log.txt").write_text(content, encoding="utf-8")
    assert "log.txt has no prediction" in refused("score", "log.txt", *MEGC)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\x00\x00,", bytes(range(256)), b"\xff\xfe" * 20])
def test_a_binary_file_is_named(refused, tmp_path, content):
    (tmp_path / "log.txt").write_bytes(content)
    assert "log.txt can't be read: it is not text" in refused("score", "log.txt", *MEGC)


@pytest.mark.parametrize("content", ["\0\0\0,\0\0\0\n\0,\0\n", "\0 \0 \0 \0\n"])
def test_a_file_of_zeros_is_named(refused, tmp_path, content):
    (tmp_path / "log.txt").write_text(content, encoding="utf-8")
    assert "log.txt" in refused("score", "log.txt", *MEGC)


def test_a_missing_file_is_named(refused):
    assert "log.txt can't be read: No such file" in refused("score", "log.txt", *MEGC)


def test_a_folder_in_place_of_a_log_is_named(refused, tmp_path):
    assert str(tmp_path) in refused("score", tmp_path, *MEGC)


def test_a_missing_column_is_named(refused, our_log):
    path, lines = our_log
    path.write_text("\n".join(line.rpartition(",")[0] for line in lines), encoding="utf-8")
    assert "lacks the columns predicted" in refused("score", path, *MEGC)


@pytest.mark.parametrize("row", ["casme2,sub01", "casme2,sub01,EP02_01f,positive,positive,1,2,3"])
def test_a_row_with_too_few_or_too_many_cells_is_refused(refused, our_log, row):
    path, lines = our_log
    path.write_text("\n".join([*lines, row]), encoding="utf-8")
    assert str(path) in refused("score", path, *MEGC)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("EP02_01f 1 1\n", 1),
        ("casme2 sub01\nEP02_01f 1 1\nEP19_05f 0 0 0\n", 3),
        ("casme2 sub01\n\nEP02_01f 1 1\n\nstray\n", 5),
    ],
)
def test_a_line_that_is_none_of_the_challenges_format_is_named(refused, tmp_path, content, line):
    (tmp_path / "log.txt").write_text(content, encoding="utf-8")
    assert f"log.txt, line {line}: expected " in refused("score", "log.txt", *MEGC)


def test_a_log_can_be_scored_under_a_protocol_of_ones_own(done, tmp_path, small_protocol):
    (tmp_path / "log.txt").write_text("samm 006\n006_1_1 0 0\n006_2_1 1 0\n", encoding="utf-8")
    said = done("score", "log.txt", "--protocol", small_protocol)
    assert full_line(said)[2:] == (".5000", "2")
    assert re.search(r"^ SMIC +– +– +– +– +– +0 +0 *$", said, re.MULTILINE)


def test_clips_of_other_datasets_are_named_and_not_scored(done, tmp_path, small_protocol):
    (tmp_path / "log.txt").write_text("samm 006\n006_1_1 0 0\nmmew s1\nc1 1 0\n", encoding="utf-8")
    said = done("score", "log.txt", "--protocol", small_protocol)
    assert full_line(said)[2:] == ("1.0000", "1")
    assert "mmew/s1/c1" in said


def test_a_log_under_a_protocol_with_a_warning_is_scored_with_it(done, tmp_path, small_protocol):
    (tmp_path / "log.txt").write_text("samm 006\n006_1_1 0 0\n", encoding="utf-8")
    assert "subject-dependent" not in done("score", "log.txt", "--protocol", small_protocol)
    small_protocol.write_text(small_protocol.read_text().replace("-subject-out", "-video-out"))
    said = done("score", "log.txt", "--protocol", small_protocol)
    assert "warning: subject-dependent: other clips of the tested person are in training" in said
    assert "log.txt under small, subject-dependent" in said
