"""ATM-GCN (Zhang et al., ICME 2024), reconstructed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from merbench.contracts.inputs import Inputs, InputSpec
from merbench.contracts.methods import RunContext, TrainingData
from merbench.training.augmentation import differences, draw_moves, moved, small
from merbench.training.balance import balanced_weights
from merbench.training.phases import Phase
from merbench.training.torch_method import Batch, TorchMethod

from .config import Config as Settings
from .net import Net, Seen, time_codes

#: Units of time codes: a frame at 200 frames per second; a fraction counts as frames of a clip of 16.
_STEP = {"frames": 1.0, "milliseconds": 5.0, "fraction": 1 / 15}


class ATMGCN(TorchMethod):
    """Adaptive temporal motion guided graph convolution network on the frames of a clip."""

    Config = Settings
    config: Settings

    @classmethod
    def declare_inputs(cls, config: Settings) -> dict[str, InputSpec]:
        """Return the inputs of `config`: the frames and their times."""
        return config.inputs()

    def begin(self, train: TrainingData) -> None:
        """Compute the weights of the classes."""
        self._weights = balanced_weights(train.labels, len(self.problem.outputs))

    def module(self) -> nn.Module:
        """Return the net."""
        return Net(self.config, len(self.problem.outputs))

    def optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return AdamW."""
        config = self.config
        settings: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay, "fused": True}
        return torch.optim.AdamW(module.parameters(), **settings)

    def tensors(self, inputs: Inputs, rng: np.random.Generator | None = None) -> Batch:
        """Return frames (n, t, 3, size, size) as bytes, onset first, positions in time (n, t), and which are real."""
        if self.config.frames is None:
            real = _two(inputs["frames"].padded()[1])
            found = {name: _two(inputs[name].padded()[0]) for name in inputs.names() if name != "pair"}
            alone = ~real[:, 1:].any(axis=1)  # a clip of one frame does not move
            found["frames"][alone, 1], real[alone, 1] = found["frames"][alone, 0], True
        else:
            found = inputs.batch(rng=rng)
            real = np.ones(found["frames"].shape[:2], dtype=bool)
        batch = {name: torch.from_numpy(values) for name, values in found.items() if name != "pair"}
        batch["real"] = torch.from_numpy(real)
        batch["frames"] = batch["frames"].movedim(-1, -3).contiguous()
        if self.config.time == "none":
            batch["times"] = torch.zeros(real.shape)
        else:
            batch["times"] = batch["times"] / _STEP[self.config.time]
        return batch

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Flip, rotate and crop the differences of a clip by one draw: outside, nothing moves."""
        config, movement = self.config, differences(batch["frames"])
        moves = draw_moves(len(movement), config.flip, config.rotation, config.padding, generator)
        return batch | {"movement": moved(movement.flatten(1, 2), moves).view_as(movement)}

    def look(self, module: nn.Module, batch: Batch) -> Seen:
        """Run the net on a batch, augmented or not."""
        times = batch["times"][:, 1:]
        codes = time_codes(times, self.config.width) * (self.config.time != "none")
        seen: Seen = module(_movement(batch), codes, batch["real"][:, 1:])
        return seen

    def scores(self, module: nn.Module, batch: Batch) -> Tensor:
        """Return the class scores."""
        return self.look(module, batch).scores

    def loss(self, module: nn.Module, batch: Batch, labels: Tensor) -> Tensor:
        """Return the cross-entropy, with the weights of the classes."""
        weights = self._weights.to(labels.device) if self.config.class_weights == "balanced" else None
        return nn.functional.cross_entropy(self.scores(module, batch), labels, weight=weights)

    def phases(self, train: TrainingData, run: RunContext) -> Sequence[Phase]:
        """Train the encoder on onset and apex first, if it starts as a part of MMNet."""
        config, last = self.config, Phase("training", train.inputs, train.labels)
        if config.start == "scratch":
            return [last]
        settings = config.model_copy(update={"epochs": config.start_epochs, "warmup_epochs": 0.0})
        places, outputs = config.widths[-1] * (config.size // 16) ** 2, len(self.problem.outputs)
        heads = {"mmnet_head": lambda: nn.Linear(places, outputs)}
        first = Phase("mmnet", train.inputs, train.labels, settings, _pair_loss, _pairs, heads=heads)
        return [first, last]

    def diagnose(self, inputs: Inputs) -> dict[str, npt.NDArray[Any]]:
        """Return features, weights, the adjacency of layers, the encoder's attentions and a small onset face.

        Adjacency and weights are those of frames that all clips have in common: not with every frame of each clip.
        """
        found = self.evaluated(inputs, lambda net, batch: self._diagnosed(self.look(net, batch), batch))
        parts = list(found)
        return {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}

    def _diagnosed(self, seen: Seen, batch: Batch) -> dict[str, Tensor]:
        real, has_global = batch["real"][:, 1:], self.config.global_node != "none"
        owners = torch.arange(len(real), device=real.device)[:, None].expand_as(real)[real]
        counts = real.sum(dim=1).clamp(min=1)
        found = {"feature/motion": seen.motion.sum(dim=1) / counts[:, None], "feature/clip": seen.clip}
        for number, attention in enumerate(seen.attentions, start=1):
            maps = small(attention)
            total = maps.new_zeros(len(real), *maps.shape[1:]).index_add_(0, owners, maps)
            found[f"attention/block-{number}"] = total / counts[:, None, None]
        if has_global:
            found["gate/global-node"] = seen.weights[:, 0]
        if self.config.frames is not None:
            found["time/frames"] = seen.weights[:, int(has_global) :]
            found |= {f"graph/layer-{number}": edges for number, edges in enumerate(seen.adjacency, start=1)}
        found["face"] = small(batch["frames"][:, 0].float().mean(dim=1, keepdim=True)).byte()
        return found


def _two(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Pad clips of one frame to two, (n, t, ...)."""
    return np.pad(values, ((0, 0), (0, max(2 - values.shape[1], 0)), *[(0, 0)] * (values.ndim - 2)))


def _movement(batch: Batch) -> Tensor:
    """Return the differences of frames to the first one, augmented or not."""
    return batch["movement"] if "movement" in batch else differences(batch["frames"])


def _pairs(inputs: Inputs, rng: np.random.Generator | None) -> Batch:
    """Return onset and apex frame, (n, 2, 3, size, size), as bytes."""
    return {"frames": torch.from_numpy(inputs["pair"].batch(rng=rng)).movedim(-1, -3).contiguous()}


def _pair_loss(module: Any, batch: Batch, labels: Tensor) -> Tensor:
    """Return the cross-entropy of MMNet's main branch with its linear layer on the whole map."""
    last, _ = module.encoder.chain(_movement(batch)[:, 0])
    return nn.functional.cross_entropy(module.mmnet_head(last.flatten(1)), labels)
