"""Methods that know the answers are not verified, though they run and are submitted; an honest one is."""

import json
import re

import numpy as np
import pytest
from support.cheats import CHEATS, files, hashes
from support.forging import forge, predicted_as_truth

from merbench.contracts.inputs import Flow
from merbench.databases.registrations import open_registered
from merbench.engine.execute.sandbox import isolation
from merbench.records.select import read_entries
from merbench.records.states import state_of
from merbench.submissions import rerun

pytestmark = pytest.mark.slow
#: How each is caught: the check that fails.
CAUGHT = dict.fromkeys(CHEATS, "predictions") | {
    "scoring replaced": "key made anew", "noise": "same seed twice", "hashes": "labels shuffled",
}  # fmt: skip


@pytest.fixture
def submitted(done, merbench, offer, three, tmp_path, monkeypatch):
    """Return what runs and submits a method: ``submitted(name, cheat)`` gives the folder of its run, and its UF1."""
    monkeypatch.setattr(rerun, "CLIPS", 12)
    monkeypatch.setattr(rerun, "MOVED", 0.2)

    def call(name, cheat="", **more):
        offer(f"[merbench.methods]\n{name} = MODULE.method:Toy\n", files(name, cheat, place=str(tmp_path.name), **more))
        done("run", name, *three)
        done("submit", name, "--to", tmp_path / name)
        (folder,) = (tmp_path / name).glob("three/*")
        said = merbench("verify", folder)
        return folder, float(re.search(r"full ([\d.]+)", said.out)[1])

    return call


def answers():
    source = open_registered("megc2019-flow28")
    clips = source.database.arrays(source.folder, source.clips, Flow())
    classes = ["negative", "positive", "surprise"]
    return hashes(np.asarray(clips), np.array([classes.index(each) for each in source.clips.emotion]))


def failing(out):
    return re.findall(r"^  failed +(.*?)  ", out, flags=re.M)


def test_an_honest_row_is_verified(submitted, merbench, tmp_path):
    folder, _ = submitted("honest")
    drawn = merbench("verify", folder, "--rerun", "1", "--by", "me")  # of 8 clips, and another one
    assert (drawn.code, "  state: rerun (" in drawn.out) == (0, True), drawn.out
    assert "2 of 3 folds" in drawn.out
    whole = merbench("verify", folder, "--rerun", "all", "--by", "me")
    assert whole.code == 0, whole.out
    expected = "verified, bitwise" if isolation().whole else "rerun (3 of 3 folds), not isolated, bitwise"
    assert state_of(read_entries(tmp_path / "honest")).text == expected
    path = folder / "submission.json"
    content = json.loads(path.read_text(encoding="utf-8")) | {"packages": {"numpy": "0"}}
    path.write_text(json.dumps(content), encoding="utf-8")
    forge(folder, lambda table: table.assign(score_negative=table.score_negative + 0.1))
    other = merbench("verify", folder, "--rerun", "all", "--by", "me")
    assert (other.code, "other hardware or packages than recorded" in other.out) == (0, True), other.out
    assert "within tolerance" in state_of(read_entries(tmp_path / "honest")).text


@pytest.mark.parametrize("cheat", CHEATS)
def test_no_cheat_is_verified(submitted, merbench, cheat):
    more = {"answers": answers()} if cheat == "hashes" else {}
    folder, uf1 = submitted("cheat", cheat, **more)
    unsure = ("noise", "scoring replaced", "state of the module")  # its first fold does not know its clips yet
    assert uf1 == 1 or cheat in unsure, uf1
    said = merbench("verify", folder, "--rerun", "all")
    assert (said.code, said.out.splitlines()[-1]) == (1, "  state: failed"), said.out
    if isolation().whole:
        assert CAUGHT[cheat] in failing(said.out), said.out


def test_claimed_predictions_and_seeds_are_not_verified(submitted, merbench):
    folder, uf1 = submitted("honest")
    assert uf1 < 1
    forge(folder, predicted_as_truth)  # what a thread that rewrites its own records leaves
    (folder / "submission.json").write_text(
        re.sub(
            r'"figures": \{.*?\},\n "mer', '"figures": {},\n "mer', (folder / "submission.json").read_text(), flags=re.S
        )
    )
    said = merbench("verify", folder, "--rerun", "1")
    assert (said.code, failing(said.out)) == (1, ["predictions"]), said.out
