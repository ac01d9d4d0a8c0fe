"""An audit reads the runs that kept their epochs and reports missing ones; committed audits are reproduced."""

import csv
import json
import shutil
from io import StringIO
from pathlib import Path

import pytest
from support.cases import each
from support.damage import edit, flip
from support.refusals import refusal
from support.tables import printed

from merbench.analysis.audit_runs import read_audit
from merbench.analysis.held import hold_all
from merbench.cli.asked import RunOptions, recording, seeds_text
from merbench.engine.plan.truths import truths
from merbench.records.select import read_leaderboard
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
AGAIN = "merbench run toy --protocol toys --data toy-data"
AUDITS = sorted((Path(__file__).parents[2] / "results" / "audits").iterdir())


def at(epoch=-1, after=AFTER):
    return {clip: (TRUTH[clip], given[epoch]) for clip, given in after.items()}


@pytest.fixture
def kept(record):
    """Return what records a run that kept its epochs."""
    return lambda answers=at(), epochs=AFTER, **fields: record(answers, epochs=epochs, **fields)  # noqa: B008


@pytest.fixture
def audited(record):
    """Return what audits the runs recorded here, or those given."""

    def call(protocol="toys", known=None, method="toy", results=None, **wanted):
        if known is None:
            known = record.held()
            assert known.problems == []
        command = recording(RunOptions(methods=["toy"], protocol=["toys"], results=results))
        return read_audit(known, method=method, protocol=protocol, command=command, **wanted)

    return call


@pytest.fixture
def refused(audited):
    return lambda *given, **wanted: refusal(lambda: audited(*given, **wanted))


def curves(*scores):
    return {fold: list(scores) for fold in FOLDS}


def notes(audit):
    return [str(note) for note in audit.notes]


def picked(audit, selection):
    table = audit.picked[audit.picked.selection == selection]
    assert table.fold.tolist() == FOLDS
    return table.epoch.tolist()


def full(audit):
    return audit.rows[audit.rows.part == "full"].set_index("selection")


def test_picks_and_scores_follow_from_the_recorded_epochs(kept, audited):
    kept()
    audit = audited()
    rules = ("last", "oracle-acc-first", "oracle-acc-last")
    assert (audit.epochs, [picked(audit, rule) for rule in rules]) == (3, [[3, 3, 3, 3], [1, 2, 1, 3], [1, 3, 3, 3]])
    rows, score = full(audit), audit.row.scores["full"]
    found = rows.acc["last"], rows.acc["oracle-acc-first"], rows.acc_lift["oracle-acc-first"]
    assert found == pytest.approx((4 / 7, 6 / 7, 2 / 7))
    assert [rows.uf1["last"], rows.uf1_low["last"]] == pytest.approx([score.uf1, score.uf1_interval.low])
    after = AFTER | {name: AFTER[name][:2] for name in ("alpha/s2/c1", "alpha/s2/c2")}
    kept(at(after=after), after, protocol="ragged")
    audit = audited("ragged")  # no epoch is picked after the end of a fold
    assert (picked(audit, "last"), picked(audit, "oracle-acc-last")[1]) == ([3, 2, 3, 3], 2)


def test_seeds_of_the_newest_code_are_audited_together(kept, audited):
    kept(code="old", created="2025-01-01T00:00:00+00:00")
    for seed in (2, 0):
        kept(seed=seed)
    audit = audited()
    assert [seed.seed for seed in audit.kept.seeds] == [0, 2]
    assert notes(audit)[0].startswith("1 older runs")


def test_inner_runs_are_compared_with_the_last_epoch(kept, record, audited):
    kept()
    refit = record(at(0), selection="inner", inner=curves(0.5, 0.4, 0.5) | {"beta/t2": [0.9]})
    audit = audited()
    assert (audit.inner_runs, notes(audit), picked(audit, "inner")) == ((refit.name,), [], [1, 1, 1, 1])
    assert full(audit).acc["inner"] == pytest.approx(4 / 7)
    assert ("inner" in set(audit.curves.selection), "inner-keep" in full(audit).index) == (True, False)
    kept(protocol="other")
    record(at(), selection="inner", inner=curves(1.0, 0.0, 0.0), protocol="other")  # of the third epoch, not the first
    (note,) = notes(audited("other"))
    assert note.startswith("seed 0: the predictions for 4 of 7 clips")
    kept(protocol="keep")
    right = {clip: (truth, truth) for clip, truth in TRUTH.items()}
    record(right, selection="inner-keep", inner=curves(0.1, 0.2, 0.2), protocol="keep")
    audit = audited("keep")
    assert full(audit).loc["inner-keep", ["acc", "epoch_median"]].tolist() == [1, 2]
    assert "inner" not in full(audit).index
    assert "--select inner" in notes(audit)[0]


