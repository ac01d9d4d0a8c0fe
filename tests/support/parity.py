"""Arrays that authors' modules made, and the weights of MMNet under our names."""

import numpy as np
import torch

#: The authors' names of a block's parts, and ours.
PARTS = {
    "conv1.": "conv1.", "bn1.": "norm1.", "conv2.": "conv2.", "bn2.": "norm2.",
    "downsample.": "skip.", "attn.": "attention.",
}  # fmt: skip
BRANCHES = {
    "conv_act.": "main.stem.", "main_branch.fc.": "classifier.", "main_branch.conv1.": "main.second.0.",
    "main_branch.bn1.": "main.second.1.", "vit_pos.patch_embed.proj.": "position.patches.",
    "vit_pos.pos_embed": "position.position", "vit_pos.": "position.",
}  # fmt: skip


def ours(name):
    """Return our name of a parameter of the authors' net."""
    if name.startswith("main_branch.layer"):
        place, _, rest = name.removeprefix("main_branch.layer").partition(".0.")
        part = next(part for part in PARTS if rest.startswith(part))
        return f"main.blocks.{int(place) - 1}.{PARTS[part]}{rest.removeprefix(part)}"
    prefix = next(prefix for prefix in BRANCHES if name.startswith(prefix))
    return BRANCHES[prefix] + name.removeprefix(prefix)


def arrays_of(shared, name):
    """Return the arrays of a file of ../shared/data/parity as tensors."""
    with np.load(shared / "data" / "parity" / f"{name}.npz", allow_pickle=False) as stored:
        return {key: torch.from_numpy(np.asarray(stored[key])) for key in stored.files}


def of_authors(shared):
    """Return the arrays that the authors' modules made, and what turns their weights into a state of ours."""
    arrays = arrays_of(shared, "mmnet")

    def state(part, prefix=""):
        start = f"{part}/weights/"
        return {ours(prefix + key.removeprefix(start)): value for key, value in arrays.items() if key.startswith(start)}

    return arrays, state


def load(module, state):
    """Load a state; only what the authors' part lacks, and the counters of batches, may be missing."""
    missing, unexpected = module.load_state_dict(state, strict=False)
    assert not unexpected
    return {name for name in missing if not name.endswith("num_batches_tracked")}
