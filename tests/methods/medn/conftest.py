"""A MEDN of the smallest size, and synthetic clips of whatever it asks for."""

import numpy as np
import pytest
import torch
from merbench.methods.medn.config import Config

from merbench.contracts.inputs import ArrayInput, Inputs

TINY = {
    "epochs": 2, "batch_size": 4, "learning_rate": 0.003, "warmup_epochs": 0.5,
    "width": 8, "vit_width": 8, "heads": 2, "stem_depth": 1, "depth": 1, "frames": 3, "frame_size": 16, "patch": 4,
    "flow_size": 16, "flow_face_size": 16, "flow_mask": "none", "trunk": "small",
    "au_vocabulary": (1, 4, 12), "au_least": 1, "orthogonal_after": 0.0, "orthogonal_ramp": 0.0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    """Compute on one thread, as folds do: for tensors this small, more only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny():
    """Return the function that makes the settings of a tiny MEDN, some of them changed."""
    return lambda **changes: Config(**TINY | changes)


@pytest.fixture(scope="session")
def made():
    """Return the function that makes the inputs of a configuration; the clips of `unlabelled` have no action units."""

    def make(config, clips, seed=0, unlabelled=(), **arrays):
        rng, channels = np.random.default_rng(seed), 2 if config.motion_input == "hsv" else 3
        flow = rng.standard_normal((clips, config.flow_size, config.flow_size, channels), np.float32)
        units = (rng.random((clips, len(config.au_vocabulary))) < 0.3).astype(np.float32)
        units[list(unlabelled)] = np.nan
        shape = (clips, config.frames, config.frame_size, config.frame_size, 3 if config.colour == "rgb" else 1)
        values = {"flow": flow, "action_units": units, "faces": rng.integers(0, 256, shape, dtype=np.uint8), **arrays}
        return Inputs({name: ArrayInput(spec, values[name]) for name, spec in config.inputs().items()}, clips)

    return make
