"""What ``faces: auto`` comes to on the data at hand and this machine, and what an input would need that is not here."""

from merbench.contracts.inputs import ActionUnits, Flow, InputSpec, Landmarks
from merbench.prepare.faces import INSTALL, landmarks_installed


def settled(spec: InputSpec, cropped: bool) -> InputSpec:
    """Settle ``faces: auto``.

    Inputs that are made of landmarks take landmarks; of the others, faces that come cropped are taken as delivered,
    whole frames are cropped by landmarks where dlib is installed, else by OpenCV's Haar cascade.

    Parameters
    ----------
    spec : InputSpec
        As declared.
    cropped : bool
        The database's frames are faces already.
    """
    if isinstance(spec, ActionUnits) or spec.faces != "auto":
        return spec
    if isinstance(spec, Landmarks) or (isinstance(spec, Flow) and spec.mask == "face"):
        return spec.model_copy(update={"faces": "landmarks"})
    whole = "landmarks" if landmarks_installed() else "haar"
    return spec.model_copy(update={"faces": "delivered" if cropped else whole})


def lacking_for(spec: InputSpec) -> str | None:
    """Say what this machine lacks to prepare a settled `spec`, as the tail of a line; None if nothing."""
    if not isinstance(spec, ActionUnits) and spec.faces == "landmarks" and not landmarks_installed():
        return f"has frames, but 68 landmarks need dlib: {INSTALL}"
    return None


def told(spec: InputSpec) -> str:
    """Say in a few words how the faces of a settled `spec` are found."""
    assert not isinstance(spec, ActionUnits)
    haar = "by Haar cascade" if landmarks_installed() else f"by Haar cascade (dlib is not installed: {INSTALL})"
    return {"landmarks": "by 68 landmarks (dlib)", "haar": haar, "delivered": "as delivered"}[spec.faces]
