"""An audit reads the runs that kept their epochs, says what is missing, and its committed figures come out again."""

import csv
import json
import shutil
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from merbench.analysis.audit import Wanted, read_audit, run_command
from merbench.contracts.errors import MerbenchError
from merbench.records import read as runs
from merbench.records.entries import read_leaderboard
from merbench.records.read import read_runs
from merbench.report.figures.audit import audit_figure, write_audit
from merbench.report.figures.style import as_png, style
from merbench.report.views.audit import as_csv, as_json, as_markdown, print_audit, title

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
ROOT = Path(__file__).parents[2]
AUDITS = sorted((ROOT / "results" / "audits").iterdir())


def last(after=AFTER):
    return {clip: (TRUTH[clip], given[-1]) for clip, given in after.items()}


def audited(record, **wanted):
    known, problems = read_runs(record.results)
    assert problems == []
    return read_audit(record.results, known, Wanted(**{"method": "toy", "protocol": "toys", "given": "toys"} | wanted))


def refusal(record, **wanted):
    with pytest.raises(MerbenchError) as refused:
        audited(record, **wanted)
    return str(refused.value)


def picked(audit, selection, seed=0):
    table = audit.picked[(audit.picked.selection == selection) & (audit.picked.seed == seed)]
    return dict(zip(table.fold, table.epoch, strict=True))


def full(audit):
    return audit.rows[audit.rows.part == "full"].set_index("selection")


@pytest.fixture
def inner(monkeypatch):
    """Let runs have kept inner scores: run id -> a curve a fold."""
    curves = {}
    monkeypatch.setattr(runs, "read_inner", lambda folder, run: curves.get(run.file.run_id), raising=False)
    return curves


def test_picks_and_scores_are_those_of_the_recorded_epochs(record):
    record(last(), epochs=AFTER)
    audit = audited(record)
    assert audit.epochs == 3
    assert picked(audit, "last") == dict.fromkeys(FOLDS, 3)
    assert picked(audit, "oracle-acc-first") == dict(zip(FOLDS, [1, 2, 1, 3], strict=True))
    assert picked(audit, "oracle-acc-last") == dict(zip(FOLDS, [1, 3, 3, 3], strict=True))
    rows = full(audit)
    assert rows.acc.round(6)["last"] == round(4 / 7, 6)
    assert rows.acc.round(6)["oracle-acc-first"] == round(6 / 7, 6)
    assert rows.acc_lift["oracle-acc-first"] == pytest.approx(2 / 7)
    (score,) = [score for name, score in audit.row.scores.items() if name == "full"]
    assert [rows.uf1["last"], rows.uf1_low["last"]] == pytest.approx([score.uf1, score.uf1_interval.low])


def test_folds_that_ended_earlier_are_never_picked_after_their_end(record):
    after = AFTER | {name: AFTER[name][:2] for name in ("alpha/s2/c1", "alpha/s2/c2")}
    record(last(after), epochs=after)
    audit = audited(record)
    assert picked(audit, "last") == dict(zip(FOLDS, [3, 2, 3, 3], strict=True))
    assert picked(audit, "oracle-acc-last")["alpha/s2"] == 2


def test_seeds_stand_together_and_older_code_is_told(record):
    record(last(), epochs=AFTER, code="old", created="2025-01-01T00:00:00+00:00")
    for seed in (2, 0):
        record(last(), epochs=AFTER, seed=seed)
    audit = audited(record)
    assert [seed.seed for seed in audit.kept.seeds] == [0, 2]
    assert audit.notes[0] == "1 older runs of other code or data are not audited"


def test_inner_runs_are_found_and_held_against_the_last_epoch(record, inner):
    record(last(), epochs=AFTER)
    refit = {clip: (TRUTH[clip], given[0]) for clip, given in AFTER.items()}
    folder = record(refit, selection="inner")
    inner[folder.name] = np.array([[0.5, 0.4, 0.5]] * 3 + [[0.9, np.nan, np.nan]])
    audit = audited(record)
    assert audit.inner_runs == (folder.name,)
    assert audit.notes == []
    assert picked(audit, "inner") == dict.fromkeys(FOLDS, 1)
    assert full(audit).acc["inner"] == pytest.approx(4 / 7)
    assert "inner" in set(audit.curves.selection)
    assert "inner-keep" not in full(audit).index


