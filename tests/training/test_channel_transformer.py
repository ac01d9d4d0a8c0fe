import pytest
import torch

from merbench.training.channel_transformer import MapTransformer


def test_a_single_place_attends_to_itself_alone():
    net, x = MapTransformer(12, 1, 3), torch.randn(4, 1, 12)
    torch.testing.assert_close(net(x), net(x.expand(-1, 2, -1))[:, :1])  # equal places have equal values


def test_dropout_of_transformers_keeps_its_share_and_its_mean():
    dropout = MapTransformer(8, 1, 2, dropout=0.1).blocks[0][1][1][2]
    x = torch.ones(999, 1001, requires_grad=True)
    found = dropout(x)
    assert sorted(found.unique().tolist()) == pytest.approx([0, 1 / 0.9])
    assert found.eq(0).float().mean().item() == pytest.approx(0.1, abs=0.002)
    found.sum().backward()
    assert torch.equal(x.grad, found)
    assert dropout.eval()(x) is x
