import dataclasses
import shutil

import numpy as np
import pytest
from merbench.protocols import megc2019

from merbench.contracts.protocols import load_protocol
from merbench.databases.readers.identity import normalised
from merbench.synthetic import clips as module
from merbench.synthetic.clips import Film, draw_subject, plan, stream
from merbench.synthetic.face import FRAME
from merbench.synthetic.motion import PICTURE, PICTURE_PIXELS
from merbench.synthetic.settings import SyntheticSettings, generator_digest
from merbench.synthetic.table import DATASETS

TINY = SyntheticSettings(pixels=96)
FULL = plan(SyntheticSettings(size="full"))
OTHER = {"negative": "surprise", "positive": "surprise", "surprise": "negative"}


def _films(clip, settings=TINY):
    """Return the clip at strength 0, one half and 1."""
    person = draw_subject(settings, clip.dataset, clip.subject)
    return [Film(settings.model_copy(update={"strength": s}), clip, person) for s in (0.0, 0.5, 1.0)]


def _some(dataset, count=3):
    return [clip for clip in plan(TINY) if clip.dataset == dataset][::7][:count]


def test_only_frames_between_the_labels_depend_on_strength():
    for dataset in DATASETS:
        for clip in _some(dataset):
            films = _films(clip)
            middle = (clip.onset + clip.offset) // 2
            near = (clip.onset + 1, clip.apex - 1, middle, clip.apex + 1, clip.offset - 1)
            for number in (clip.first, clip.onset, clip.apex, clip.offset, clip.last, *near):
                frames = [film.frame(number) for film in films]
                assert all(np.array_equal(frame, frames[0]) for frame in frames), (clip.clip, number)
            between = [film.frame((clip.onset + clip.apex) // 2) for film in films]
            assert not np.array_equal(between[0], between[1]), dataset
            assert not np.array_equal(between[1], between[2]), dataset
            # At strength 0 a class leaves no trace in any frame.
            other = Film(films[0].settings, dataclasses.replace(clip, label=OTHER[clip.label]), films[0].person)
            assert all(np.array_equal(films[0].frame(n), other.frame(n)) for n in range(clip.first, clip.last, 5))


def test_the_mean_over_a_clips_frames_hides_its_class():
    settings = SyntheticSettings(size="full", strength=1.0)
    means = {}
    for clip in FULL:
        course, times = module.draw_course(settings, clip), clip.times()
        sides = zip(course.rise, course.decay, strict=True)
        within = (times >= 0) & (times <= 2)
        mean = np.mean([module.motion.amplitude(times, rise, decay)[within].mean() for rise, decay in sides])
        means.setdefault(clip.label, []).append(mean)
    middles = [np.mean(values) for values in means.values()]
    spread = np.mean([np.std(values) for values in means.values()])
    # About 4 where rise and decay do not balance each other.
    assert (max(middles) - min(middles)) / spread < 0.3


def test_sizes_have_their_subjects_and_classes():
    official = load_protocol(megc2019).official()
    real = set(official[["dataset", "subject"]].itertuples(index=False, name=None))
    assert {normalised(clip.dataset, clip.subject, clip.clip)[:2] for clip in FULL} == real
    small = plan(SyntheticSettings())
    for change in ({"strength": 0.0}, {"pixels": 96}, {"colour": "rgb"}):
        assert plan(SyntheticSettings(**change)) == small
    assert plan(SyntheticSettings(seed=1)) != small
    assert (len(real), len({(clip.dataset, clip.subject) for clip in small})) == (68, 12)
    assert 95 <= len(small) <= 105
    assert len({(clip.dataset, clip.label) for clip in small}) == 9
    # Names are valid, unique, and not of real clips.
    for seed in range(3):
        names = [normalised(c.dataset, c.subject, c.clip) for c in plan(SyntheticSettings(size="full", seed=seed))]
        assert len(set(names)) == 442, seed
        for dataset, _, clip in names:
            number = {"casme2": clip[2:4], "samm": clip.split("_")[1], "smic-hs": clip.split("_")[-1]}[dataset]
            assert int(number) >= {"casme2": 21, "samm": 8, "smic-hs": 51}[dataset], seed


def test_clips_have_the_durations_and_movements_of_mes():
    for clip in FULL:
        assert 0.1 <= (clip.offset - clip.onset) / module.FPS[clip.dataset] <= 0.5
        assert clip.first <= clip.onset < clip.apex < clip.offset <= clip.last
        assert 0.5 <= clip.peak <= 2
        if clip.dataset == "smic-hs":  # as its reader sets the apex
            assert (clip.first, clip.last) == (clip.onset, clip.offset)
            assert clip.apex == (clip.first + clip.last) // 2
        still = {clip.onset, clip.apex, clip.offset, (clip.onset + clip.offset) // 2, clip.apex - 1, clip.apex + 1}
        times = clip.times()[[number - clip.first for number in still]]
        assert np.abs(times - np.rint(times)).max() <= module.motion.REST, clip  # nothing moves there
    seconds = {}
    for seed in range(8):
        for clip in plan(SyntheticSettings(size="full", seed=seed)):
            seconds.setdefault(clip.label, []).append((clip.offset - clip.onset) / module.FPS[clip.dataset])
    means = [np.mean(values) for values in seconds.values()]
    assert max(means) - min(means) < 0.012  # no duration reveals a class; the standard error of a mean is about .004


def test_frames_repeat_and_noise_and_people_differ():
    clip = _some("samm")[0]
    once, again = (Film(TINY, clip, draw_subject(TINY, clip.dataset, clip.subject)) for _ in range(2))
    assert np.array_equal(once.frame(clip.apex), again.frame(clip.apex))
    noise = once.frame(clip.onset + 1)[:10].astype(float) - once.frame(clip.onset)[:10]
    assert 0.7 < noise.std() / (module.NOISE * np.sqrt(2)) < 1.4
    for colour, shape in (("grey", (96, 96)), ("rgb", (96, 96, 3))):
        settings = SyntheticSettings(pixels=96, colour=colour)
        frame = Film(settings, clip, draw_subject(settings, clip.dataset, clip.subject)).frame(clip.onset)
        assert (frame.shape, frame.dtype) == (shape, np.uint8)
        assert frame.std() > 20, (colour, shape)
    faces = [draw_subject(TINY, "samm", name).skin for name in ("006", "007")]
    assert np.abs(faces[0] - faces[1]).mean() > 3


def test_a_clip_moves_by_its_peak_and_neither_eyeballs_nor_background():
    clip = dataclasses.replace(_some("casme2")[0], units=(module.ActionUnit(5, "", "C"),), peak=2.0)
    film = _films(clip, SyntheticSettings(pixels=192))[2]
    moved = film.movement[clip.apex - clip.first]
    longest = np.hypot(*(moved[4] * film.fields[4] + moved[5] * film.fields[5]).reshape(2, -1)).max()
    assert longest / (PICTURE / PICTURE_PIXELS) == pytest.approx(clip.peak, rel=1e-4)
    still = film.movement[clip.onset - clip.first].astype(np.float32)
    lifted = still.copy()
    lifted[4:6] = 2 * PICTURE / PICTURE_PIXELS
    change = np.abs(film._warped(lifted) - film._warped(still))[..., 0]
    eye, (_, high) = np.abs(np.abs(film.x) - film.person.anatomy.eye[0]), film.person.anatomy.eye_size
    assert change[(eye < 0.03) & (np.abs(film.y) < 0.02)].max() < 4  # the pupil
    assert change[(eye < 0.1) & (np.abs(film.y + high) < 0.03)].max() > 20  # the lid
    first, last = (film._warped(film.movement[n].astype(np.float32)) for n in (0, -1))
    assert np.array_equal(first[:40, :16], last[:40, :16])  # the background


def test_opencv_finds_a_face_in_the_onset_frames():
    from merbench.prepare.faces.find import find_face

    settings = SyntheticSettings()
    for dataset in DATASETS:
        for name in sorted({clip.subject for clip in plan(settings) if clip.dataset == dataset})[:2]:
            person = draw_subject(settings, dataset, name)
            for clip in [c for c in plan(settings) if (c.dataset, c.subject) == (dataset, name)][:4]:
                frame = Film(settings, clip, person).frame(clip.onset)
                found = find_face(np.repeat(frame[..., None], 3, axis=2), "haar", clip.clip)
                side = FRAME / settings.pixels / np.linalg.norm(found.matrix[:, 0])
                assert side == pytest.approx(PICTURE, rel=0.08), dataset


def test_streams_and_digest_depend_on_settings_and_code(monkeypatch, tmp_path):
    from merbench.synthetic import settings as source

    assert stream(TINY, "a", 1).random() == stream(SyntheticSettings(strength=0), "a", 1).random()
    assert stream(TINY, "a", 1).random() != stream(TINY, "a", 2).random()
    assert stream(TINY, "a", 1).random() != stream(SyntheticSettings(seed=1), "a", 1).random()
    shutil.copytree(source.Path(source.__file__).parent, tmp_path / "code")
    before = generator_digest(SyntheticSettings())
    others = [generator_digest(SyntheticSettings(seed=1)), generator_digest(SyntheticSettings(strength=0.5))]
    assert len({before, *others}) == 3
    with monkeypatch.context() as patch:
        patch.setattr(source, "VERSION", source.VERSION + 1)
        assert generator_digest(SyntheticSettings()) != before
    monkeypatch.setattr(source, "__file__", str(tmp_path / "code" / "settings.py"))
    assert generator_digest(SyntheticSettings()) == before
    path = tmp_path / "code" / "table.py"
    table = path.read_text()
    path.write_text(table.replace('"""The table', '"""A table') + "\n# a remark\n")
    assert generator_digest(SyntheticSettings()) == before
    path.write_text(table.replace('"ambiguous": 0.6', '"ambiguous": 0.61'))
    assert generator_digest(SyntheticSettings()) != before

    for wrong in ({"size": "large"}, {"strength": 1.5}, {"pixels": 8}, {"colour": "blue"}, {"seed": -1}, {"speed": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            SyntheticSettings(**wrong)
