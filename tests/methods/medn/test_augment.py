"""Augmentation: flow changes as the flow of augmented pictures would."""

import cv2
import numpy as np
import pytest
import torch
from merbench.methods.medn import augment
from torch.testing import assert_close

from merbench.prepare.kinds.flow import colour
from merbench.prepare.kinds.flow_field import flow as flow_between

MIRROR = augment.Draw(torch.tensor([True]), torch.tensor([[1.0, 0, 0]]), torch.ones(1, 2))


def drawn(clips=6, crop=0.7, jitter=0.3, flip=True, seed=0):
    return augment.draw(clips, crop, jitter, flip, torch.Generator().manual_seed(seed))


def field(size=48, seed=0):
    """Make a smooth field, as flow is: (size, size, 2)."""
    values = np.random.default_rng(seed).standard_normal((size, size, 2)).astype(np.float32)
    return cv2.GaussianBlur(values, (0, 0), size / 10)


def tensor(*fields):
    return torch.from_numpy(np.stack(fields)).permute(0, 3, 1, 2).contiguous()


def test_draws_are_uniform_within_their_limits():
    found = drawn(4000, crop=0.5)
    side, centre = found.window[:, 0], found.window[:, 1:]
    assert found.mirrored.float().mean().item() == pytest.approx(0.5, abs=0.04)
    assert (side.min() >= 0.5) & (side.max() <= 1)
    assert side.mean().item() == pytest.approx(0.75, abs=0.02)
    assert (centre.abs() <= 1 - side[:, None] + 1e-6).all()  # the window is within the picture
    assert (centre.mean(dim=0).abs().max() < 0.03) & (centre.max() > 0.4)
    assert (found.light - 1).abs().max().item() == pytest.approx(0.3, abs=0.01)
    assert not drawn(100, flip=False).mirrored.any()
    for first, again, other in zip(drawn(seed=1), drawn(seed=1), drawn(seed=2), strict=True):
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
    # Other settings do not shift a clip's draw.
    assert torch.equal(drawn(crop=0.5, jitter=0.4).mirrored, drawn(crop=1.0, jitter=0.0).mirrored)


def test_mirroring_is_exact_with_and_without_a_crop():
    vectors = torch.randn(20, 3, 16, 16)
    for crop in (1.0, 0.5):
        found = drawn(20, crop=crop)
        straight = augment.moved(vectors, found._replace(mirrored=torch.zeros(20, dtype=torch.bool)))
        assert torch.equal(straight, vectors) is (crop == 1)
        expected = torch.where(found.mirrored[:, None, None, None], straight.flip(-1), straight)
        assert_close(augment.moved(vectors, found), expected, rtol=0, atol=1e-5)


def test_mirrored_flow_is_the_flow_of_mirrored_pictures():
    base = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8), (0, 0), 2)
    base = cv2.normalize(base, None, 0, 255, cv2.NORM_MINMAX)
    shift = np.array([[1, 0, 1.5], [0, 1, -0.7]], dtype=np.float32)
    moved = cv2.warpAffine(base, shift, (64, 64), borderMode=cv2.BORDER_REFLECT)
    direct = flow_between(base, moved, "farneback")
    mirrored = flow_between(base[:, ::-1].copy(), moved[:, ::-1].copy(), "farneback")
    found = augment.flow(tensor(direct), MIRROR)[0].permute(1, 2, 0).numpy()
    assert np.abs(found - mirrored)[16:-16, 16:-16].max() < 0.05
    assert found[16:-16, 16:-16, 0].mean() == pytest.approx(-1.5, abs=0.2)


def test_all_frames_of_a_clip_get_the_same_crop_and_light():
    frames = torch.rand(6, 1, 3, 16, 16).expand(6, 4, 3, 16, 16)
    found = augment.faces(frames, drawn(jitter=0.9))
    assert torch.equal(found, found[:, :1].expand_as(found))
    assert (found.min() == 0) & (found.max() == 1)
    light = augment.faces(torch.full((6, 2, 1, 8, 8), 0.4), drawn(crop=1.0)).mean(dim=(1, 2, 3, 4))
    contrast, brightness = drawn(crop=1.0).light.T
    assert_close(light, -0.1 * contrast + 0.5 * brightness)


def test_coloured_flow_is_that_of_preparation():
    """Preparation keeps the hue in steps of 2 degrees, each of which is up to 8.5 grey levels of a colour."""
    vectors = field()
    apart = np.abs(255 * augment.coloured(tensor(vectors))[0].permute(1, 2, 0).numpy() - colour(vectors))
    assert (apart.max() < 10) & (apart.mean() < 1)
    angles, lengths = np.deg2rad(np.arange(0, 360, 2) + 0.01), np.linspace(0, 2, 40)[:, None]  # hues without rounding
    vectors = np.stack([lengths * np.cos(angles), lengths * np.sin(angles)], axis=-1).astype(np.float32)
    found = 255 * augment.coloured(tensor(vectors))[0].permute(1, 2, 0).numpy()
    assert np.abs(found - colour(vectors)).max() <= 3
    assert (augment.coloured(torch.zeros(2, 2, 8, 8)) == 0).all()
    found = augment.coloured(tensor(1e-8 * field(seed=2), 1e4 * field(seed=3)))
    assert ((found >= 0) & (found <= 1)).all()
    assert (found.amax(dim=(1, 2, 3)) > 0.99).all()


def test_scaled_flow_has_longest_vector_and_largest_strain_1():
    for size in (1e-4, 1.0, 100.0):
        vectors = torch.randn(3, 3, 8, 8) * size
        vectors[:, 2] = vectors[:, 2].abs()
        found = augment.scaled(vectors)
        assert_close(torch.hypot(found[:, 0], found[:, 1]).amax(dim=(1, 2)), torch.ones(3))
        assert_close(found[:, 2].amax(dim=(1, 2)), torch.ones(3))
        assert_close(torch.atan2(found[:, 1], found[:, 0]), torch.atan2(vectors[:, 1], vectors[:, 0]))
    assert (augment.scaled(torch.zeros(2, 3, 8, 8)) == 0).all()
