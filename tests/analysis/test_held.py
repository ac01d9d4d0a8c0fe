"""Runs held against their truth: every forgery of clips, labels and folds is named, and gets no rank."""

import json
import shutil
from pathlib import Path

import pandas as pd
from support.damage import edit
from support.forging import (
    MALFORMED,
    forge,
    only_right_ones,
    predicted_as_truth,
    truth_as_predicted,
    truth_moved_within_people,
)
from support.refusals import refusal

from merbench.analysis.held import HeldRun, hold, hold_all
from merbench.analysis.rows import measured_rows
from merbench.engine.plan.truths import truths
from merbench.records.entries import read_entry
from merbench.records.folder import RunFolder
from merbench.records.read import read_run
from merbench.records.select import Runs, read_leaderboard, read_runs

LEADERBOARD = Path(__file__).parents[2] / "results" / "leaderboard" / "megc2019"


def renamed(table):
    return table.assign(subject=["s9", *table.subject[1:]])


def synthetic_clips(table):
    return table.assign(clip="synthetic " + table["clip"])


#: Name -> what is rewritten, and the words that name it.
FORGERIES = {
    "truth": ({"table": truth_as_predicted}, ["other labels of 2 clips: alpha/s1/c2 (negative, not positive)"]),
    "fewer clips": (
        {"table": only_right_ones, "folds": {"alpha/s1": 1, "alpha/s2": 2, "beta/t1": 2}},
        ["2 folds have other numbers of clips: alpha/s1 (1, not 2)", "2 of 7 clips are missing: alpha/s1/c2"],
    ),
    "another clip": ({"table": renamed}, ["1 clips that it does not have: alpha/s9/c1", "1 of 7 clips are missing"]),
    "another fold": ({"folds": {"alpha/s1": 4, "beta/t1": 3}}, ["alpha/s1 (4, not 2), alpha/s2 (0, not 2)"]),
    "training": ({"key": {"split_digest": "0" * 64}}, ["not who is trained on in each fold (split 00000000, not "]),
    "truth within a person": (
        {"table": truth_moved_within_people},
        ["other labels of 4 clips: alpha/s1/c1 (positive, not negative)"],
    ),
    "fewer clips, split along": (
        {
            "table": only_right_ones,
            "folds": {"alpha/s1": 1, "alpha/s2": 2, "beta/t1": 2},
            "key": {"split_digest": "1" * 64},
        },
        ["2 of 7 clips are missing: alpha/s1/c2"],
    ),
    "folds under other names": (
        {"folds": {"alpha/s1": 2, "alpha/s2": 2, "beta/t2": 3}},
        ["beta/t1 (0, not 3), beta/t2 (3, not 0)"],
    ),
    "classes": ({"outputs": ["positive", "negative", "surprise"]}, ["its classes are positive, negative, surprise"]),
    "parts": ({"parts": {"full": "Full"}}, ["its parts are full, not full, alpha, beta"]),
}


def test_forged_clips_labels_and_folds_are_named(record, answers, tmp_path):
    folder = record(answers)
    (truth,) = record.truths.values()
    for name, (forgery, words) in FORGERIES.items():
        copy = forge(shutil.copytree(folder, tmp_path / name / folder.name), **forgery)
        run = read_run(copy)
        assert (run.complete, run.problems) == (True, []), name
        found, said = hold(run, truth, tmp_path / "held")
        assert not isinstance(found, HeldRun), name
        assert said.startswith(f"{copy.name} differs from the clips of the test: "), name
        assert all(word in said for word in words), (name, said)
        assert [row.ranked for row in measured_rows([found])[0]] == [False], name
    assert not (tmp_path / "held").exists()


