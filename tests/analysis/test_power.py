"""What a protocol can show, from committed rows; the lift of picked epochs equals that of the audit."""

import pytest
from support.refusals import refusal

from merbench.analysis.audit import selection_rows
from merbench.analysis.audit_runs import read_audit
from merbench.analysis.held import hold_all
from merbench.analysis.power import SEEDS, assumed_rows, lift_by_size, power_of_rows
from merbench.analysis.rows import measured_rows
from merbench.engine.plan.catalogue import protocol
from merbench.engine.plan.truths import truths
from merbench.records.select import read_leaderboard
from merbench.report.views.power import power_report


@pytest.fixture(scope="module")
def committed():
    return hold_all(read_leaderboard().where(protocol="megc2019"), truths())


def test_lift_of_all_folds_and_epochs_is_that_of_the_audit(committed):
    kept = read_audit(committed, "ststnet", "megc2019", lambda *_: "").kept
    found, rows = lift_by_size(kept), selection_rows(kept)
    folds, epochs = len(kept.folds), kept.seeds[0].predicted.shape[1]
    audited = rows[rows.selection == "oracle-acc-first"].uf1_lift.item()
    assert found[folds, epochs] == pytest.approx(audited, abs=1e-12)
    assert [found[many, 1] for many in (1, 20, folds)] == [0, 0, 0]
    assert found[folds, epochs] > found[20, epochs] > found[1, epochs]
    assert found[folds, epochs] > found[folds, 10] > found[folds, 2]


@pytest.mark.slow
def test_rows_give_every_figure(committed):
    rows = {row.label: row for row in measured_rows(committed)[0]}
    found = power_of_rows(rows["svm-flow"], rows["ststnet"], (1, 10))
    assert found.smallest[10] < found.smallest[1]
    assert found.found[0].power < 0.1
    assert found.found[-1].power > 0.9
    assert found.training[0] != found.training[0]  # deterministic
    record = power_report("megc2019", found).data
    assert (record["clips"], record["subjects"]) == (442, 68)
    assert set(SEEDS) >= {each["seeds"] for each in record["smallest"]}


def test_protocols_without_clips_use_their_counts():
    _, clips, subjects = assumed_rows(protocol("casme2-5"), None)
    assert (clips, subjects) == (247, 26)
    assert "dfme-7" in refusal(lambda: assumed_rows(protocol("dfme-7"), None))
