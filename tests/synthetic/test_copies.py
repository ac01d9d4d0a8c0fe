import pytest
from support.refusals import refusal

from merbench.contracts.errors import DataError
from merbench.databases.readers.identity import READERS
from merbench.synthetic import copies
from merbench.synthetic.copies import LayoutSettings, planned, write_copies
from merbench.synthetic.database import LAYOUTS_DATABASE, make
from merbench.synthetic.layouts import LAYOUTS

TINY = {"pixels": 96, "frames": 3}
FEW = LayoutSettings(layouts=("casme3", "4dme"), **TINY)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the folder of small copies in all layouts."""
    folder = tmp_path_factory.mktemp("copies") / "made"
    write_copies(LayoutSettings(**TINY), folder)
    return folder


def test_every_reader_has_a_layout_and_reads_the_clips_that_were_planned(whole):
    assert LAYOUTS.keys() == READERS.keys() == LAYOUTS_DATABASE.card.datasets.keys()
    reading = LAYOUTS_DATABASE.read(whole)
    assert [note for note in reading.notes if note.about or note.kind != "note"] == []
    plan = planned(LayoutSettings(**TINY))
    for name in LAYOUTS:
        own, clips = [clip for clip in plan if clip.layout == name], reading.clips[reading.clips.dataset == name]
        stills = LAYOUTS[name].stills
        assert sorted(zip(clips.onset, clips.apex, clips.offset, clips.fps, strict=True)) == sorted(
            (*((1, 1, 1) if stills else (clip.film.onset, clip.film.apex, clip.film.offset)), clip.facts["fps"])
            for clip in own
        ), name
        assert len(set(clips.subject)) == len(LAYOUTS[name].few), name
        words = {word for text in clips.emotion for word in text.split("+")}
        assert words == {*READERS[name].emotions} - {"repression" if name == "mmew" else ""}, name
        if clips.aus.notna().any():  # SMIC annotates none
            shown = sorted(tuple(sorted(unit.number for unit in clip.film.units)) for clip in own)
            assert sorted(tuple(sorted(coding.shown())) for coding in clips.aus) == shown, name
        for path in clips.path:
            assert len(LAYOUTS_DATABASE.frames(whole, path)) >= (1 if stills else 3), path


def test_people_are_the_same_in_layouts_that_share_them_alone():
    plan = planned(LayoutSettings(**TINY))
    people = {name: {clip.person for clip in plan if clip.layout == name} for name in LAYOUTS}
    assert people["smic-vis"] == people["smic-nir"] < people["smic-hs"]
    assert people["samm-lv"] < people["samm"]
    assert len(people["mmew-macro"] & people["mmew"]) == 2
    assert len(people["casme3-macro"] & people["casme3"]) == 2
    assert not people["casme3"] & people["casme3-c"]
    full = planned(LayoutSettings(layouts=("dfme", "casme3"), size="full", frames=3))
    counts = [sum(clip.layout == name for clip in full) for name in ("dfme", "casme3")]
    subjects = [len({clip.person for clip in full if clip.layout == name}) for name in ("dfme", "casme3")]
    assert (counts, subjects) == ([7526, 860], [656, 94])


def test_a_broken_write_is_completed_and_other_data_is_kept(tmp_path, monkeypatch):
    folder, done = tmp_path / "made", []
    write_frames = copies._write_frames

    def broken(film, clip, place):
        if len(done) >= 5:
            raise KeyboardInterrupt
        write_frames(film, clip, place)
        done.append(place)

    with monkeypatch.context() as patch:
        patch.setattr(copies, "_write_frames", broken)
        with pytest.raises(KeyboardInterrupt):
            write_copies(FEW, folder)
    assert not folder.exists()
    again = []
    monkeypatch.setattr(copies, "_write_frames", lambda *args: (again.append(args), write_frames(*args)))
    assert make(FEW, folder).name == "synthetic-layouts-casme3-4dme-pixels96-frames3"
    assert 0 < len(again) < len(planned(FEW))
    write_copies(FEW, folder)
    other = FEW.model_copy(update={"seed": 1})
    assert "is not empty, and has other data" in refusal(write_copies, other, folder, error=DataError)
    (folder / "synthetic.json").write_text('{"generator": "", "layouts": {"size": "huge"}}')
    assert "has no complete synthetic copies" in refusal(LAYOUTS_DATABASE.read, folder, error=DataError)
    assert LAYOUTS_DATABASE.recognises(folder) is True
    assert LAYOUTS_DATABASE.recognises(tmp_path) is False