#: Name -> what is rewritten, and the words that say how run.json contradicts itself.
CONTRADICTIONS = {
    "another run's name": ({"run_id": "toy-toys-s0-0123456789"}, "the run of its key is called toy-toys-s0-"),
    "another seed": ({"key": {"seed": 3}, "run_id": "toy-toys-s0-0123456789"}, "its key is called toy-toys-s3-"),
    "another method": ({"method": "medn"}, "the run of its key is called medn-toys-s0-"),
    "another method, name along": ({"method": "medn", "key": {"seed": 0}}, "its method is medn, the key's is toy"),
    "shuffled labels": ({"key": {"shuffled": True}}, "its labels were shuffled, so it is a sanity row"),
    "transductive": ({"key": {"transductive": True}}, "its key says 'transductive', its disclosures do not"),
    "AU labels": ({"key": {"au_labels_at_test": True}}, "its key says 'AU labels at test', its"),
    "pretrained": ({"key": {"input_digests": {"casme3:clips": "0"}}}, "its key says 'pretrained on', its"),
    "imported": ({"admissions": ["imported: training not seen"]}, "its training was not seen, so it is imported"),
    "imported, selection": ({"key": {"selection": "unknown"}}, "its training was not seen, so it is imported"),
}


def test_a_run_that_contradicts_itself_is_taken_out(record, answers, tmp_path):
    folder = record(answers)
    (truth,) = record.truths.values()
    for name, (forgery, words) in CONTRADICTIONS.items():
        run = read_run(forge(shutil.copytree(folder, tmp_path / name / folder.name), **forgery))
        for known in (truth, "nothing is known"):
            (found, said), runs = hold(run, known), hold_all(Runs([run]), lambda _, known=known: known)
            assert said.startswith(f"{run.file.run_id}: run.json contradicts itself: "), name
            assert (words in said, found is run, list(runs), runs.problems) == (True, True, [], [said]), (name, said)


#: What is too long to be shown with a row.
LONG = {
    "remark": "x" * 201, "warnings": ["x" * 201], "admissions": ["x"] * 21, "data": "x" * 201, "variant": "x" * 1001,
    "method": "x" * 201, "outputs": ["x" * 201], "parts": {"full": "x" * 201}, "method_source": "x" * 201,
    "created": "x" * 201, "imported": "x" * 256,
}  # fmt: skip


def test_tables_that_are_not_predictions_are_not_scored(record, answers, tmp_path):
    folder, cache = record(answers), tmp_path / "cache"
    (truth,) = record.truths.values()
    entry = next(LEADERBOARD.glob("svm-flow*"))
    for name, (table, words) in MALFORMED.items():
        copy = forge(shutil.copytree(folder, tmp_path / name / folder.name), table, mark={"clips": 7})
        for _ in range(3):  # whatever was kept of the first reading
            (row,) = measured_rows(hold_all(Runs([read_run(copy)]), lambda _: truth, cache), cache=cache)[0]
            assert (row.ranked, row.status) == (False, "partial"), name
            assert any(words in remark for remark in row.remarks), (name, row.remarks)
        copy = shutil.copytree(entry, tmp_path / "board" / name / "megc2019" / entry.name)
        words = "scores must be numbers" if name == "no score" else words  # an empty cell
        assert words in refusal(read_entry, forge(copy, table)), name
    for field, value in LONG.items():
        copy = shutil.copytree(folder, tmp_path / "long" / field / folder.name)
        edit(copy / "run.json", **{field: value})
        assert f"run.json is not valid: {field}" in refusal(read_run, copy), field
    (folder / "run.json").write_bytes(b" " * (9 << 20))
    assert "run.json has 9 MiB, a record has at most 8" in refusal(read_run, folder)


def test_a_run_with_missing_folds_is_held_in_the_recorded_ones(record, answers, tmp_path):
    folder = record(answers, folds=["alpha/s2", "beta/t1"])
    (truth,) = record.truths.values()
    found, said = hold(read_run(folder), truth)
    assert (isinstance(found, HeldRun), said) == (True, "")
    other = record({**answers, "alpha/s2/c1": ("surprise", "surprise")}, method="other", folds=["alpha/s2"])
    assert "its clips and labels agree" not in (line := hold(read_run(other), truth)[1])
    assert "other labels of 1 clips: alpha/s2/c1 (surprise, not negative)" in line


