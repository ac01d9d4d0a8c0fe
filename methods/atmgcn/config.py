"""The settings of ATM-GCN: all that its abstract and summaries leave open."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from merbench.contracts.inputs import Frames, FrameTimes, InputSpec
from merbench.training.torch_method import TorchConfig


class Config(TorchConfig):
    """Settings of ATM-GCN; the defaults are the configuration ``full``.

    Inputs:

    - frames: number of frames, the onset first, evenly from onset to offset; null takes every frame
    - span: from onset to offset, or with ``onset-apex`` to the apex
    - size: pixels of the faces
    - jitter: in training, each frame but the first is drawn within half a step of its place, of so many `versions`
    - faces, align: how faces are found, and whether all frames are moved by the onset's transform

    Motion encoder, of each difference to the onset:

    - stem_width, widths: channels of the first convolution, and of the four blocks of attention
    - attention_chain: each block's attention is multiplied by that of the block before
    - norm: ``batch`` norm over all frames of a batch, or ``group`` norm of each frame
    - pool: ``mean`` over the last map, or the whole ``map``
    - scale: of the vectors of movements: to mean 0 and deviation 1 over the frames of a ``batch``, or ``none``
    - start: ``scratch``, or ``mmnet``: first trained for `start_epochs` on onset and apex with MMNet's linear head

    Graph:

    - width: of nodes
    - time: code of a frame's distance from the onset: in ``frames`` of the recording, ``milliseconds``, ``fraction`` of
      the clip, or ``none``
    - time_in: the code is added to the ``nodes``, or to a node only where ``edges`` are computed
    - global_node: starts as ``mean`` of the frames' nodes or as a ``learned`` vector; ``none`` leaves it out
    - window: edges between frames at most so many places apart; null: all, 0: none
    - layers: of the graph
    - forgetting_rate: share of the new edges in a layer's adjacency
    - dropout: of what a layer adds to a node

    Classifier:

    - classifier: self-attention and learned weights of the nodes, or with ``mean`` neither
    - heads: of the self-attention
    - nodes: of the ``last`` layer, or of ``all``, concatenated

    Training:

    - weight_decay: of AdamW
    - class_weights: of the loss: ``none``, or ``balanced``, by the inverse of a class's number of training clips
    - flip: mirror half of the clips
    - rotation: largest angle, degrees
    - padding: largest shift of a crop, pixels
    """

    epochs: int = Field(60, ge=1)
    batch_size: int = Field(16, ge=2)
    learning_rate: float = Field(1e-4, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup_epochs: float = Field(5.0, ge=0)
    schedule: Literal["constant", "cosine"] = "cosine"

    frames: int | None = Field(16, ge=2)
    span: Literal["onset-offset", "onset-apex"] = "onset-offset"
    size: int = Field(112, ge=32, multiple_of=16)
    jitter: bool = True
    versions: int = Field(4, ge=2)
    faces: Literal["auto", "landmarks", "haar", "delivered"] = "auto"
    align: Literal["onset", "frame"] = "onset"

    stem_width: int = Field(64, ge=1)
    widths: tuple[int, int, int, int] = (64, 64, 128, 256)
    attention_chain: bool = True
    norm: Literal["batch", "group"] = "batch"
    pool: Literal["mean", "map"] = "mean"
    scale: Literal["batch", "none"] = "batch"
    start: Literal["scratch", "mmnet"] = "scratch"
    start_epochs: int = Field(20, ge=1)

    width: int = Field(256, ge=2, multiple_of=2)
    time: Literal["frames", "milliseconds", "fraction", "none"] = "frames"
    time_in: Literal["nodes", "edges"] = "nodes"
    global_node: Literal["mean", "learned", "none"] = "mean"
    window: int | None = Field(None, ge=0)
    layers: int = Field(3, ge=1)
    forgetting_rate: float = Field(0.5, ge=0, le=1)
    dropout: float = Field(0.1, ge=0, lt=1)

    classifier: Literal["attention", "mean"] = "attention"
    heads: int = Field(4, ge=1)
    nodes: Literal["last", "all"] = "last"

    class_weights: Literal["none", "balanced"] = "none"
    flip: bool = True
    rotation: float = Field(4.0, ge=0, le=180)
    padding: int = Field(4, ge=0)

    def faults(self) -> Iterator[tuple[bool, str]]:
        """Yield the rules of this method."""
        yield from super().faults()
        yield min(self.widths) < 1, "widths must be 1 or more"
        yield self.width % self.heads > 0, f"width {self.width} must be a multiple of heads {self.heads}"
        yield self.padding >= self.size, f"padding {self.padding} must be below size {self.size}"
        yield self.frames is None and self.jitter, "frames: null takes every frame: it needs jitter: false"

    def inputs(self) -> dict[str, InputSpec]:
        """Return the inputs of this configuration."""
        common = {"size": self.size, "colour": "rgb", "faces": self.faces, "align": self.align}
        drawn = {"sampling": "jittered", "versions": self.versions} if self.jitter else {}
        frames = Frames.model_validate(common | drawn | {"span": self.span, "count": self.frames})
        found: dict[str, InputSpec] = {"frames": frames}
        if self.time != "none":
            found["times"] = FrameTimes(frames=frames, unit=self.time)
        if self.start == "mmnet":
            found["pair"] = Frames.model_validate(common | {"span": "onset-apex", "count": 2})
        return found
