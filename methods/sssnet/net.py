"""SSSNet: two convolutions and two dense layers on a flow image."""

from torch import Tensor, nn

#: Pixels of the smallest image: the second pooling leaves one pixel of it.
SMALLEST = 16


class Net(nn.Module):
    """Flow pictures, (n, 3, size, size) in 0..1 -> scores (n, classes).

    Convolutions of 5x5 and 3x3 without padding, each with ReLU, maximum of 3x3 and 2x2, batch norm, and dropout of
    whole channels.
    """

    def __init__(
        self, classes: int, size: int = 64, widths: tuple[int, int, int] = (32, 64, 256), dropout: float = 0.5
    ) -> None:
        super().__init__()
        first, second, dense = widths
        side = ((size - 4) // 3 - 2) // 2
        self.features = nn.Sequential(
            *_stage(3, first, 5, 3, dropout), *_stage(first, second, 3, 2, dropout), nn.Flatten()
        )
        self.classifier = nn.Sequential(
            *(nn.Linear(second * side**2, dense), nn.ReLU(), nn.Dropout(dropout)), nn.Linear(dense, classes)
        )

    def forward(self, flow: Tensor) -> Tensor:
        """Return scores."""
        scores: Tensor = self.classifier(self.features(flow))
        return scores


def _stage(before: int, after: int, kernel: int, pool: int, dropout: float) -> list[nn.Module]:
    convolution, norm = nn.Conv2d(before, after, kernel), nn.BatchNorm2d(after)
    return [convolution, nn.ReLU(), nn.MaxPool2d(pool), norm, nn.Dropout2d(dropout)]
