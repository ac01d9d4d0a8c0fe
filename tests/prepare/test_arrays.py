import re

import cv2
import numpy as np
import pandas as pd
import pytest
from support.refusals import refusal
from support.watching import Watcher

from merbench.contracts.action_units import read_coding
from merbench.contracts.clips import clip_table
from merbench.contracts.databases import DatabaseCard, Reading, Source
from merbench.contracts.errors import DataError, MerbenchError
from merbench.contracts.inputs import (
    ActionUnits,
    ArrayInput,
    DynamicImage,
    Flow,
    Frames,
    FrameTimes,
    Inputs,
    Landmarks,
)
from merbench.databases.releases.megc2019_flow28 import FLOW
from merbench.prepare import estimate, upkeep
from merbench.prepare.arrays import (
    fill_store,
    input_digests,
    missing_inputs,
    prepare_input,
    prepare_inputs,
    unreadable_frames,
)
from merbench.prepare.faces import settle
from merbench.prepare.store import SILENT, stored_shelves


class Registered:
    """What a database must have, and is not asked for here."""

    recognises = read = print


class Constant(Registered):
    """A release of one dataset, whose clips are called after the number that fills their values."""

    def __init__(self, dataset, offers=(FLOW,), short=0):
        self.card = DatabaseCard(
            name=dataset, title="x", datasets={dataset: "x"}, licence="x", source="x", offers=offers
        )
        self._short = short

    def arrays(self, folder, clips, spec):
        values = np.array([int(name) for name in clips["clip"]], dtype=np.uint8)
        return np.tile(values[self._short :, None, None], (1, 2, 3))


def _source(database, tmp_path, numbers):
    rows = pd.DataFrame({"dataset": database.card.name, "subject": "s", "clip": [str(number) for number in numbers]})
    return Source(database, tmp_path, Reading(clip_table(rows, "test"), "none"))


@pytest.fixture
def sources(tmp_path):
    return [_source(Constant("mine"), tmp_path, [1, 2, 3]), _source(Constant("yours"), tmp_path, [4, 5])]


def _all_clips(sources):
    return pd.concat([source.clips for source in sources], ignore_index=True)


def test_values_of_several_sources_follow_their_clips(sources):
    clips = _all_clips(sources).sample(frac=1, random_state=2)
    inputs = prepare_inputs(sources, clips, {"flow": FLOW, "again": FLOW})
    assert (inputs.clips, sorted(inputs.names())) == (5, ["again", "flow"])
    for name in inputs.names():
        assert (inputs[name].spec, inputs[name].batch().shape) == (FLOW, (5, 2, 3))
        assert inputs[name].batch()[:, 0, 0].tolist() == clips["clip"].astype(int).tolist()
        assert inputs[name].prepared == {}
    some = prepare_input(sources, _all_clips(sources).iloc[[4, 1]], FLOW)
    assert some.batch()[:, 0, 0].tolist() == [5, 2]
    assert prepare_inputs(sources, clips, {}).clips == 5


def test_missing_inputs_are_named_with_the_offered_ones(tmp_path, monkeypatch):
    offers = {"mine": (FLOW,), "yours": (FLOW, DynamicImage())}
    sources = [_source(Constant(name, offered), tmp_path, [len(offered)]) for name, offered in offers.items()]
    wanted = {"image": DynamicImage(), "flow": Flow(size=56)}
    said = missing_inputs(sources, wanted)
    assert said == [
        f"input 'image', {DynamicImage()}: mine has only {FLOW}",
        f"input 'flow', {Flow(size=56)}: mine has only {FLOW} (other sizes with resample: true)",
        f"input 'flow', {Flow(size=56)}: yours has only {FLOW}; {DynamicImage()} (other sizes with resample: true)",
    ]
    with pytest.raises(MerbenchError, match="this data can't serve input 'image'") as caught:
        prepare_inputs(sources, _all_clips(sources), wanted)
    assert all(line in str(caught.value) for line in said)
    monkeypatch.setattr(settle, "landmarks_installed", lambda: False)
    wanted = {"points": Landmarks(), "flow": Flow(), "faces": Frames(faces="landmarks")}
    said = [line.partition(":") for line in missing_inputs([_pictures(tmp_path, 1)], wanted)]
    faces = "frames(onset-offset, 8, 112, grey, faces=landmarks)"
    assert [each[0] for each in said] == [f"input 'points', {Landmarks()}", f"input 'faces', {faces}"]
    assert all("uv sync --extra faces" in each[2] for each in said)


