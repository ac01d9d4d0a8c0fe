"""Sanity rows in tables: beneath the ranked ones, never ranked, never best, never tested, and what is not recorded."""

import csv
import io
import json
from dataclasses import replace

import pytest

from merbench.analysis.explain import find_row
from merbench.analysis.rows import measured_rows
from merbench.cli.sanity import missing_sanity
from merbench.contracts.errors import MerbenchError
from merbench.records.entries import write_entry
from merbench.records.read import read_run
from merbench.records.select import read_runs
from merbench.report.views.compare import as_csv, as_json, best_two, ranks, table_lines
from merbench.report.write.paper import as_latex, as_markdown


@pytest.fixture
def table(record, answers, right, wrong):
    """Record two methods, and sanity rows of which one is the best of all and one the worst."""
    record(answers, method="svm-flow")
    record(wrong, method="ststnet")
    record(right, method="database-only", sanity=True)
    record(wrong, method="majority", sanity=True)
    return record.compared()


def test_sanity_rows_stand_beneath_all_others_and_are_neither_ranked_nor_best_nor_tested(table):
    (rows,) = table.groups()
    assert [row.label for row in rows] == ["svm-flow", "ststnet", "database-only", "majority"]
    assert ranks(rows) == {0: 1, 1: 2}
    assert best_two(rows, "full", "uf1") == (table_lines(rows)[0].cells["full", "uf1"].value, ".2424")
    assert [row.p_best is None for row in rows] == [True, False, True, True]
    lines = table_lines(rows)
    assert [line.rank for line in lines] == ["1", "2", "–", "–"]
    assert [line.heads for line in lines] == ["", "", "Sanity rows, not ranked", ""]
    assert {cell.place for line in lines[2:] for cell in line.cells.values()} == {0}
    assert {cell.mark for line in lines[2:] for cell in line.cells.values()} == {""}


def test_sanity_rows_change_nothing_of_the_others(record, answers, wrong, table):
    runs = read_runs(record.results)
    alone, _ = measured_rows([run for run in runs if not run.file.sanity])
    assert [row.records() for row in alone] == [row.records() for row in table.rows if not row.sanity]


def test_every_format_tells_which_rows_are_sanity_rows(table):
    told = {"svm-flow": False, "ststnet": False, "database-only": True, "majority": True}
    assert {row["method"]: row["sanity"] for row in json.loads(as_json(table))} == told
    read = csv.DictReader(io.StringIO(as_csv(table)))
    assert {row["method"]: row["sanity"] for row in read} == {name: str(so).lower() for name, so in told.items()}
    for text in (as_markdown(table), as_latex(table)):
        places = [text.index(word) for word in ("ststnet", "Sanity rows, not ranked", "database-only")]
        assert places == sorted(places)
    columns = {line.count("|") for line in as_markdown(table).splitlines() if line.startswith("|")}
    assert len(columns) == 1


def test_a_method_that_was_also_run_by_name_is_one_row_with_all_its_seeds_and_ranked(record, answers, wrong):
    record(answers, method="svm-flow")
    record(wrong, method="majority", seed=0)
    record(wrong, method="majority", seed=1, sanity=True)
    (rows,) = record.compared().groups()
    assert [(row.label, row.sanity, len(row.runs)) for row in rows] == [("svm-flow", False, 1), ("majority", False, 2)]


def test_a_sanity_row_recorded_here_does_not_take_the_rank_of_the_committed_row(record, answers, wrong):
    record(answers, method="svm-flow")
    record(wrong, method="majority", sanity=True)
    runs = read_runs(record.results)
    (majority,) = [run for run in runs if run.file.method == "majority"]
    committed = replace(majority.asked_as(sanity=False), origin="leaderboard")
    rows, _ = measured_rows([*runs, committed])
    assert [(row.runs[0].file.method, row.sanity) for row in rows] == [("svm-flow", False), ("majority", False)]
    assert rows[1].p_best is not None


def test_a_method_that_is_not_installed_any_more_is_named_and_the_others_are_told(record, answers, wrong):
    record(answers, method="svm-flow")
    record(wrong, method="gone-method")
    rows, _ = measured_rows(read_runs(record.results))
    unknown, *others = sorted(missing_sanity(rows), reverse=True)
    assert unknown.startswith("whether gone-method lacks sanity rows is not known: unknown method 'gone-method'")
    assert any("svm-flow, labels shuffled" in line for line in others)
    assert not any("gone-method" in line for line in others)


def test_a_sanity_row_is_refused_by_the_leaderboard_until_it_is_asked_for_by_name(record, wrong, tmp_path):
    record(wrong, method="majority", sanity=True)
    (run,), _ = read_runs(record.results)
    with pytest.raises(
        MerbenchError, match=r"is a sanity row, .*: merbench run majority --config default --protocol FILE --seeds 0"
    ):
        write_entry(run, tmp_path / "board")
    assert write_entry(run.asked_as(sanity=False), tmp_path / "board").is_dir()


def test_a_name_means_the_methods_own_row_and_not_that_on_shuffled_labels(record, answers, wrong):
    record(answers, method="svm-flow")
    record(wrong, method="svm-flow", variant="labels shuffled", sanity=True)
    runs = read_runs(record.results)
    assert find_row(runs, "svm-flow").label == "svm-flow"
    assert find_row(runs, "svm-flow (labels shuffled)").sanity


def test_a_leaderboard_takes_no_run_on_shuffled_labels(record, answers, tmp_path):
    run = read_run(record(answers))
    file = run.file.model_copy(update={"key": run.file.key.model_copy(update={"shuffled": True})})
    with pytest.raises(MerbenchError, match=r"^toy-toys-s0-\w+ was trained on shuffled labels, which no leaderboard"):
        write_entry(type(run)(file, *list(vars(run).values())[1:]), tmp_path / "board")
    assert not (tmp_path / "board").exists()


def test_shuffled_labels_of_another_selection_are_another_row(record, answers, wrong):
    record(answers, method="svm-flow")
    record(answers, method="svm-flow", selection="inner")
    record(wrong, method="svm-flow", variant="labels shuffled", sanity=True)
    told = "\n".join(missing_sanity(record.compared().rows))
    assert (
        "svm-flow (inner epoch), labels shuffled: merbench run svm-flow --protocol FILE --select inner --sanity" in told
    )
    assert "svm-flow, labels shuffled" not in told


def test_what_is_not_recorded_is_told_with_the_command_that_records_it(record, answers, wrong, table):
    record(wrong, method="svm-flow", variant="labels shuffled", sanity=True)
    (told,) = missing_sanity(record.compared().rows)
    assert told == (
        "toys: sanity rows not recorded: stratified-random; database-only:balanced; duration-only; onset-frame-only; "
        "ststnet, labels shuffled: merbench run ststnet --protocol FILE --config ststnet:default --sanity "
        "(FILE: the file or pattern of toys)"
    )
