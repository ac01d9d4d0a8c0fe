"""The accelerators of this machine."""

import torch


def gpus() -> list[str]:
    """Return the names of the GPUs that torch sees, in torch's order."""
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
