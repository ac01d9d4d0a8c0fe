"""One log in the forms in which people have it: read with the same predictions, or refused in a line."""

import csv
import gzip
import io
import struct

import pytest
from support.cases import each

from merbench.contracts.errors import MerbenchError
from merbench.engine.logs import open_log

HEAD = ["dataset", "subject", "clip", "truth", "predicted"]
CLASSES = ["negative", "positive", "surprise"]


@pytest.fixture(scope="module")
def rows(root):
    """Return every sixth clip of MEGC 2019 with its class and a prediction, a third of which is wrong."""
    with (root / "protocols" / "lists" / "megc2019.csv").open(encoding="utf-8") as file:
        listed = list(csv.reader(file))[1::6]
    return [[*row, CLASSES[(CLASSES.index(row[3]) + (number % 3 == 0)) % 3]] for number, row in enumerate(listed)]


@pytest.fixture
def read(tmp_path, home):
    """Return what writes a log, text or bytes, and reads it."""

    def read(content, name="log.csv", protocol="megc2019", data="auto"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return open_log(str(path), protocol, tmp_path / "results", data).log

    return read


def text(rows, head=HEAD, separator=",", **how):
    file = io.StringIO()
    csv.writer(file, delimiter=separator, lineterminator="\n", **how).writerows([head, *rows] if head else rows)
    return file.getvalue()


def numbered(rows, order, columns=(3, 4)):
    """Replace classes by their places in `order`."""
    return [[str(order.index(cell)) if at in columns else cell for at, cell in enumerate(row)] for row in rows]


def respelled(rows, spell):
    return [[*spell(*row[:3]), *row[3:]] for row in rows]


def number_of(subject):
    return int(subject.lstrip("sub"))


def found_in(log):
    return sorted(log.predictions[HEAD].itertuples(index=False, name=None))


def forms(rows):
    """Yield the name of a form and the log in it."""
    plain, semicolons, numbers = text(rows), text(rows, separator=";"), numbered(rows, CLASSES)
    lines = plain.splitlines()
    yield "UTF-16 without a mark", plain.encode("utf-16-be")
    yield "UTF-32", plain.encode("utf-32")
    yield "a mark within a line", plain.replace("positive", "pos\ufeffitive")
    yield "blanks that do not break", plain.replace("positive", "positive\u00a0")
    yield "tabs and quotes", text(rows, separator="\t", quoting=csv.QUOTE_ALL)
    yield "single quotes", "\n".join("'" + line.replace(",", "','") + "'" for line in lines)
    yield "decimal commas", text([[*row, "0,75"] for row in rows], [*HEAD, "score"], ";")
    yield "separators at the end of rows", lines[0] + "\n" + "".join(f"{line},\n" for line in lines[1:])
    yield "semicolons at the end", "".join(f"{line};\n" for line in semicolons.splitlines())
    yield "capitals and blanks", text(rows, [f" {name.upper()} " for name in HEAD])
    yield "words", text(rows, ["Dataset Name", "Subject No.", "Clip (ID)", "Ground-Truth", "y_hat"])
    yield "Chinese", text(rows, ["数据集", "受试者", "视频", "标签", "预测"]).encode("gbk")
    yield "one column", text([["/".join(row[:3]), *row[3:]] for row in rows], ["id", "label", "pred"])
    yield "one name", text([["_".join(row[:3]), *row[3:]] for row in rows], HEAD[2:])
    yield "subject in the clip", text([[row[0], "/".join(row[1:3]), *row[3:]] for row in rows], [HEAD[0], *HEAD[2:]])
    yield "dataset in the subject", text([["/".join(row[:2]), *row[2:]] for row in rows], HEAD[1:])
    yield "without datasets", text([row[1:] for row in rows], HEAD[1:])
    yield "paths alone", text([[f"/x/{'/'.join(row[:3])}/img1.jpg", *row[3:]] for row in rows], ["Path", *HEAD[3:]])
    yield "paths of Windows", text(respelled(rows, lambda d, s, c: (d, s, rf"D:\\{d}\\{s}\\{c}.avi")))
    yield "paths of frames", text(respelled(rows, lambda d, s, c: (d, s, f"~/{d}/{s}/{c}/reg_img46.jpg")))
    yield "numbers of subjects", text(respelled(rows, lambda d, s, c: (d, str(number_of(s)), c)))
    yield "words of subjects", text(respelled(rows, lambda d, s, c: (d, f"Subject {number_of(s)}", c)))
    yield "no zeros", text(respelled(rows, lambda d, s, c: (d, s, c.replace("EP0", "EP").replace("_0", "_"))))
    yield "names and numbers", text(numbered(rows, CLASSES, (4,)))
    yield "numbers with gaps", text(numbered(rows, ["", "negative", "", "positive", "", "", "surprise"]))
    yield "numbers from -1", text([[*r[:3], *(str(int(c) - 1) for c in r[3:])] for r in numbered(rows, CLASSES)])
    yield (
        "numbers with decimals",
        text([[*r[:3], f"{r[3]}.0", f"{r[4]},0"] for r in numbers], HEAD, ";"),
    )
    yield "beginnings", text([[*row[:3], f"{row[3][:3].title()} ", row[4][:3]] for row in rows])
    yield (
        "values as Python prints them",
        text([[*r[:4], f"tensor({r[4]}, device='cpu')"] for r in numbers]),
    )
    yield "values as Python prints them on a CPU", text([[*r[:4], f"tensor({r[4]})"] for r in numbers])
    yield "lists of one", text([[*row[:4], f"['{row[4]}']"] for row in rows])
    scores = [[*row[:4], *(".8" if name == row[4] else ".1" for name in CLASSES)] for row in rows]
    yield "scores", text(scores, [*HEAD[:4], *CLASSES])
    yield (
        "scores with commas",
        text(
            [[cell.replace(".8", "0,8") for cell in row] for row in scores],
            [*HEAD[:4], *(f"P({c})" for c in CLASSES)],
            ";",
        ),
    )
    yield (
        "epochs from 0",
        text([[*r[:4], p, e] for r in rows for e, p in ((0, "negative"), (1, r[4]))], [*HEAD, "Epoch"]),
    )
    yield "line ends of Windows, blank lines", plain.replace("\n", "\r\n\r\n")
    yield "a clip twice with one class", plain + lines[3] + "\n"
    both = [[*r[:3], f"{r[3]} ({n[3]})", f"{n[4]}: {r[4]}"] for r, n in zip(rows, numbers, strict=True)]
    yield "names with numbers", text(both)
    yield "numbers of numpy.savetxt", text([[*r[:3], f"{int(r[3]):.18e}", f"b'{r[4]}'"] for r in numbers])
    yield "an index without a name", text([["/".join(row[:3]), *row[3:]] for row in rows], ["", *HEAD[3:]])
    yield "dataset before the subject", text(respelled(rows, lambda d, s, c: (d.upper(), f"{d}_{s}", f"{s}-{c}.pt")))
    yield "scores by number", text(scores, [*HEAD[:4], "prob_0", "prob_1", "prob_2"])
    yield "gzip", gzip.compress(plain.encode())
    yield (
        "a table of Markdown",
        "\n".join(f"| {line.replace(',', ' | ')} |" for line in [lines[0], "-,-,-,---", *lines[1:]]),
    )
    yield (
        "as pandas prints it",
        "\n".join(" ".join([str(number - 1) if number else "", *line.split(",")]) for number, line in enumerate(lines)),
    )
    yield (
        "as R writes it",
        "\n".join(
            " ".join(f'"{cell}"' for cell in [*([number] if number else []), *line.split(",")])
            for number, line in enumerate(lines)
        ),
    )


def test_a_log_is_read_in_every_form(read, rows):
    expected = found_in(read(text(rows)))
    assert len(expected) == len(rows) == 74
    for _, content in each(forms(rows)):
        log = read(content)
        assert found_in(log) == expected
        assert log.foreign == log.relabelled == []


def test_what_can_not_be_read_is_refused_in_a_line(read, rows):
    plain, numbers = text(rows), numbered(rows, ["", "negative", "", "positive", "", "", "surprise"])
    workbook = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99
    for content, said in each(
        (
            (
                plain + ",".join([*rows[0][:4], "negative"]),
                "a clip twice, with different classes: casme2/sub01",
            ),
            (text([row[:3] + row[4:] for row in numbers], HEAD[:3] + HEAD[4:]), "unknown class"),
            (text([[*row[:4], ".7"] for row in rows]), "line 2: unknown class '.7', expected one of 0 negative"),
            (
                text([row[2:] for row in rows], HEAD[2:]),
                "2 clips of the protocol have the name 'EP02_01f' (casme2/sub01",
            ),
            (text([row[3:] for row in rows], HEAD[3:]), "lacks the columns dataset, subject, clip"),
            (text([row[:4] for row in rows], HEAD[:4]), "or score_negative,score_positive,score_surprise in place of"),
            (
                text([[*row[:4], ".8", "x", ".1"] for row in rows], [*HEAD[:4], *CLASSES]),
                "line 2: expected a number for each of negative, positive, surprise, found '.8, x, .1'",
            ),
            (
                plain.replace("EP02_01f", "EP02_01f_flow", 1),
                "subject 'sub01', clip 'EP02_01f_flow' are not of the form",
            ),
            (
                text([[*r[:4], p, s] for r in rows for p, s in ((r[4], "test"), (r[3], "train"))], [*HEAD, "Split"]),
                "log.csv has clips under split test, train: keep the rows of the test clips",
            ),
            (
                text([[*row[:4], *row[3:]] for row in rows], [*HEAD[:3], "class", "label", "predicted"]),
                "line 1: class and label both mean truth: keep one of the columns",
            ),
            ("epoch,uf1\n1,.5\n", "line 1: expected column names, such as dataset,subject,clip,truth,predicted"),
            (workbook, "it is an Excel workbook; save the sheet as CSV"),
            (b"\x93NUMPY\1\0", "it is an array of NumPy; write a CSV"),
            (b"\x80\4\x95\0\0", "it is a pickle of Python; write a CSV"),
            (b"\x1f\x8b" + struct.pack("8x"), "log.csv can't be read"),
        )
    ):
        with pytest.raises(MerbenchError) as refused:
            read(content)
        assert said in str(refused.value), refused.value


def test_a_name_of_another_database_is_not_split_off(read, rows):
    spelled = ("CASME", "casme1", "casme3", "CAS(ME)2", "CAS(ME)^2")
    for word, own in each([*((word, "casme2") for word in spelled), ("smic-nir", "smic-hs"), ("SMIC-VIS", "smic-hs")]):
        renamed = [[word if row[0] == own else row[0], *row[1:]] for row in rows]
        for log in (renamed, renamed[:3] + rows[3:] if own == "casme2" else renamed):
            with pytest.raises(MerbenchError, match=f"is not one of .* but its clips .* did you mean '{own}'"):
                read(text(log))
    five = [["CASME", *row[1:3], "others", "others"] for row in rows if row[0] == "casme2"]
    for log in (five, [["casme2", *row[1:]] if number % 2 else row for number, row in enumerate(five)]):
        with pytest.raises(MerbenchError, match=r"dataset 'CASME' is not one of casme2.* did you mean 'casme2'"):
            read(text(log), protocol="casme2-5")
    both = [["casme2", *row[1:]] for row in five] + five  # the same names in two databases
    assert len(read(text(both), protocol="casme2-5").foreign) == len(five)


def test_a_class_that_has_not_the_largest_score_is_named(read, rows):
    scores = {name: [".8" if each == name else ".1" for each in CLASSES] for name in CLASSES}
    head = [*HEAD, *(f"score_{name}" for name in CLASSES)]
    found = [[*row, *scores[row[4]]] for row in rows]
    assert not [note for note in read(text(found, head)).notes if "largest score" in note.text]
    for row in found[:2]:
        row[4] = CLASSES[CLASSES.index(row[4]) - 1]
    (note,) = [note for note in read(text(found, head)).notes if "largest score" in note.text]
    assert note.kind == "warning"
    assert "in 2 of 74 clips, which counts" in note.text
    assert f"{'/'.join(rows[0][:3])} (predicted {found[0][4]}, largest score {rows[0][4]})" in note.text
    several = [*rows, *(["smic-vis", *row[1:]] for row in rows if row[0] == "smic-hs")]
    assert len(read(text(several)).foreign) == 27  # of another camera, in addition to those of SMIC-HS


def test_a_folder_has_a_file_a_person_and_a_summary(tmp_path, home, rows):
    people = {}
    for row in rows:
        people.setdefault(tuple(row[:2]), []).append(row)
    short = {person: text([row[2:] for row in own], HEAD[2:]) for person, own in people.items()}
    whole = {f"fold_{number}.csv": text(own) for number, own in enumerate(people.values())}
    nested = {f"{dataset}/{subject}.csv": content for (dataset, subject), content in short.items()}
    deep = {f"{dataset}/{subject}/log.csv": content for (dataset, subject), content in short.items()}
    joined = {f"{dataset}_{subject}.csv": content for (dataset, subject), content in short.items()}
    logs = {
        "folds": whole,
        "nested": nested | {"summary.csv": "fold,UF1,UAR\nsub01,.5,.6\n", "result.txt": "UF1: .7\n"},
        "deep": deep,
        "joined": joined | {"subjects.csv": "dataset,subject,UF1\ncasme2,sub01,.5\n"},
        "twice": nested | {"all.csv": text(rows)},
    }
    found = {}
    for name, files in logs.items():
        for file, content in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(content, encoding="utf-8")
        found[name] = open_log(str(tmp_path / name), "megc2019", tmp_path / "results").log
    expected = sorted(tuple(row) for row in rows)
    assert all(found_in(log) == expected for log in each(found.values()))
    notes = {name: " | ".join(note.text for note in log.notes) for name, log in found.items()}
    assert "skipped, not a log: result.txt, summary.csv" in notes["nested"]
    assert "skipped, not a log: subjects.csv" in notes["joined"]
    assert "74 rows repeat clips with the same classes: each clip counts once" in notes["twice"]


def test_a_path_may_begin_with_the_home_folder_or_a_variable(tmp_path, home, rows, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOGS", str(tmp_path))
    (tmp_path / "log.csv").write_text(text(rows), encoding="utf-8")
    for name in each(("~/log.csv", "$LOGS/log.csv")):
        assert len(open_log(name, "megc2019", tmp_path / "results").log.predictions) == len(rows)


def test_an_assumed_order_of_class_numbers_that_fits_badly_is_told(read, rows):
    def said(log):
        return [note.text for note in read(text(log, [*HEAD[:3], "predicted"])).notes if note.kind == "warning"]

    right = sum(row[3] == row[4] for row in rows) / len(rows)
    order = ["surprise", "negative", "positive"]
    read_so = sum(row[3] == CLASSES[order.index(row[4])] for row in rows) / len(rows)
    (line,) = said([[*row[:3], order.index(row[4])] for row in rows])
    assert line == (
        f"read so, {read_so:.0%} of the predictions are right, as surprise, negative, positive {right:.0%}: "
        "if so meant, write names"
    )
    assert said([[*row[:3], CLASSES.index(row[4])] for row in rows]) == []
    assert all("read so" not in line for line in said([[*row[:3], CLASSES.index(row[4]) + 1] for row in rows]))
    assert said([[*row[:3], 1] for row in rows]) == []
