"""``merbench folds``: who is trained on and tested, with classes and files."""

import csv
import io
import json
from pathlib import Path

import pytest

FRAMED = """\
name: framed
title: Framed
summary: CASME II in a few clips.
source: {text: made for the tests}
classes: [negative, positive, surprise]
datasets:
  casme2: {title: CASME II, classes: {negative: [disgust, repression], positive: [happiness], surprise: [surprise]}}
left_out: [{dataset: casme2, reason: no class, emotions: [others, sadness]}]
folds: leave-one-subject-out
"""


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def framed(miniature, tmp_path):
    """Return the options for a copy of CASME II: its protocol and its folder."""
    (tmp_path / "framed.yaml").write_text(FRAMED, encoding="utf-8")
    return "--protocol", tmp_path / "framed.yaml", "--data", miniature.write_casme2(tmp_path / "CASME2")


def test_each_fold_lists_its_clips_with_classes_and_frames(merbench, framed):
    said = merbench("folds", *framed)
    assert said.code == 0, said.err
    rows = read(said.out)
    assert list(rows[0]) == [
        "fold", "role", "dataset", "subject", "clip", "class", "onset_frame", "apex_frame", "offset_frame"
    ]  # fmt: skip
    assert {(row["fold"], row["role"]) for row in rows} == {
        (f"casme2/sub0{number}", role) for number in (1, 2, 3) for role in ("train", "test")
    }
    assert all((row["role"] == "test") == (row["fold"] == f"casme2/{row['subject']}") for row in rows)
    assert len(rows) == 3 * 4  # of six clips two are excluded
    (clip,) = [row for row in rows if row["clip"] == "EP21_01f" and row["role"] == "test"]
    assert clip["class"] == "positive"
    names = [Path(clip[f"{mark}_frame"]).name for mark in ("onset", "apex", "offset")]
    assert names == ["img46.jpg", "img49.jpg", "img53.jpg"]
    assert all(Path(row["apex_frame"]).is_file() for row in rows)


def test_people_are_held_out_within_by_the_seed_of_a_run(merbench, framed):
    lists = {seed: read(merbench("folds", *framed, "--inner", "--seed", seed).out) for seed in range(4)}
    held_out = {
        seed: {row["fold"]: row["subject"] for row in rows if row["role"] == "validation"}
        for seed, rows in lists.items()
    }
    for seed, rows in lists.items():
        assert len(rows) == 3 * 4
        for row in rows:
            assert (row["role"] == "validation") == (row["subject"] == held_out[seed][row["fold"]]), row
    assert len({tuple(people.items()) for people in held_out.values()}) > 1


def test_a_release_has_images_and_json_the_same_rows(merbench, small):
    said = merbench("folds", *small)
    rows = read(said.out)
    assert len(rows) == 9 * 24
    assert list(rows[0])[-1] == "image"
    assert all(Path(row["image"]).is_file() for row in rows)
    assert json.loads(merbench("folds", *small, "--format", "json").out) == rows


def test_an_official_list_needs_no_data(merbench):
    said = merbench("folds", "--protocol", "megc2019")
    rows = read(said.out)
    assert list(rows[0]) == ["fold", "role", "dataset", "subject", "clip", "class"]
    assert len(rows) == 68 * 442
    assert said.err.startswith("data: the official list of megc2019, without paths")


def test_folds_without_data_or_list_are_refused(all_refused):
    all_refused(
        "folds --protocol casme2-5|folds --protocol dfme-7|folds --protocol megc2019 --format table|"
        "folds --protocol megc2019 --data casme2|folds"
    )