def test_sources_with_too_few_arrays_or_clips_are_named(sources, tmp_path):
    short = _source(Constant("mine", short=1), tmp_path, [1, 2, 3])
    for given, clips, expected in (
        ([short], short.clips, r"mine gave 2 arrays of flow.* for 3 clips"),
        (sources[:1], _all_clips(sources), "yours"),
    ):
        with pytest.raises(MerbenchError, match=expected):
            prepare_inputs(given, clips, {"flow": FLOW})


class Pictures(Registered):
    """A database of cropped frames, 16 x 16, of several lengths; frame n of clip c is grey 10 c + n."""

    card = DatabaseCard(name="pictures", title="x", datasets={"pictures": "x"}, licence="x", source="x")

    def frames(self, folder, path):
        return {int(file.stem): file for file in sorted((folder / path).glob("*.png"))}


def _pictures(folder, clips, cropped=True):
    rows = []
    for clip in range(clips):
        (folder / str(clip)).mkdir(parents=True)
        for number in range(5 + clip):
            cv2.imwrite(str(folder / str(clip) / f"{number}.png"), np.full((16, 16), 10 * clip + number, np.uint8))
        aus = [read_coding("4+L12"), read_coding("1 or 2"), None][clip % 3]
        rows.append(
            {"dataset": "pictures", "subject": "s", "clip": str(clip), "emotion": "joy", "onset": 0, "apex": 2}
            | {"offset": 4, "fps": 200, "aus": aus, "path": str(clip), "apex_source": "annotated"}
        )
    return Source(Pictures(), folder, Reading(clip_table(pd.DataFrame(rows), "test"), "none", cropped=cropped))


SMALL_FRAMES = Frames(count=3, size=8)


def test_frames_are_prepared_clip_by_clip_and_kept(tmp_path, home):
    source = _pictures(tmp_path, 3)
    values = prepare_input([source], source.clips.iloc[[2, 0]], SMALL_FRAMES).batch()
    assert (values.shape, values.dtype) == ((2, 3, 8, 8, 1), np.uint8)
    assert values[:, :, 0, 0, 0].tolist() == [[20, 22, 24], [0, 2, 4]]
    watcher = Watcher()
    assert fill_store(source, SMALL_FRAMES, watcher) == 3
    (kept,) = stored_shelves()
    assert (len(kept.arrays()), kept.file.spec.faces) == (3, "delivered")
    path = list(kept.arrays().values())[1]
    path.write_bytes(path.read_bytes()[:-1] + b"x")  # damaged: it is built again
    found = prepare_input([source], source.clips, SMALL_FRAMES, watcher)
    assert found.batch()[:, :, 0, 0, 0].tolist() == [[0, 2, 4], [10, 12, 14], [20, 22, 24]]
    spec = "frames(onset-offset, 3, 8, grey, faces=delivered)"
    assert found.prepared == {"pictures": spec}
    assert watcher.notes[0] == f"pictures: {spec}, faces as delivered"
    assert re.fullmatch(f".*{re.escape(str(path))}.* is built again.*", watcher.notes[1])
    assert len(watcher.notes) == 2


