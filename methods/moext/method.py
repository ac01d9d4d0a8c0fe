"""MoExt (Li et al., 2024), reconstructed: pre-trained to tell motion from texture, then fine-tuned to classify it."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from merbench.contracts.inputs import Inputs, InputSpec
from merbench.contracts.methods import RunContext, TrainingData
from merbench.training.augmentation import draw_light, draw_moves, lit, moved
from merbench.training.phases import Phase
from merbench.training.torch_method import Batch, TorchMethod

from .config import Config as Settings
from .losses import contrastive
from .net import Classifier, Decoder, Net, Projection, texture_head


class MoExt(TorchMethod):
    """Motion extraction from onset and apex."""

    Config = Settings
    config: Settings

    #: Encoder, texture head and decoder at the end of pre-training in the fold; empty without.
    kept: nn.ModuleDict

    @classmethod
    def declare_inputs(cls, config: Settings) -> dict[str, InputSpec]:
        """Return the input of `config`: onset and apex."""
        return config.inputs()

    @classmethod
    def auxiliary(cls, config: Settings) -> dict[str, None]:
        """Return the databases of macro-expressions that `config` pre-trains on, with the method's own input."""
        return {} if config.pretrain == "none" else dict.fromkeys(config.macro)

    def module(self) -> nn.Module:
        """Return the net without the heads of a phase."""
        self.kept = nn.ModuleDict()
        return Net(self.config)

    def optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return AdamW."""
        config = self.config
        settings: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay, "fused": True}
        return torch.optim.AdamW(module.parameters(), **settings)

    def pretraining(self, run: RunContext) -> Sequence[Phase]:
        """Pre-train on macro-expressions alone, if the setting says so."""
        if self.config.pretrain != "external":
            return []
        return [self._pretraining([(clips.inputs, clips.labels) for clips in map(run.auxiliary, self.config.macro)])]

    def phases(self, train: TrainingData, run: RunContext) -> Sequence[Phase]:
        """Pre-train on clips of the fold and macro-expressions, if the setting says so; then fine-tune."""
        rates, heads = {"encoder": self.config.encoder_rate}, {"classifier": self._classifier}
        last = Phase("training", train.inputs, train.labels, rates=rates, heads=heads)
        if self.config.pretrain in ("none", "external"):
            return [last]
        known = [(train.inputs, train.labels)]
        if train.unlabelled is not None and self.config.pretrain == "all":
            known.append((train.unlabelled, np.full(train.unlabelled.clips, -1)))
        known += [(clips.inputs, clips.labels) for clips in map(run.auxiliary, self.config.macro)]
        return [self._pretraining(known), last]

    def _pretraining(self, known: Sequence[tuple[Inputs, npt.NDArray[Any]]]) -> Phase:
        """Return the phase on these clips; their classes, -1 for none, are for the supervised contrast."""
        config, (first, *others) = self.config, [inputs for inputs, _ in known]
        inputs, labels = first.joined(*others), np.concatenate([labels for _, labels in known])
        return Phase(
            "pretraining", inputs, labels, config.pretraining, self.pretraining_loss, self.views, self.seen_apart,
            lambda net: torch.optim.Adam(net.parameters(), lr=config.pretrain_rate, fused=True),
            heads={
                "texture": lambda: self._keep("texture", texture_head(config)),
                "decoder": lambda: self._keep("decoder", Decoder(config)),
                "projection": lambda: Projection(config),
            },
        )  # fmt: skip

    def _keep(self, name: str, head: nn.Module) -> nn.Module:
        self.kept[name] = head
        return head

    def _classifier(self) -> nn.Module:
        """Begin fine-tuning: keep what pre-training learned, and return the classifier."""
        if self.kept:
            self.kept["encoder"] = copy.deepcopy(self.net.get_submodule("encoder"))
        return Classifier(self.config, len(self.problem.outputs))

    def tensors(self, inputs: Inputs, rng: np.random.Generator | None = None) -> Batch:
        """Return onset and apex as bytes, (n, 2, colours, size, size); the annotated ones unless the setting draws."""
        return {"frames": _frames(inputs, rng if self.config.draw_in_training else None)}

    def views(self, inputs: Inputs, rng: np.random.Generator | None) -> Batch:
        """Return views as bytes, (n, views, 2, colours, size, size), each with its own draw of onset and apex."""
        return {"frames": torch.stack([_frames(inputs, rng) for _ in range(self.config.views)], dim=1)}

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Flip, rotate and crop both frames of a clip by one draw; outside is grey."""
        return {"frames": self._moved(scaled(batch["frames"]), generator)}

    def seen_apart(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Give each view its own flip, rotation, crop, brightness, contrast and gamma, one draw for both frames."""
        views = batch["frames"].flatten(0, 1)
        levels = lit(views.float() / 255, draw_light(len(views), self.config.view_light, generator))
        gamma = draw_light(len(views), self.config.view_light, generator)[:, 0].reshape(-1, 1, 1, 1, 1)
        frames = self._moved(2 * levels**gamma - 1, generator)
        return {"frames": frames.view_as(batch["frames"])}

    def _moved(self, frames: Tensor, generator: torch.Generator) -> Tensor:
        config = self.config
        moves = draw_moves(len(frames), config.flip, config.rotation, config.padding, generator)
        return moved(frames.flatten(1, 2), moves).view_as(frames)

    def scores(self, module: nn.Module, batch: Batch) -> Tensor:
        """Return the class scores."""
        result: Tensor = module(scaled(batch["frames"]))
        return result

    def pretraining_loss(self, module: Any, batch: Batch, labels: Tensor) -> Tensor:
        """Return the contrastive loss of the clips' motion plus the weighted error of their reconstructed apexes.

        The first view of each clip is reconstructed.
        """
        config, views = self.config, batch["frames"]
        features, shapes, motion = (part.unflatten(0, views.shape[:2]) for part in module.encoder(views.flatten(0, 1)))
        loss = views.new_zeros(())
        if config.contrast != "off":
            first, second = module.projection(motion.flatten(0, 1)).unflatten(0, (-1, 2)).unbind(dim=1)
            groups = labels if config.contrast == "supervised" else None
            loss = loss + contrastive(first, second, config.temperature, groups)
        if config.reconstruction_weight:
            found = module.decoder(module.texture(features[:, 0, 0]), motion[:, 0], shapes[:, 0, 0])
            error = found - views[:, 0, 1]
            mean = error.abs().mean() if config.reconstruction == "l1" else error.square().mean()
            loss = loss + config.reconstruction_weight * mean
        if config.texture_weight:
            onset, apex = module.texture(features[:, 0].flatten(0, 1)).unflatten(0, (-1, 2)).unbind(dim=1)
            loss = loss + config.texture_weight * (onset - apex).abs().mean()
        return loss

    def diagnose(self, inputs: Inputs) -> dict[str, npt.NDArray[Any]]:
        """Return the classifier's feature; after pre-training in the fold also pictures of each clip.

        These are onset, apex, the apex as reconstructed by what pre-training learned, and the size of the motion, each
        clip's on its own scale.
        """
        parts = list(self.evaluated(inputs, self._diagnosed))
        return {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}

    def _diagnosed(self, net: Any, batch: Batch) -> dict[str, Tensor]:
        frames = scaled(batch["frames"])
        found = {"feature/motion": net.classifier.pooled(net.encoder(frames)[2])}
        if "encoder" in self.kept:
            apex, motion = reconstruct(self.kept, frames)
            found["picture/onset"], found["picture/apex"] = map(_picture, frames.unbind(dim=1))
            found["picture/reconstruction"] = _picture(apex)
            size = nn.functional.interpolate(motion.square().mean(dim=1, keepdim=True).sqrt(), frames.shape[-2:])
            largest = size.amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)
            found["picture/motion"] = _picture(2 * size / largest - 1)
        return found


def _picture(frames: Tensor) -> Tensor:
    """Turn pictures, (n, 1 or 3, size, size) in -1..1, into bytes, (n, size, size) or (n, size, size, 3)."""
    levels = ((frames + 1) * 127.5).round().clamp(0, 255).byte().movedim(1, -1)
    return levels[..., 0] if levels.shape[-1] == 1 else levels


def scaled(frames: Tensor) -> Tensor:
    """Scale bytes to -1..1; leave what is scaled already."""
    return frames.float() / 127.5 - 1 if frames.dtype == torch.uint8 else frames


def reconstruct(net: Any, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Return the apex reconstructed from the onset's texture, (n, colours, size, size), and the motion."""
    features, shapes, motion = net.encoder(frames)
    return net.decoder(net.texture(features[:, 0]), motion, shapes[:, 0]), motion


def _frames(inputs: Inputs, rng: np.random.Generator | None) -> Tensor:
    return torch.from_numpy(inputs["frames"].batch(rng=rng)).movedim(-1, -3).contiguous()
