"""Scoring somebody's log: either format, whole or not, and what is wrong with it."""

import csv
import os
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
    short = [
        "CASME II,1,EP02_01f.avi,Pos,pos",
        r"casme2,sub1,C:\x\EP19_05F,ne,NE",
        LINES[2],
        "samm,6.0,6/6_1_2.png,neg,po",
    ]
    bars = "\n".join([HEAD, *LINES]).replace(",", " | ")
    for other in each(("\r\n".join([HEAD, *LINES]), "\n".join(turned), spelled, short, bars)):
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
            (["dfme,sub0001,c1,surprise,negative"], "dfme/sub0001/c1"),
            ([*LINES, "casme2,006,006_1_2,positive,positive"], "log.txt, line 6: casme2: ", "EP02_01f"),
            *(
                ([*LINES[:2], f"casme2,sub02,EP11_01,surprise,{word}"], f"line 4: unknown class {word!r}", "0 negative")
                for word in ("3", "happy", "negatively", "²")
            ),
            (BEGIN + "EP19_05f 0 7\n", "log.txt, line 3: unknown class '7'"),
            *((text, "log.txt has no prediction") for text in ("", "\n\n", f"{HEAD}\n", "casme2 sub01\n")),
            *(
                (data, "can't be read: it is not text")
                for data in (b"\x89PNG\r\n\x1a\n\x00\x00,", b"\xfe\xff\xff\xfe" * 9)
            ),
            *((zeros, "log.txt") for zeros in ("\0\0\0,\0\0\0\n\0,\0\n", "\0 \0 \0 \0\n")),
            ("\n".join(line.rpartition(",")[0] for line in (HEAD, *LINES)), "lacks the columns predicted"),
            ([*LINES, "casme2,sub01"], "log.txt, line 6 has 2 cells, expected 5: dataset,subject,"),
            ([LINES[0], "", f"{LINES[1]},1,2,3"], "log.txt, line 4 has 8 cells, expected 5"),
            (
                "\n".join(f"{line},x" for line in (HEAD, *LINES)).replace("d,x", "d", 1),
                "line 2 has 6 cells, expected 5",
            ),
            ("EP02_01f 1 1\n", "log.txt, line 1: expected "),
            (BEGIN + "EP19_05f 0 0 0\n", "log.txt, line 3: expected "),
            ("casme2 sub01\n\nEP02_01f 1 1\n\nstray\n", "log.txt, line 5: expected "),
            ("\n".join(LINES), "log.txt, line 1: expected column names, such as dataset,"),
            (
                "\n".join(["UF1 .7, UAR .6", HEAD, *LINES]),
                "line 1: 'UF1 .7, UAR .6' precedes the column names of line 2",
            ),
            (BEGIN + "UF1: .70 UAR: .69\n", "log.txt, line 3: expected ", "'UF1: .70 UAR: .69'"),
            (BEGIN + "samn 006\n006_1_2 0 0\n", "log.txt, line 3: unknown database 'samn' (did you mean 'samm'"),
            ([*LINES, "CASMEE2,sub01,EP19_06f,negative,negative"], "line 6: unknown database 'CASMEE2' (did you mean"),
            ([LINES[0].replace(",positive", f",{'1' * 5000}", 1)], "log.txt, line 2: truth has 5000 characters"),
            ([f"casme2,sub01,{'x' * 5_000_000},positive,positive"], "log.txt, line 2 has 5000031 characters"),
            ('[{"clip": 1}]', "it is JSON or a printed list; write a CSV"),
            (b"PK\3\4" + b"\0" * 90, "it is a workbook or an archive; save the sheet as CSV"),
            ("\n".join([f"{HEAD},seed", *(f"{LINES[0]},{seed}" for seed in "01")]), "several runs, seed 0, 1"),
            ("\n".join([f"{HEAD},label", f"{LINES[0]},1"]).replace("truth", "label"), "names the column truth twice"),
        )
    ):
        line = refused("score", written(content), *MEGC)
        assert all(words in line for words in said), line


