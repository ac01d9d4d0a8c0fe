"""Four views in five formats: a change of words or layout is one reviewed diff of the golden files."""

import re

import pandas as pd
import pytest
from support.coded_clips import answered, coded_clips
from support.tables import printed

from merbench.analysis.ablation import read_ablation
from merbench.analysis.audit_runs import read_audit
from merbench.analysis.claims.published import published_rows
from merbench.analysis.explain import explain_rows, find_row
from merbench.cli.asked import RunOptions, recording
from merbench.contracts.yamlfiles import settings_text
from merbench.report.views.ablation import ablation_report
from merbench.report.views.audit import audit_report
from merbench.report.views.compare import comparison
from merbench.report.views.explain import explanation_report
from merbench.report.write import write


def runs_of(record):
    for seed in (0, 1):
        record(answered(0.8, seed), method="net", seed=seed, variant="epochs=5", remark="a reconstruction")
    record(answered(0.3, 0), method="floor", failing={})
    record(answered(0.9, 0), method="holey", folds=["alpha/s0", "beta/t1"])
    record(answered(0.35, 0), method="blind", sanity=True)
    record(answered(0.85, 0), method="seen", admissions=["transductive"])


def compared(record):
    runs_of(record)
    rows, notes = record.rows()
    return comparison(rows, published_rows("megc2019")[:12], notes, {"full": "Full", "smic-hs": "SMIC"})


def explained(record):
    runs_of(record)
    runs = record.held()
    return explanation_report(explain_rows(find_row(runs, "net"), find_row(runs, "floor")), 3)


def ablated(record):
    def trial(group, name, changes, right):
        ids = [
            record(answered(right, s), method="net", seed=s, variant=settings_text(changes, " ")).name for s in (0, 1)
        ]
        return group, name, changes, tuple(ids)

    table, classes = coded_clips()
    truth = pd.DataFrame({"truth": classes, "fold": table.dataset + "/" + table.subject})
    whole = trial("whole", "net", {}, 0.8)
    trials = [whole, trial("fusion", "add", {"fusion": "add", "rates": [0.25, 0.5]}, 0.3),
              ("fusion", "gated", {"fusion": "gated"}, whole[3])]  # fmt: skip
    command = "merbench ablate net --protocol toys --seeds 0-1"
    return ablation_report(read_ablation(trials, record.results / "runs", table, truth, command, diagnosed=True))


def audited(record):
    for seed in (0, 1):
        early, late = answered(0.7, seed), answered(0.5, seed)
        epochs = {name: [early[name][1], late[name][1]] for name in late}
        record(late, method="net", seed=seed, epochs=epochs)
    command = recording(RunOptions(methods=["net"], protocol=["toys"]))
    return audit_report(read_audit(record.held(), "net", "toys", command))


VIEWS = {"compare": compared, "ablation": ablated, "audit": audited, "explain": explained}


@pytest.mark.parametrize("view", VIEWS)
def test_views_equal_their_golden_files_in_all_formats(record, golden, view):
    report = VIEWS[view](record)
    forms = {"txt": printed(report, 100), "md": write(report, "md"), "tex": write(report, "latex")}
    forms |= {name: write(report, name) for name in ("html", "csv", "json")[: 1 if view == "explain" else 2]}
    forms |= {"json": write(report, "json")} if view == "explain" else {}
    for suffix, text in forms.items():
        golden(f"{view}.{suffix}", re.sub(r"-[0-9a-f]{10}\b", "-0123456789", text))
