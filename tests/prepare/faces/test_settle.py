"""What ``faces: auto`` comes to, and what is said where it can't be had."""

import pytest
from pydantic import ValidationError

from merbench.contracts.inputs import ActionUnits, DynamicImage, Flow, Frames, Landmarks
from merbench.prepare.faces import settle
from merbench.prepare.faces.settle import faces_text, lacking_for, settled

PICTURES = [Flow(), Frames(), DynamicImage()]


@pytest.fixture(params=[True, False], ids=["dlib", "no dlib"])
def dlib(request, monkeypatch):
    monkeypatch.setattr(settle, "landmarks_installed", lambda: request.param)
    return request.param


@pytest.mark.parametrize("spec", PICTURES, ids=lambda spec: spec.kind)
def test_cropped_faces_are_taken_as_delivered_and_whole_frames_by_the_best_way_at_hand(dlib, spec):
    assert settled(spec, cropped=True).faces == "delivered"
    assert settled(spec, cropped=False).faces == ("landmarks" if dlib else "haar")
    assert lacking_for(settled(spec, cropped=False)) is None


@pytest.mark.parametrize("cropped", [True, False])
@pytest.mark.parametrize("spec", [Landmarks(), Flow(mask="face")], ids=["landmarks", "masked flow"])
def test_what_is_made_of_landmarks_needs_them_and_lies_in_the_square_of_the_pictures(dlib, spec, cropped):
    found = settled(spec, cropped)
    assert found.faces == ("delivered" if cropped else "landmarks")
    if dlib:
        assert found.faces == settled(Frames(), cropped).faces
    assert (lacking_for(found) is None) is dlib
    if not dlib:
        assert "uv sync --extra faces" in lacking_for(found)


@pytest.mark.parametrize("faces", ["landmarks", "haar", "delivered"])
@pytest.mark.parametrize("cropped", [True, False])
def test_what_was_asked_for_is_left_as_it_is(dlib, faces, cropped):
    assert settled(Flow(faces=faces), cropped).faces == faces


def test_nothing_but_the_faces_is_settled(dlib):
    spec = Frames(count=5, size=64, colour="rgb", align="frame")
    assert settled(spec, cropped=True) == spec.model_copy(update={"faces": "delivered"})
    assert settled(ActionUnits(), cropped=False) == ActionUnits()


def test_haar_for_want_of_dlib_is_told_with_how_to_get_it(dlib):
    assert ("uv sync --extra faces" in faces_text(Flow(faces="haar"))) is not dlib


def test_a_mask_of_landmarks_refuses_faces_that_are_found_without_them():
    with pytest.raises(ValidationError, match="needs landmarks"):
        Flow(mask="face", faces="haar")
    with pytest.raises(ValidationError):
        Landmarks(faces="haar")
