"""Facts of clips: those of the clip table that an input may hold."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from merbench.contracts.clips import clip_table
from merbench.contracts.errors import MerbenchError
from merbench.contracts.inputs import ClipFacts, Frames
from merbench.databases.registrations import open_source
from merbench.prepare.arrays import missing_inputs, prepare_input
from merbench.prepare.kinds.clip_facts import clip_facts, database_code

BOTH = ClipFacts(facts=("database", "seconds"))


def rows(**changes):
    shown = {
        "dataset": ["casme2", "casme2", "samm"], "subject": ["1", "2", "1"], "clip": ["a", "b", "c"],
        "emotion": ["fear", "anger", "fear"], "onset": [10, 1, 100], "offset": [29, 1, 199], "fps": [200, 200, 100],
    }  # fmt: skip
    return clip_table(pd.DataFrame(shown | changes), "toy")


def test_facts_depend_on_database_and_dates_only():
    found = clip_facts(BOTH, rows())
    codes, seconds = found.T.tolist()
    assert seconds == [20 / 200, 1 / 200, 100 / 100]  # onset and offset included
    assert codes[0] == codes[1] != codes[2] == database_code("samm")
    assert np.array_equal(clip_facts(BOTH, rows().iloc[2:]), found[2:])
    same = rows(subject=["x", "y", "z"], clip=["r", "s", "t"], emotion=["joy", "joy", "awe"])
    assert np.array_equal(clip_facts(BOTH, same), found)


def test_data_without_dates_is_reported(small_release):
    source = open_source("megc2019-flow28", small_release)
    assert missing_inputs([source], {"facts": ClipFacts(facts=("database",))}) == []
    (line,) = missing_inputs([source], {"facts": BOTH})
    assert line.startswith("input 'facts', clip-facts(database/seconds): megc2019-flow28 ")
    assert line.endswith("onset, offset, fps for 24 of 24 clips")
    with pytest.raises(MerbenchError, match="this data can't serve input"):
        prepare_input([source], source.clips, BOTH)
    values = prepare_input([source], source.clips, ClipFacts(facts=("database",))).batch()
    assert values[:, 0].tolist() == [database_code(name) for name in source.clips.dataset]


def test_the_onset_frame_alone_is_the_first_of_two(tmp_path, miniature):
    folder = miniature.write_samm(tmp_path, miniature.SAMM_ROWS[:2], tree="SAMM_CROP")
    source = open_source("samm", folder)
    onset = prepare_input([source], source.clips, Frames(span="onset", count=1, size=28)).batch()
    both = prepare_input([source], source.clips, Frames(span="onset-offset", count=2, size=28)).batch()
    assert onset.shape == (len(source.clips), 1, 28, 28, 1)
    assert np.array_equal(onset[:, 0], both[:, 0])


def test_a_single_frame_is_that_of_the_onset_and_facts_are_few():
    onset = {"span": "onset", "count": 1}
    for settings in ({"count": 1}, {"span": "onset"}, onset | {"sampling": "phase"}, onset | {"apex_jitter": 1}):
        with pytest.raises(ValidationError):
            Frames(**settings)
    for fact in ("emotion", "subject", "clip"):
        with pytest.raises(ValidationError):
            ClipFacts(facts=(fact,))
