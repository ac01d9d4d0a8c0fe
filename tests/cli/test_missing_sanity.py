"""Sanity rows in tables: beneath the ranked ones, never ranked, never best, never tested; missing ones are named."""

import csv
import io
import json

import pytest

from merbench.analysis.explain import find_row
from merbench.analysis.rows import measured_rows
from merbench.cli.sanity import missing_sanity
from merbench.contracts.errors import MerbenchError
from merbench.records.entries import write_entry
from merbench.records.select import read_runs
from merbench.report.views.compare import as_csv, as_json, best_two, ranks, table_lines
from merbench.report.write.paper import as_latex, as_markdown


@pytest.fixture
def table(record, answers, right, wrong):
    """Record two methods, and sanity rows: the best row of all and the worst."""
    record(answers, method="svm-flow")
    record(wrong, method="ststnet")
    record(right, method="database-only", sanity=True)
    record(wrong, method="duration-only", sanity=True)
    return record.compared()


def test_sanity_rows_are_last_and_neither_ranked_nor_tested(table):
    (rows,) = table.groups()
    assert [row.label for row in rows] == ["svm-flow", "ststnet", "database-only", "duration-only"]
    assert ranks(rows) == {0: 1, 1: 2}
    assert best_two(rows, "full", "uf1") == (table_lines(rows)[0].cells["full", "uf1"].value, ".2424")
    assert [row.p_best is None for row in rows] == [True, False, True, True]
    lines = table_lines(rows)
    assert [line.rank for line in lines] == ["1", "2", "–", "–"]
    assert [line.heads for line in lines] == ["", "", "Sanity rows, not ranked", ""]
    assert {cell.place for line in lines[2:] for cell in line.cells.values()} == {0}
    assert {cell.mark for line in lines[2:] for cell in line.cells.values()} == {""}


def test_sanity_rows_do_not_change_other_rows(record, table):
    alone, _ = measured_rows(read_runs(record.results).where(sanity=False))
    assert [row.records() for row in alone] == [row.records() for row in table.rows if not row.sanity]


def test_every_format_marks_sanity_rows(table):
    expected = {"svm-flow": False, "ststnet": False, "database-only": True, "duration-only": True}
    assert {row["method"]: row["sanity"] for row in json.loads(as_json(table))} == expected
    read = csv.DictReader(io.StringIO(as_csv(table)))
    assert {row["method"]: row["sanity"] for row in read} == {name: str(so).lower() for name, so in expected.items()}
    for text in (as_markdown(table), as_latex(table)):
        places = [text.index(word) for word in ("ststnet", "Sanity rows, not ranked", "database-only")]
        assert places == sorted(places)
    columns = {line.count("|") for line in as_markdown(table).splitlines() if line.startswith("|")}
    assert len(columns) == 1


def test_the_leaderboard_takes_neither_sanity_rows_nor_shuffled_labels(record, right, wrong, tmp_path):
    record(wrong, method="duration-only", sanity=True)
    record(right, method="svm-flow", shuffled=True)
    for run in read_runs(record.results):
        with pytest.raises(MerbenchError, match=run.file.run_id):
            write_entry(run, tmp_path / "board")
    assert not (tmp_path / "board").exists()


def test_a_name_means_the_row_on_true_labels(record, answers, wrong):
    record(answers, method="svm-flow")
    record(wrong, method="svm-flow", variant="labels shuffled", sanity=True)
    runs = read_runs(record.results)
    assert find_row(runs, "svm-flow").label == "svm-flow"
    assert find_row(runs, "svm-flow (labels shuffled)").sanity


def test_missing_rows_are_named_with_the_command_that_records_them(record, answers, wrong, table):
    record(wrong, method="svm-flow", variant="labels shuffled", sanity=True)
    (said,) = missing_sanity(record.compared().rows)
    assert said == (
        "toys: sanity rows not recorded: majority; stratified-random; database-only:balanced; onset-frame-only; "
        "ststnet, labels shuffled: merbench run ststnet --protocol FILE --config ststnet:default --sanity "
        "(FILE: the file or pattern of toys)"
    )
    record(wrong, method="majority")
    (said,) = missing_sanity(record.compared().rows)
    assert "majority" not in said
    record(wrong, method="gone-method")
    unknown, *others = sorted(missing_sanity(record.compared().rows), reverse=True)
    assert unknown.startswith("whether gone-method lacks sanity rows is not known: unknown method 'gone-method'")
    assert any("ststnet, labels shuffled" in line for line in others)
    assert not any("gone-method" in line for line in others)


def test_shuffled_labels_of_another_selection_are_another_row(record, answers, wrong):
    record(answers, method="svm-flow")
    record(answers, method="svm-flow", selection="inner")
    record(wrong, method="svm-flow", variant="labels shuffled", sanity=True)
    said = "\n".join(missing_sanity(record.compared().rows))
    words = "svm-flow (inner epoch), labels shuffled: merbench run svm-flow --protocol FILE --select inner --sanity"
    assert words in said
    assert "svm-flow, labels shuffled" not in said
