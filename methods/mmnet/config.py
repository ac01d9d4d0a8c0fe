"""The settings of MMNet: those of the authors' 5-class script, and what differs between their scripts and paper."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from merbench.contracts.inputs import Flow, Frames, InputSpec
from merbench.training.torch_method import TorchConfig

#: Windows of onset and apex as fractions of rise and decay: int(f * rise / 4) frames in the authors' scripts.
_DRAWS = {
    "five-class": {"onset_draw": (0.0, 0.15 / 4), "apex_draw": (0.15 / 4, 0.0)},
    "three-class": {"onset_draw": (0.0, 0.2 / 4), "apex_draw": (0.15 / 4, 0.15 / 4)},
    "none": {},
}


class Config(TorchConfig):
    """Settings of MMNet; the defaults are the configuration ``full``.

    Inputs:

    - size: pixels of the faces; the position branch has a token for each 16 x 16 of them
    - main_input: of the main branch: ``difference``, apex minus onset; or ``flow`` from onset to apex (u, v, strain)
    - frame_draw: in training, the frames are drawn near onset and apex: by the rule of the authors' ``five-class`` or
      ``three-class`` script, or ``none``; the flow is always that of the annotated frames
    - faces, align: how faces are found, and whether all frames are moved by the onset's transform

    Main branch:

    - stem: ``code``: strides 2, 1, then blocks of strides 1, 2, 2, 2; ``figure``: 1, 1, then 2, 2, 2, 2
    - stem_width, widths: channels of the first convolution, and of the four blocks; the second has those of the first
      block
    - attention_chain: each block's attention is multiplied by that of the block before
    - attention_norm: batch norm in the attention, as in the code; the paper's formula has none

    Position branch:

    - position: false leaves it out
    - position_input: ``small``, the onset frame resized to a pixel a token; ``full``, patches of 16 x 16 pixels
    - resize: ``plain`` bilinear interpolation, or with ``antialias``, as torchvision's default is today
    - position_depth, heads, mlp_ratio: of its transformer, which is as wide as the last block
    - drop_path: largest rate of dropped blocks, rising evenly from 0 over the depth

    Training:

    - weight_decay: of AdamW, on all parameters
    - rate_factor, rate_epochs: the learning rate is multiplied by the factor after each of the first epochs
    - flip: mirror half of the clips
    - rotation: largest angle, degrees
    - padding: largest shift of a crop, pixels
    - colour_jitter: largest change of contrast and brightness; in the paper, but not in the code
    """

    epochs: int = Field(74, ge=1)
    batch_size: int = Field(32, ge=2)
    learning_rate: float = Field(8e-4, gt=0)
    weight_decay: float = Field(0.6, ge=0)
    rate_factor: float = Field(0.987, gt=0, le=1)
    rate_epochs: int = Field(50, ge=0)

    size: int = Field(224, ge=32, multiple_of=16)
    main_input: Literal["difference", "flow"] = "difference"
    frame_draw: Literal["five-class", "three-class", "none"] = "five-class"
    faces: Literal["auto", "landmarks", "haar", "delivered"] = "auto"
    align: Literal["onset", "frame"] = "onset"

    stem: Literal["code", "figure"] = "code"
    stem_width: int = Field(180, ge=1)
    widths: tuple[int, int, int, int] = (128, 128, 256, 512)
    attention_chain: bool = True
    attention_norm: bool = True

    position: bool = True
    position_input: Literal["small", "full"] = "small"
    resize: Literal["plain", "antialias"] = "plain"
    position_depth: int = Field(2, ge=1)
    heads: int = Field(4, ge=1)
    mlp_ratio: float = Field(4.0, gt=0)
    drop_path: float = Field(0.0, ge=0, lt=1)

    flip: bool = True
    rotation: float = Field(3.0, ge=0, le=180)
    padding: int = Field(15, ge=0)
    colour_jitter: float = Field(0.0, ge=0, lt=1)

    @property
    def grid(self) -> int:
        """Side of the last map, and of the position branch's tokens."""
        return self.size // 16

    def rate(self, trained: float, epochs: int) -> float:
        """Return the factor of the learning rate: it falls after each of the first epochs, and is constant then."""
        return super().rate(trained, epochs) * self.rate_factor ** min(int(trained), self.rate_epochs)

    def faults(self) -> Iterator[tuple[bool, str]]:
        """Yield the rules of this method."""
        yield from super().faults()
        width, heads = self.widths[-1], self.heads
        yield min(self.widths) < 1, "widths must be 1 or more"
        yield self.position and width % heads > 0, f"the last of widths, {width}, must be a multiple of heads {heads}"
        yield self.padding >= self.size, f"padding {self.padding} must be below size {self.size}"
        drawn = self.main_input == "flow" and self.frame_draw != "none"
        yield drawn, "main_input: flow is that of the annotated frames: it needs frame_draw: none"

    def inputs(self) -> dict[str, InputSpec]:
        """Return the inputs of this configuration."""
        common = {"size": self.size, "faces": self.faces, "align": self.align}
        rgb = common | {"colour": "rgb"}
        if self.main_input == "difference":
            draw = _DRAWS[self.frame_draw]
            return {"frames": Frames.model_validate(rgb | draw | {"span": "onset-apex", "count": 2})}
        flow = common | {"channels": ("u", "v", "strain"), "normalise": "none", "face_size": self.size}
        found: dict[str, InputSpec] = {"flow": Flow.model_validate(flow)}
        if self.position:
            found["frames"] = Frames.model_validate(rgb | {"span": "onset", "count": 1})
        return found
