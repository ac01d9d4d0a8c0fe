"""Runs are found by one query, and the newest version by its counter."""

import os
from dataclasses import replace

import pytest

from merbench.contracts.errors import MerbenchError
from merbench.records import select
from merbench.records.read import read_run
from merbench.records.select import Runs, find_run, read_leaderboard, read_runs


def names(runs):
    return [run.file.run_id for run in runs]


def test_runs_are_chosen_by_any_of_their_fields(record, answers):
    one = record(answers, method="one").name
    two = record(answers, method="two", seed=1, variant="epochs=5", selection="inner", data="else").name
    part = record(answers, method="two", seed=2, folds=["alpha/s1"]).name
    runs = read_runs(record.results)
    for wanted, expected in (
        ({}, {one, two, part}),
        ({"method": "two"}, {two, part}),
        ({"method": ["one", "two"], "seed": (0, 2)}, {one, part}),
        ({"method": None, "data": "else"}, {two}),
        ({"selection": "inner", "variant": "epochs=5", "config": "default", "protocol": "toys"}, {two}),
        ({"complete": True, "method": "two"}, {two}),
        ({"settings": {"variant": "epochs=5"}}, {two}),
        ({"settings": {"absent": None}}, set()),
        ({"seed": 0, "shuffled": False, "sanity": False, "origin": "measured", "run_id": one}, {one}),
        ({"task": "au-detection"}, set()),
    ):
        assert set(names(runs.where(**wanted))) == expected, wanted
    with pytest.raises(KeyError):
        runs.where(colour="red")


def test_the_newest_version_is_the_one_with_the_highest_counter(record, answers):
    old = [record(answers, code="old", seed=seed, created="2027-01-01T00:00:00+00:00").name for seed in (1, 0)]
    new = record(answers, code="new", created="2026-01-01T00:00:00+00:00").name
    other = record(answers, method="other").name
    runs = read_runs(record.results)
    assert {run.file.sequence for run in runs.where(run_id=old)} == {1, 2}
    assert runs.where(run_id=new)[0].file.sequence == 3
    assert set(names(runs.newest())) == {new, other}
    versions = runs.where(method="toy").versions()
    assert [names(version) for version in versions] == [[new], old[::-1]]
    for run in runs:  # without counters `created` decides, then the id
        run.file = run.file.model_copy(update={"sequence": None})
    assert set(names(runs.newest())) == {*old, other}
    for run in runs:
        run.file = run.file.model_copy(update={"created": ""})
    assert set(names(runs.newest())) == {*(old if max(old) > new else [new]), other}


def test_a_run_without_a_counter_is_written_without_it(record, answers):
    run = read_run(record(answers))
    assert '"sequence":1' in run.file.model_dump_json()
    older = [committed for committed in read_leaderboard() if committed.file.sequence is None]
    assert older
    for committed in older:
        text = committed.file.model_dump_json(indent=1) + "\n"
        assert "sequence" not in text
        assert '"admissions"' in text


def test_a_run_measured_here_replaces_the_committed_one(record, answers):
    record(answers)
    mine, committed = read_runs(record.results), read_leaderboard()
    both = mine + committed
    assert names(both.distinct()) == names(both)
    same = Runs([replace(committed[0], file=mine[0].file)])
    found = (same + mine).distinct()
    assert [run.origin for run in found] == ["measured"]
    for field in ("data", "protocol", "config_name"):  # none of them is in the key
        other = replace(committed[0], file=mine[0].file.model_copy(update={field: "another"}))
        assert len((Runs([other]) + mine).distinct()) == 2, field


def test_a_run_is_found_by_its_id_or_the_beginning_of_it(record, answers):
    with pytest.raises(MerbenchError, match="merbench run"):
        find_run(record.results, "toy")
    one, two = (record(answers, method=method).name for method in ("toy", "toy-two"))
    assert find_run(record.results, one).file.run_id == one
    assert find_run(record.results, "toy-two").file.run_id == two
    with pytest.raises(MerbenchError, match=f"{min(one, two)}, {max(one, two)}"):
        find_run(record.results, "toy")
    with pytest.raises(MerbenchError, match="'tyo'"):
        find_run(record.results, "tyo")


def test_a_committed_run_has_neither_folds_nor_diagnostics():
    run = read_leaderboard().where(method="ststnet", protocol="megc2019", selection="last")[0]
    assert (run.diagnostics("samm/006"), run.first_record(), run.without_epochs()) == ({}, None, [])
    clips = run.clips()
    assert (clips.fold == clips.dataset + "/" + clips.subject).all()
    assert run.inner() is None
    predicted, ends = run.epochs()
    assert predicted.shape == (442, 800)
    assert set(ends) == {800}
    run.forget()
    assert len(run.predictions) == 442


def test_what_one_folder_holds_stops_no_other(record, answers, monkeypatch):
    names_of = ("run.json", "complete.json", "predictions.parquet")
    folders = [record(answers, seed=seed) for seed in range(5)]
    for folder, name in zip(folders, names_of, strict=False):
        (folder / name).unlink()
        os.mkfifo(folder / name)
    (folders[3] / "run.json").write_text(" " * (9 << 20))
    runs = read_runs(record.results)
    assert [run.file.key.seed for run in runs] == [1, 2, 4]
    assert ["is a pipe, expected a plain file" in line or "has 9 MiB" in line for line in runs.problems] == [True, True]
    by_seed = {run.file.key.seed: run for run in runs}
    assert all("is a pipe, expected a plain file" in by_seed[seed].problems[0] for seed in (1, 2))
    assert by_seed[4].complete
    reads = select.read_run

    def failing(folder):
        return reads(folder) if folder != folders[4] else None + 1

    monkeypatch.setattr(select, "read_run", failing)
    assert sum("TypeError" in line for line in read_runs(record.results).problems) == 1
