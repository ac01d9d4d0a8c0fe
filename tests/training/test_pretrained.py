"""Weights that a library downloads."""

import pytest

from merbench.contracts.errors import MerbenchError
from merbench.training.pretrained import downloaded


def raising(error):
    def make():
        raise error

    return make


def test_an_available_model_is_returned_and_an_interrupt_passes():
    assert downloaded("vit", "vit: null", lambda: "the model") == "the model"
    with pytest.raises(KeyboardInterrupt):
        downloaded("vit", "vit: null", raising(KeyboardInterrupt()))


def test_a_failed_download_is_reported_in_one_line():
    for error, reason in (
        (OSError("no route to the hub\nlook here\nand there"), "(no route to the hub)"),
        (RuntimeError("\n  Unknown model (vit)\n"), "(Unknown model (vit))"),
        (TimeoutError(), "(TimeoutError)"),
    ):
        with pytest.raises(MerbenchError) as raised:
            downloaded("vit_small", "vit_pretrained: null", raising(error))
        said = str(raised.value)
        assert len(said.splitlines()) == 1
        for part in ("vit_small", reason, "or set vit_pretrained: null"):
            assert part in said
        assert raised.value.__cause__ is error
