"""Features that take long, kept within a process for the folds that share their clips."""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

_KEPT: OrderedDict[tuple[object, bytes], npt.NDArray[Any]] = OrderedDict()
#: Bytes of features that a process keeps: those of the clips of a protocol.
KEPT_BYTES = 2**29


def once_a_clip(name: object, feature: Callable[..., npt.NDArray[Any]], *arrays: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return ``feature(*arrays)``, (n_clips, n_features), computed clip by clip and once a process for each clip.

    Folds share their clips, and a feature depends on the clip alone; `name` tells features and their settings apart.
    """
    arrays = tuple(map(np.ascontiguousarray, arrays))
    found = []
    for row in range(len(arrays[0])):
        content = blake2b(arrays[0][row].data, digest_size=16)
        for each in arrays[1:]:
            content.update(each[row].data)
        key = (name, content.digest())
        kept = _KEPT.get(key)
        if kept is None:
            kept = _KEPT[key] = feature(*(each[row : row + 1] for each in arrays))[0]
        found.append(kept)
    size = sum(each.nbytes for each in _KEPT.values())
    while size > KEPT_BYTES and len(_KEPT) > len(found):
        size -= _KEPT.popitem(last=False)[1].nbytes
    return np.stack(found)