def test_what_agreed_once_is_not_read_again(record, answers, tmp_path, monkeypatch):
    folder, cache = record(answers), tmp_path / "held"
    (truth,) = record.truths.values()
    runs = Runs([read_run(folder)])
    assert hold_all(runs, lambda _: truth, cache).problems == []
    monkeypatch.setattr(pd, "read_parquet", None)
    monkeypatch.setattr("merbench.analysis.held._differences", None)
    (again,) = hold_all(Runs([read_run(folder)]), lambda _: truth, cache)
    assert (type(again), again.origin_of_truth) == (HeldRun, "the clips of the test")
    assert len(list(cache.iterdir())) == 1


def test_what_has_no_truth_is_shown_without_rank(record, answers):
    record(answers)
    (run,) = read_runs(record.results)
    (row,), _ = measured_rows([run])
    assert (row.ranked, row.compared_with, row.status) == (False, None, "complete")
    (row,), _ = measured_rows(hold_all(Runs([run]), lambda _: "add alpha"))
    assert "not ranked: its clips and labels could not be compared with its protocol: add alpha" in row.remarks
    assert row.records()[0]["compared_with"] is None


def test_committed_rows_are_held_against_the_official_list(tmp_path):
    find = truths()
    assert hold_all(read_leaderboard(), find).problems == []
    entry = next(LEADERBOARD.glob("svm-flow*"))
    forgeries = {
        "truth": ({"table": truth_as_predicted}, "other labels of "),
        "86 hard clips": ({"table": only_right_ones}, " of 442 clips are missing: "),
        "synthetic clips": (
            {"table": synthetic_clips},
            "442 clips that it does not have: casme2/sub01/synthetic EP02_01f",
        ),
    }
    for name, (forgery, words) in forgeries.items():
        copy = shutil.copytree(entry, tmp_path / name / "megc2019" / entry.name)
        table = forgery["table"](pd.read_csv(copy / "predictions.csv", dtype=str))
        counts = (table.dataset + "/" + table.subject).value_counts().to_dict()
        forge(copy, forgery["table"], folds=counts)
        run = read_entry(copy)
        found, said = hold(run, find(run.file))
        assert not isinstance(found, HeldRun), name
        assert f"{run.file.run_id} differs from the official list of megc2019: " in said, name
        assert words in said, name


#: Name -> what is claimed throughout: only running the method again would show it (docs/faults.md).
CLAIMED = {
    "predictions": {"table": predicted_as_truth},
    "seed": {"key": {"seed": 3}},
    "code": {"key": {"code_digest": "0" * 64}},
    "inputs": {"key": {"input_digests": {"flow": "0" * 64}}},
    "commit": {"git_commit": "0" * 40},
}


def test_committed_rows_of_crossed_databases_are_held_against_the_list_of_their_release(tmp_path):
    (entry,) = (LEADERBOARD.parent / "cross-casme2-to-samm").glob("svm-flow*")
    run = read_entry(entry)
    found, said = hold(run, truths()(run.file))
    assert (isinstance(found, HeldRun), said) == (True, "")
    copy = shutil.copytree(entry, tmp_path / entry.parent.name / entry.name)
    forged = read_entry(forge(copy, truth_as_predicted))
    assert "other labels of 47 clips" in hold(forged, truths()(forged.file))[1]


def test_claims_that_only_a_rerun_shows_are_held_as_they_stand(tmp_path):
    entry, find = next(LEADERBOARD.glob("svm-flow*")), truths()
    for name, forgery in CLAIMED.items():
        copy = shutil.copytree(entry, tmp_path / name / "megc2019" / entry.name)
        run = read_entry(forge(copy, **{"table": lambda table: table} | forgery))
        found, said = hold(run, find(run.file))
        assert (isinstance(found, HeldRun), said) == (True, ""), name


def test_titles_of_parts_are_those_of_the_protocol(tmp_path):
    entry = next(LEADERBOARD.glob("svm-flow*"))
    copy = shutil.copytree(entry, tmp_path / "megc2019" / entry.name)
    parts = read_entry(entry).file.parts
    forge(copy, lambda table: table, parts=dict(zip(parts, reversed(parts.values()), strict=True)))
    run = read_entry(copy)
    assert run.file.parts != parts
    found, said = hold(run, truths()(run.file))
    assert said == ""
    assert found.file.parts == parts