def test_a_refit_that_does_not_agree_is_told(record, inner):
    record(last(), epochs=AFTER)
    folder = record(last(), selection="inner")  # predictions of the third epoch, although the first was picked
    inner[folder.name] = np.array([[1.0, 0.0, 0.0]] * 4)
    (note,) = audited(record).notes
    assert note.startswith("seed 0: 4 of 7 clips of the inner run differ")


def test_the_net_that_was_kept_is_a_row_of_its_own(record, inner):
    record(last(), epochs=AFTER)
    folder = record({clip: (truth, truth) for clip, truth in TRUTH.items()}, selection="inner-keep")
    inner[folder.name] = np.array([[0.1, 0.2, 0.2]] * 4)
    audit = audited(record)
    assert full(audit).acc["inner-keep"] == 1
    assert full(audit).epoch_median["inner-keep"] == 2
    assert "inner" not in full(audit).index
    assert "--select inner" in audit.notes[0]


def test_missing_inner_runs_are_told_with_their_command(record):
    for seed in (0, 1, 2):
        record(last(), epochs=AFTER, seed=seed, config_name="quick", variant="epochs=3 rates=[0.5, 1]")
    assert audited(record).notes == [
        "no seed is recorded with inner selection: merbench run toy --protocol toys --data toy-data --config quick "
        "--set epochs=3 --set 'rates=[0.5, 1]' --seeds 0-2 --select inner"
    ]


def test_what_is_damaged_is_told_with_the_command_that_runs_it_again(record):
    folder = record(last(), epochs=AFTER)
    path = next(iter(sorted(folder.rglob("epochs.npz"))))
    path.write_bytes(path.read_bytes()[:-4])
    said = refusal(record, place=("--results", "here"))
    assert said.startswith(f"{path} has changed since it was recorded")
    again = "merbench run toy --protocol toys --data toy-data --seeds 0 --keep-epochs --results here"
    assert said.endswith(f": {again}")


def test_commands_name_the_results_folder_where_it_was_named(record):
    place = ("--results", "else where")
    assert refusal(record, place=place).endswith("--keep-epochs --results 'else where'")
    record(last(), epochs=AFTER)
    assert audited(record, place=place).notes[0].endswith("--select inner --results 'else where'")


def test_commands_name_the_very_seeds(record):
    record(last(), epochs=AFTER)
    file = audited(record).file
    for seeds, told in (([4], "4"), ([0, 1], "0-1"), ([0, 2, 3], "0,2,3")):
        assert run_command(file, "p", seeds, []).endswith(f"--seeds {told}")


def test_nothing_recorded_is_refused_with_the_command(record):
    assert refusal(record) == "no run of toy under toys is recorded: merbench run toy --protocol toys --keep-epochs"
    record(last())
    said = refusal(record)
    assert "no run of toy under toys kept predictions after each epoch" in said
    assert said.endswith("merbench run toy --protocol toys --keep-epochs")


def test_a_method_without_epochs_is_told_so(record):
    folder = record(last(), epochs={})
    asked = f"({folder.name} was asked to keep them, and has none)"
    assert refusal(record) == f"toy has no epochs to pick from {asked}: there is nothing to audit"


def test_a_run_whose_last_epoch_is_not_what_was_recorded_is_refused(record):
    record({**last(), "alpha/s1/c1": (NEG, POS), "beta/t2/c1": (SUR, NEG)}, epochs=AFTER)
    said = refusal(record)
    assert "gave 2 of 7 clips another class than its scores after the last epoch" in said
    assert said.endswith("can't be audited")


def test_a_run_with_holes_is_refused(record):
    folder = record(last(), epochs=AFTER, folds=FOLDS[:2])
    again = "merbench run toy --protocol toys --data toy-data --seeds 0 --keep-epochs"
    assert refusal(record) == (
        f"{folder.name} can't be audited, only whole runs can: 2 of 4 folds are not recorded: {again}"
    )


