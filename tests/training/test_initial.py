"""Initial weights by named parts."""

import torch
from torch import nn

from merbench.training.initial import made_apart


def test_a_part_depends_on_the_seed_and_the_names_around_it_alone():
    def drawn(seed, *, before=0, name="a", outer="x"):
        torch.manual_seed(seed)
        torch.rand(before)
        state = torch.get_rng_state()
        part = made_apart(outer, lambda: made_apart(name, nn.Linear, 2, 3, bias=False))
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.initial_seed() == seed
        return part.weight

    usual = drawn(1)
    assert torch.equal(drawn(1, before=5), usual)
    assert [torch.equal(each, usual) for each in (drawn(2), drawn(1, name="b"), drawn(1, outer="y"))] == [False] * 3
