"""Augmentation: what is done to flow is what would have been done to the pictures it was computed from."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from merbench.methods.medn import augment

from merbench.prepare.kinds.flow import colour, strain
from merbench.prepare.kinds.flow import flow as flow_between


def drawn(clips=6, crop=0.7, jitter=0.3, flip=True, seed=0):
    return augment.draw(clips, crop, jitter, flip, torch.Generator().manual_seed(seed))


def field(size=48, seed=0):
    """A smooth field, as flow is: (size, size, 2)."""
    values = np.random.default_rng(seed).standard_normal((size, size, 2)).astype(np.float32)
    return cv2.GaussianBlur(values, (0, 0), size / 10)


def tensor(*fields):
    return torch.from_numpy(np.stack(fields)).permute(0, 3, 1, 2).contiguous()


@given(st.integers(1, 40), st.floats(0.1, 1), st.floats(0, 0.9), st.booleans(), st.integers(0, 2**31))
def test_draws_lie_within_what_was_asked_for(clips, crop, jitter, flip, seed):
    found = drawn(clips, crop, jitter, flip, seed)
    assert found.mirrored.dtype == torch.bool
    assert found.mirrored.shape == (clips,)
    assert flip or not found.mirrored.any()
    side, centre = found.window[:, 0], found.window[:, 1:]
    assert found.window.shape == (clips, 3)
    assert ((side >= crop - 1e-6) & (side <= 1)).all()
    assert (centre.abs() <= 1 - side[:, None] + 1e-6).all()  # the window lies within the picture
    assert found.light.shape == (clips, 2)
    assert ((found.light - 1).abs() <= jitter + 1e-6).all()


def test_half_of_the_clips_are_mirrored_and_windows_lie_everywhere():
    found = drawn(4000, crop=0.5)
    assert found.mirrored.float().mean().item() == pytest.approx(0.5, abs=0.04)
    assert found.window[:, 0].mean().item() == pytest.approx(0.75, abs=0.02)
    assert found.window[:, 1:].mean(dim=0).abs().max() < 0.03
    assert found.window[:, 1:].amax() > 0.4
    assert found.light.mean().item() == pytest.approx(1.0, abs=0.02)


def test_the_generator_decides():
    for first, again, other in zip(drawn(seed=1), drawn(seed=1), drawn(seed=2), strict=True):
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


def test_the_draw_of_a_clip_does_not_depend_on_what_else_is_changed():
    whole, plain = drawn(crop=0.5, jitter=0.4), drawn(crop=1.0, jitter=0.0)
    assert torch.equal(whole.mirrored, plain.mirrored)
    assert torch.equal(whole.light > 1, drawn(crop=1.0, jitter=0.1).light > 1)


def test_a_crop_of_1_without_mirroring_changes_nothing():
    still = drawn(crop=1.0, jitter=0.0, flip=False)
    frames, vectors = torch.rand(6, 3, 1, 16, 16), torch.randn(6, 3, 16, 16)
    torch.testing.assert_close(augment.faces(frames, still), frames, rtol=0, atol=1e-6)
    assert torch.equal(augment.flow(vectors, still), vectors)


def test_a_mirrored_picture_is_exactly_that():
    found = drawn(20, crop=1.0, jitter=0.0)
    assert 0 < found.mirrored.sum() < 20
    frames = torch.rand(20, 3, 1, 16, 16)
    expected = torch.where(found.mirrored[:, None, None, None, None], frames.flip(-1), frames)
    torch.testing.assert_close(augment.faces(frames, found), expected, rtol=0, atol=1e-6)


def test_a_mirrored_crop_is_the_crop_mirrored():
    found = drawn(20, crop=0.5)
    assert 0 < found.mirrored.sum() < 20
    pictures = torch.rand(20, 2, 16, 16)
    straight = augment.moved(pictures, found._replace(mirrored=torch.zeros(20, dtype=torch.bool)))
    expected = torch.where(found.mirrored[:, None, None, None], straight.flip(-1), straight)
    torch.testing.assert_close(augment.moved(pictures, found), expected, rtol=0, atol=1e-5)


def test_mirrored_flow_is_the_flow_of_mirrored_pictures():
    base = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8), (0, 0), 2)
    base = cv2.normalize(base, None, 0, 255, cv2.NORM_MINMAX)
    shift = np.array([[1, 0, 1.5], [0, 1, -0.7]], dtype=np.float32)
    moved = cv2.warpAffine(base, shift, (64, 64), borderMode=cv2.BORDER_REFLECT)
    direct = flow_between(base, moved, "farneback")
    mirrored = flow_between(base[:, ::-1].copy(), moved[:, ::-1].copy(), "farneback")
    inner = direct[16:-16, 16:-16]
    assert inner[..., 0].mean() == pytest.approx(1.5, abs=0.2)
    turned = augment.flow(
        tensor(direct), augment.Draw(torch.tensor([True]), torch.tensor([[1.0, 0, 0]]), torch.ones(1, 2))
    )
    found = turned[0].permute(1, 2, 0).numpy()
    assert np.abs(found - mirrored)[16:-16, 16:-16].max() < 0.05
    assert found[16:-16, 16:-16, 0].mean() == pytest.approx(-1.5, abs=0.2)


def test_mirrored_strain_is_the_strain_of_the_mirrored_field():
    vectors = field()
    mirrored = np.stack([-vectors[:, ::-1, 0], vectors[:, ::-1, 1]], axis=-1)
    with_strain = np.concatenate([vectors, strain(vectors)[:, :, None]], axis=-1)
    found = augment.flow(
        tensor(with_strain), augment.Draw(torch.tensor([True]), torch.tensor([[1.0, 0, 0]]), torch.ones(1, 2))
    )
    expected = np.concatenate([mirrored, strain(mirrored)[:, :, None]], axis=-1)
    torch.testing.assert_close(found, tensor(expected), rtol=1e-4, atol=1e-6)


def test_faces_and_flow_are_moved_alike():
    """A wave over the faces, and the same wave as u, are still the same after any draw, but for the sign of u."""
    found = drawn(12, crop=0.6, jitter=0.0)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    wave = 0.5 + 0.4 * torch.sin(3 * x + 1) * torch.cos(2 * y - 0.5)
    frames = wave.expand(12, 2, 1, 64, 64)
    small = torch.nn.functional.avg_pool2d(wave[None], 2)  # the flow has another size than the faces
    vectors = small.expand(12, 2, 32, 32).clone()
    faces, flow = augment.faces(frames, found), augment.flow(vectors, found)
    sign = torch.where(found.mirrored, -1.0, 1.0)[:, None, None]
    torch.testing.assert_close(flow[:, 0] * sign, flow[:, 1], rtol=0, atol=1e-6)
    expected = torch.nn.functional.avg_pool2d(faces[:, 0], 2)[:, 0]
    assert (flow[:, 1] - expected).abs().max() < 0.02
    assert (flow[:, 1] - vectors[:, 1]).abs().max() > 0.1  # they were moved indeed


def test_every_frame_of_a_clip_is_moved_and_lit_alike():
    frames = torch.rand(6, 1, 3, 16, 16).expand(6, 4, 3, 16, 16)
    found = augment.faces(frames, drawn())
    assert torch.equal(found, found[:, :1].expand_as(found))
    assert not torch.equal(found, frames)
    grey = torch.full((6, 2, 1, 8, 8), 0.4)
    light = augment.faces(grey, drawn(crop=1.0)).mean(dim=(1, 2, 3, 4))
    contrast, brightness = drawn(crop=1.0).light.T
    torch.testing.assert_close(light, -0.1 * contrast + 0.5 * brightness)
    assert light.std() > 0.01


def test_light_stays_between_black_and_white():
    found = augment.faces(torch.tensor([0.0, 1.0]).repeat(50, 1, 1, 32, 16), drawn(50, jitter=0.9))
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("seed", range(4))
def test_coloured_flow_is_what_preparation_paints(seed):
    """Preparation keeps the hue in steps of 2 degrees, each of which is up to 8.5 grey levels of a colour."""
    vectors = field(seed=seed)
    found = 255 * augment.coloured(tensor(vectors))[0].permute(1, 2, 0).numpy()
    apart = np.abs(found - colour(vectors))
    assert apart.max() < 10
    assert apart.mean() < 1
    assert (apart <= 3).mean() > 0.85


def test_where_hue_is_not_rounded_the_colours_agree_to_3_of_255():
    angles = np.deg2rad(np.arange(0, 360, 2) + 0.01)
    lengths = np.linspace(0, 2, 40)
    vectors = np.stack([lengths[:, None] * np.cos(angles), lengths[:, None] * np.sin(angles)], axis=-1).astype(
        np.float32
    )
    found = 255 * augment.coloured(tensor(vectors))[0].permute(1, 2, 0).numpy()
    assert np.abs(found - colour(vectors)).max() <= 3


def test_colours_lie_between_0_and_1_and_nothing_moving_is_black():
    assert (augment.coloured(torch.zeros(2, 2, 8, 8)) == 0).all()
    found = augment.coloured(tensor(field(seed=1), 1e-8 * field(seed=2), 1e4 * field(seed=3)))
    assert ((found >= 0) & (found <= 1)).all()
    assert (found.amax(dim=(1, 2, 3)) > 0.99).all()


def test_vectors_are_mirrored_and_not_their_hues():
    vectors = tensor(field())
    mirror = augment.Draw(torch.tensor([True]), torch.tensor([[1.0, 0, 0]]), torch.ones(1, 2))
    right = augment.coloured(augment.flow(vectors, mirror))
    wrong = augment.coloured(vectors).flip(-1)
    assert (right - wrong).abs().mean() > 0.05
    torch.testing.assert_close(right.amax(dim=1), wrong.amax(dim=1), rtol=0, atol=1e-5)  # the values do agree


@given(st.integers(0, 1000), st.sampled_from([1e-4, 1.0, 100.0]))
def test_scaled_flow_has_longest_vector_1_and_largest_strain_1_and_keeps_directions(seed, size):
    rng = np.random.default_rng(seed)
    vectors = torch.from_numpy(size * rng.standard_normal((3, 3, 8, 8)).astype(np.float32))
    vectors[:, 2] = vectors[:, 2].abs()
    found = augment.scaled(vectors)
    length = torch.hypot(found[:, 0], found[:, 1])
    torch.testing.assert_close(length.amax(dim=(1, 2)), torch.ones(3))
    torch.testing.assert_close(found[:, 2].amax(dim=(1, 2)), torch.ones(3))
    torch.testing.assert_close(torch.atan2(found[:, 1], found[:, 0]), torch.atan2(vectors[:, 1], vectors[:, 0]))


def test_nothing_moving_stays_so():
    assert (augment.scaled(torch.zeros(2, 3, 8, 8)) == 0).all()