def test_missing_inner_runs_are_reported_with_their_command(kept, audited):
    for seed in (0, 1, 2):
        kept(seed=seed, config_name="quick", variant="epochs=3 rates=[0.5, 1]")
    (note,) = notes(audited(results="else where"))
    assert note.endswith(
        ": merbench run toy --protocol toys --data toy-data --seeds 0-2 --config quick --set epochs=3 "
        "--set 'rates=[0.5, 1]' --select inner --results 'else where'"
    )
    assert [seeds_text(seeds) for seeds in ([4], [0, 1], [0, 2, 3])] == ["4", "0-1", "0,2,3"]


def test_runs_that_can_not_be_audited_are_refused_with_a_command(kept, record, refused):
    fresh = "merbench run toy --protocol toys --keep-epochs"
    assert refused() == f"no recorded run of toy under toys; record one: {fresh}"
    record(at())
    holes = kept(protocol="holes", folds=FOLDS[:2]).name
    without = kept(epochs={}, protocol="without").name
    kept({**at(), "alpha/s1/c1": (NEG, POS), "beta/t2/c1": (SUR, NEG)}, protocol="decides")
    path = sorted(kept(protocol="damaged").rglob("epochs.npz"))[0]
    path.write_bytes(path.read_bytes()[:-4])
    kept(protocol="shuffled", shuffled=True)
    again = f"{AGAIN} --keep-epochs --results 'else where'"
    for protocol, named, command in each((
        ("toys", "no run of toy under toys kept", f"{fresh} --results 'else where'"),
        ("holes", f"{holes} can't be audited", f"2 of 4 folds are not recorded: {again}"),
        ("without", without, ""),
        ("decides", "2 of 7 clips", ""),
        ("damaged", f"{path} has changed", again),
        ("shuffled", "no recorded run of toy under shuffled", ""),
    )):  # fmt: skip
        said = refused(protocol, results="else where")
        assert (named in said, said.endswith(command)) == (True, True), said


def fold_without_epochs(folder):
    record = sorted(folder.glob("folds/*/record.json"))[0]
    checksums = json.loads(record.read_text(encoding="utf-8"))["checksums"]
    del checksums["epochs.npz"]
    edit(record, checksums=checksums)


SPOILT = (  # a whole run that kept its epochs, and a part of the reason that an audit must give
    (lambda folder: shutil.rmtree(folder / "folds" / "alpha--s2"), "alpha--s2"),
    (lambda folder: (folder / "complete.json").unlink(), "toy-"),
    (flip("predictions.parquet"), "predictions.parquet"),
    (fold_without_epochs, FOLDS[0]),
)


def test_an_excluded_seed_is_reported_with_reason_and_command(kept, audited):
    for number, (spoil, why) in enumerate(each(SPOILT)):
        folders = [kept(seed=seed, protocol=f"p{number}") for seed in (0, 1, 2)]
        spoil(folders[1])
        audit = audited(f"p{number}")
        assert [seed.seed for seed in audit.kept.seeds] == [0, 2]
        begin, end = f"seed 1 ({folders[1].name}) is excluded: ", f": {AGAIN} --seeds 1 --keep-epochs"
        note = notes(audit)[0]
        assert (note[: len(begin)], note[-len(end) :]) == (begin, end)
        assert why in note[len(begin) : -len(end)]


@pytest.fixture(scope="module")
def leaderboard():
    return read_leaderboard()


