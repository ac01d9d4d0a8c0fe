"""MMNet (Li et al., IJCAI 2022), trained as its authors' 5-class script trains it."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from merbench.contracts.inputs import Inputs, InputSpec
from merbench.training.augmentation import draw_light, draw_moves, moved, moved_vectors, normalised, small
from merbench.training.torch_method import Batch, TorchMethod

from .config import Config as Settings
from .net import Net, Seen


class MMNet(TorchMethod):
    """Muscle motion-guided network on onset and apex."""

    Config = Settings
    config: Settings

    @classmethod
    def declare_inputs(cls, config: Settings) -> dict[str, InputSpec]:
        """Return the inputs of `config`: onset and apex frame, or the onset frame and the flow."""
        return config.inputs()

    def module(self) -> nn.Module:
        """Return the net."""
        return Net(self.config, len(self.problem.outputs))

    def optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return AdamW; its decay is on all parameters, as in the authors' code."""
        config = self.config
        settings: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay, "fused": True}
        return torch.optim.AdamW(module.parameters(), **settings)

    def tensors(self, inputs: Inputs, rng: np.random.Generator | None = None) -> Batch:
        """Return frames as bytes, (n, 1 or 2, 3, size, size), RGB, onset first; flow as float32, (n, 3, size, size)."""
        found = {name: torch.from_numpy(values) for name, values in inputs.batch(rng=rng).items()}
        return {name: values.movedim(-1, -3).contiguous() for name, values in found.items()}

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Flip, rotate and crop all pictures of a clip by one draw, after their normalisation: outside is the mean."""
        config = self.config
        clips = len(next(iter(batch.values())))
        moves = draw_moves(clips, config.flip, config.rotation, config.padding, generator)
        light = draw_light(clips, config.colour_jitter, generator)
        changed = dict(batch)
        if "frames" in batch:
            frames = normalised(batch["frames"], light if config.colour_jitter else None)
            changed["frames"] = moved(frames.flatten(1, 2), moves).view_as(frames)
        if "flow" in batch:
            changed["flow"] = moved_vectors(batch["flow"], moves)
        return changed

    def look(self, module: nn.Module, batch: Batch) -> Seen:
        """Run the net on a batch, augmented or not."""
        seen: Seen = module(*_pictures(batch))
        return seen

    def scores(self, module: nn.Module, batch: Batch) -> Tensor:
        """Return the class scores."""
        return self.look(module, batch).scores

    def diagnose(self, inputs: Inputs) -> dict[str, npt.NDArray[Any]]:
        """Return each branch's map averaged over locations, the blocks' attentions, and a small onset face."""
        parts = [
            _diagnosed(*each) for each in self.evaluated(inputs, lambda net, batch: (self.look(net, batch), batch))
        ]
        return {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}


def _pictures(batch: Batch) -> tuple[Tensor, Tensor | None]:
    """Return the input of the main branch, and the onset frame if there is one."""
    if "frames" not in batch:
        return batch["flow"], None
    frames = batch["frames"]
    frames = normalised(frames) if frames.dtype == torch.uint8 else frames
    onset = frames[:, 0]
    return batch["flow"] if "flow" in batch else frames[:, 1] - onset, onset


def _diagnosed(seen: Seen, batch: Batch) -> dict[str, Tensor]:
    found = {"feature/main": seen.main.mean(dim=(2, 3))}
    if seen.position is not None:
        found["feature/position"] = seen.position.mean(dim=(2, 3))
    found |= {f"attention/block-{number}": small(map_) for number, map_ in enumerate(seen.attentions, start=1)}
    if "frames" in batch:
        found["face"] = small(batch["frames"][:, 0].float().mean(dim=1, keepdim=True)).byte()
    return found
