"""What ``faces: auto`` means for given data on this machine, and what an input needs that is not installed."""

from merbench.contracts.inputs import Flow, FromTable, InputSpec, Landmarks
from merbench.prepare.faces.find import INSTALL, landmarks_installed


def settled(spec: InputSpec, cropped: bool) -> InputSpec:
    """Replace ``faces: auto``.

    Cropped faces are used as delivered; whole frames are cropped by landmarks if dlib is installed or the input
    consists of landmarks, else by OpenCV's Haar cascade. So landmarks match the pictures.
    """
    if isinstance(spec, FromTable) or spec.faces != "auto":
        return spec
    whole = "landmarks" if landmarks_installed() or _needs_points(spec) else "haar"
    return spec.model_copy(update={"faces": "delivered" if cropped else whole})


def lacking_for(spec: InputSpec) -> str | None:
    """Return what this machine lacks to prepare a settled `spec`, as the tail of a line; None if nothing."""
    if isinstance(spec, FromTable) or landmarks_installed():
        return None
    if spec.faces == "landmarks" or _needs_points(spec):
        return f"has frames, but 68 landmarks need dlib: {INSTALL}"
    return None


def _needs_points(spec: InputSpec) -> bool:
    return isinstance(spec, Landmarks) or (isinstance(spec, Flow) and spec.mask == "face")


def faces_text(spec: InputSpec) -> str:
    """Return in a few words how the faces of a settled `spec` are found."""
    assert not isinstance(spec, FromTable)
    haar = "by Haar cascade" if landmarks_installed() else f"by Haar cascade (dlib is not installed: {INSTALL})"
    return {"landmarks": "by 68 landmarks (dlib)", "haar": haar, "delivered": "as delivered"}[spec.faces]
