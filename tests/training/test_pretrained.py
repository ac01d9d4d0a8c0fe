"""Weights that a library downloads."""

import pytest

from merbench.contracts.errors import MerbenchError
from merbench.training.pretrained import downloaded


def test_a_model_is_returned_or_its_failed_download_reported_in_one_line():
    assert downloaded("vit", "pretrained: false", lambda: "the model") == "the model"
    for error, reason in (
        (OSError("no route to the hub\nlook here\nand there"), "(no route to the hub)"),
        (RuntimeError("\n  Unknown model (vit)\n"), "(Unknown model (vit))"),
        (TimeoutError(), "(TimeoutError)"),
        (KeyboardInterrupt(), None),  # passes
    ):

        def make():
            raise error  # noqa: B023

        with pytest.raises(MerbenchError if reason else KeyboardInterrupt) as raised:
            downloaded("vit_small", "pretrained: false", make)
        if reason:
            said = str(raised.value)
            assert len(said.splitlines()) == 1
            assert all(part in said for part in ("vit_small", reason, "or set pretrained: false"))
            assert raised.value.__cause__ is error
