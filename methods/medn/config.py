"""The settings of MEDN: every choice that the paper's public text leaves open, with its alternatives.

``card.yaml`` and ``README.md`` say for each whether it is stated or reconstructed, and why.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from merbench.contracts.inputs import ActionUnits, Flow, Frames, InputSpec
from merbench.training.torch_method import TorchConfig


class Config(TorchConfig):
    """Settings of MEDN; the defaults are the configuration ``full``.

    Branches:

    - branches: ``both``; ``motion`` or ``emotion`` alone classify from their own feature, without fusion
    - width: size D of both features and of the tokens that are fused

    Motion branch:

    - motion_input: ``hsv``, one image, hue the direction, value the magnitude; ``uvs``, u, v and strain. Coloured or
      scaled after augmentation, so that vectors are mirrored and not hues
    - flow_size, flow_face_size: pixels of the motion input, and of the faces that the flow is computed on
    - flow_algorithm: ``tvl1`` or ``farneback``
    - flow_mask: ``face`` divides the flow outside the brows and jaw by 3 (needs landmarks), ``none`` leaves it
    - trunk: ``resnet18`` (timm), or ``small``, three convolutions
    - trunk_pretrained: ImageNet weights, which timm downloads
    - au_vocabulary: action units of the AU-detection task
    - au_weight: of the AU loss in the total
    - au_positive_weight: upper bound of w_k, the weight of an action unit's positives: negatives / positives in the
      training fold; its inverse is the lower bound
    - au_least: action units with fewer positives in the training fold are not learned
    - class_into_motion: the class loss trains the motion branch too; else only the AU task and the orthogonal loss do

    Emotion branch (SEVit):

    - frames: T. 2 is the onset-apex pair; more are sampled over onset to offset
    - sampling: ``phase``, as many steps from onset to apex as from apex to offset; ``uniform``, equal steps
    - frame_size, colour, align: of the faces; `align`, of the flow too, moves all frames by the onset's transform, or
      each by its own
    - emotion_input: input of the patches: ``faces``; ``changes``, the difference of each pixel from the onset frame;
      ``signed-changes``; or ``both`` faces and changes, each with its own projection
    - change_gain: changes, of grey levels in 0..1, are multiplied by this
    - patch, vit_width, heads, mlp_ratio, drop_path: of the blocks
    - stem_depth, depth: blocks within each frame before the pruning, and over the kept tokens of all frames after it
    - time: tokens of a kept location in the blocks after the pruning: ``folded``, one, projected from those of all
      frames; ``joint``, one per frame, so that sequences are T times as long
    - score: by which locations are kept: ``token`` (change of the location's token over time), ``pixel`` (change of
      its pixels), ``learned``, ``class-attention`` (not temporal); ``random`` draws them, and is otherwise ``token``
    - score_smoothing: average the scores over 3 x 3 locations; a random choice follows
    - rates: sparsity rates, the shares of locations that are dropped; 0 is a dense ViT
    - scales: ``parallel``, each rate prunes the stem's tokens, with shared blocks; ``progressive``, one stream, pruned
      to one rate after another
    - merge: how parallel rates are merged: ``learned`` weights, ``mean``, or ``concat``
    - pool: the feature of a rate: the mean of its kept tokens, weighted by the softmax of their scores (``score``) or
      not (``mean``), or its ``class`` token
    - residual_token: one token more, per frame or folded, sums dropped tokens weighted by score; for parallel scales

    Both together:

    - orthogonal, orthogonal_weight: ``cross-batch`` or ``squared-cosine``, and its weight in the total; 0 for none
    - orthogonal_after, orthogonal_ramp: epochs without the orthogonal loss, and over which its weight then rises
    - fusion: ``cofm``, ``gate`` (CoFM without cross-attention), ``concat``, or ``add``
    - dropout: before the classifier and within the AU head
    - label_smoothing: of the class loss, in which clips weigh inversely to their class's clips in the training fold
    - emotion_class_weight: of a class loss on the emotion feature alone, so that noise can't satisfy the orthogonal one
    - flip: mirror half of the clips, faces and flow alike
    - crop: least side of a random crop, as a share of the image; the same for faces and flow
    - colour_jitter: largest change of brightness and contrast of the faces; one draw for all frames
    - weight_decay: of AdamW; not of biases, norms, positions
    - pretrained_rate: learning rate of the downloaded trunk, as a share of that of new weights
    """

    epochs: int = Field(60, ge=1)
    batch_size: int = Field(32, ge=2)
    learning_rate: float = Field(1e-4, gt=0)
    warmup_epochs: float = Field(5.0, ge=0)
    schedule: Literal["constant", "cosine"] = "cosine"
    gradient_norm: float | None = Field(1.0, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    pretrained_rate: float = Field(0.1, gt=0)

    branches: Literal["both", "motion", "emotion"] = "both"
    width: int = Field(256, ge=8)

    motion_input: Literal["hsv", "uvs"] = "hsv"
    flow_size: int = Field(128, ge=16)
    flow_face_size: int = Field(256, ge=16)
    flow_algorithm: Literal["tvl1", "farneback"] = "tvl1"
    flow_mask: Literal["face", "none"] = "face"
    trunk: Literal["resnet18", "small"] = "resnet18"
    trunk_pretrained: bool = False

    au_vocabulary: tuple[int, ...] = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17)
    au_weight: float = Field(0.5, ge=0)
    au_positive_weight: float = Field(10.0, ge=1)
    au_least: int = Field(10, ge=1)
    class_into_motion: bool = True

    frames: int = Field(8, ge=2)
    sampling: Literal["phase", "uniform"] = "phase"
    frame_size: int = Field(224, ge=16)
    colour: Literal["grey", "rgb"] = "rgb"
    align: Literal["onset", "frame"] = "onset"
    emotion_input: Literal["faces", "changes", "signed-changes", "both"] = "changes"
    change_gain: float = Field(20.0, gt=0)

    patch: int = Field(16, ge=2)
    vit_width: int = Field(256, ge=8)
    heads: int = Field(4, ge=1)
    mlp_ratio: float = Field(2.0, gt=0)
    drop_path: float = Field(0.1, ge=0, lt=1)
    stem_depth: int = Field(2, ge=0)
    depth: int = Field(2, ge=1)

    time: Literal["folded", "joint"] = "folded"
    score: Literal["token", "pixel", "learned", "class-attention", "random"] = "token"
    score_smoothing: bool = True
    rates: tuple[float, ...] = (0.25, 0.5, 0.75)
    scales: Literal["parallel", "progressive"] = "parallel"
    merge: Literal["learned", "mean", "concat"] = "learned"
    pool: Literal["score", "mean", "class"] = "score"
    residual_token: bool = False

    orthogonal: Literal["cross-batch", "squared-cosine"] = "cross-batch"
    orthogonal_weight: float = Field(0.01, ge=0)
    orthogonal_after: float = Field(5.0, ge=0)
    orthogonal_ramp: float = Field(5.0, ge=0)

    fusion: Literal["cofm", "gate", "concat", "add"] = "cofm"
    dropout: float = Field(0.3, ge=0, lt=1)

    label_smoothing: float = Field(0.1, ge=0, lt=1)
    emotion_class_weight: float = Field(1.0, ge=0)

    flip: bool = True
    crop: float = Field(0.9, gt=0, le=1)
    colour_jitter: float = Field(0.1, ge=0, lt=1)

    @property
    def has_motion(self) -> bool:
        """Whether there is a motion branch."""
        return self.branches != "emotion"

    @property
    def has_emotion(self) -> bool:
        """Whether there is an emotion branch."""
        return self.branches != "motion"

    @property
    def grid(self) -> int:
        """Locations along each side of a frame."""
        return self.frame_size // self.patch

    def faults(self) -> Iterator[tuple[bool, str]]:
        """Yield the rules of this method; later rules need the earlier ones."""
        yield from super().faults()
        alone, units, rates = "class_into_motion: false", self.au_vocabulary, self.rates
        if not self.class_into_motion:
            yield self.branches != "both", f"{alone} needs branches: both, not {self.branches}"
            yield not self.au_weight, f"{alone} leaves the motion branch to the AU task: au_weight must be above 0"
        small = self.trunk_pretrained and self.trunk == "small"
        yield small, "trunk_pretrained: true needs trunk: resnet18; the small trunk has no pretrained weights"
        strange = not all(1 <= unit <= 99 for unit in units)
        yield strange, "au_vocabulary must hold numbers of action units, from 1 to 99"
        yield not 0 < len(units) == len(set(units)), "au_vocabulary must name action units, each once"
        both = self.branches == "both"
        yield both and self.width % self.heads > 0, f"width {self.width} must be a multiple of heads {self.heads}"
        if not self.has_emotion:
            return
        size, heads = self.frame_size, self.heads
        yield size % self.patch > 0, f"frame_size {size} must be a multiple of patch {self.patch}"
        yield self.vit_width % heads > 0, f"vit_width {self.vit_width} must be a multiple of heads {heads}"
        valid = len(rates) > 0 and list(rates) == sorted(set(rates)) and all(0 <= rate < 1 for rate in rates)
        yield not valid, "rates must be one or more shares in [0, 1), each once and ascending, like [0.25, 0.5]"
        none = kept_locations(self.grid**2, rates[-1]) < 1
        yield none, f"rates: {rates[-1]} keeps none of the {self.grid**2} locations"
        progressive, blind = self.scales == "progressive", self.score == "class-attention" and self.stem_depth < 1
        shallow = progressive and self.depth < len(rates)
        yield shallow, f"scales: progressive needs a depth of at least the {len(rates)} rates"
        yield blind, "score: class-attention needs a stem_depth of at least 1"
        yield progressive and self.residual_token, "residual_token: true needs scales: parallel"

    def inputs(self) -> dict[str, InputSpec]:
        """Return the inputs of this configuration."""
        found: dict[str, InputSpec] = {}
        if self.has_motion:
            found["flow"] = Flow(
                size=self.flow_size,
                channels=("u", "v") if self.motion_input == "hsv" else ("u", "v", "strain"),
                algorithm=self.flow_algorithm,
                normalise="none",
                mask=self.flow_mask,
                face_size=self.flow_face_size,
                align=self.align,
            )
            if self.au_weight:
                found["action_units"] = ActionUnits(vocabulary=self.au_vocabulary)
        if self.has_emotion:
            span, sampling = ("onset-apex", "uniform") if self.frames == 2 else ("onset-offset", self.sampling)
            settings = {"count": self.frames, "size": self.frame_size, "colour": self.colour, "align": self.align}
            found["faces"] = Frames.model_validate(settings | {"span": span, "sampling": sampling})
        return found


def kept_locations(locations: int, rate: float) -> int:
    """Return how many of `locations` are kept at a sparsity rate: ``N - floor(r N)``.

    The small summand keeps a product such as 0.7 * 10, which is 7.0 in exact arithmetic, from being rounded down to 6.
    """
    return locations - int(rate * locations + 1e-9)
