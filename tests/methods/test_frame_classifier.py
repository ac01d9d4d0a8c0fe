"""Hand-crafted features of frames equal straight loops and public arrays (../shared/data/parity)."""

import math

import numpy as np
import pytest
from merbench.methods.classical.frame_classifier import features, regions
from merbench.methods.classical.frame_classifier.kept_features import once_a_clip

from merbench.contracts.errors import MerbenchError
from merbench.databases.registrations import open_source
from merbench.engine.plan.catalogue import METHODS
from merbench.prepare.arrays import missing_inputs

CLASSIFIER = METHODS.get("frame-classifier")


@pytest.fixture
def arrays(shared):
    def read(name):
        with np.load(shared / "data" / "parity" / f"{name}.npz", allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    return read


def test_lbp_top_equals_the_loops_and_the_public_counts(arrays):
    known = arrays("lbptop")
    clip = known["in/clip"].transpose(2, 0, 1)[None]
    for name, radii, points, blocks in (
        ("r3_p8_b221", (3, 3, 3), 8, (2, 2, 1)),
        ("r1_p8_b222", (1, 1, 1), 8, (2, 2, 2)),
        ("r1_1_4_p4_b551", (1, 1, 4), 4, (5, 5, 1)),
    ):
        found = features.lbp_top(clip, radii, points, blocks)[0]
        np.testing.assert_allclose(found, known[f"out/loop_{name}"].ravel(), rtol=1e-4, atol=1e-6, err_msg=name)
    counts = known["out/meb_1x1"].reshape(3, 59)
    found = features.lbp_top(clip, (3, 3, 3), 8, (1, 1, 1)).reshape(3, 59)
    np.testing.assert_allclose(found, counts / counts.sum(axis=1, keepdims=True), atol=1e-6)
    assert np.bincount(features.uniform_patterns(8)).tolist() == [1] * 58 + [198]


def test_regions_and_main_directions_equal_the_public_ones_mended(arrays):
    known = arrays("mdmo")
    points, shape = known["in/points"].astype(float), known["mid/roi_masks_shape"]
    np.testing.assert_allclose(regions.corners_of(points, 112), known["mid/roi_corners"])
    masks = np.unpackbits(known["mid/roi_masks_packed"])[: shape.prod()].reshape(shape)
    np.testing.assert_array_equal(regions.masks_of(points, 112), masks)
    rho, theta = features.mdmo(known["in/flows"][None], points[None]).reshape(2, 36)
    np.testing.assert_allclose(rho, known["out/loop_rho"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(theta, known["out/loop_theta"], rtol=1e-4, atol=1e-6)
    outside = features.mdmo(known["in/flows"][None], np.full((1, 68, 2), -50.0))
    assert not outside.any()


def test_gradients_and_flow_over_time_are_counted_as_by_loops():
    rng = np.random.default_rng(2)
    clip = rng.integers(0, 256, (1, 4, 6, 5), dtype=np.uint8)
    found = features.hog_3d(clip, (2, 1, 2)).reshape(2, 1, 2, 3, 8)
    along = dict(zip("tyx", np.gradient(clip[0].astype(float)), strict=True))
    wanted = np.zeros(found.shape)
    for t, y, x in np.ndindex(4, 6, 5):
        for plane, (first, second) in enumerate(("xy", "xt", "yt")):
            a, b = along[first][t, y, x], along[second][t, y, x]
            angle = math.degrees(math.atan2(b, a)) + 180
            wanted[y // 3, 0, t // 2, plane, int(angle // 45) % 8] += math.hypot(a, b)
    wanted /= np.linalg.norm(wanted, axis=-1, keepdims=True)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
    fields = rng.normal(size=(2, 3, 4, 4, 2))
    series = features.hoof_over_time(fields, 2).reshape(2, 3, -1)
    alone = features.hoof_over_time(fields[1:, 2:], 2)[0]
    np.testing.assert_allclose(series[1, 2], alone)


def test_a_feature_is_computed_once_a_clip_and_setting():
    seen = []

    def mean(clips):
        seen.append(len(clips))
        return clips.reshape(1, -1).mean(axis=1, keepdims=True)

    clips = np.arange(12.0).reshape(3, 4)
    for _ in range(2):
        assert once_a_clip("mean", mean, clips[::-1]).ravel().tolist() == [9.5, 5.5, 1.5]
    assert seen == [1, 1, 1]
    once_a_clip("other", mean, clips)
    assert len(seen) == 6


def test_what_does_not_fit_is_refused_in_one_line(small_release):
    for settings in ({"radii": "[1, 1, 5]"}, {"size": "16", "grid": "15"}, {"radii": "[0, 1, 1]"}):
        with pytest.raises(MerbenchError, match="do not fit: radius") as raised:
            CLASSIFIER.resolve("lbp-top", settings)
        assert len(str(raised.value).splitlines()) == 1
    release = open_source("megc2019-flow28", small_release)
    for configuration in CLASSIFIER.card.configurations:
        lines = missing_inputs([release], CLASSIFIER.inputs(CLASSIFIER.resolve(configuration), "classification"))
        assert lines, configuration
        assert all(": megc2019-flow28 has only flow(" in line for line in lines), configuration
