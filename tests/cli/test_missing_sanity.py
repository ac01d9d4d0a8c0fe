"""Sanity rows in tables: beneath the ranked ones, never ranked, never best, never tested; missing ones are named."""

import pytest

from merbench.analysis.explain import find_row
from merbench.cli.sanity import missing_sanity


@pytest.fixture
def table(record, answers, right, wrong):
    """Record two methods, and sanity rows: the best row of all and the worst."""
    record(answers, method="svm-flow")
    record(wrong, method="ststnet")
    record(right, method="database-only", sanity=True)
    record(wrong, method="duration-only", sanity=True)
    return record.compared()


def test_a_name_means_the_row_on_true_labels(record, answers, wrong):
    record(answers, method="svm-flow")
    record(wrong, method="svm-flow", variant="labels shuffled", sanity=True)
    runs = record.held()
    assert find_row(runs, "svm-flow").label == "svm-flow"
    assert find_row(runs, "svm-flow (labels shuffled)").sanity


def test_missing_sanity_rows_are_named_with_their_command(record, answers, wrong, table):
    record(wrong, method="svm-flow", variant="labels shuffled", sanity=True)
    (said,) = missing_sanity(record.rows()[0])
    assert said == (
        "toys: sanity rows not recorded: majority; stratified-random; database-only:balanced; onset-frame-only; "
        "ststnet, labels shuffled: merbench run ststnet --protocol FILE --config ststnet:default --sanity "
        "(FILE: the file or pattern of toys)"
    )
    record(wrong, method="majority")
    (said,) = missing_sanity(record.rows()[0])
    assert "majority" not in said
    record(wrong, method="gone-method")
    unknown, *others = sorted(missing_sanity(record.rows()[0]))
    assert unknown.startswith("gone-method: missing sanity rows can't be determined: unknown method 'gone-method'")
    assert any("ststnet, labels shuffled" in line for line in others)
    assert not any("gone-method" in line for line in others)


def test_shuffled_labels_of_another_selection_are_another_row(record, answers, wrong):
    record(answers, method="svm-flow")
    record(answers, method="svm-flow", selection="inner")
    record(wrong, method="svm-flow", variant="labels shuffled", sanity=True)
    said = "\n".join(missing_sanity(record.rows()[0]))
    words = "svm-flow (inner epoch), labels shuffled: merbench run svm-flow --protocol FILE --select inner --sanity"
    assert words in said
    assert "svm-flow, labels shuffled" not in said
