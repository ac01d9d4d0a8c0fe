import numpy as np
import pandas as pd
import pytest

from merbench.contracts.action_units import read_coding
from merbench.contracts.errors import DataError
from merbench.scoring.same_units import same_units
from merbench.synthetic import table
from merbench.synthetic.clips import plan
from merbench.synthetic.settings import SyntheticSettings


def clips_of(*rows):
    """Return clips of rows ``dataset, aus``, each of a subject of its own."""
    return pd.DataFrame(
        [(dataset, f"s{i}", f"c{i}", aus) for i, (dataset, aus) in enumerate(rows)],
        columns=["dataset", "subject", "clip", "aus"],
    )


def test_a_set_with_two_classes_is_found_whole_and_one_with_one_class_is_not():
    clips = clips_of(("casme2", "4+7"), ("casme2", "4+7"), ("casme2", "4+7"), ("casme2", "12"), ("casme2", "12"))
    found = same_units(clips, ["negative", "negative", "positive", "positive", "positive"])
    assert found.tolist() == [True, True, True, False, False]


def test_sides_intensities_and_order_make_no_other_set():
    clips = clips_of(("samm", "L4B+7"), ("samm", "R7 + 4"), ("samm", "4+7?"))
    assert same_units(clips, ["negative", "positive", "surprise"]).tolist() == [True, True, False]


def test_part_of_a_set_is_another_set():
    clips = clips_of(("samm", "4"), ("samm", "4+7"))
    assert not same_units(clips, ["negative", "positive"]).any()


def test_the_same_set_in_another_dataset_is_another_set():
    clips = clips_of(("samm", "4"), ("casme2", "4"))
    assert not same_units(clips, ["negative", "positive"]).any()


@pytest.mark.parametrize("nothing", [None, "", float("nan"), "?", "4 or 7", "4?"])
def test_clips_without_certain_action_units_are_never_among_them(nothing):
    clips = clips_of(("samm", nothing), ("samm", nothing))
    assert not same_units(clips, ["negative", "positive"]).any()


def test_action_units_may_be_read_already_or_text():
    texts = ["4+L12 or L14", "4", "4+7", "7+L4"]
    classes = ["negative", "positive", "negative", "surprise"]
    as_text = same_units(clips_of(*(("samm", text) for text in texts)), classes)
    as_read = same_units(clips_of(*(("samm", read_coding(text)) for text in texts)), classes)
    assert as_text.tolist() == as_read.tolist() == [True, True, True, True]


def test_text_that_is_no_action_units_names_the_clip():
    with pytest.raises(DataError, match=r"'four' of samm/s1/c1 can't be read"):
        same_units(clips_of(("samm", "4"), ("samm", "four")), ["negative", "positive"])


@pytest.mark.parametrize("name", ["default", "ambiguous"])
@pytest.mark.parametrize("size", ["small", "full"])
def test_on_the_stand_in_they_are_the_clips_that_its_own_table_counts_as_ambiguous(name, size):
    """SMIC's layout has none, so its reader gives none, though the program that made the clips knows them."""
    made = plan(SyntheticSettings(size=size, table=name))
    written = [None if clip.dataset == "smic-hs" else "+".join(map(str, clip.units)) for clip in made]
    clips = clips_of(*((clip.dataset, aus) for clip, aus in zip(made, written, strict=True)))
    found = same_units(clips, [clip.label for clip in made])
    counted = table.ambiguous((clip.dataset, clip.au_set, clip.label) for clip in made)
    labelled = np.array([clip.dataset != "smic-hs" for clip in made])
    np.testing.assert_array_equal(found, counted & labelled)
    assert found.sum() > len(made) / 4
