import numpy as np
import pandas as pd
import pytest

from merbench.contracts.clips import CLIP_COLUMNS, IDENTITY, clip_name, clip_names, clip_table, clips_digest
from merbench.contracts.errors import DataError


@pytest.fixture
def rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": ["samm", "casme2", "casme2"],
            "subject": ["006", "sub02", "sub01"],
            "clip": ["006_1_2", "EP01_01f", "EP02_01f"],
            "emotion": ["anger", "happiness", "disgust"],
            "onset": [10, 20, 30],
        }
    )


def test_a_table_has_all_columns_in_order_and_is_sorted_by_identity(rows):
    table = clip_table(rows, "sheet.csv")
    assert list(table.columns) == list(CLIP_COLUMNS)
    assert table.index.tolist() == [0, 1, 2]
    assert clip_names(table) == ["casme2/sub01/EP02_01f", "casme2/sub02/EP01_01f", "samm/006/006_1_2"]
    assert table.onset.tolist() == [30, 20, 10]
    assert table.apex.isna().all()


def test_the_rows_given_are_left_as_they_were(rows):
    before = rows.copy()
    clip_table(rows, "sheet.csv")
    pd.testing.assert_frame_equal(rows, before)


def test_a_clip_is_named_by_its_identity(rows):
    assert [clip_name(row) for row in rows.itertuples()] == clip_names(rows)
    assert clip_names(rows.iloc[:0]) == []


@pytest.mark.parametrize("column", IDENTITY)
@pytest.mark.parametrize("value", ["", "  ", None, float("nan"), 6])
def test_an_identity_that_is_empty_or_no_text_is_refused_with_its_row(rows, column, value):
    rows[column] = rows[column].astype(object)
    rows.loc[1, column] = value
    with pytest.raises(DataError, match=r"sheet\.csv: .* must be printable text in row 1$"):
        clip_table(rows, "sheet.csv")


def test_a_clip_that_is_listed_twice_is_named(rows):
    with pytest.raises(DataError, match=r"sheet\.csv: duplicate clips casme2/sub02/EP01_01f$"):
        clip_table(pd.concat([rows, rows.iloc[[1]]]), "sheet.csv")


def test_clips_of_one_name_belong_to_their_subjects_and_datasets(rows):
    rows["clip"] = "1"
    rows["subject"] = ["6", "6", "7"]
    assert len(clip_table(rows, "sheet.csv")) == 3


def test_unknown_and_missing_columns_are_named(rows):
    with pytest.raises(DataError, match=r"sheet\.csv: .* unknown columns emotoin, frames$"):
        clip_table(rows.assign(frames=1, emotoin=2), "sheet.csv")
    with pytest.raises(DataError, match=r"sheet\.csv: .* lacks the columns subject, clip$"):
        clip_table(rows.drop(columns=["subject", "clip"]), "sheet.csv")


def test_a_table_without_clips_is_refused(rows):
    with pytest.raises(DataError, match=r"sheet\.csv: no clips were found"):
        clip_table(rows.iloc[:0], "sheet.csv")


def test_the_digest_ignores_order_and_place_on_disk(rows):
    table = clip_table(rows, "sheet.csv")
    moved = table.assign(path="elsewhere").sample(frac=1, random_state=1)
    assert clips_digest(moved) == clips_digest(table)


@pytest.mark.parametrize("column", [column for column in CLIP_COLUMNS if column != "path"])
def test_the_digest_changes_with_every_annotation(rows, column):
    table = clip_table(rows, "sheet.csv")
    changed = table.astype({column: object})
    changed.loc[0, column] = "other"
    assert clips_digest(changed) != clips_digest(table)


def test_the_digest_is_alike_for_whole_numbers_whatever_holds_them(rows):
    table = clip_table(rows, "sheet.csv")
    assert table.onset.dtype == np.int64
    assert clips_digest(table.astype({"onset": float})) == clips_digest(table)
    assert clips_digest(table.astype({"onset": "Int64"})) == clips_digest(table)
    assert clips_digest(table.assign(onset=[30.5, 20, 10])) != clips_digest(table)


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_the_digest_is_alike_for_all_ways_to_miss_a_value(rows, missing):
    table = clip_table(rows, "sheet.csv")
    assert clips_digest(table.assign(apex=pd.Series([missing] * 3, dtype=object))) == clips_digest(table)
    assert clips_digest(table.assign(apex="None")) != clips_digest(table)


@pytest.fixture
def annotated(rows) -> pd.DataFrame:
    return rows.assign(
        apex=[12, None, 34.0], offset=[15, 25, 40], fps=200, apex_source=["annotated", None, "corrected"]
    )


def test_annotation_in_order_is_taken_whatever_is_missing_of_it(rows, annotated):
    table = clip_table(annotated, "sheet.csv")
    assert table.apex.tolist()[0] == 34
    assert table.apex.isna().sum() == 1
    clip_table(annotated.assign(onset=[12, None, 30], offset=[12, None, None]), "sheet.csv")
    clip_table(annotated.assign(emotion=None, fps=None, apex_source=None), "sheet.csv")


WRONG = {
    "onset": ([10, 20.5, 30], "onset must be a whole frame number"),
    "apex": ([12, "x", 34], "apex must be a whole frame number"),
    "offset": ([15, -1, 40], "offset must be a whole frame number"),
    "onset after apex": ([10, 26, 30], "onset must not be after offset"),
    "fps": ([200, 0, 200], "fps must be a number above 0"),
    "fps without end": ([200, float("inf"), 200], "fps must be a number above 0"),
    "fps in words": ([200, "fast", 200], "fps must be a number above 0"),
    "emotion": (["anger", 3, "fear"], "emotion must be text"),
    "emotion of blanks": (["anger", " ", "fear"], "emotion must be text"),
    "objective_class": (["I", 1, "I"], "objective_class must be text"),
    "apex_source": (["annotated", "guessed", "midpoint"], "apex_source must be one of annotated, midpoint, corrected"),
}


@pytest.mark.parametrize(
    ("column", "values", "said"), [(name.split()[0], *row) for name, row in WRONG.items()], ids=WRONG
)
def test_a_value_that_can_not_be_is_refused_with_its_clip(annotated, column, values, said):
    with pytest.raises(DataError, match=rf"^sheet\.csv: {said}.* in casme2/sub02/EP01_01f$"):
        clip_table(annotated.assign(**{column: pd.Series(values, dtype=object)}), "sheet.csv")


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"apex": [12, 19, 34]}, "onset must not be after apex"),
        ({"apex": [12, 26, 34]}, "apex must not be after offset"),
        ({"apex": None, "offset": [15, 19, 40]}, "onset must not be after offset"),
    ],
)
def test_onset_apex_and_offset_out_of_order_are_refused_with_the_clip(annotated, numbers, said):
    with pytest.raises(DataError, match=rf"^sheet\.csv: {said} in casme2/sub02/EP01_01f$"):
        clip_table(annotated.assign(**numbers), "sheet.csv")
