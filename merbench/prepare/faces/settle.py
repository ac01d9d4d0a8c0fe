"""What ``faces: auto`` means for given data on this machine, and what an input needs that is not installed."""

from merbench.contracts.specifications import Specification
from merbench.prepare.faces.find import INSTALL, landmarks_installed
from merbench.prepare.kinds.kind import Spec, kind_of


def settled(spec: Spec, cropped: bool) -> Spec:
    """Replace ``faces: auto``.

    Cropped faces are used as delivered; whole frames are cropped by landmarks if dlib is installed or the input
    needs landmarks, else by OpenCV's Haar cascade. So landmarks match the pictures.
    """
    if _faces(spec) != "auto":
        return spec
    whole = "landmarks" if landmarks_installed() or kind_of(spec).needs_landmarks(spec) else "haar"
    return spec.model_copy(update={"faces": "delivered" if cropped else whole})


def lacking_for(spec: Specification) -> str | None:
    """Return what this machine lacks to find the faces of a settled `spec`, as the tail of a line; None if nothing."""
    if _faces(spec) is None or landmarks_installed():
        return None
    if _faces(spec) == "landmarks" or kind_of(spec).needs_landmarks(spec):
        return f"has frames, but 68 landmarks need dlib: {INSTALL}"
    return None


def faces_text(spec: Specification) -> str:
    """Return in a few words how the faces of a settled `spec` are found; empty if it has no faces."""
    haar = "by Haar cascade" if landmarks_installed() else f"by Haar cascade (dlib is not installed: {INSTALL})"
    texts = {"landmarks": "by 68 landmarks (dlib)", "haar": haar, "delivered": "as delivered"}
    return texts.get(_faces(spec) or "", "")


def _faces(spec: Specification) -> str | None:
    return getattr(spec, "faces", None)