def test_a_committed_row_that_names_other_annotations_or_folders_is_refused(tmp_path):
    entry, find = next(LEADERBOARD.glob("svm-flow*")), truths()
    copy = forge(shutil.copytree(entry, tmp_path / "megc2019" / entry.name), key={"data_digest": "0" * 64})
    run = read_entry(copy)
    said = hold(run, find(run.file))[1]
    assert "its annotations are not those of megc2019-flow28 (00000000, not 673ca11d)" in said
    for folder, words in (
        ("megc2019/other", "the folder must have the run's name"),
        (f"casme2-3/{entry.name}", "runs"),
    ):
        copy = shutil.copytree(entry, tmp_path / "moved" / folder)
        assert ("it belongs in a folder of that name" if words == "runs" else words) in refusal(read_entry, copy)
    own = shutil.copytree(entry, tmp_path / "runs" / "another-name")
    assert "another-name" in refusal(read_run, own)


def test_a_run_that_names_other_protocols_or_data_has_no_truth(tmp_path):
    entry, find = next(LEADERBOARD.glob("svm-flow*")), truths()
    file = read_entry(entry).file
    changes = {
        "no protocol megc2019 of this meaning (specification 00000000) is registered": {"spec_digest": "0" * 64},
        "no protocol nowhere of this meaning": {"protocol": "nowhere"},
        "synthetic-small is not registered on this machine: merbench check-protocol megc2019 --data": {
            "synthetic": True, "data": "synthetic-small",
        },
    }  # fmt: skip
    for words, change in changes.items():
        key = {name: value for name, value in change.items() if name == "spec_digest"}
        fields = {name: value for name, value in change.items() if name not in key}
        found = find(file.model_copy(update=fields | {"key": file.key.model_copy(update=key)}))
        assert isinstance(found, str), words
        assert found.startswith(words), json.dumps(found)


#: What is outside the key of a run, and was changed in silence once.
EDITS = {
    "synthetic": True, "method": "medn", "config_name": "full", "variant": "epochs=5", "sanity": True, "data": "casme2",
    "admissions": ["transductive"], "parts": {"full": "Everything"}, "remark": "ours", "created": "2020-01-01",
    "deterministic": True, "git_commit": "0" * 40, "warnings": ["none"], "outputs": ["b", "a"],
}  # fmt: skip


def test_every_change_of_run_json_is_noticed(record, answers, tmp_path):
    folder = record(answers)
    entry = next(LEADERBOARD.glob("ststnet*"))
    for name, value in EDITS.items():
        copy = shutil.copytree(folder, tmp_path / name / folder.name)
        edit(copy / "run.json", **{name: value})
        run = read_run(copy)
        assert run.mark is None, name
        assert f"{copy / 'run.json'} has changed since the run was recorded" in run.problems[0], name
        assert [row.ranked for row in measured_rows([run])[0]] == [False], name
        copy = shutil.copytree(entry, tmp_path / "board" / name / "megc2019" / entry.name)
        edit(copy / "run.json", **{name: value})
        assert "run.json has changed since the run was recorded" in refusal(read_entry, copy), name
    mark = json.loads((folder / "complete.json").read_text(encoding="utf-8"))
    (folder / "complete.json").write_text(json.dumps({k: v for k, v in mark.items() if k != "run_digest"}))
    run = read_run(folder)
    assert (run.mark, "complete.json was written by an earlier version" in run.problems[0]) == (None, True)


def test_a_card_that_says_more_leaves_the_run_complete(record, answers):
    folder = RunFolder(record(answers))
    file = folder.read_run()
    assert folder.start(file.model_copy(update={"remark": "a reconstruction"})) == ""
    run = read_run(folder.path)
    assert (run.file.remark, run.complete, run.problems) == ("a reconstruction", True, [])
