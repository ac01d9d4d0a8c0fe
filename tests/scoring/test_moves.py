import pandas as pd
import pytest

from merbench.scoring.moves import moved_clips, moved_subjects

TRUTH = {"s1/c1": "neg", "s1/c2": "pos", "s2/c1": "neg", "s2/c2": "sur", "s3/c1": "pos"}


def table(*said):
    rows = [("a", *name.split("/"), truth, answer) for (name, truth), answer in zip(TRUTH.items(), said, strict=True)]
    return pd.DataFrame(rows, columns=["dataset", "subject", "clip", "truth", "predicted"])


# Right, by clip: of two seeds 2, 1, 0, 2, 1; of the one other seed 1, 1, 1, 0, 0.
ROW = [table("neg", "pos", "pos", "sur", "pos"), table("neg", "neg", "pos", "sur", "neg")]
OTHER = [table("neg", "pos", "neg", "pos", "sur")]


def test_moved_clips_come_largest_first_and_gains_before_losses():
    found = moved_clips(ROW, OTHER)
    assert (found.subject + "/" + found["clip"]).tolist() == ["s2/c2", "s2/c1", "s3/c1", "s1/c2"]
    assert found.change.tolist() == [1.0, -1.0, 0.5, -0.5]
    assert list(zip(found.right, found.other_right, strict=True)) == [(2, 0), (0, 1), (1, 0), (1, 1)]
    assert found.truth.tolist() == ["sur", "neg", "pos", "pos"]
    assert found.said.tolist() == ["sur", "pos", "neg", "neg"]  # of answers as frequent, the first by name
    assert found.other_said.tolist() == ["pos", "neg", "sur", "pos"]


def test_subjects_have_their_mean_number_of_right_clips():
    found = moved_subjects(ROW, OTHER)
    assert found.subject.tolist() == ["s3", "s1", "s2"]
    assert found.clips.tolist() == [1, 2, 2]
    assert found.right.tolist() == [0.5, 1.5, 1.0]
    assert found.other_right.tolist() == [0.0, 2.0, 1.0]
    assert found.change.tolist() == [0.5, -0.5, 0.0]


def test_equal_rows_and_other_orders_move_no_clip():
    assert moved_clips(ROW, [*ROW, *ROW]).empty
    assert moved_subjects(ROW, [*ROW, *ROW]).change.tolist() == [0.0] * 3
    seeds = [ROW[0], ROW[1], ROW[1]]
    assert moved_clips(seeds, seeds * 2).empty  # thirds that are equal but for rounding
    turned = [each.sample(frac=1, random_state=1) for each in ROW]
    pd.testing.assert_frame_equal(moved_clips(turned, OTHER), moved_clips(ROW, OTHER))
    pd.testing.assert_frame_equal(moved_subjects(turned, OTHER), moved_subjects(ROW, OTHER))
    found = moved_subjects([table("pos", "neg", "pos", "neg", "neg")], OTHER)  # never right
    assert found.right.tolist() == [0.0] * 3
    assert found.change.sum() == pytest.approx(-3)