def spoilt(folder, how):
    """Spoil a whole run that kept its epochs; returns what an audit must say of it."""
    records = sorted(folder.glob("folds/*/record.json"))
    if how == "a fold is gone":
        shutil.rmtree(records[1].parent)
        return "can't be read: No such file or directory"
    if how == "no commit mark":
        (folder / "complete.json").unlink()
        return "has all its folds but is not put together"
    if how == "predictions changed":
        path = folder / "predictions.parquet"
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        return "has changed since it was recorded"
    if how == "one fold without epochs":
        told = json.loads(records[0].read_text(encoding="utf-8"))
        del told["checksums"]["epochs.npz"]
        records[0].write_text(json.dumps(told), encoding="utf-8")
        return f"{FOLDS[0]} kept no epochs"
    raise AssertionError(how)


@pytest.mark.parametrize("how", ["a fold is gone", "no commit mark", "predictions changed", "one fold without epochs"])
def test_a_seed_that_is_left_out_is_told_with_its_reason_and_its_command(record, how):
    folders = [record(last(), epochs=AFTER, seed=seed) for seed in (0, 1, 2)]
    why = spoilt(folders[1], how)
    audit = audited(record)
    assert [seed.seed for seed in audit.kept.seeds] == [0, 2]
    note = next(note for note in audit.notes if "left out" in note)
    assert note.startswith(f"seed 1 ({folders[1].name}) is left out: ")
    assert why in note
    assert note.endswith(": merbench run toy --protocol toys --data toy-data --seeds 1 --keep-epochs")


def test_a_seed_without_epochs_is_told_and_another_configuration_is_not(record):
    record(last(), epochs=AFTER)
    record(last(), seed=1)
    record(last(), seed=2, variant="epochs=3")
    (told,) = [note for note in audited(record).notes if "left out" in note]
    assert "seed 1" in told
    assert "it kept no epochs" in told


def test_a_run_recorded_here_is_never_replaced_by_a_committed_row_in_silence(record):
    shipped, _ = read_leaderboard()
    record(last(), epochs=AFTER, method="ststnet", protocol="megc2019", folds=FOLDS[:2])
    mine, _ = read_runs(record.results)
    wanted = Wanted("ststnet", "megc2019", "megc2019")
    with pytest.raises(MerbenchError, match=r"2 of 4 folds are not recorded: .* \(--leaderboard audits the committed"):
        read_audit(record.results, [*mine, *shipped], wanted)
    assert title(read_audit(record.results, shipped, wanted)).startswith("Audit of ststnet [leaderboard]: megc2019")


def test_several_configurations_must_be_chosen_from(record):
    record(last(), epochs=AFTER)
    record(last(), epochs=AFTER, variant="epochs=3")
    said = refusal(record)
    assert "default on toy-data; default epochs=3 on toy-data" in said
    assert "--config, --set, --data" in said
    assert audited(record, config={"variant": "epochs=3"}).file.variant == "epochs=3"
    assert "with data other" in refusal(record, data="other")


def test_runs_of_shuffled_labels_are_not_audited(record):
    record(last(), epochs=AFTER)
    known, _ = read_runs(record.results)
    shuffled = known[0].file.key.model_copy(update={"shuffled": True})
    object.__setattr__(known[0].file, "key", shuffled)
    with pytest.raises(MerbenchError, match="no run of toy under toys is recorded"):
        read_audit(record.results, known, Wanted("toy", "toys", "toys"))


def test_the_table_says_what_each_row_is(record):
    record(last(), epochs=AFTER)
    out = StringIO()
    print_audit(audited(record), Console(file=out, width=70))
    text = out.getvalue()
    for words in (
        "Audit of toy: toys on toy-data",
        "7 clips, 4 folds, 3 epochs, seed 0",
        "never a result, never ranked",
        "which no table should set beside pooled figures",
        "+.286",
        "UF1 by database",
        "--select inner",
    ):
        assert words in " ".join(text.split()) or words in text


