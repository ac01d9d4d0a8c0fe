from merbench.databases.readers.identity import normalised
from merbench.databases.reading.corrections import corrections_for, known_corrections

APEX = next(known for known in known_corrections() if known.column == "apex" and known.dataset == "samm")
OFFSET = next(known for known in known_corrections() if known.column == "offset")


def about(known, frames=None, identity=None, **numbers):
    """Ask for corrections of the clip of `known`, which spans 40 frames around its value by default."""
    numbers = {"onset": known.value - 20, "apex": known.value + 50, "offset": known.value + 20} | numbers
    identity = identity or (known.dataset, known.subject, known.clip)
    return corrections_for(identity, numbers, frames or range(known.value + 100))


def test_every_correction_has_a_clip_reason_and_source():
    keys = [(known.dataset, known.subject, known.clip, known.column) for known in known_corrections()]
    assert len(keys) == len(set(keys)) == 5
    assert all(normalised(*key[:3]) == key[:3] for key in keys)
    assert all(known.reason and known.source for known in known_corrections())


def test_a_value_within_the_clip_is_corrected():
    for wrong in (None, 0, 10**6):
        assert about(APEX, apex=wrong) == [APEX], wrong
    assert about(OFFSET, apex=OFFSET.value + 5, offset=OFFSET.value + 30) == [OFFSET]  # whatever the apex
    for doubtful in (APEX.value - 20, APEX.value - 19, APEX.value + 21):  # onset, the frame after it, beyond the offset
        assert about(APEX, apex=doubtful) == [APEX]


def test_right_values_and_other_clips_and_copies_are_not_corrected():
    assert about(APEX, apex=APEX.value) == about(APEX, apex=APEX.value + 1) == []  # an apex within the clip
    assert about(APEX, frames=[APEX.value - 1, APEX.value + 1]) == []  # a copy without that frame
    assert about(APEX, onset=APEX.value + 1) == about(APEX, offset=APEX.value - 1) == []  # outside the clip
    assert about(OFFSET, onset=OFFSET.value + 1) == []
    for identity in ((APEX.dataset, APEX.subject, APEX.clip + "1"), ("casme2", APEX.subject, APEX.clip)):
        assert about(APEX, identity=identity) == []
