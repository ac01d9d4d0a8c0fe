"""Commands about a few runs read no other, and a run is found by its digest wherever it is."""

import pytest

from merbench.records import select
from merbench.records.select import read_leaderboard


@pytest.fixture
def read(monkeypatch):
    """Return the ids of the runs that were opened."""
    opened = []
    for name in ("read_run", "read_entry"):
        reads = getattr(select, name)
        monkeypatch.setattr(select, name, lambda path, reads=reads: opened.append(path.name) or reads(path))
    return opened


def test_a_command_opens_the_runs_that_it_is_about(record, answers, right, merbench, read):
    ids = {
        (method, protocol, seed): record(right if seed else answers, method=method, protocol=protocol, seed=seed).name
        for method in ("one", "one-more", "two", "My net")
        for protocol in ("toys", "toys-too")
        for seed in (0, 1)
    }
    place = ("--results", record.results)
    for words, methods, protocols in (
        ("compare one", {"one", "one-more"}, {"toys", "toys-too"}),  # an id does not say where the method ends
        ("compare one-more two --protocol toys", {"one-more", "two"}, {"toys"}),
        ("compare --protocol toys-too", {"one", "one-more", "two", "My net"}, {"toys-too"}),
        ("compare two --protocol toys --sanity", {"one", "one-more", "two", "My net"}, {"toys"}),
        ("explain one two --protocol toys", {"one", "one-more", "two"}, {"toys"}),
        (f"explain {ids['one', 'toys', 0]} {ids['two', 'toys', 1]}", {"one", "two"}, {"toys"}),
        ("audit two --protocol toys", {"two"}, {"toys", "toys-too"}),
        (f"show {ids['two', 'toys', 1]} --no-figures", {"two"}, {"toys"}),
    ):
        read.clear()
        said = merbench(*words.split(), *place)
        assert said.code in (0, 2), said
        fitting = {name for (method, protocol, _), name in ids.items() if method in methods and protocol in protocols}
        if words.startswith(("explain one-", "show")):
            fitting = {word for word in words.split() if word in ids.values()}
        assert set(read) & set(ids.values()) == fitting, words
        assert len([name for name in read if name in fitting]) == len(fitting), words
        assert all(name.startswith("two-") for name in read if name not in ids.values())
    assert merbench("explain", "My net", "two", "-p", "toys", *place).code == 0  # "my-net-toys-s0-..."


def test_a_run_is_found_by_its_digest_wherever_it_is(record, answers, done, refused, tmp_path):
    committed = read_leaderboard().where(method="svm-flow", protocol="megc2019", data="megc2019-flow28")[0]
    folder = ("--results", tmp_path / "empty", "--no-figures")
    for name in (committed.key_digest, committed.key_digest[:8], committed.file.run_id):
        assert ".7182" in done("show", name, *folder), name
    mine = record(answers, method="mine")
    digest = mine.name.rpartition("-")[2]
    assert "mine" in done("show", digest, "--results", record.results, "--no-figures")
    for name in ("0" * 64, committed.key_digest[:10] + "0" * 54, committed.key_digest[:5], "svm-flow-megc"):
        refused("show", name, *folder)
