"""Weights that a library downloads."""

import pytest

from merbench.contracts.errors import MerbenchError
from merbench.training.pretrained import downloaded


def test_what_can_be_made_is_returned():
    assert downloaded("vit", "vit: null", lambda: "the model") == "the model"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("no route to the hub\nlook here\nand there"), "(no route to the hub)"),
        (RuntimeError("\n  Unknown model (vit)\n"), "(Unknown model (vit))"),
        (TimeoutError(), "(TimeoutError)"),
    ],
)
def test_a_failed_download_is_reported_in_one_line(error, reason):
    def make():
        raise error

    with pytest.raises(MerbenchError) as raised:
        downloaded("vit_small", "vit_pretrained: null", make)
    said = str(raised.value)
    assert len(said.splitlines()) == 1
    for part in (
        "the weights of vit_small can't be downloaded",
        reason,
        "download them",
        "or set vit_pretrained: null",
    ):
        assert part in said
    assert raised.value.__cause__ is error


def test_an_interruption_is_no_missing_download():
    def make():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        downloaded("vit", "vit: null", make)
