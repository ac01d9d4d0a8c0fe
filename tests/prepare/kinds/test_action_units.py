import numpy as np
import pandas as pd

from merbench.contracts.action_units import ActionUnit, Coding
from merbench.contracts.inputs import ActionUnits
from merbench.prepare.kinds.action_units import KIND


def test_action_units_are_nan_without_a_coding():
    clips = pd.DataFrame({"aus": [Coding(((ActionUnit(4, "L"),),)), None]})
    values = KIND.take(ActionUnits(vocabulary=(1, 4, 12)), clips)
    np.testing.assert_array_equal(values, np.array([[0, 1, 0], [np.nan] * 3], dtype=np.float32))
    assert values.dtype == np.float32