def test_many_clips_are_estimated_before_a_run_prepares_them(tmp_path, home, monkeypatch):
    monkeypatch.setattr(estimate, "MANY", 2)
    source, watcher = _pictures(tmp_path, 3), Watcher()
    prepare_input([source], source.clips, SMALL_FRAMES, watcher)
    assert ": 3 clips will take about 0 s and " in watcher.notes[1]
    prepare_input([source], source.clips, SMALL_FRAMES, watcher)
    assert len(watcher.notes) == 3  # all are there


def test_every_frame_of_each_clip_makes_a_ragged_input(tmp_path):
    source = _pictures(tmp_path, 3)
    ragged = prepare_input([source], source.clips, Frames(count=None, size=8, span="clip"))
    assert [len(values) for values in ragged.batch()] == [5, 6, 7]
    alike = prepare_input([source], source.clips, Frames(count=None, size=8))  # onset to offset: 5 frames in each
    assert [values.shape for values in alike.batch()] == [(5, 8, 8, 1)] * 3
    digests = input_digests(Inputs({"a": ragged, "b": alike, "c": ragged.take(np.array([0, 1, 2]))}, 3))
    assert digests["a"] == digests["c"] != digests["b"]


def test_drawn_pairs_and_their_times_are_ragged_over_versions(tmp_path):
    source = _pictures(tmp_path, 3)
    source.clips.loc[1, ["apex", "offset"]] = [4, 5]
    spec = Frames(count=2, size=8, span="onset-apex", onset_draw=(0, 0.3))
    inputs = prepare_inputs([source], source.clips, {"frames": spec, "times": FrameTimes(frames=spec)})
    assert [values.shape for values in inputs["frames"].stored()] == [(1, 2, 8, 8, 1), (2, 2, 8, 8, 1), (1, 2, 8, 8, 1)]
    assert inputs["times"].stored()[1].tolist() == [[0, 20], [0, 15]]
    assert inputs["frames"].batch()[:, :, 0, 0, 0].tolist() == [[0, 2], [10, 14], [20, 22]]
    for seed in range(10):
        drawn = inputs.batch(rng=np.random.default_rng(seed))
        assert (np.diff(drawn["frames"][:, :, 0, 0, 0].astype(int)) * 5 == np.diff(drawn["times"])).all()
    assert len(set(input_digests(inputs).values())) == 2


def test_frame_rates_are_needed_for_times_and_magnification_only(tmp_path):
    source, specs = _pictures(tmp_path, 2), {"times": FrameTimes(frames=SMALL_FRAMES), "plain": SMALL_FRAMES}
    specs["large"] = SMALL_FRAMES.model_copy(update={"magnify": "evm"})
    slow = Source(source.database, source.folder, Reading(source.clips.assign(fps=100.0), "none", cropped=True))
    times, large = (
        [prepare_input([each], each.clips, specs[name]).batch() for each in (source, slow)]
        for name in ("times", "large")
    )
    assert (times[0].tolist(), times[1].tolist()) == ([[0, 10, 20]] * 2, [[0, 20, 40]] * 2)
    assert (large[0] != large[1]).any()  # the store tells them apart
    source.clips.loc[1, "fps"] = None
    said = missing_inputs([source], specs)
    assert said == [
        f"input {name!r}, {specs[name]}: pictures has no fps for 1 of 2 clips" for name in ("times", "large")
    ]


def test_arrays_that_depend_on_the_frame_rate_stay_usable(tmp_path, monkeypatch):
    source, spec = _pictures(tmp_path, 2), FrameTimes(frames=SMALL_FRAMES)
    prepare_inputs([source], source.clips, {"times": spec, "plain": SMALL_FRAMES})
    monkeypatch.setattr(upkeep, "registered", lambda: ["pictures"])
    for fps, unusable in ((200.0, 0), (100.0, 2)):
        slow = Source(source.database, source.folder, Reading(source.clips.assign(fps=fps), "none", cropped=True))
        monkeypatch.setattr(upkeep, "open_registered", lambda name, slow=slow: slow)
        judged = {shelf.file.spec.kind: (reason, len(lost)) for shelf, reason, lost in upkeep.judged_shelves()}
        assert judged == {"frames": ("", 0), "frame-times": ("", unusable)}


