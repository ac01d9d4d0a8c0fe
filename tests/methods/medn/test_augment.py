"""Augmentation: flow changes as the flow of augmented pictures would."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from merbench.methods.medn import augment
from torch.testing import assert_close

from merbench.prepare.kinds.flow import colour, strain
from merbench.prepare.kinds.flow import flow as flow_between

MIRROR = augment.Draw(torch.tensor([True]), torch.tensor([[1.0, 0, 0]]), torch.ones(1, 2))


def drawn(clips=6, crop=0.7, jitter=0.3, flip=True, seed=0):
    return augment.draw(clips, crop, jitter, flip, torch.Generator().manual_seed(seed))


def field(size=48, seed=0):
    """A smooth field, as flow is: (size, size, 2)."""
    values = np.random.default_rng(seed).standard_normal((size, size, 2)).astype(np.float32)
    return cv2.GaussianBlur(values, (0, 0), size / 10)


def tensor(*fields):
    return torch.from_numpy(np.stack(fields)).permute(0, 3, 1, 2).contiguous()


@given(st.integers(1, 40), st.floats(0.1, 1), st.floats(0, 0.9), st.booleans(), st.integers(0, 2**31))
def test_draws_are_within_the_limits_asked_for(clips, crop, jitter, flip, seed):
    found = drawn(clips, crop, jitter, flip, seed)
    assert found.mirrored.dtype == torch.bool
    assert found.mirrored.shape == (clips,)
    assert flip or not found.mirrored.any()
    side, centre = found.window[:, 0], found.window[:, 1:]
    assert found.window.shape == (clips, 3)
    assert ((side >= crop - 1e-6) & (side <= 1)).all()
    assert (centre.abs() <= 1 - side[:, None] + 1e-6).all()  # the window is within the picture
    assert found.light.shape == (clips, 2)
    assert ((found.light - 1).abs() <= jitter + 1e-6).all()


def test_draws_are_uniform_and_follow_from_the_generator():
    found = drawn(4000, crop=0.5)
    assert found.mirrored.float().mean().item() == pytest.approx(0.5, abs=0.04)
    assert found.window[:, 0].mean().item() == pytest.approx(0.75, abs=0.02)
    assert found.window[:, 1:].mean(dim=0).abs().max() < 0.03
    assert found.window[:, 1:].amax() > 0.4
    assert found.light.mean().item() == pytest.approx(1.0, abs=0.02)
    for first, again, other in zip(drawn(seed=1), drawn(seed=1), drawn(seed=2), strict=True):
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
    # Other settings do not shift a clip's draw.
    assert torch.equal(drawn(crop=0.5, jitter=0.4).mirrored, drawn(crop=1.0, jitter=0.0).mirrored)
    assert torch.equal(drawn(crop=0.5, jitter=0.4).light > 1, drawn(crop=1.0, jitter=0.1).light > 1)


def test_mirroring_is_exact_with_and_without_a_crop():
    frames, vectors = torch.rand(20, 3, 1, 16, 16), torch.randn(20, 3, 16, 16)
    still = drawn(20, crop=1.0, jitter=0.0, flip=False)
    assert_close(augment.faces(frames, still), frames, rtol=0, atol=1e-6)
    assert torch.equal(augment.flow(vectors, still), vectors)
    found = drawn(20, crop=1.0, jitter=0.0)
    assert 0 < found.mirrored.sum() < 20
    expected = torch.where(found.mirrored[:, None, None, None, None], frames.flip(-1), frames)
    assert_close(augment.faces(frames, found), expected, rtol=0, atol=1e-6)
    found = drawn(20, crop=0.5)
    straight = augment.moved(vectors, found._replace(mirrored=torch.zeros(20, dtype=torch.bool)))
    expected = torch.where(found.mirrored[:, None, None, None], straight.flip(-1), straight)
    assert_close(augment.moved(vectors, found), expected, rtol=0, atol=1e-5)


def test_mirrored_flow_is_the_flow_of_mirrored_pictures():
    base = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8), (0, 0), 2)
    base = cv2.normalize(base, None, 0, 255, cv2.NORM_MINMAX)
    shift = np.array([[1, 0, 1.5], [0, 1, -0.7]], dtype=np.float32)
    moved = cv2.warpAffine(base, shift, (64, 64), borderMode=cv2.BORDER_REFLECT)
    direct = flow_between(base, moved, "farneback")
    mirrored = flow_between(base[:, ::-1].copy(), moved[:, ::-1].copy(), "farneback")
    assert direct[16:-16, 16:-16, 0].mean() == pytest.approx(1.5, abs=0.2)
    found = augment.flow(tensor(direct), MIRROR)[0].permute(1, 2, 0).numpy()
    assert np.abs(found - mirrored)[16:-16, 16:-16].max() < 0.05
    assert found[16:-16, 16:-16, 0].mean() == pytest.approx(-1.5, abs=0.2)
    vectors = field()
    mirrored = np.stack([-vectors[:, ::-1, 0], vectors[:, ::-1, 1]], axis=-1)
    with_strain, expected = (np.concatenate([v, strain(v)[:, :, None]], axis=-1) for v in (vectors, mirrored))
    assert_close(augment.flow(tensor(with_strain), MIRROR), tensor(expected), rtol=1e-4, atol=1e-6)


def test_faces_and_flow_are_moved_alike():
    """A wave over the faces, and the same wave as u, are equal after any draw, except for the sign of u."""
    found = drawn(12, crop=0.6, jitter=0.0)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    wave = 0.5 + 0.4 * torch.sin(3 * x + 1) * torch.cos(2 * y - 0.5)
    vectors = torch.nn.functional.avg_pool2d(wave[None], 2).expand(12, 2, 32, 32).clone()  # smaller than the faces
    faces, flow = augment.faces(wave.expand(12, 2, 1, 64, 64), found), augment.flow(vectors, found)
    sign = torch.where(found.mirrored, -1.0, 1.0)[:, None, None]
    assert_close(flow[:, 0] * sign, flow[:, 1], rtol=0, atol=1e-6)
    assert (flow[:, 1] - torch.nn.functional.avg_pool2d(faces[:, 0], 2)[:, 0]).abs().max() < 0.02
    assert (flow[:, 1] - vectors[:, 1]).abs().max() > 0.1  # they were moved indeed


def test_all_frames_of_a_clip_get_the_same_crop_and_light():
    frames = torch.rand(6, 1, 3, 16, 16).expand(6, 4, 3, 16, 16)
    found = augment.faces(frames, drawn())
    assert torch.equal(found, found[:, :1].expand_as(found))
    assert not torch.equal(found, frames)
    light = augment.faces(torch.full((6, 2, 1, 8, 8), 0.4), drawn(crop=1.0)).mean(dim=(1, 2, 3, 4))
    contrast, brightness = drawn(crop=1.0).light.T
    assert_close(light, -0.1 * contrast + 0.5 * brightness)
    assert light.std() > 0.01
    found = augment.faces(torch.tensor([0.0, 1.0]).repeat(50, 1, 1, 32, 16), drawn(50, jitter=0.9))
    assert (found.min() >= 0) & (found.max() <= 1)


def test_coloured_flow_is_that_of_preparation():
    """Preparation keeps the hue in steps of 2 degrees, each of which is up to 8.5 grey levels of a colour."""
    for seed in range(4):
        vectors = field(seed=seed)
        apart = np.abs(255 * augment.coloured(tensor(vectors))[0].permute(1, 2, 0).numpy() - colour(vectors))
        assert apart.max() < 10
        assert apart.mean() < 1
        assert (apart <= 3).mean() > 0.85
    angles, lengths = np.deg2rad(np.arange(0, 360, 2) + 0.01), np.linspace(0, 2, 40)[:, None]  # hues without rounding
    vectors = np.stack([lengths * np.cos(angles), lengths * np.sin(angles)], axis=-1).astype(np.float32)
    found = 255 * augment.coloured(tensor(vectors))[0].permute(1, 2, 0).numpy()
    assert np.abs(found - colour(vectors)).max() <= 3


def test_colours_are_within_0_and_1_and_not_mirrored_as_hues():
    assert (augment.coloured(torch.zeros(2, 2, 8, 8)) == 0).all()
    found = augment.coloured(tensor(field(seed=1), 1e-8 * field(seed=2), 1e4 * field(seed=3)))
    assert ((found >= 0) & (found <= 1)).all()
    assert (found.amax(dim=(1, 2, 3)) > 0.99).all()
    vectors = tensor(field())
    right, wrong = augment.coloured(augment.flow(vectors, MIRROR)), augment.coloured(vectors).flip(-1)
    assert (right - wrong).abs().mean() > 0.05
    assert_close(right.amax(dim=1), wrong.amax(dim=1), rtol=0, atol=1e-5)  # the values do agree


@given(st.integers(0, 1000), st.sampled_from([1e-4, 1.0, 100.0]))
def test_scaled_flow_has_longest_vector_and_largest_strain_1(seed, size):
    rng = np.random.default_rng(seed)
    vectors = torch.from_numpy(size * rng.standard_normal((3, 3, 8, 8)).astype(np.float32))
    vectors[:, 2] = vectors[:, 2].abs()
    found = augment.scaled(vectors)
    assert_close(torch.hypot(found[:, 0], found[:, 1]).amax(dim=(1, 2)), torch.ones(3))
    assert_close(found[:, 2].amax(dim=(1, 2)), torch.ones(3))
    assert_close(torch.atan2(found[:, 1], found[:, 0]), torch.atan2(vectors[:, 1], vectors[:, 0]))
    assert (augment.scaled(torch.zeros(2, 3, 8, 8)) == 0).all()