@pytest.fixture(scope="module")
def again(leaderboard, tmp_path_factory):
    """Return the audits of the committed rows, by their folder in results/audits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MERBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        known = hold_all(leaderboard, truths())
        assert known.problems == []
        files = {folder: json.loads((folder / "audit.json").read_text(encoding="utf-8")) for folder in AUDITS}
        found = {}
        for folder, told in files.items():
            runs = known.where(config=told["config"], variant=told["variant"], data=told["data"])
            command = recording(RunOptions(methods=[told["method"]], protocol=[told["protocol"]]))
            found[folder] = read_audit(runs, told["method"], told["protocol"], command)
        return found


def test_committed_rows_never_replace_runs_recorded_here(kept, record, refused, leaderboard, again):
    kept(method="ststnet", protocol="megc2019", folds=FOLDS[:2])
    said = refused("megc2019", record.held() + leaderboard, "ststnet")
    assert ("2 of 4 folds are not recorded" in said, "--leaderboard" in said) == (True, True)
    (audit,) = (audit for audit in again.values() if audit.file.method == "ststnet")
    (table, *_) = audit_report(audit).tables
    assert table.title.startswith("Audit of ststnet [leaderboard]: megc2019")


def test_one_of_several_configurations_must_be_chosen(kept, record, audited, refused):
    kept()
    without, other = record(at(), seed=1), record(at(), seed=2, variant="epochs=3")
    said = " ".join(notes(audited()))
    assert f"seed 1 ({without.name})" in said  # a seed without epochs is named, of the one configuration
    assert other.name not in said
    kept(variant="epochs=3")
    said = refused()
    assert "default on toy-data; default epochs=3 on toy-data" in said
    assert "--config, --set, --data" in said
    assert audited(config={"variant": "epochs=3"}).file.variant == "epochs=3"
    assert "with data other" in refused(data="other")


def test_all_formats_show_the_same_rows(kept, audited):
    kept()
    audit = audited()
    text = " ".join(printed(audit_report(audit), 250).split())
    for words in ("Audit of toy: toys on toy-data", "7 clips, 4 folds, 3 epochs, seed 0", "+.286", "--select inner"):
        assert words in text
    told = json.loads(write(audit_report(audit), "json"))
    lines = list(csv.DictReader(StringIO(write(audit_report(audit), "csv"))))
    rows = [(row["selection"], row["uf1"]) for row in told["rows"]]
    assert rows == [(line["selection"], float(line["uf1"])) for line in lines]
    assert {row["selection"]: row["uar"] for row in told["rows"]}["oracle-mixed"] is None
    epochs = {pick["selection"]: pick["epochs"] for pick in told["picked"]}
    assert (told["folds"], epochs["oracle-acc-first"]) == (FOLDS, picked(audit, "oracle-acc-first"))
    assert "warnings" not in {**told, **lines[0]}
    assert {line["synthetic"] for line in lines} == {"false"}
    warning = "subject-dependent: other clips"
    kept(synthetic=True, warnings=[warning], protocol="warned")
    report = audit_report(audited("warned"))
    told, lines = json.loads(write(report, "json")), csv.DictReader(StringIO(write(report, "csv")))
    assert (told["synthetic"], told["warnings"]) == (True, [warning])
    assert {(line["synthetic"], line["warnings"]) for line in lines} == {("true", warning)}
    assert "synthetic data, subject-dependent" in report.tables[0].title


@pytest.mark.filterwarnings("error")
def test_the_figure_draws_a_curve_a_rule_and_marks_the_picks(kept, record, audited):
    kept()
    record(at(), selection="inner", inner=curves(0.1, 0.2, 0.3))
    after = {clip: given[:1] for clip, given in AFTER.items()}
    kept(at(after=after), after, protocol="one-epoch")
    audit = audited()
    with style():
        figure = audit_figure(audit)
        assert as_png(audit_figure(audited("one-epoch"))).startswith(b"\x89PNG")
    upper, *strips = figure.axes
    (black,) = [line for line in upper.lines if line.get_label().startswith("last epoch")]
    assert black.get_ydata().tolist() == pytest.approx(audit.curves[audit.curves.selection == "last"].uf1.tolist())
    assert [sum(bar.get_height() for bar in axes.patches) for axes in strips] == pytest.approx([1] * 4)


def test_committed_audits_are_reproduced_from_the_leaderboard(root, tmp_path, again):
    assert AUDITS
    for folder, audit in again.items():
        committed = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
        *_, picture = write_audit(audit, tmp_path)
        found = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
        rows, rows_again = committed.pop("rows"), found.pop("rows")
        assert found == committed
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
    assert shown == (root / "results" / "audits" / "ststnet-megc2019" / "audit.md").read_text(encoding="utf-8")