def test_json_and_csv_tell_the_same(record):
    record(last(), epochs=AFTER)
    audit = audited(record)
    told = json.loads(as_json(audit))
    lines = list(csv.DictReader(StringIO(as_csv(audit))))
    assert [row["selection"] for row in told["rows"]] == [line["selection"] for line in lines]
    assert [row["uf1"] for row in told["rows"]] == [float(line["uf1"]) for line in lines]
    mixed = next(row for row in told["rows"] if row["selection"] == "oracle-mixed")
    assert mixed["uar"] is None
    first = next(each for each in told["picked"] if each["selection"] == "oracle-acc-first")
    assert dict(zip(told["folds"], first["epochs"], strict=True)) == dict(zip(FOLDS, [1, 2, 1, 3], strict=True))


def test_an_audit_of_made_data_or_with_warnings_says_so_in_every_format(record):
    record(last(), epochs=AFTER)
    plain = audited(record)
    record(last(), epochs=AFTER, protocol="others", synthetic=True, warnings=["subject-dependent: other clips"])
    audit = audited(record, protocol="others")
    told = json.loads(as_json(audit))
    assert (told["synthetic"], told["warnings"]) == (True, ["subject-dependent: other clips"])
    for line in csv.DictReader(StringIO(as_csv(audit))):
        assert (line["synthetic"], line["warnings"]) == ("true", "subject-dependent: other clips")
    assert "synthetic data, subject-dependent" in as_markdown(audit)
    assert "warnings" not in json.loads(as_json(plain))
    for line in csv.DictReader(StringIO(as_csv(plain))):
        assert line["synthetic"] == "false"
        assert "warnings" not in line


def test_the_figure_draws_a_curve_a_selection_and_marks_the_picks(record, inner):
    record(last(), epochs=AFTER)
    folder = record(last(), selection="inner")
    inner[folder.name] = np.array([[0.1, 0.2, 0.3]] * 4)
    audit = audited(record)
    with style():
        figure = audit_figure(audit)
        assert as_png(figure).startswith(b"\x89PNG")
    curves, *strips = figure.axes
    assert len(strips) == 4
    (black,) = [line for line in curves.lines if line.get_label().startswith("last epoch")]
    assert black.get_ydata().tolist() == pytest.approx(
        audit.curves[audit.curves.selection == "last"].uf1.tolist(), nan_ok=False
    )
    for axes in strips:
        assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(1)


@pytest.mark.filterwarnings("error")
def test_a_method_of_one_epoch_can_be_drawn(record):
    after = {clip: given[:1] for clip, given in AFTER.items()}
    record(last(after), epochs=after)
    with style():
        assert as_png(audit_figure(audited(record))).startswith(b"\x89PNG")


@pytest.mark.parametrize("folder", AUDITS, ids=lambda folder: folder.name)
def test_committed_audits_come_out_again_from_the_leaderboard(folder, tmp_path):
    committed = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    known, problems = read_leaderboard()
    assert problems == []
    wanted = Wanted(committed["method"], committed["protocol"], committed["protocol"])
    *_, picture = write_audit(read_audit(tmp_path, known, wanted), tmp_path)
    again = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    rows, rows_again = committed.pop("rows"), again.pop("rows")
    assert again == committed
    assert len(rows_again) == len(rows)
    for row, other in zip(rows, rows_again, strict=True):
        assert other == pytest.approx(row, abs=2e-6)
    lines, lines_again = ((path / "audit.csv").read_text(encoding="utf-8").splitlines() for path in (folder, tmp_path))
    assert lines_again[0] == lines[0]
    assert len(lines_again) == len(lines) == len(rows) + 1
    text, text_again = ((path / "audit.md").read_text(encoding="utf-8") for path in (folder, tmp_path))
    assert text_again == text
    for path in (picture, folder / "audit.png"):
        assert path.read_bytes().startswith(b"\x89PNG")


def test_the_page_on_reading_a_result_shows_the_committed_audit():
    page = (ROOT / "docs" / "reading-a-result.md").read_text(encoding="utf-8")
    shown = page.partition("<!-- audit:begin -->\n")[2].partition("<!-- audit:end -->")[0]
    assert shown == (ROOT / "results" / "audits" / "ststnet-megc2019" / "audit.md").read_text(encoding="utf-8")
