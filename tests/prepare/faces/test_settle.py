"""How ``faces: auto`` is settled, and the message where it is impossible."""

import pytest
from pydantic import ValidationError

from merbench.contracts.inputs import ActionUnits, DynamicImage, Flow, Frames, Landmarks
from merbench.prepare.faces import settle
from merbench.prepare.faces.settle import faces_text, lacking_for, settled


@pytest.fixture(params=[True, False], ids=["dlib", "no dlib"])
def dlib(request, monkeypatch):
    monkeypatch.setattr(settle, "landmarks_installed", lambda: request.param)
    return request.param


def test_auto_is_settled_by_crop_and_dlib(dlib):
    for spec in (Flow(), Frames(), DynamicImage()):
        assert settled(spec, cropped=True).faces == "delivered", spec
        assert settled(spec, cropped=False).faces == ("landmarks" if dlib else "haar"), spec
        assert lacking_for(settled(spec, cropped=False)) is None, spec
    for spec in (Landmarks(), Flow(mask="face")):
        for cropped in (True, False):
            found = settled(spec, cropped)
            assert found.faces == ("delivered" if cropped else "landmarks"), spec
            assert (lacking_for(found) is None) is dlib, spec
            assert dlib or "uv sync --extra faces" in lacking_for(found)
    for faces in ("landmarks", "haar", "delivered"):  # nothing to settle
        assert {settled(Flow(faces=faces), cropped).faces for cropped in (True, False)} == {faces}
    spec = Frames(count=5, size=64, colour="rgb", align="frame")
    assert settled(spec, cropped=True) == spec.model_copy(update={"faces": "delivered"})
    assert settled(ActionUnits(), cropped=False) == ActionUnits()
    assert ("uv sync --extra faces" in faces_text(Flow(faces="haar"))) is not dlib
    with pytest.raises(ValidationError, match="needs landmarks"):
        Flow(mask="face", faces="haar")
    with pytest.raises(ValidationError):
        Landmarks(faces="haar")
