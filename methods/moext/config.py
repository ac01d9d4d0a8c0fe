"""The settings of MoExt: what the abstract names, and the choices that fill in the rest."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from merbench.contracts.inputs import Frames, InputSpec
from merbench.training.torch_method import TorchConfig


class Config(TorchConfig):
    """Settings of MoExt; the defaults are the configuration ``full``.

    Input:

    - size, colour: pixels of the faces, and whether they are ``grey``
    - faces, align: how faces are found, and whether all frames are moved by the onset's transform
    - frame_draw: the views of pre-training draw onset and apex from this fraction of the rise after the onset and
      before the apex
    - versions: how many pairs of frames a clip has at most to draw from, all in memory
    - draw_in_training: fine-tuning draws them too

    Net:

    - width: channels of shape, texture and motion; the stem has half of them, decoder and projection twice as many
    - stem_stride: of the first convolution; with 2 all maps have half the size
    - blocks: residual blocks of the trunk; head_blocks: of shape and texture head; decoder_blocks: of the decoder
    - motion: from the ``difference`` of the shapes, or both of them, ``concat``
    - decoder: sees ``motion+texture``, or the shape of the onset, too: ``motion+texture+shape``
    - projection: size of the vectors that the contrastive loss compares
    - dropout: before the last layer of the classifier

    Pre-training:

    - pretrain: on the training clips of the ``fold`` and those of `macro`; ``external``, on those of `macro` alone;
      ``none``; ``all``, on the test clips of the fold, too, under protocols that are transductive
    - macro: databases of macro-expressions
    - contrast: the other view of an ``instance`` is its positive, and all other clips are negatives; ``supervised``,
      clips of the same class are positives too; ``off``
    - temperature: of the contrastive loss
    - reconstruction: mean absolute (``l1``) or squared (``l2``) error of the reconstructed apex; reconstruction_weight
    - texture_weight: of the error between the textures of onset and apex, as the template has it
    - pretrain_epochs, pretrain_steps (at least), pretrain_batch, pretrain_rate: length and learning rate
    - view_light: largest change of brightness, contrast and gamma of a view

    Fine-tuning:

    - transfer: separator and motion extractor are ``frozen``, ``slow`` (`slow_rate` of the learning rate) or ``full``;
      without pre-training always full
    - weight_decay: of AdamW
    - flip: mirror half of the clips; rotation: largest angle, degrees; padding: largest shift of a crop, pixels; those
      of the views, too
    """

    epochs: int = Field(60, ge=1)
    batch_size: int = Field(32, ge=2)
    learning_rate: float = Field(5e-4, gt=0)
    schedule: Literal["constant", "cosine"] = "cosine"
    weight_decay: float = Field(0.01, ge=0)

    size: int = Field(128, ge=16, multiple_of=8)
    colour: Literal["rgb", "grey"] = "rgb"
    faces: Literal["auto", "landmarks", "haar", "delivered"] = "auto"
    align: Literal["onset", "frame"] = "onset"
    frame_draw: float = Field(0.1, ge=0, lt=0.5)
    versions: int = Field(8, ge=2)
    draw_in_training: bool = False

    width: int = Field(32, ge=2, multiple_of=2)
    stem_stride: Literal[1, 2] = 1
    blocks: int = Field(3, ge=0)
    head_blocks: int = Field(2, ge=0)
    decoder_blocks: int = Field(9, ge=0)
    motion: Literal["difference", "concat"] = "difference"
    decoder: Literal["motion+texture", "motion+texture+shape"] = "motion+texture"
    projection: int = Field(128, ge=2)
    dropout: float = Field(0.5, ge=0, lt=1)

    pretrain: Literal["fold", "external", "none", "all"] = "fold"
    macro: tuple[str, ...] = ()
    contrast: Literal["instance", "supervised", "off"] = "instance"
    temperature: float = Field(0.2, gt=0)
    reconstruction: Literal["l1", "l2"] = "l1"
    reconstruction_weight: float = Field(1.0, ge=0)
    texture_weight: float = Field(0.0, ge=0)
    pretrain_epochs: int = Field(50, ge=1)
    pretrain_steps: int = Field(2000, ge=0)
    pretrain_batch: int = Field(32, ge=2)
    pretrain_rate: float = Field(1e-4, gt=0)
    view_light: float = Field(0.2, ge=0, lt=1)

    transfer: Literal["frozen", "slow", "full"] = "slow"
    slow_rate: float = Field(0.1, gt=0, le=1)
    flip: bool = True
    rotation: float = Field(4.0, ge=0, le=180)
    padding: int = Field(4, ge=0)

    @property
    def channels(self) -> int:
        """Channels of a frame."""
        return 3 if self.colour == "rgb" else 1

    @property
    def encoder_rate(self) -> float:
        """Share of the learning rate that separator and motion extractor have in fine-tuning."""
        return 1.0 if self.pretrain == "none" else {"frozen": 0.0, "slow": self.slow_rate, "full": 1.0}[self.transfer]

    @property
    def views(self) -> int:
        """Views of a clip in pre-training: two if they are compared."""
        return 1 if self.contrast == "off" else 2

    @property
    def pretraining(self) -> TorchConfig:
        """Length, batches and learning rate of pre-training."""
        return TorchConfig(
            epochs=self.pretrain_epochs,
            least_steps=self.pretrain_steps,
            batch_size=self.pretrain_batch,
            learning_rate=self.pretrain_rate,
            precision=self.precision,
        )

    def faults(self) -> Iterator[tuple[bool, str]]:
        """Yield the rules of this method."""
        yield from super().faults()
        yield self.padding >= self.size, f"padding {self.padding} must be below size {self.size}"
        lacks = self.pretrain == "external" and not self.macro
        yield lacks, "pretrain: external needs a database of macro-expressions: name it in macro"
        untaught = self.contrast == "off" and not self.reconstruction_weight and self.pretrain != "none"
        yield untaught, "contrast: off and reconstruction_weight 0 leave no loss: write pretrain: none"

    def inputs(self) -> dict[str, InputSpec]:
        """Return the input of this configuration: onset and apex, drawn where something draws."""
        given = {"span": "onset-apex", "count": 2, "size": self.size, "colour": self.colour}
        given |= {"faces": self.faces, "align": self.align}
        if self.frame_draw and (self.pretrain != "none" or self.draw_in_training):
            draw = self.frame_draw
            given |= {"onset_draw": (0.0, draw), "apex_draw": (draw, 0.0), "versions": self.versions}
        return {"frames": Frames.model_validate(given)}
