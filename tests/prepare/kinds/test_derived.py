"""What a release serves beyond the arrays that it offers."""

import cv2
import numpy as np
import pytest

from merbench.contracts.errors import MerbenchError
from merbench.contracts.inputs import Flow
from merbench.databases.registrations import open_source
from merbench.databases.releases.megc2019_flow28 import FLOW
from merbench.prepare.arrays import missing_inputs, prepare_input
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds.build import build
from merbench.prepare.kinds.flow import KIND, colour, to_bytes


@pytest.fixture
def moving(tmp_path):
    """Return a clip of smooth noise that moves by two pixels to the right."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8), (0, 0), 2)
    noise = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX)
    files = {number: tmp_path / f"{number}.png" for number in (0, 1)}
    for number, file in files.items():
        cv2.imwrite(str(file), np.roll(noise, 2 * number, axis=1))
    return ClipFrames("casme2/sub01/EP02_01f", 0, 1, 1, files, cropped=True)


@pytest.fixture
def release(small_release):
    return open_source("megc2019-flow28", small_release)


def test_a_release_serves_channels_scaling_and_sizes_that_follow_from_it(release):
    def served(**settings):
        return prepare_input([release], release.clips, Flow(**settings))

    whole = served().batch()
    assert served().prepared == {}
    some = served(channels=("v", "u"))
    np.testing.assert_array_equal(some.batch(), whole[..., [1, 0]])
    assert some.prepared == {"megc2019-flow28": f"{Flow(channels=('v', 'u'))} derived from {FLOW}"}
    unit = served(normalise="unit", channels=("u",)).batch()
    assert unit.dtype == np.float32
    np.testing.assert_array_equal(unit[..., 0], whole[..., 0] / np.float32(255))
    half = served(size=14, resample=True).batch()
    assert (half.shape, half.dtype) == ((24, 14, 14, 3), np.uint8)
    for clip, small in zip(whole, half, strict=True):
        means = [[clip[y : y + 2, x : x + 2].mean(axis=(0, 1)) for x in range(0, 28, 2)] for y in range(0, 28, 2)]
        np.testing.assert_array_equal(small, to_bytes(np.array(means)))
    assert served(size=56, resample=True, normalise="unit").batch().shape == (24, 56, 56, 3)
    np.testing.assert_array_equal(served(resample=True).batch(), whole)


def test_a_release_serves_nothing_that_its_bytes_have_lost(release):
    for settings in (
        {"size": 14},
        {"normalise": "none"},
        {"normalise": "hsv", "channels": ("u", "v")},
        {"channels": ("u", "magnitude")},
        {"algorithm": "farneback"},
        {"span": "onset-offset"},
        {"mask": "face"},
        {"apex_jitter": 1, "channels": ("u",)},
        {"align": "frame"},
    ):
        (line,) = missing_inputs([release], {"flow": Flow(**settings)})
        hint = " (other sizes with resample: true)" * (settings == {"size": 14})
        assert line.endswith(f"megc2019-flow28 has only {FLOW}{hint}"), settings
    with pytest.raises(MerbenchError, match="can't serve"):
        prepare_input([release], release.clips, Flow(size=14))


def test_flow_in_pixels_gives_every_encoding(moving):
    offered = Flow(normalise="none", faces="delivered", size=32, face_size=64)
    values = build(offered, moving)[None]
    for settings in (
        {"normalise": "clip"},
        {"normalise": "unit", "channels": ("v",)},
        {"normalise": "hsv", "channels": ("u", "v")},
        {"size": 16, "resample": True},
        {"size": 16, "resample": True, "normalise": "clip"},
    ):
        spec = Flow(faces="delivered", face_size=64, **{"size": 32, "normalise": "none"} | settings)
        built = build(spec, moving)
        derived = KIND.derive(spec, offered)(values)[0]
        assert derived.dtype == built.dtype
        rounding = 1 if spec.size == 16 and derived.dtype == np.uint8 else 1e-5
        np.testing.assert_allclose(derived.astype(float), built.astype(float), atol=rounding, err_msg=str(spec))
    np.testing.assert_array_equal(
        build(Flow(normalise="hsv", channels=("u", "v"), faces="delivered", size=32, face_size=64), moving),
        colour(values[0, ..., :2]),
    )
    coloured = Flow(normalise="hsv", channels=("u", "v"))
    for spec in (Flow(channels=("u",)), Flow(channels=("u", "v"), normalise="hsv", size=14, resample=True)):
        assert KIND.derive(spec, coloured) is None
