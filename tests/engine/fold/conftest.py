"""The split, its inputs, and what makes tasks of it; a module may have a split of its own."""

import numpy as np
import pytest
from support.folds import TOTAL, flow, spec, table

from merbench.contracts.inputs import ActionUnits, ArrayInput, Inputs
from merbench.engine.fold.opening import FoldTask
from merbench.splits.split import make_split


@pytest.fixture(scope="module")
def split():
    return make_split(spec(), table())


@pytest.fixture(scope="module")
def inputs(split):
    return flow(len(split.clips), split.labels)


@pytest.fixture(scope="module")
def with_units(inputs):
    """Add annotated action units: the first of a clip is twice its row."""
    units = ArrayInput(ActionUnits(vocabulary=(1, 4)), np.arange(2.0 * TOTAL).reshape(TOTAL, 2))
    return Inputs({"flow": inputs["flow"], "units": units}, TOTAL)


@pytest.fixture(scope="module")
def rows_of(inputs):
    """Find the rows of some clips by their pictures, each of which is its clip's own."""
    row_of = {clip.tobytes(): row for row, clip in enumerate(inputs["flow"].batch())}
    return lambda given: [row_of[clip.tobytes()] for clip in given["flow"].batch()]


@pytest.fixture
def task(split, inputs):
    def make(method, seed=0, config=None, **options):
        return FoldTask(method, config or method.Config(), **{"split": split, "inputs": inputs, "seed": seed} | options)

    return make
