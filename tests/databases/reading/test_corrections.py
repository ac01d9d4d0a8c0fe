from merbench.databases.readers.identity import normalised
from merbench.databases.reading.corrections import corrections_for, known_corrections

APEX = next(known for known in known_corrections() if known.column == "apex" and known.dataset == "samm")
OFFSET = next(known for known in known_corrections() if known.column == "offset")


def about(known, frames=None, **numbers):
    """Ask for corrections of the clip of `known`, which spans 40 frames around its value by default."""
    numbers = {"onset": known.value - 20, "apex": known.value + 50, "offset": known.value + 20} | numbers
    return corrections_for((known.dataset, known.subject, known.clip), numbers, frames or range(known.value + 100))


def test_every_correction_has_a_clip_reason_and_source():
    keys = [(known.dataset, known.subject, known.clip, known.column) for known in known_corrections()]
    assert len(keys) == len(set(keys)) == 5
    for known in known_corrections():
        identity = (known.dataset, known.subject, known.clip)
        assert normalised(*identity) == identity
        assert known.reason
        assert known.source


def test_a_value_within_the_clip_is_corrected():
    for wrong in (None, 0, 10**6):
        assert about(APEX, apex=wrong) == [APEX], wrong
    assert about(OFFSET, apex=OFFSET.value + 5, offset=OFFSET.value + 30) == [OFFSET]  # whatever the apex


def test_right_values_and_other_copies_are_not_corrected():
    assert about(APEX, apex=APEX.value) == []
    assert about(APEX, frames=[APEX.value - 1, APEX.value + 1]) == []  # a copy without that frame
    assert about(APEX, onset=APEX.value + 1) == about(APEX, offset=APEX.value - 1) == []  # outside the clip
    assert about(OFFSET, onset=OFFSET.value + 1) == []


def test_another_clip_is_not_corrected():
    numbers = {"onset": 1, "apex": None, "offset": 10**6}
    other = (APEX.dataset, APEX.subject, APEX.clip + "1")
    assert corrections_for(other, numbers, range(10**4)) == []
    assert corrections_for(("casme2", APEX.subject, APEX.clip), numbers, range(10**4)) == []


def test_an_apex_within_the_clip_is_not_corrected():
    onset = APEX.value - 20
    assert about(APEX, onset=onset, apex=APEX.value + 1, offset=APEX.value + 20) == []
    for doubtful in (onset, onset + 1, APEX.value + 21):
        assert about(APEX, onset=onset, apex=doubtful, offset=APEX.value + 20) == [APEX]
