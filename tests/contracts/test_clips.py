import pandas as pd
import pytest
from support.refusals import refusal

from merbench.contracts.clips import CLIP_COLUMNS, IDENTITY, clip_name, clip_names, clip_table, clips_digest
from merbench.contracts.errors import DataError


@pytest.fixture
def rows() -> pd.DataFrame:
    rows = [
        ("samm", "006", "006_1_2", "anger", 10),
        ("casme2", "sub02", "EP01_01f", "happiness", 20),
        ("casme2", "sub01", "EP02_01f", "disgust", 30),
    ]
    return pd.DataFrame(rows, columns=["dataset", "subject", "clip", "emotion", "onset"])


def test_a_table_has_all_columns_and_is_sorted(rows):
    before = rows.copy()
    table = clip_table(rows, "sheet.csv")
    pd.testing.assert_frame_equal(rows, before)
    assert [clip_name(row) for row in rows.itertuples()] == clip_names(rows)
    assert clip_names(rows.iloc[:0]) == []
    assert list(table.columns) == list(CLIP_COLUMNS)
    assert table.index.tolist() == [0, 1, 2]
    assert clip_names(table) == ["casme2/sub01/EP02_01f", "casme2/sub02/EP01_01f", "samm/006/006_1_2"]
    assert table.onset.tolist() == [30, 20, 10]
    assert table.apex.isna().all()


def refused(rows, case=""):
    return refusal(clip_table, rows, "sheet.csv", case=case, error=DataError).removeprefix("sheet.csv: ")


def test_wrong_identities_columns_and_rows_are_refused(rows):
    for column in IDENTITY:
        for value in ("", "  ", None, float("nan"), 6):
            wrong = rows.astype({column: object})
            wrong.loc[1, column] = value
            assert refused(wrong, (column, value)).endswith(" in row 1")
    assert refused(pd.concat([rows, rows.iloc[[1]]])) == "duplicate clips casme2/sub02/EP01_01f"
    assert refused(rows.assign(frames=1, emotoin=2)).endswith("unknown columns emotoin, frames")
    assert refused(rows.drop(columns=["subject", "clip"])).endswith("lacks the columns subject, clip")
    assert refused(rows.iloc[:0]).startswith("no clips")


def test_the_digest_changes_with_every_annotation_and_nothing_else(rows):
    table = clip_table(rows, "sheet.csv")
    whole = clips_digest(table)
    assert clips_digest(table.assign(path="elsewhere").sample(frac=1, random_state=1)) == whole
    for column in set(CLIP_COLUMNS) - {"path"}:
        changed = table.astype({column: object})
        changed.loc[0, column] = "other"
        assert clips_digest(changed) != whole, column
    for kind in (float, "Int64"):
        assert clips_digest(table.astype({"onset": kind})) == whole
    assert clips_digest(table.assign(onset=[30.5, 20, 10])) != whole
    for missing in (None, float("nan"), pd.NA):
        assert clips_digest(table.assign(apex=pd.Series([missing] * 3, dtype=object))) == whole
    assert clips_digest(table.assign(apex="None")) != whole


@pytest.fixture
def annotated(rows) -> pd.DataFrame:
    return rows.assign(
        apex=[12, None, 34.0], offset=[15, 25, 40], fps=200, apex_source=["annotated", None, "corrected"]
    )


def test_incomplete_annotations_are_accepted(rows, annotated):
    table = clip_table(annotated, "sheet.csv")
    assert table.apex.tolist()[0] == 34
    assert table.apex.isna().sum() == 1
    clip_table(annotated.assign(onset=[12, None, 30], offset=[12, None, None]), "sheet.csv")
    clip_table(annotated.assign(emotion=None, fps=None, apex_source=None), "sheet.csv")


def test_impossible_values_are_refused_with_their_clip(annotated):
    frame, class_ = "must be a whole frame number", "must be text"
    for values, expected in (
        ({"onset": [10, 20.5, 30]}, f"onset {frame}"),
        ({"apex": [12, "x", 34]}, f"apex {frame}"),
        ({"offset": [15, -1, 40]}, f"offset {frame}"),
        ({"onset": [10, 26, 30]}, "onset must not be after offset"),
        ({"fps": [200, 0, 200]}, "fps must be a number above 0"),
        ({"fps": [200, float("inf"), 200]}, "fps must be a number above 0"),
        ({"fps": [200, "fast", 200]}, "fps must be a number above 0"),
        ({"emotion": ["anger", 3, "fear"]}, f"emotion {class_}"),
        ({"emotion": ["anger", " ", "fear"]}, f"emotion {class_}"),
        ({"objective_class": ["I", 1, "I"]}, f"objective_class {class_}"),
        ({"apex_source": ["annotated", "guessed", "midpoint"]}, "apex_source must be one of"),
        ({"apex": [12, 19, 34]}, "onset must not be after apex"),
        ({"apex": [12, 26, 34]}, "apex must not be after offset"),
        ({"apex": [None] * 3, "offset": [15, 19, 40]}, "onset must not be after offset"),
    ):
        columns = {name: pd.Series(column, dtype=object) for name, column in values.items()}
        line = refused(annotated.assign(**columns), values)
        assert line.startswith(expected), values
        assert line.endswith(" in casme2/sub02/EP01_01f"), values
