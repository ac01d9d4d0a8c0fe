"""The face of a clip is found once, and the flow of a pair of its frames computed once, for all its inputs."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.cases import each
from support.moving import moving_clip
from support.refusals import refusal
from support.watching import Watcher

from merbench.contracts.errors import DataError
from merbench.contracts.inputs import DynamicImage, Flow, Frames, Landmarks
from merbench.prepare import pools
from merbench.prepare.faces import aligned
from merbench.prepare.faces.find import landmarks_installed
from merbench.prepare.kinds import flow_field
from merbench.prepare.kinds.build import build
from merbench.prepare.provide import provide
from merbench.prepare.store import SILENT, Shelf, ShelfFile, stored_shelves

with_dlib = pytest.mark.skipif(not landmarks_installed(), reason="dlib is not installed (the extra faces)")


@pytest.fixture
def clips(tmp_path):
    return [moving_clip(tmp_path / str(n), f"casme2/sub01/EP_{n}", cropped=False, step=n) for n in range(3)]


@pytest.fixture
def found(monkeypatch):
    """Return the pictures in which a face is looked for."""
    wheres, find = [], aligned.find_face
    monkeypatch.setattr(
        aligned, "find_face", lambda *given, **options: wheres.append(given[2]) or find(*given, **options)
    )
    return wheres


@pytest.fixture
def computed(monkeypatch):
    """Return the pairs between which flow is computed."""
    pairs, of_pair = [], flow_field.flow
    monkeypatch.setattr(flow_field, "flow", lambda *pair: pairs.append(pair) or of_pair(*pair))
    return pairs


def test_pairs_of_many_clips_are_computed_at_once_within_bounds(clips, monkeypatch):
    sizes, of_pairs = [], flow_field.flows
    monkeypatch.setattr(flow_field, "_PIXELS_AT_ONCE", 2 * 32 * 32)  # two clips
    monkeypatch.setattr(flow_field, "flows", lambda pairs, way: sizes.append(len(pairs)) or of_pairs(pairs, "dis"))
    spec = Flow(faces="delivered", size=16, face_size=32, algorithm="tvl1-torch")
    expected = provided(spec.model_copy(update={"algorithm": "dis"}), clips)
    sizes.clear()
    assert np.array_equal(provided(spec, clips), expected)
    assert sizes == [2, 1]
    clips = [replace(clip, name=f"{clip.name}x") for clip in clips]
    next(iter(clips[1].files.values())).with_name(f"img{clips[1].apex}.png").write_bytes(b"torn")
    line = refusal(provided, spec, clips, error=DataError)
    assert "1 clip can't be prepared (the others are kept)" in line
    assert len([path for path in Shelf(ShelfFile.of("casme2", spec)).there(clips) if path]) == 2


def provided(spec, clips, watcher=SILENT):
    shelf = Shelf(ShelfFile.of("casme2", spec))
    return [shelf.read(path) for path in provide(shelf, clips, watcher)]


@pytest.mark.parametrize("way", [pytest.param("landmarks", marks=with_dlib), "haar"])
def test_all_inputs_of_a_clip_share_its_face(clips, found, way):
    specs = [Flow(faces=way, size=16, face_size=32, algorithm="farneback"), Frames(faces=way, size=16, count=3)]
    specs += [DynamicImage(faces=way, size=16, magnify="evm")]
    specs += (
        [Landmarks(faces=way), Flow(faces=way, size=16, face_size=32, algorithm="farneback", mask="face")]
        if way == "landmarks"
        else []
    )
    watcher = Watcher()
    arrays = [provided(spec, clips, watcher) for spec in specs]
    assert sorted(where.partition(",")[0] for where in found) == [clip.name for clip in clips]
    assert [count for count in watcher.counts if "face(" in count[0]] == [
        (f"casme2: face({way})", done, 3) for done in range(4)
    ]
    for spec, of_spec in zip(specs, arrays, strict=True):
        for clip, array in zip(clips, of_spec, strict=True):
            np.testing.assert_array_equal(array, build(spec, clip), err_msg=str(spec))
    shared = [f"face({way})", f"flow-field(onset-apex, 32, farneback, faces={way})"]
    assert sorted(str(shelf.file.spec) for shelf in stored_shelves()) == sorted([*map(str, specs), *shared])


def test_all_flow_inputs_of_a_clip_share_the_flow_of_its_pairs(clips, computed):
    same = {"faces": "haar", "face_size": 32, "algorithm": "farneback"}
    specs = [
        Flow(size=16, **same),
        Flow(size=8, channels=("u", "v"), normalise="hsv", resample=True, **same),
        Flow(size=32, channels=("magnitude",), normalise="none", **same),
    ]
    jittered = [Flow(size=size, onset_jitter=1, apex_jitter=2, **same) for size in (16, 8)]
    for group, pairs in each(((specs, 1), (jittered, 12))):  # of 15 shifts, the apex 18 is missing: 17 is taken
        for spec in group:
            arrays = provided(spec, clips)
            assert len(computed) == pairs * len(clips)
            for clip, array in zip(clips, arrays, strict=True):
                given, computed[:] = computed[:], []
                np.testing.assert_array_equal(array, build(spec, clip), err_msg=str(spec))
                computed[:] = given
        computed.clear()


def test_other_flow_is_not_shared_and_changed_flow_is_computed_again(clips, computed):
    plain = {"faces": "haar", "face_size": 32, "algorithm": "farneback"}
    for change in each(({}, {"span": "onset-offset"}, {"face_size": 24}, {"magnify": "evm"}, {"faces": "delivered"})):
        computed.clear()
        for size in (8, 16):
            spec = Flow(size=size, **plain | change)
            np.testing.assert_array_equal(provided(spec, clips[:1])[0], build(spec, clips[0]))
        assert len(computed) == 1 + 2  # shared, and twice by `build` alone
    (fields,) = (shelf for shelf in stored_shelves() if "flow-field(onset-apex, 24" in str(shelf.file.spec))
    (path,) = fields.arrays().values()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    computed.clear()
    spec = Flow(size=12, **plain | {"face_size": 24})
    np.testing.assert_array_equal(provided(spec, clips[:1])[0], build(spec, clips[0]))
    assert len(computed) == 2
    assert not fields.arrays()


def test_only_clips_without_a_face_fail_and_a_changed_face_is_found_again(clips, found):
    cv2.imwrite(str(clips[1].files[12]), np.zeros((256, 256, 3), np.uint8))
    spec = Frames(faces="haar", size=16, count=3)
    line = refusal(provided, spec, clips, error=DataError)
    assert "casme2: frames" in line
    assert "1 clip can't be prepared (the others are kept): casme2/sub01/EP_1, frame 12" in line
    assert len(Shelf(ShelfFile.of("casme2", spec)).arrays()) == 2
    (faces,) = (shelf for shelf in stored_shelves() if shelf.file.spec.kind == "face")
    assert len(faces.arrays()) == 2
    for path in faces.arrays().values():
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    found.clear()
    other = spec.model_copy(update={"size": 8})
    arrays = provided(other, [clips[0], clips[2]])
    assert len(found) == 2
    np.testing.assert_array_equal(arrays[0], build(other, clips[0]))


def test_pictures_as_delivered_need_no_face(clips, found):
    provided(Frames(faces="delivered", size=16, count=3), clips)
    assert [shelf.file.spec.kind for shelf in stored_shelves()] == ["frames"]


@with_dlib
@pytest.mark.slow
def test_landmarks_from_processes_are_the_same(clips, monkeypatch):
    monkeypatch.setattr(pools, "SECONDS_A_PROCESS", 1e-9)
    many = [replace(clip, name=f"{clip.name}_{n}") for n in range(5) for clip in clips]
    for spec in (Landmarks(faces="landmarks"), Frames(faces="landmarks", align="frame", count=2, size=8)):
        expected = [build(spec, clip) for clip in clips]
        for index, array in enumerate(provided(spec, many)):
            np.testing.assert_array_equal(array, expected[index % 3])
