"""An audit reads the runs that kept their epochs and reports missing ones; committed audits are reproduced."""

import csv
import json
import shutil
from io import StringIO
from pathlib import Path

import pytest
from support.tables import printed

from merbench.analysis.audit_runs import read_audit
from merbench.cli.asked import RunOptions, recording, seeds_text
from merbench.contracts.errors import MerbenchError
from merbench.records.select import read_leaderboard, read_runs
from merbench.report.figures.audit import audit_figure, write_audit
from merbench.report.figures.style import as_png, style
from merbench.report.views.audit import audit_report
from merbench.report.write import write

NEG, POS, SUR = "negative", "positive", "surprise"
TRUTH = {
    "alpha/s1/c1": NEG, "alpha/s1/c2": POS, "alpha/s2/c1": NEG, "alpha/s2/c2": POS,
    "beta/t1/c1": NEG, "beta/t1/c2": SUR, "beta/t2/c1": SUR,
}  # fmt: skip
#: After each of three epochs: s1 is best after the first, s2 after the second and third, the others after all.
AFTER = {
    "alpha/s1/c1": [NEG, SUR, SUR], "alpha/s1/c2": [POS, SUR, SUR],
    "alpha/s2/c1": [POS, NEG, NEG], "alpha/s2/c2": [NEG, NEG, NEG],
    "beta/t1/c1": [NEG, NEG, NEG], "beta/t1/c2": [SUR, SUR, SUR], "beta/t2/c1": [POS, POS, SUR],
}  # fmt: skip
FOLDS = ["alpha/s1", "alpha/s2", "beta/t1", "beta/t2"]
AGAIN = "merbench run toy --protocol toys --data toy-data --keep-epochs"
AGAIN_1 = "merbench run toy --protocol toys --data toy-data --seeds 1 --keep-epochs"
AUDITS = sorted((Path(__file__).parents[2] / "results" / "audits").iterdir())


def at(epoch=-1, after=AFTER):
    return {clip: (TRUTH[clip], given[epoch]) for clip, given in after.items()}


def audited(record, known=None, **wanted):
    if known is None:
        known = read_runs(record.results)
        assert known.problems == []
    options = RunOptions(methods=["toy"], protocol=["toys"], results=wanted.pop("results", None))
    return read_audit(known, **{"method": "toy", "protocol": "toys", "command": recording(options)} | wanted)


def refusal(record, known=None, **wanted):
    with pytest.raises(MerbenchError) as refused:
        audited(record, known, **wanted)
    return str(refused.value)


def curves(*scores):
    return {fold: list(scores) for fold in FOLDS}


def notes(audit):
    return [str(note) for note in audit.notes]


def picked(audit, selection):
    table = audit.picked[audit.picked.selection == selection]
    return dict(zip(table.fold, table.epoch, strict=True))


def full(audit):
    return audit.rows[audit.rows.part == "full"].set_index("selection")


def test_picks_and_scores_follow_from_the_recorded_epochs(record):
    record(at(), epochs=AFTER)
    audit = audited(record)
    assert audit.epochs == 3
    assert picked(audit, "last") == dict.fromkeys(FOLDS, 3)
    assert picked(audit, "oracle-acc-first") == dict(zip(FOLDS, [1, 2, 1, 3], strict=True))
    assert picked(audit, "oracle-acc-last") == dict(zip(FOLDS, [1, 3, 3, 3], strict=True))
    rows = full(audit)
    assert rows.acc["last"] == pytest.approx(4 / 7)
    assert rows.acc["oracle-acc-first"] == pytest.approx(6 / 7)
    assert rows.acc_lift["oracle-acc-first"] == pytest.approx(2 / 7)
    score = audit.row.scores["full"]
    assert [rows.uf1["last"], rows.uf1_low["last"]] == pytest.approx([score.uf1, score.uf1_interval.low])
    after = AFTER | {name: AFTER[name][:2] for name in ("alpha/s2/c1", "alpha/s2/c2")}
    record(at(after=after), epochs=after, protocol="ragged")
    audit = audited(record, protocol="ragged")  # no epoch is picked after the end of a fold
    assert picked(audit, "last") == dict(zip(FOLDS, [3, 2, 3, 3], strict=True))
    assert picked(audit, "oracle-acc-last")["alpha/s2"] == 2


def test_seeds_of_the_newest_code_are_audited_together(record):
    record(at(), epochs=AFTER, code="old", created="2025-01-01T00:00:00+00:00")
    for seed in (2, 0):
        record(at(), epochs=AFTER, seed=seed)
    audit = audited(record)
    assert [seed.seed for seed in audit.kept.seeds] == [0, 2]
    assert notes(audit)[0].startswith("1 older runs")


