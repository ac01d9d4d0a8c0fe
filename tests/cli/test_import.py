"""Logs as rows: imported, compared, explained and audited like runs, and refused where they are not whole."""

import csv
import json
import shutil

import pytest
from support.cases import each, says

MEGC = ("--protocol", "megc2019")
HEAD = "dataset,subject,clip,truth,predicted"
NEXT = {"negative": "positive", "positive": "surprise", "surprise": "negative"}


@pytest.fixture
def log(root, tmp_path):
    """Return what writes a log of MEGC 2019 in which every third clip is wrong, changed line by line."""
    with (root / "protocols" / "lists" / "megc2019.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]

    def write(name="log.csv", change=lambda rows: rows, head=HEAD):
        found = [[*row, row[3] if number % 3 else NEXT[row[3]]] for number, row in enumerate(rows)]
        (tmp_path / name).write_text("\n".join([head, *map(",".join, change(found))]), encoding="utf-8")
        return tmp_path / name

    return write


def another(rows):
    """Return the rows in another order, the prediction of one is another."""
    return [*rows[:0:-1], [*rows[0][:4], "negative"]]


def with_epochs(rows):
    """After the first epoch everything is negative, after the second every clip is right, after the third as before."""
    return [
        [*clip, truth, said, epoch]
        for *clip, truth, last in rows
        for epoch, said in (("1", "negative"), ("2", truth), ("3", last))
    ]


def test_an_imported_log_is_a_row_of_its_own_group(done, merbench, log):
    said = merbench("import", log(), "--name", "My net", *MEGC, "--note", "log of the authors")
    run = f"my-net-megc2019-s0-{said.out.split('-')[-1].strip()}"
    assert (said.code, said.out, said.err) == (0, f"imported: {run}\n", "")
    assert done("import", log(), "--name", "My net", *MEGC) == f"already imported: {run}\n"
    done("import", log(change=another), "--name", "My net", "--seed", 1, *MEGC)
    rows = json.loads(merbench("compare", *MEGC, "--leaderboard", "--format", "json", "--no-published").out)
    (mine,) = (row for row in rows if row["method"] == "My net" and row["part"] == "full")
    shown = ("origin", "status", "clips", "folds", "seeds", "selection", "data")
    assert [mine[name] for name in shown] == ["imported", "complete", 442, 68, 2, "unknown", "unknown"]
    table = done("compare", *MEGC, "--leaderboard", "--no-published", "--sanity")
    says(table, "megc2019 on unknown, imported logs (protocol", "My net: imported: training not seen")
    says(table, "My net: log of the authors", "imported logs are not ranked with runs")
    text = done("show", run, "--no-figures")
    says(text, "not seen; imported from log.csv by merbench")
    assert "record them: merbench run" not in text
    for name in (run, "My net"):
        assert f"error: {run} is imported from log.csv: its training was not seen" in merbench("submit", name).err
    assert "unknown run 'My nets'" in merbench("submit", "My nets").err


def test_an_imported_log_is_explained_against_measured_rows(done, log):
    done("import", log(), "--name", "My net", *MEGC)
    text = done("explain", "My net", "ststnet", *MEGC, "--leaderboard")
    says(text, "My net, imported from log.csv", "A: imported: training not seen")
    found = json.loads(done("explain", "My net", "ststnet", *MEGC, "--leaderboard", "--format", "json"))
    assert found["forced_despite"] == []
    assert {part["part"] for part in found["parts"]} == {"full", "smic-hs", "casme2", "samm"}
    agree = {each["what"]: each["agree"] for each in found["agreement"]}
    assert (agree["protocol"], agree["split"], agree["data"], agree["settings"]) == (True, True, None, None)


def test_what_is_unknown_of_two_imported_rows_is_not_called_equal(done, log):
    done("import", log(), "--name", "One", *MEGC)
    done("import", log(change=another), "--name", "Two", *MEGC)
    text = done("explain", "One", "Two", *MEGC)
    says(text, "Equal: protocol, split, seeds.", "Unknown of both: data, inputs, selection, settings, merbench code.")


def test_names_and_seeds_of_a_method_are_told_apart(done, merbench, refused, log):
    done("import", log(), "--name", "My net", *MEGC)
    for name in ("my net", "MY-NET", "My_Net", "mynet"):
        line = refused("import", log(change=another), "--name", name, "--seed", 1, *MEGC)
        assert "'My net' is imported already" in line
    for change in (lambda rows: rows, lambda rows: rows[::-1]):
        line = refused("import", log(change=change), "--name", "My net", "--seed", 1, *MEGC)
        assert "has the predictions of My net, seed 0, for every clip" in line
    assert merbench("import", log(change=another), "--name", "My net 2", *MEGC).code == 0
    assert merbench("import", log(change=another), "--name", "My net", "--seed", 1, *MEGC).code == 0


def test_an_exported_run_imports_with_its_scores(done, small, recorded, tmp_path):
    run = next(path.name for path in recorded.iterdir() if path.name.startswith("svm-flow"))
    exported = done("export", run)
    (tmp_path / "log.csv").write_text(exported)
    said = done("import", "log.csv", "--name", "Copy", "--seed", 3, *small)
    assert done("export", said.split()[-1]) == exported
    shutil.rmtree(recorded / run)
    (row,) = (row for row in json.loads(done("compare", "Copy", "--format", "json")) if row["part"] == "full")
    assert (row["origin"], row["data"]) == ("imported", "megc2019-flow28")


def test_predictions_after_every_epoch_are_audited(done, merbench, refused, log):
    path = log("epochs.csv", with_epochs, f"{HEAD},epoch")
    found = json.loads(done("audit", path, *MEGC, "--json"))
    assert (found["method"], found["origin"], found["epochs"], len(found["folds"])) == ("epochs.csv", "imported", 3, 68)
    uf1 = {row["selection"]: row["uf1"] for row in found["rows"] if row["part"] == "full"}
    assert uf1["oracle-acc-first"] == uf1["oracle-one-epoch"] == 1
    assert uf1["last"] < 0.7
    assert "inner" not in uf1
    assert found["notes"] == []
    assert merbench("import", path, "--name", "My net", *MEGC).code == 0
    again = json.loads(done("audit", "My net", *MEGC, "--json"))
    assert [row["uf1"] for row in again["rows"]] == [row["uf1"] for row in found["rows"]]
    done("import", log(), "--name", "Plain", *MEGC)
    for words in (
        ("Plain", *MEGC),
        ("log.csv", *MEGC),
        (path, *MEGC, "--set", "epochs=3"),
        (log("holes.csv", lambda rows: with_epochs(rows)[1:], f"{HEAD},epoch"), *MEGC),
    ):
        refused("audit", *words)
    between = log(
        "between.csv", lambda rows: [row for row in with_epochs(rows) if row[1:6:4] != ["sub01", "2"]], f"{HEAD},epoch"
    )
    assert "no predictions of fold casme2/sub01 after epoch 2" in refused("audit", between, *MEGC)


def test_logs_that_are_not_whole_are_refused(refused, log, tmp_path):
    foreign = ["casme2", "sub01", "EP77_01f", "negative", "negative"]
    for change, *said in each(
        (
            (lambda rows: rows[9:], "no prediction for 9 clips: casme2/sub01/EP02_01f"),
            (lambda rows: [*rows, foreign], "1 clip that megc2019 does not test: casme2/sub01/EP77_01f"),
            (lambda rows: [["casme2", *rows[0][1:3], "negative", "negative"], *rows[1:]], "another truth than"),
            (lambda rows: [[*row[:3], row[4], row[4]] for row in rows], "another truth than"),
        )
    ):
        line = refused("import", log(change=change), "--name", "My net", *MEGC)
        assert all(words in line for words in said), line
    assert "its clips are those of megc2019" in refused("import", log(), "--name", "My net", "-p", "casme2-3")
    for name in ("svm-flow", "SVM flow", " ", "x" * 61, "a\nb"):
        refused("import", log(), "--name", name, *MEGC)
    assert not (tmp_path / "results").exists()


def test_another_log_under_a_name_and_seed_is_refused(done, merbench, refused, log):
    done("import", log(), "--name", "My net", *MEGC)
    refused("import", log(change=lambda rows: [[*row[:4], "negative"] for row in rows]), "--name", "My net", *MEGC)
    epochs = log("epochs.csv", with_epochs, f"{HEAD},epoch")
    assert "imported without predictions after every epoch" in refused("import", epochs, "--name", "My net", *MEGC)
    assert merbench("import", epochs, "--name", "Other", *MEGC).out.startswith("imported")
    assert merbench("import", epochs, "--name", "Other", *MEGC).out.startswith("already imported")
    earlier = log(
        "epochs.csv",
        lambda rows: [[*row[:4], "surprise" if row[5] == "1" else row[4], row[5]] for row in with_epochs(rows)],
        f"{HEAD},epoch",
    )
    assert "other predictions" in refused("import", earlier, "--name", "Other", *MEGC)


def test_without_a_list_counts_must_agree(merbench, refused, tmp_path):
    counts = {"happiness": 32, "disgust": 64, "repression": 27, "surprise": 25, "others": 99}
    clips = [name for name, count in counts.items() for _ in range(count)]
    rows = [f"casme2,sub{n % 26 + 1:02d},EP{n // 26:02d}_{n % 26:02d},{name},others" for n, name in enumerate(clips)]
    log, five = tmp_path / "log.csv", ("--protocol", "casme2-5")
    strange = [row.replace("sub03", "sub99") for row in rows]
    for lines in (rows[:120], strange, [row.replace("others", "disgust") for row in rows]):
        log.write_text("\n".join([HEAD, *lines]))
        refused("import", log, "--name", "My net", *five)
    log.write_text("\n".join([HEAD, *rows]))
    said = merbench("import", log, "--name", "My net", *five)
    assert said.out.startswith("imported: my-net-casme2-5-s0-")
    says(said.err, "casme2-5 has no public list of its clips")
