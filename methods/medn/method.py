"""MEDN (Hu et al., arXiv 2604.17899, 2026), reconstructed from its abstract and its authors' preprocessing tool."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from merbench.contracts.cards import Task
from merbench.contracts.errors import SetupError
from merbench.contracts.inputs import Inputs, InputSpec
from merbench.contracts.methods import TrainingData
from merbench.training.balance import balanced_weights
from merbench.training.initial import made_apart
from merbench.training.torch_method import Batch, TorchMethod

from . import augment
from .config import Config as Settings
from .fusion import Fusion
from .losses import ORTHOGONAL, class_loss
from .motion import Motion, MotionBranch, action_unit_loss, action_unit_weights
from .sevit import Emotion, SEVit


class Seen(NamedTuple):
    """Output of the net; None for a branch that it lacks.

    ``scores`` (n, classes); ``gate`` (n, D), the weight of motion in the fusion.
    """

    scores: Tensor
    motion: Motion | None
    emotion: Emotion | None
    gate: Tensor | None


class Net(nn.Module):
    """Both branches, their fusion, and the classifier."""

    def __init__(self, config: Settings, classes: int) -> None:
        super().__init__()
        self.motion = made_apart("motion", MotionBranch, config) if config.has_motion else None
        self.emotion = made_apart("emotion", SEVit, config) if config.has_emotion else None
        both = config.branches == "both"
        fusion = (config.fusion, config.width, config.heads, config.dropout)
        self.fusion = made_apart("fusion", Fusion, *fusion) if both else None
        classifier = made_apart("classifier", nn.Linear, config.width, classes)
        self.classifier = nn.Sequential(nn.Dropout(config.dropout), classifier)
        asked_alone = both and config.emotion_class_weight > 0
        self.emotion_classifier = (
            made_apart("emotion_classifier", nn.Linear, config.width, classes) if asked_alone else None
        )
        self.class_into_motion = config.class_into_motion

    def forward(self, flow: Tensor | None, frames: Tensor | None) -> Seen:
        """Process images of flow, (n, 3, size, size), and frames, (n, T, channels, size, size), 0..1."""
        motion = self.motion(flow) if self.motion else None
        emotion = self.emotion(frames) if self.emotion else None
        gate = None
        if motion and emotion and self.fusion:
            feature, places = motion.feature, motion.tokens
            if not self.class_into_motion:
                feature, places = feature.detach(), places.detach()
            fused, gate = self.fusion(feature, emotion.feature, places, emotion.tokens, emotion.kept.any(dim=1))
        else:
            fused = (motion or emotion).feature  # type: ignore[union-attr]
        return Seen(self.classifier(fused), motion, emotion, gate)


#: Score of an action unit with too few positive training clips to be learned.
_NEVER = -10.0


class Detector(nn.Module):
    """The motion branch alone, for AU detection."""

    def __init__(self, config: Settings) -> None:
        super().__init__()
        self.motion = made_apart("motion", MotionBranch, config)

    def forward(self, flow: Tensor | None, frames: Tensor | None) -> Seen:
        """Process images of flow; the scores are those of the action units."""
        motion = self.motion(flow)
        return Seen(motion.action_units, motion, None, None)


class MEDN(TorchMethod):
    """Motion-emotion feature decoupling.

    Under AU detection it is the motion branch, trained by its AU loss alone on the units of the protocol.
    """

    Config = Settings
    config: Settings

    @property
    def _detects(self) -> bool:
        """Whether the task is AU detection."""
        return self.problem.task == "au-detection"

    @classmethod
    def declare_inputs(cls, config: Settings, task: Task = "classification") -> dict[str, InputSpec]:
        """Return the inputs of `config`: flow, action units and faces, as far as its branches use them.

        AU detection takes the flow alone: its labels are the action units.
        """
        inputs = config.inputs()
        return inputs if task == "classification" else {name: inputs[name] for name in ("flow",) if name in inputs}

    def begin(self, train: TrainingData) -> None:
        """Weigh classes and action units by the training clips."""
        if self._detects:
            units: npt.NDArray[Any] | None = train.labels
        else:
            self._classes = balanced_weights(train.labels, len(self.problem.outputs))
            units = train.inputs["action_units"].batch() if "action_units" in train.inputs.names() else None
        if units is not None:
            values = torch.from_numpy(np.asarray(units, dtype=np.float32))
            self._units = action_unit_weights(values, self.config.au_positive_weight, self.config.au_least)

    def module(self) -> nn.Module:
        """Return the net."""
        if self._detects:
            if not self.config.has_motion:
                raise SetupError("medn detects action units with its motion branch: --set medn:branches=motion")
            units = tuple(int(unit) for unit in self.problem.outputs)
            return Detector(self.config.model_copy(update={"au_vocabulary": units}))
        return Net(self.config, len(self.problem.outputs))

    def optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return AdamW; no decay of biases, norms, positions and class tokens, a lower rate for a downloaded trunk."""
        config, groups = self.config, dict[tuple[bool, bool], list[Tensor]]()
        for name, parameter in module.named_parameters():
            slower = config.trunk_pretrained and name.startswith("motion.trunk")
            decays = parameter.ndim > 1 and not name.endswith(("position", "frame", "class_tokens", "query"))
            groups.setdefault((slower, decays), []).append(parameter)
        settings = [
            {
                "params": parameters,
                "lr": config.learning_rate * (config.pretrained_rate if slower else 1),
                "weight_decay": config.weight_decay if decays else 0.0,
            }
            for (slower, decays), parameters in groups.items()
        ]
        return torch.optim.AdamW(settings, fused=True)

    def tensors(self, inputs: Inputs, rng: np.random.Generator | None = None) -> Batch:
        """Return vectors as float32 (n, channels, size, size), frames as bytes (n, T, channels, size, size), units."""
        found = {name: torch.from_numpy(inputs[name].batch(rng=rng)) for name in inputs.names()}
        if "flow" in found:
            found["flow"] = found["flow"].permute(0, 3, 1, 2).contiguous()
        if "faces" in found:
            found["faces"] = found["faces"].permute(0, 1, 4, 2, 3).contiguous()
        return found

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Mirror, crop and light the faces and the flow of a clip by one draw."""
        config = self.config
        clips = len(next(iter(batch.values())))
        drawn = augment.draw(clips, config.crop, config.colour_jitter, config.flip, generator)
        changed = dict(batch)
        if "flow" in batch:
            changed["flow"] = augment.flow(batch["flow"], drawn)
        if "faces" in batch:
            changed["faces"] = augment.faces(batch["faces"].float() / 255, drawn)
        return changed

    def look(self, module: nn.Module, batch: Batch) -> Seen:
        """Run the net on a batch, augmented or not."""
        flow, frames = batch.get("flow"), batch.get("faces")
        if flow is not None:
            flow = augment.coloured(flow) * 2 - 1 if self.config.motion_input == "hsv" else augment.scaled(flow)
        if frames is not None and frames.dtype == torch.uint8:
            frames = frames.float() / 255
        seen: Seen = module(flow, frames)
        return seen

    def scores(self, module: nn.Module, batch: Batch) -> Tensor:
        """Return the class scores, or those of action units; one that was not learned is never predicted."""
        scores = self.look(module, batch).scores
        if not self._detects:
            return scores
        return torch.where(self._units[1].to(scores.device), scores, _NEVER)

    def loss(self, module: nn.Module, batch: Batch, labels: Tensor) -> Tensor:
        """Return class loss + AU loss + orthogonal loss, each with its weight; under AU detection the AU loss."""
        seen = self.look(module, batch)
        if self._detects:
            return self._unit_loss(seen.scores, labels.float())
        total = self._class_loss(seen.scores, labels)
        if seen.emotion and module.emotion_classifier:
            scores = module.emotion_classifier(seen.emotion.feature)  # type: ignore[operator]
            total = total + self.config.emotion_class_weight * self._class_loss(scores, labels)
        if seen.motion and self.config.au_weight:
            total = total + self.config.au_weight * self._unit_loss(seen.motion.action_units, batch["action_units"])
        if seen.motion and seen.emotion and (weight_now := self.orthogonal_weight()):
            loss = ORTHOGONAL[self.config.orthogonal]
            with torch.autocast(labels.device.type, enabled=False):  # its products need 32 bits
                total = total + weight_now * loss(seen.motion.feature.float(), seen.emotion.feature.float())
        return total

    def orthogonal_weight(self) -> float:
        """Return the weight of the orthogonal loss in this epoch: 0 at first, then rising, then constant."""
        since = self.epoch - 1 - self.config.orthogonal_after
        risen = 1.0 if not self.config.orthogonal_ramp else (since + 1) / self.config.orthogonal_ramp
        return self.config.orthogonal_weight * min(max(risen, 0.0), 1.0) * (since >= 0)

    def _unit_loss(self, scores: Tensor, units: Tensor) -> Tensor:
        weight, counted = (values.to(scores.device) for values in self._units)
        return action_unit_loss(scores, units, weight, counted)

    def _class_loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        return class_loss(scores, labels, self._classes.to(labels.device), self.config.label_smoothing)

    def diagnose(self, inputs: Inputs) -> dict[str, npt.NDArray[Any]]:
        """Return features, gate, kept locations, AU scores and a small onset face of each clip."""
        seen = self.evaluated(inputs, lambda net, batch: (self.look(net, batch), batch))
        parts = [self._diagnosed(*each) for each in seen]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _diagnosed(self, seen: Seen, batch: Batch) -> dict[str, npt.NDArray[Any]]:
        found: dict[str, Tensor] = {}
        if seen.motion:
            found["feature/motion"] = seen.motion.feature
            # An action unit that was not learned has no score: its logits are random.
            learned = self._units[1].tolist() if self.config.au_weight or self._detects else []
            vocabulary = self.problem.outputs if self._detects else self.config.au_vocabulary
            named = zip(vocabulary, seen.motion.action_units.T, learned, strict=False)
            found |= {f"au/{unit}": score for unit, score, counted in named if counted}
        if seen.emotion:
            found["feature/emotion"] = seen.emotion.feature
            grid = (self.config.grid, self.config.grid)
            rates = self.config.rates if self.config.scales == "parallel" else self.config.rates[-1:]
            found |= {f"kept/{rate:g}": seen.emotion.kept[:, r].reshape(-1, *grid) for r, rate in enumerate(rates)}
            onset = batch["faces"][:, 0].float().mean(dim=1, keepdim=True)
            found["face"] = nn.functional.adaptive_avg_pool2d(onset, min(48, self.config.frame_size))[:, 0].byte()
        if seen.gate is not None:
            found["gate/motion"] = seen.gate
        return {name: value.cpu().numpy() for name, value in found.items()}
