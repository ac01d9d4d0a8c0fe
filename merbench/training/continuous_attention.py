"""The continuous attention block of MMNet, which ATM-GCN uses in its encoder."""

import torch
from torch import Tensor, nn


class AttentionBlock(nn.Module):
    """A residual block whose spatial attention is multiplied by that of the block before.

    Features ``y = ReLU(BN(conv1x1(ReLU(BN(conv3x3(x))))) + skip(x))``; `stride` is that of the 3x3 convolution, and the
    skip the identity if it fits, else BN(conv1x1(x)). Attention of a pixel::

        a = sigmoid(BN(conv1x1([mean over channels of y, maximum over channels of y])))
        a = a * maxpool3x3(attention of the block before)

    Attention can therefore only fall along a chain of blocks. `attention_norm` false leaves its BN out.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, attention_norm: bool = True) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.skip: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            self.skip = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        norm = nn.BatchNorm2d(1) if attention_norm else nn.Identity()
        self.attention = nn.Sequential(nn.Conv2d(2, 1, 1, bias=False), norm)

    def forward(self, x: Tensor, before: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Process features (n, inputs, h, w), given the attention of the block before, (n, 1, h, w), if it counts.

        Returns the features times the attention, and the attention, which the next block takes.
        """
        y = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        y = torch.relu(y + self.skip(x))
        seen = torch.cat([y.mean(dim=1, keepdim=True), y.amax(dim=1, keepdim=True)], dim=1)
        attention = torch.sigmoid(self.attention(seen))
        if before is not None:
            attention = attention * nn.functional.max_pool2d(before, 3, self.stride, padding=1)
        return y * attention, attention


def initialise_convolutions(module: nn.Module) -> None:
    """Draw all convolutions of `module` as residual nets do: normal, by the fan-out of ReLUs (Kaiming)."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
