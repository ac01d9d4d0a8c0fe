"""Any backbone of timm on the flow image, and what can't be had."""

import pytest
import torch
from support.folds import PROBLEM

from merbench.contracts.errors import MerbenchError
from merbench.engine.plan.catalogue import METHODS

TIMM = METHODS.get("timm-flow")


def made(config="tiny", **settings):
    return TIMM.cls(TIMM.resolve(config, settings), PROBLEM)


def test_backbones_take_the_flow_image():
    for config, size in (("resnet18", 112), ("vit-tiny", 112), ("tiny", 32)):
        method = made(config)
        spec = TIMM.inputs(method.config, "classification")["flow"]
        assert (spec.size, spec.resample) == (size, True)
        assert method.module().eval()(torch.rand(2, 3, size, size)).shape == (2, 3)


def test_what_can_not_be_had_is_one_line(monkeypatch):
    with pytest.raises(MerbenchError, match=r"no model 'resnet81' \(did you mean 'resnet18'") as raised:
        made(backbone="resnet81")
    lines = [str(raised.value)]
    with pytest.raises(MerbenchError, match="inception_v3 can't take images of 40 pixels") as raised:
        made(backbone="inception_v3", size="40").module()
    lines.append(str(raised.value))

    def offline(*_, pretrained=False, **__):
        assert pretrained
        raise OSError("no route to the hub")

    monkeypatch.setattr("timm.create_model", offline)
    with pytest.raises(MerbenchError, match="weights of mobilenetv3_small_050 can't be downloaded") as raised:
        made(pretrained="true").module()
    assert "pretrained: false" in str(raised.value)
    assert all(len(line.splitlines()) == 1 for line in [*lines, str(raised.value)])