def test_inner_runs_are_compared_with_the_last_epoch(record):
    record(at(), epochs=AFTER)
    refit = record(at(0), selection="inner", inner=curves(0.5, 0.4, 0.5) | {"beta/t2": [0.9]})
    audit = audited(record)
    assert audit.inner_runs == (refit.name,)
    assert notes(audit) == []
    assert picked(audit, "inner") == dict.fromkeys(FOLDS, 1)
    assert full(audit).acc["inner"] == pytest.approx(4 / 7)
    assert "inner" in set(audit.curves.selection)
    assert "inner-keep" not in full(audit).index
    record(at(), epochs=AFTER, protocol="other")
    record(at(), selection="inner", inner=curves(1.0, 0.0, 0.0), protocol="other")  # of the third epoch, not the first
    (note,) = notes(audited(record, protocol="other"))
    assert note.startswith("seed 0: the predictions for 4 of 7 clips")


def test_inner_keep_is_a_row_of_its_own(record):
    record(at(), epochs=AFTER)
    right = {clip: (truth, truth) for clip, truth in TRUTH.items()}
    record(right, selection="inner-keep", inner=curves(0.1, 0.2, 0.2))
    audit = audited(record)
    assert full(audit).acc["inner-keep"] == 1
    assert full(audit).epoch_median["inner-keep"] == 2
    assert "inner" not in full(audit).index
    assert "--select inner" in notes(audit)[0]


def test_missing_inner_runs_are_reported_with_their_command(record):
    for seed in (0, 1, 2):
        record(at(), epochs=AFTER, seed=seed, config_name="quick", variant="epochs=3 rates=[0.5, 1]")
    audit = audited(record, results="else where")
    (note,) = notes(audit)
    assert note.endswith(
        ": merbench run toy --protocol toys --data toy-data --seeds 0-2 --config quick --set epochs=3 "
        "--set 'rates=[0.5, 1]' --select inner --results 'else where'"
    )
    for seeds, words in (([4], "4"), ([0, 1], "0-1"), ([0, 2, 3], "0,2,3")):
        assert seeds_text(seeds) == words


def test_runs_that_can_not_be_audited_are_refused_with_a_command(record):
    command = "merbench run toy --protocol toys --keep-epochs"
    assert refusal(record) == f"no recorded run of toy under toys; record one: {command}"
    record(at())
    said = refusal(record, results="else where")
    assert said.startswith("no run of toy under toys kept its epochs")
    assert said.endswith(": merbench run toy --protocol toys --keep-epochs --results 'else where'")
    holes = record(at(), epochs=AFTER, protocol="holes", folds=FOLDS[:2])
    said = refusal(record, protocol="holes")
    assert said.startswith(f"{holes.name} can't be audited")
    assert said.endswith(f": 2 of 4 folds are not recorded: {AGAIN}")
    without = record(at(), epochs={}, protocol="without")
    assert without.name in refusal(record, protocol="without")
    record({**at(), "alpha/s1/c1": (NEG, POS), "beta/t2/c1": (SUR, NEG)}, epochs=AFTER, protocol="decides")
    assert "2 of 7 clips" in refusal(record, protocol="decides")
    path = sorted(record(at(), epochs=AFTER, protocol="damaged").rglob("epochs.npz"))[0]
    path.write_bytes(path.read_bytes()[:-4])
    said = refusal(record, protocol="damaged", results="here")
    assert said.startswith(f"{path} has changed since it was recorded")
    assert said.endswith(f": {AGAIN} --results here")


def spoilt(folder, how):
    """Spoil a whole run that kept its epochs; returns a part of the reason that an audit must give."""
    records = sorted(folder.glob("folds/*/record.json"))
    if how == "a fold is gone":
        shutil.rmtree(records[1].parent)
        return records[1].parent.name
    if how == "no commit mark":
        (folder / "complete.json").unlink()
        return folder.name
    if how == "predictions changed":
        path = folder / "predictions.parquet"
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        return "predictions.parquet"
    told = json.loads(records[0].read_text(encoding="utf-8"))
    del told["checksums"]["epochs.npz"]
    records[0].write_text(json.dumps(told), encoding="utf-8")
    return FOLDS[0]


def test_an_excluded_seed_is_reported_with_reason_and_command(record):
    for number, how in enumerate(("a fold is gone", "no commit mark", "predictions changed", "a fold without epochs")):
        folders = [record(at(), epochs=AFTER, seed=seed, protocol=f"p{number}") for seed in (0, 1, 2)]
        why = spoilt(folders[1], how)
        audit = audited(record, protocol=f"p{number}")
        assert [seed.seed for seed in audit.kept.seeds] == [0, 2]
        note = notes(audit)[0]
        assert note.startswith(f"seed 1 ({folders[1].name}) is excluded: ")
        assert why in note.removeprefix(f"seed 1 ({folders[1].name})"), (how, note)
        assert note.endswith(f": {AGAIN_1}")


def test_committed_rows_never_replace_runs_recorded_here(record):
    committed = read_leaderboard()
    record(at(), epochs=AFTER, method="ststnet", protocol="megc2019", folds=FOLDS[:2])
    mine = read_runs(record.results)
    wanted = {"method": "ststnet", "protocol": "megc2019"}
    said = refusal(record, mine + committed, **wanted)
    assert "2 of 4 folds are not recorded" in said
    assert "--leaderboard" in said
    assert (
        audit_report(audited(record, committed, **wanted))
        .tables[0]
        .title.startswith("Audit of ststnet [leaderboard]: megc2019")
    )


