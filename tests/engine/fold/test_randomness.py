import random

import numpy as np
import pytest
import torch
from support.cases import each
from torch import nn

from merbench.engine.fold.randomness import preserved_method, preserved_random_state, seeded


def draws():
    return [random.random(), np.random.random(), torch.rand(()).item(), random.gauss(), np.random.standard_normal()]  # noqa: NPY002


def states():
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    return python, numpy[1].tolist(), numpy[2:], torch.get_rng_state().tolist()


def test_global_generators_are_restored_also_after_an_error():
    for error in each((ValueError, KeyboardInterrupt)):
        for context in each((preserved_random_state, lambda: seeded(3))):
            draws()  # leaves half a Gaussian pair behind, which is part of the state
            before = states()

            def failing():
                with context():  # noqa: B023
                    draws()
                    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
                    raise error  # noqa: B023

            with pytest.raises(error):
                failing()
            assert states() == before


def test_a_seed_decides_every_global_generator():
    found = {}
    for seed in (3, 3, 4, 2**63 - 1):
        draws()
        with seeded(seed):
            found.setdefault(seed, []).append(draws())
    assert found[3][0] == found[3][1]
    for one, other in ((3, 4), (4, 2**63 - 1)):
        assert all(a != b for a, b in zip(found[one][0], found[other][0], strict=True))


def test_seeding_nests():
    with seeded(1):
        first = draws()
        with seeded(2):
            draws()
        after = draws()
    with seeded(1):
        assert draws() == first
        assert draws() == after


class Holder:
    def __init__(self):
        self.net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2)))
        self.other = nn.Dropout()
        self.count = 3


def modes(holder):
    return [module.training for net in (holder.net, holder.other) for module in net.modules()]


def test_modes_of_modules_are_restored_also_after_an_error():
    holder = Holder()
    holder.net[1][0].eval()
    holder.other.eval()
    before = modes(holder)
    assert {*before} == {True, False}

    def failing():
        with preserved_method(holder):
            holder.net.eval()
            holder.other.train()
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        failing()
    assert modes(holder) == before


GENERATORS = {
    "numpy": (np.random.default_rng, lambda made: made.random()),
    "numpy as it was": (np.random.RandomState, lambda made: made.random_sample()),
    "python": (random.Random, lambda made: made.random()),
    "torch": (lambda seed: torch.Generator().manual_seed(seed), lambda made: torch.rand((), generator=made).item()),
}


def test_a_generator_that_the_method_holds_is_restored():
    for kind, place in each(list(zip(GENERATORS, ["attribute", "list", "net", "attribute"], strict=True))):
        make, draw = GENERATORS[kind]
        made, holder = make(5), Holder()
        draw(made)
        if place == "net":
            holder.net.noise = made
        else:
            holder.noise = [made] if place == "list" else made
        with preserved_method(holder):
            first = draw(made)
            assert draw(made) != first
        assert draw(made) == first


class Slotted:
    __slots__ = ("net",)


def test_a_net_in_a_slot_and_a_method_that_is_a_net_are_restored():
    holder = Slotted()
    with preserved_method(holder):
        holder.net = nn.Dropout()
    with preserved_method(holder):
        holder.net.eval()
    assert holder.net.training
    method = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2))
    with preserved_method(method):
        method.eval()
    assert [module.training for module in method.modules()] == [True] * 3
