import numpy as np
import pandas as pd
import pytest
from support.cases import each

from merbench.contracts.action_units import read_coding
from merbench.contracts.errors import DataError
from merbench.scoring.same_units import same_units
from merbench.synthetic import table
from merbench.synthetic.clips import plan
from merbench.synthetic.settings import SyntheticSettings

NOTHING = (None, "", float("nan"), "?", "4 or 7", "4?")


def clips_of(*rows):
    """Return clips of rows ``dataset, aus``, each of a subject of its own."""
    return pd.DataFrame(
        [(dataset, f"s{i}", f"c{i}", aus) for i, (dataset, aus) in enumerate(rows)],
        columns=["dataset", "subject", "clip", "aus"],
    )


def test_a_set_with_two_classes_is_found_whole():
    clips = clips_of(("casme2", "4+7"), ("casme2", "4+7"), ("casme2", "4+7"), ("casme2", "12"), ("casme2", "12"))
    found = same_units(clips, ["negative", "negative", "positive", "positive", "positive"])
    assert found.tolist() == [True, True, True, False, False]


def test_sets_differ_by_action_units_and_dataset_alone():
    two, three = ["negative", "positive"], ["negative", "positive", "surprise"]
    for rows, classes, expected in each(
        [
            ((("samm", "L4B+7"), ("samm", "R7 + 4"), ("samm", "4+7?")), three, [True, True, False]),
            ((("samm", "4"), ("samm", "4+7")), two, [False, False]),
            ((("samm", "4"), ("casme2", "4")), two, [False, False]),
            *(((("samm", nothing),) * 2, two, [False, False]) for nothing in NOTHING),
        ]
    ):
        assert same_units(clips_of(*rows), classes).tolist() == expected


def test_action_units_may_be_read_already_or_text():
    texts = ["4+L12 or L14", "4", "4+7", "7+L4"]
    classes = ["negative", "positive", "negative", "surprise"]
    as_text = same_units(clips_of(*(("samm", text) for text in texts)), classes)
    as_read = same_units(clips_of(*(("samm", read_coding(text)) for text in texts)), classes)
    assert as_text.tolist() == as_read.tolist() == [True, True, True, True]
    with pytest.raises(DataError, match=r"'four' of samm/s1/c1 can't be read"):
        same_units(clips_of(("samm", "4"), ("samm", "four")), ["negative", "positive"])


def test_on_synthetic_clips_they_are_the_ambiguous_ones():
    """SMIC's layout has none, so its reader gives none, though the program that made the clips knows them."""
    for size in each(("small", "full")):
        for name in each(("default", "ambiguous")):
            made = plan(SyntheticSettings(size=size, table=name))
            written = [None if clip.dataset == "smic-hs" else "+".join(map(str, clip.units)) for clip in made]
            clips = clips_of(*((clip.dataset, aus) for clip, aus in zip(made, written, strict=True)))
            found = same_units(clips, [clip.label for clip in made])
            counted = table.ambiguous((clip.dataset, clip.au_set, clip.label) for clip in made)
            labelled = np.array([clip.dataset != "smic-hs" for clip in made])
            np.testing.assert_array_equal(found, counted & labelled)
            assert found.sum() > len(made) / 4