def test_one_of_several_configurations_must_be_chosen(record):
    record(at(), epochs=AFTER)
    without, other = record(at(), seed=1), record(at(), seed=2, variant="epochs=3")
    said = " ".join(notes(audited(record)))
    assert f"seed 1 ({without.name})" in said  # a seed without epochs is named, of the one configuration
    assert other.name not in said
    record(at(), epochs=AFTER, variant="epochs=3")
    said = refusal(record)
    assert "default on toy-data; default epochs=3 on toy-data" in said
    assert "--config, --set, --data" in said
    assert audited(record, config={"variant": "epochs=3"}).file.variant == "epochs=3"
    assert "with data other" in refusal(record, data="other")
    record(at(), epochs=AFTER, protocol="shuffled", shuffled=True)
    assert refusal(record, protocol="shuffled").startswith("no recorded run of toy under shuffled")


def test_all_formats_show_the_same_rows(record):
    record(at(), epochs=AFTER)
    audit = audited(record)
    text = " ".join(printed(audit_report(audit), 250).split())
    for words in ("Audit of toy: toys on toy-data", "7 clips, 4 folds, 3 epochs, seed 0", "+.286", "--select inner"):
        assert words in text
    told = json.loads(write(audit_report(audit), "json"))
    lines = list(csv.DictReader(StringIO(write(audit_report(audit), "csv"))))
    assert [row["selection"] for row in told["rows"]] == [line["selection"] for line in lines]
    assert [row["uf1"] for row in told["rows"]] == [float(line["uf1"]) for line in lines]
    mixed = next(row for row in told["rows"] if row["selection"] == "oracle-mixed")
    assert mixed["uar"] is None
    first = next(each for each in told["picked"] if each["selection"] == "oracle-acc-first")
    assert dict(zip(told["folds"], first["epochs"], strict=True)) == picked(audit, "oracle-acc-first")
    assert "warnings" not in {**told, **lines[0]}
    assert {line["synthetic"] for line in lines} == {"false"}
    warning = "subject-dependent: other clips"
    record(at(), epochs=AFTER, synthetic=True, warnings=[warning], protocol="warned")
    report = audit_report(audited(record, protocol="warned"))
    told = json.loads(write(report, "json"))
    assert (told["synthetic"], told["warnings"]) == (True, [warning])
    for line in csv.DictReader(StringIO(write(report, "csv"))):
        assert (line["synthetic"], line["warnings"]) == ("true", warning)
    assert "synthetic data, subject-dependent" in report.tables[0].title


@pytest.mark.filterwarnings("error")
def test_the_figure_draws_a_curve_a_rule_and_marks_the_picks(record):
    record(at(), epochs=AFTER)
    record(at(), selection="inner", inner=curves(0.1, 0.2, 0.3))
    audit = audited(record)
    after = {clip: given[:1] for clip, given in AFTER.items()}
    record(at(after=after), epochs=after, protocol="one-epoch")
    with style():
        figure = audit_figure(audit)
        assert as_png(audit_figure(audited(record, protocol="one-epoch"))).startswith(b"\x89PNG")
    upper, *strips = figure.axes
    assert len(strips) == 4
    (black,) = [line for line in upper.lines if line.get_label().startswith("last epoch")]
    assert black.get_ydata().tolist() == pytest.approx(audit.curves[audit.curves.selection == "last"].uf1.tolist())
    for axes in strips:
        assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(1)


def test_committed_audits_are_reproduced_from_the_leaderboard(root, tmp_path):
    known = read_leaderboard()
    assert known.problems == []
    assert AUDITS
    for folder in AUDITS:
        committed = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
        command = recording(RunOptions(methods=[], protocol=[]))
        audit = read_audit(known, committed["method"], committed["protocol"], command)
        *_, picture = write_audit(audit, tmp_path)
        again = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
        rows, rows_again = committed.pop("rows"), again.pop("rows")
        assert again == committed
        assert len(rows_again) == len(rows)
        for row, other in zip(rows, rows_again, strict=True):
            assert other == pytest.approx(row, abs=2e-6)
        lines, lines_again = ((at / "audit.csv").read_text(encoding="utf-8").splitlines() for at in (folder, tmp_path))
        assert lines_again[0] == lines[0]
        assert len(lines_again) == len(lines) == len(rows) + 1
        assert (tmp_path / "audit.md").read_bytes() == (folder / "audit.md").read_bytes()
        assert picture.read_bytes().startswith(b"\x89PNG")
    page = (root / "docs" / "reading-a-result.md").read_text(encoding="utf-8")
    shown = page.partition("<!-- audit:begin -->\n")[2].partition("<!-- audit:end -->")[0]
    assert shown == (AUDITS[0] / "audit.md").read_text(encoding="utf-8")
