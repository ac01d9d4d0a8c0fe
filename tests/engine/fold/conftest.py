"""The split, its inputs, and what makes tasks of it."""

import pytest
from support.folds import TOTAL, flow, spec, table

from merbench.engine.fold.opening import FoldTask
from merbench.splits.split import make_split


@pytest.fixture(scope="module")
def split():
    return make_split(spec(), table())


@pytest.fixture(scope="module")
def inputs(split):
    return flow(TOTAL, split.labels)


@pytest.fixture
def task(split, inputs):
    """Make a task of a method; the values of a clip are its own, so that they tell which clip it is."""

    def make(method, seed=0, config=None, **options):
        return FoldTask(method, config or method.Config(), split, inputs, seed, **options)

    return make