def test_what_is_not_a_file_of_text_is_named(refused, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("log.txt", "svm-flow-megc2019-s0", tmp_path, tmp_path / "pipe", "/dev/zero"):
        refused("score", name, *MEGC)


def test_logs_are_read_as_people_have_them(merbench, shared):
    """Encodings, separators, spelling, no dataset, no truth, no prediction: cases from the world."""
    cases = shared / "cases" / "logs"
    for figures, *names in each(
        (
            (".8112 .8352 442", "S06/log.txt", "S06/log.csv", "S12/semicolon.csv", "S19/dash.csv", "S19/space.csv"),
            (".8112 .8352 442", "S19/upper.csv", "S24/comments.csv", "S26/onlypred.csv", "S36/commas.txt"),
            (".8112 .8352 442", "S36/tabs.txt", "S37/upper.csv", "S40/causalnet.csv"),
            (".8094 .8331 433", "S27/holes.csv", "S27/nan.csv", "S27/minus.csv"),
            ("1.0000 1.0000 442", "S40/causalnet_perfect.csv"),
            (".8274 .8711 145", "S20/casme2_only.csv"),
        )
    ):
        for name in names:
            said = merbench("score", cases / name, "--protocol", "casme2-3" if "S20" in name else "megc2019")
            assert said.code == 0, said.err
            uf1, uar, _, clips = full_line(said.out)
            assert f"{uf1} {uar} {clips}" == figures, name
            notes = {
                "S24": "comments are skipped: comments.csv, line 1, '# seed 1'",
                "S26": "truth is that of the official list of megc2019",
                "S27": "no prediction for 9 clips: casme2/sub01/EP02_01f, ",
                "S40": "the log's class numbers 0, 1, 2 are positive, surprise, negative, by its truth",
            }
            says(said.out, notes.get(name[:3], ""))
    says(merbench("score", cases / "S24" / "comments.txt", *MEGC).err, "line 512: expected", "'UF1: 0.70 UAR: 0.69'")


@pytest.fixture
def official(root):
    """Return the official list of MEGC 2019 as rows of dataset, subject, clip and class."""
    with (root / "protocols" / "lists" / "megc2019.csv").open(encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def numbered(rows, order, predicted=None):
    """Write a log of numbers, each the place of the class in `order`; a fifth of the predictions is wrong."""
    lines = [HEAD]
    for row, (*clip, truth) in enumerate(rows):
        said = order.index(truth)
        lines.append(",".join([*clip, str(said), str((said + (row % 5 == 0)) % 4 if predicted is None else predicted)]))
    return "\n".join(lines).replace(",3\n", f",{order.index('negative')}\n") + "\n"


def test_class_numbers_in_another_order_are_recognised(done, refused, written, official):
    one, two, three = "negative", "positive", "surprise"
    plain = done("score", written(numbered(official, [one, two, three])), *MEGC)
    assert "class numbers" not in plain
    shifted = ["", one, two, three]
    said = done("score", written(numbered(official, shifted).replace(",0\n", ",1\n")), *MEGC)
    says(said, "the log's class numbers 1, 2, 3 are negative, positive, surprise, by its truth")
    half = official[:60]  # of CASME II: all classes
    said = done("score", written(numbered(half, [three, one, two])), *MEGC)
    says(said, "the log's class numbers 0, 1, 2 are surprise, negative, positive, by its truth", "60 of 442 clips")
    surprised = [row for row in official if row[3] == three]
    refused("score", written(numbered(surprised, [three, one, two]).replace(",0,1\n", ",0,2\n", 3)), *MEGC)
    mixed = [[*row[:3], (one, two, three)[number % 3]] for number, row in enumerate(official)]
    refused("score", written(numbered(mixed, [three, one, two])), *MEGC)
    swapped = numbered(official, [three, one, two]).replace(HEAD, HEAD.replace("truth,predicted", "predicted,truth"))
    refused("score", written(swapped), *MEGC)
    without = "\n".join(line.rpartition(",")[0] for line in numbered(official, shifted).splitlines())
    said = done("score", written(without.replace("truth", "predicted")), *MEGC)
    says(said, "the log's class numbers 1, 2, 3 are negative, positive, surprise, counted from 1")
    assert full_line(said)[0] == "1.0000"


def test_other_columns_names_of_columns_and_joined_files_are_read(done, written, official):
    rows = [[*row, row[1], "negative" if number % 3 else row[3]] for number, row in enumerate(official)]
    plain = full_line(done("score", written([",".join([*row[:4], row[5]]) for row in rows]), *MEGC))
    lines = [",".join(row) for row in rows]
    head = "Database,Subject ID,Video Name,True Label,Fold,Predicted Label"
    for text in each(
        (
            "\n".join([head, *lines]),
            "\n".join([head.replace("Fold", "place"), *lines]),
            "\n".join(["# the predicted class of each clip", head.replace("Fold", "_merge"), *lines]),
            "\n".join([f"\ufeff{head}", *lines[:200], f"\ufeff{head}", *lines[200:]]),
            "\n".join([head, *lines]).replace("casme2", "CASME\u2161"),
        )
    ):
        assert full_line(done("score", written(text), *MEGC)) == plain
    numbers = [[*row[:3], str(["negative", "positive", "surprise"].index(row[5]))] for row in rows]
    said = done("score", written("\n".join(["dataset,subject,clip,pred", *map(",".join, numbers)])), *MEGC)
    assert full_line(said) == plain
    says(said, "class numbers 0, 1, 2 are negative, positive, surprise, the protocol's order")


def test_a_truth_copied_from_the_predictions_is_not_scored(done, written, official):
    copied = [",".join([*row[:3], "negative", "negative"]) for row in official]
    said = done("score", written(copied), *MEGC)
    assert full_line(said) == (".2408", ".3333", ".5656", "442")  # 250 of 442 clips are negative
    says(said, "the log's truth is a copy of its predictions: scored with that of the official list")


def test_logs_of_one_person_each_epochs_and_means_over_folds(done, written, official, tmp_path):
    people = {}
    for number, (dataset, subject, clip, truth) in enumerate(official):
        rows = people.setdefault((dataset, subject), ["filename;pred;epoch"])
        rows += [f"{clip};{'negative' if number % 3 else truth};2", f"{clip};surprise;1"]
    for (dataset, subject), rows in people.items():
        (tmp_path / "logs" / dataset).mkdir(parents=True, exist_ok=True)
        (tmp_path / "logs" / dataset / f"{subject}.csv").write_text("\n".join(rows))
    said = done("score", tmp_path / "logs", *MEGC)
    says(said, "read from 68 files", "2 epochs: the predictions after the last one (2) are scored")
    rows = [(f"{row[0]}/{row[1]}", row[3], "negative" if number % 3 else row[3]) for number, row in enumerate(official)]
    right = {person: [true == said for other, true, said in rows if other == person] for person, _, _ in rows}
    mean = sum(sum(each) / len(each) for each in right.values()) / len(right)
    (line,) = re.findall(r"^ Mean over folds +\S+ +– +\S+ +– +(\S+) +442", said, re.MULTILINE)
    assert line == f"{mean:.4f}"[1:]
    says(said, "Mean over folds: the mean of the figures of 68 folds (subjects), not comparable")


CLASSES = {"happiness": 32, "disgust": 64, "repression": 27, "surprise": 25, "others": 99}


def test_without_a_list_a_log_is_compared_with_counts(done, refused, written):
    clips = [name for name, count in CLASSES.items() for _ in range(count)]
    rows = [
        f"casme-2,{number % 26 + 1}.0,ep{number // 26:02d}_{number % 26:02d}F,{name},{name if number % 2 else 'others'}"
        for number, name in enumerate(clips)
    ]
    for lines, *expected in each(
        (
            (rows, "log.txt under casme2-5 (truth of the log; compared with expected counts only)"),
            (rows[:120], "120 of 247 clips", "0 clips of class others instead of 99"),
            ([*rows, "casme2,sub01,EP77_01f,others,others"], "248 clips instead of 247", "100 clips of class others"),
            (
                [row.replace(",1.0,", ",sub99,") for row in rows],
                "1 subject that the database does not have: casme2/sub99",
            ),
            ([row.rpartition(",")[0] + "," + row.split(",")[3] for row in rows], "the truth equals the predictions"),
        )
    ):
        says(done("score", written(lines), "--protocol", "casme2-5"), *expected)
    swapped = "\n".join([HEAD.replace("truth,predicted", "predicted,truth"), *rows])
    assert "swapped" in refused("score", written(swapped), "--protocol", "casme2-5")
    order = ["others", "surprise", "disgust", "happiness", "repression"]
    counted = "\n".join(",".join([*row.split(",")[:3], str(order.index(row.split(",")[3])), "0"]) for row in rows)
    said = done("score", written(f"{HEAD}\n{counted}"), "--protocol", "casme2-5")
    says(
        said,
        "class numbers 0, 1, 2, 3, 4 are others, surprise, disgust, happiness, repression, by the number of clips",
    )
    refused("score", written([LINES[0].replace(",positive", ",", 1)]), "--protocol", "casme2-3-fear-sadness")


@pytest.mark.slow
def test_registered_data_hold_a_log_without_a_list(done, small_protocol, recorded, tmp_path):
    run = next(path.name for path in recorded.iterdir() if path.name.startswith("svm-flow"))
    small = ("--protocol", small_protocol)
    said = done("score", run[:12], *small)
    says(said, f"{run[:12]} under small (compared with the registered megc2019-flow28)")
    table = recorded / run / "predictions.parquet"
    assert full_line(done("score", table, *small)) == full_line(said)
    log = tmp_path / "log.csv"
    log.write_text(done("export", run).replace("casme2,sub06,EP01_01f,negative", "casme2,sub06,EP01_01f,positive"))
    says(
        done("score", log, *small),
        "truth differs from the registered megc2019-flow28 for 1 clip: casme2/sub06/EP01_01f",
    )
    log.write_text("".join(done("export", run).splitlines(keepends=True)[:9]))
    says(done("score", log, *small), "8 of 24 clips", "no prediction for 16 clips")
    done("run", "majority", "--data", "synthetic-small", *small)
    made = next(path.name for path in recorded.iterdir() if '"synthetic": true' in (path / "run.json").read_text())
    says(done("score", made, *small), f"{made} under small, synthetic data")


def test_foreign_clips_are_named_and_not_scored(done, written):
    before = full_line(done("score", written(), *MEGC))
    foreign = ["casme2,sub01,EP77_01f,positive,negative", "dfme,sub0001,c1,surprise,negative"]
    said = done("score", written([*LINES, *foreign]), *MEGC)
    assert full_line(said) == before
    assert named(said, "not scored") == ["casme2/sub01/EP77_01f", "dfme/sub0001/c1"]


def test_a_log_can_be_scored_under_a_protocol_of_ones_own(done, written, small_protocol):
    path = written("samm 006\n006_1_1 0 0\n006_2_1 1 0\ndfme sub0001\nc1 1 0\n")
    said = done("score", path, "--protocol", small_protocol)
    assert full_line(said)[2:] == (".5000", "2")
    assert re.search(r"^ SMIC +– +– +– +– +– +0 +0 *$", said, re.MULTILINE)
    assert "dfme/sub0001/c1" in said
    assert "subject-dependent" not in said
    small_protocol.write_text(small_protocol.read_text().replace("-subject-out", "-video-out"))
    said = done("score", path, "--protocol", small_protocol)
    says(said, "warning: subject-dependent: other clips of the tested person are in training")
    says(said, "log.txt under small, subject-dependent")


def test_a_log_without_names_of_clips_is_scored_and_one_of_several_runs_is_refused(done, refused, logs, written):
    path = logs / "htnet_per_subject.csv"
    said = done("score", path, "--protocol", "megc2019")
    says(said, "no names of clips", ".8313", ".8175", ".7691", ".9367", ".7870")
    text = path.read_text()
    assert "samm,006,1,2,2" in text
    refused("score", written(text.replace("samm,006,1,2,2", "samm,006,1,1,2")), "--protocol", "megc2019")
    refused("score", written((logs / "capsulenet_variants.csv").read_text()), "--protocol", "megc2019")
