import random

import numpy as np
import pytest
import torch
from support.cases import each
from support.folds import random_states
from torch import nn

from merbench.engine.fold.randomness import preserved_method, preserved_random_state, seeded


def draws():
    return [random.random(), np.random.random(), torch.rand(()).item(), random.gauss(), np.random.standard_normal()]  # noqa: NPY002


def test_global_generators_are_restored_also_after_an_error():
    for error in each((ValueError, KeyboardInterrupt)):
        for context in each((preserved_random_state(), seeded(3))):
            draws()  # leaves half a Gaussian pair behind, which is part of the state
            before = random_states()
            with pytest.raises(error), context:  # noqa: PT012
                draws()
                random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
                raise error
            assert random_states() == before


def test_a_seed_decides_every_global_generator():
    found = {}
    for seed in (3, 3, 4, 2**63 - 1):
        draws()
        with seeded(seed):
            found.setdefault(seed, []).append(draws())
    assert found[3][0] == found[3][1]
    for one, other in ((3, 4), (4, 2**63 - 1)):
        assert all(a != b for a, b in zip(found[one][0], found[other][0], strict=True))
    with seeded(3):
        assert draws() == found[3][0]
        with seeded(2):  # seeding nests
            draws()
        after = draws()
    with seeded(3):
        assert [draws(), draws()] == [found[3][0], after]


class Holder:
    def __init__(self):
        self.net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2)))
        self.other = nn.Dropout()
        self.count = 3


def modes(*nets):
    return [module.training for net in nets for module in net.modules()]


class Slotted:
    __slots__ = ("net",)


def test_modes_of_modules_are_restored_also_after_an_error():
    holder, slotted, method = Holder(), Slotted(), nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2))
    holder.net[1][0].eval()
    holder.other.eval()
    before = modes(holder.net, holder.other)
    assert {*before} == {True, False}
    with pytest.raises(ValueError, match="no"), preserved_method(holder):  # noqa: PT012
        holder.net.eval()
        holder.other.train()
        raise ValueError("no")
    assert modes(holder.net, holder.other) == before
    with preserved_method(slotted):
        slotted.net = nn.Dropout()
    with preserved_method(slotted), preserved_method(method):
        slotted.net.eval()
        method.eval()
    assert modes(slotted.net, method) == [True] * 4


def test_a_generator_that_the_method_holds_is_restored():
    for make, draw, place in each(
        [
            (np.random.default_rng, lambda made: made.random(), "attribute"),
            (np.random.RandomState, lambda made: made.random_sample(), "list"),
            (random.Random, lambda made: made.random(), "net"),
            (
                lambda seed: torch.Generator().manual_seed(seed),
                lambda made: torch.rand(9, generator=made).sum(),
                "list",
            ),
        ]
    ):
        made, holder = make(5), Holder()
        draw(made)
        (holder.net if place == "net" else holder).noise = [made] if place == "list" else made
        with preserved_method(holder):
            first = draw(made)
            assert draw(made) != first
        assert draw(made) == first
