"""The settings of AffectiveNet: every choice that its abstract leaves open, and the main alternatives."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from merbench.contracts.inputs import DynamicImage, InputSpec
from merbench.training.torch_method import TorchConfig


class Config(TorchConfig):
    """Settings of AffectiveNet; the defaults are the configuration ``full``. All are inferred, see the card.

    The picture of a clip:

    - size: pixels
    - picture: the weights of its frames: ``exact`` rank pooling, the ``lab``'s own, which add the face itself, or those
      of its ``active`` image, grey
    - span: the frames that are pooled
    - magnify: ``evm`` magnifies the frames first
    - faces, align: how faces are found, and whether all frames are moved by the onset's transform
    - centred: subtract the picture's median level: still places are near it, and a crop fills its border with 0; else
      levels are in 0..1

    The net:

    - kernels: of MICRoFeat, the first convolution, one for each stream
    - widths: channels of the three levels of a stream, and of the convolution that joins the streams
    - mfl: a stream's second level and the first, brought to its size by a convolution: their ``sum``, ``concat``, or
      the second alone, ``off``
    - activation: ``relu``, or OrigiNet's ``sigleaky``: ``sigmoid(x) + sigmoid(x) * leaky_relu(x, 0.1)``
    - pool: side of the map to which the last one is averaged
    - hidden: width of the fully connected layer before the classes
    - dropout: after that layer

    Training:

    - class_weights: of the cross-entropy: ``balanced``, inverse to the class's clips in the training fold; ``none``
    - flip: mirror half of the clips
    - rotation: largest angle, degrees
    - padding: largest shift of a crop, pixels
    """

    epochs: int = Field(100, ge=1)
    batch_size: int = Field(32, ge=2)

    size: int = Field(112, ge=16)
    picture: Literal["exact", "lab", "active"] = "exact"
    span: Literal["onset-apex", "onset-offset", "clip"] = "onset-offset"
    magnify: Literal["none", "evm"] = "none"
    faces: Literal["auto", "landmarks", "haar", "delivered"] = "auto"
    align: Literal["onset", "frame"] = "onset"
    centred: bool = True

    kernels: tuple[int, ...] = (3, 5, 7, 11)
    widths: tuple[int, int, int, int] = (16, 32, 64, 256)
    mfl: Literal["sum", "concat", "off"] = "sum"
    activation: Literal["relu", "sigleaky"] = "relu"
    pool: int = Field(4, ge=1)
    hidden: int = Field(256, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)

    class_weights: Literal["none", "balanced"] = "none"
    flip: bool = True
    rotation: float = Field(5.0, ge=0, le=180)
    padding: int = Field(4, ge=0)

    @property
    def channels(self) -> int:
        """Channels of the picture."""
        return 1 if self.picture == "active" else 3

    def faults(self) -> Iterator[tuple[bool, str]]:
        """Yield the rules of this method."""
        yield from super().faults()
        kernels, side = self.kernels, -(-self.size // 16)
        valid = len(kernels) > 0 and list(kernels) == sorted(set(kernels)) and all(k > 0 and k % 2 for k in kernels)
        yield not valid, "kernels must be one or more odd sizes, each once and ascending, like [3, 5, 7, 11]"
        yield min(self.widths) < 1, "widths must be 1 or more"
        yield (
            self.pool > side,
            f"pool {self.pool} must not be above {side}, the side of the last map at size {self.size}",
        )
        yield self.padding >= self.size, f"padding {self.padding} must be below size {self.size}"

    def inputs(self) -> dict[str, InputSpec]:
        """Return the inputs of this configuration."""
        return {
            "picture": DynamicImage(
                size=self.size,
                weights=self.picture,
                span=self.span,
                magnify=self.magnify,
                faces=self.faces,
                align=self.align,
            )
        }