def test_jitter_is_drawn_with_a_generator_only_and_action_units_have_a_mask(tmp_path):
    source = _pictures(tmp_path, 3)
    values = prepare_input([source], source.clips, ActionUnits(vocabulary=(1, 4, 12))).batch()
    np.testing.assert_array_equal(values, [[0, 1, 1], [np.nan, 0, 0], [np.nan] * 3])
    assert stored_shelves() == []
    found = prepare_input([source], source.clips, Frames(count=2, size=8, span="onset-apex", apex_jitter=1))
    assert found.batch()[:, :, 0, 0, 0].tolist() == [[0, 2], [10, 12], [20, 22]]
    draws = [found.batch(rng=np.random.default_rng(seed))[:, 1, 0, 0, 0] % 10 for seed in range(40)]
    assert set(np.unique(draws)) == {1, 2, 3}
    assert found.take(np.array([1])).batch(rng=np.random.default_rng(3)).shape == (1, 2, 8, 8, 1)


def test_a_torn_video_is_named_once(tmp_path, home):
    from support.own import write_table, write_video

    from merbench.databases import DATABASES
    from merbench.databases.own.definitions import OwnDefinition, register_own

    write_video(tmp_path / "videos" / "P1_a.avi", 20)
    table = write_table(tmp_path / "t.csv", [["P1", "a", "sad", 1, 15, 20]])
    source = register_own(OwnDefinition(name="torn", clips=table, place=tmp_path / "videos"))
    video = tmp_path / "videos" / "P1_a.avi"
    video.write_bytes(video.read_bytes()[:-2000])
    for every in (False, True):
        (line,) = unreadable_frames(source, SILENT, every)
        assert "P1_a.avi ends after " in line
    DATABASES.forget()


def test_clips_without_frames_or_faces_are_named(tmp_path):
    source = _pictures(tmp_path, 3, cropped=False)
    line = refusal(prepare_input, [source], source.clips, Frames(count=3, size=8, faces="haar"), error=DataError)
    assert all(part in line for part in ("3 clips can't be prepared", *(f"pictures/s/{clip}" for clip in range(3))))
    for path in (tmp_path / "1").iterdir():
        path.unlink()
    line = refusal(prepare_input, [source], source.clips, SMALL_FRAMES, error=DataError)
    assert "has no frame of pictures/s/1; copy it again" in line


def test_a_release_and_a_database_of_frames_together(tmp_path):
    ready = _source(Constant("ready", offers=(SMALL_FRAMES,)), tmp_path, [1, 2])
    ready.database.arrays = lambda folder, clips, spec: np.full((len(clips), 3, 8, 8, 1), 99, np.uint8)
    sources = [_pictures(tmp_path, 2), ready]
    values = prepare_input(sources, _all_clips(sources).iloc[::-1], SMALL_FRAMES).batch()
    assert values[:, 0, 0, 0, 0].tolist() == [99, 99, 10, 0]


def test_a_digest_depends_on_values_and_specification():
    def digest(values, spec=FLOW):
        return input_digests(Inputs({"flow": ArrayInput(spec, values)}, len(values)))["flow"]

    values = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    changed = values.copy()
    changed[3, 1, 2] += 1
    shapes = (values, changed, values[::-1], values.view(np.int8), values.reshape(4, 3, 2))
    digests = [*map(digest, shapes), digest(values, Flow(size=56)), digest(values, Landmarks())]
    assert len(set(digests)) == len(digests)
    assert digest(np.asfortranarray(values)) == digest(np.repeat(values, 2, axis=0)[::2]) == digests[0]
    found = input_digests(Inputs({"b": ArrayInput(FLOW, values), "a": ArrayInput(FLOW, values + 1)}, 4))
    assert found == {"a": digest(values + 1), "b": digests[0]}
    assert input_digests(Inputs({}, 4)) == {}
