"""Nets of baselines as their public code computes them, in our words: the same function and weights as merbench's.

Where each comes from: RCN ``MeNets.py`` of xiazhaoqiang/ParameterFreeRCNs-MicroExpressionRec; HTNet ``Model.py`` of
wangzhifengharrison/HTNet; MSCT-Net ``train.py`` of anluo000/Motion-Guided-...-Recognition; OFF-ApexNet and the branches
of Dual-Inception ``models/`` of ECNU-Cross-Innovation-Lab/PRICAI2021-Off-TANet (the authors' own Dual-Inception is in
Keras: this is its graph in torch); BDCNN ``models/BDCNN.py`` and ``ISDA_im.py`` of MLDMXM2017/BDCNN. What merbench
corrects is corrected here too (`rcn`'s third stream); layers that their forward pass never calls are not built. Their
rearranging by einops is written as views.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from _authors import ThreeStreams
from merbench.methods.bdcnn.method import DEVIATION, MEAN
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, relu
from torch.utils.data import Dataset, TensorDataset
from torchvision.transforms import ToTensor


class PictureFiles(Dataset[Any]):
    """Pictures that are read from their files at each access, as the RCNs' ``Datasets.py`` reads them."""

    def __init__(self, folder: Path, pictures: TensorDataset) -> None:
        values, self.labels = pictures.tensors
        self.paths, self.transform = [folder / f"{number}.png" for number in range(len(values))], ToTensor()
        for path, picture in zip(self.paths, values, strict=True):
            if not path.exists():
                Image.fromarray((255 * picture).round().byte().permute(1, 2, 0).numpy()).save(path)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        return self.transform(Image.open(self.paths[place]).convert("RGB")), self.labels[place]


def conventional(net: nn.Module) -> Any:
    """Copy a net with contiguous maps and filters, `nn.Dropout`, and ReLUs in place, as the RCNs have them."""
    found = copy.deepcopy(net).to(memory_format=torch.contiguous_format)
    for part in list(found.modules()):
        for name, child in part.named_children():
            if type(child).__name__ == "FastDropout":
                setattr(part, name, nn.Dropout())
            elif isinstance(child, nn.ReLU):
                setattr(part, name, nn.ReLU(inplace=True))
    return found


class _Rcn(nn.Module):
    """An RCN: dropout stream by stream, attention class by class, sums of the dense block written out."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.ours = conventional(ours)

    def forward(self, flow: Tensor) -> Tensor:
        ours = self.ours
        if ours.variant in "as":
            x = ours.stem(flow)
        else:
            stem = ours.stem
            x = torch.cat([stem.dropout(stem.pool(stream(flow))) for stream in stem.streams], 1)
        if ours.variant in "ap":
            seen = self._attention(adaptive_avg_pool2d(x, ours.pool))
        elif ours.variant == "c":
            seen = self._attention(adaptive_avg_pool2d(flow, ours.pool))
            x = torch.mul(interpolate(seen, x.shape[2:]), x)
        y = adaptive_avg_pool2d(self._block(x), ours.pool)
        if ours.variant in "ap":
            y = y * seen
        return ours.classifier(torch.flatten(y, 1))

    def _attention(self, maps: Tensor) -> Tensor:
        found = []
        for own in self.ours.classifier.weight:
            weights = own.reshape(-1, *maps.shape[2:])
            weights = weights.mean(0, keepdim=True) if self.ours.variant == "c" else weights
            cam = (weights * maps).mean(dim=1, keepdim=True)
            cam = cam - torch.min(torch.min(cam, 3, True)[0], 2, True)[0]
            found.append(cam / torch.max(torch.max(cam, 3, True)[0], 2, True)[0].clamp_min(1e-12))
        return torch.cat(found, dim=1).mean(dim=1, keepdim=True)

    def _block(self, x: Tensor) -> Tensor:
        block = self.ours.block
        y = block.first(x)
        if self.ours.variant == "f":
            seen = self._attention(adaptive_avg_pool2d(x, self.ours.pool))
            y = torch.mul(interpolate(seen, y.shape[2:]), y)
        if block.recurrent:
            out = block.again(x + block.again(x + y))
        else:
            z = block.again(x + y)
            e = block.again(x + y + z)
            out = block.again(x + y + z + e)
        return block.dropout(nn.functional.max_pool2d(out, 2, 2))


class _Norm(nn.Module):
    """Layer normalisation over the channels of maps, in four steps."""

    def __init__(self, ours: nn.LayerNorm) -> None:
        super().__init__()
        self.g, self.b = (nn.Parameter(each.detach().view(1, -1, 1, 1).clone()) for each in (ours.weight, ours.bias))

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var(x, dim=1, unbiased=False, keepdim=True), torch.mean(x, dim=1, keepdim=True)
        return (x - mean) / (variance + 1e-5).sqrt() * self.g + self.b


def _conv(ours: nn.Linear) -> nn.Conv2d:
    """Return a matrix as a 1x1 convolution."""
    made = nn.Conv2d(ours.in_features, ours.out_features, 1, bias=ours.bias is not None)
    made.load_state_dict({name: values.view_as(made.state_dict()[name]) for name, values in ours.state_dict().items()})
    return made


class _Attention(nn.Module):
    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.heads, self.qkv, self.out = ours.heads, _conv(ours.qkv), _conv(ours.out)
        self.weights_dropout, self.dropout = nn.Dropout(ours.dropout.p), nn.Dropout(ours.dropout.p)

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        q, k, v = (
            part.reshape(n, self.heads, -1, height * width).transpose(2, 3) for part in self.qkv(x).chunk(3, dim=1)
        )
        dots = torch.einsum("bhid,bhjd->bhij", q, k) * q.shape[-1] ** -0.5
        found = torch.einsum("bhij,bhjd->bhid", self.weights_dropout(dots.softmax(dim=-1)), v)
        return self.dropout(self.out(found.transpose(2, 3).reshape(n, -1, height, width)))


class _Transformer(nn.Module):
    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        for attention, perceptron in ours.blocks:
            parts = [_conv(part) if isinstance(part, nn.Linear) else copy.deepcopy(part) for part in perceptron[1]]
            self.blocks.append(nn.Sequential(_Norm(attention[0]), _Attention(attention[1])))
            self.blocks.append(nn.Sequential(_Norm(perceptron[0]), *parts))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x) + x
        return x


def _cut(pictures: Tensor, side: int) -> Tensor:
    """Cut pictures into patches: their values (row, column, colour) are the channels of places."""
    n, colours, height, width = pictures.shape
    cut = pictures.reshape(n, colours, height // side, side, width // side, side)
    return cut.permute(0, 3, 5, 1, 2, 4).reshape(n, -1, height // side, width // side)


class _HTNet(nn.Module):
    """HTNet on maps: query, key and softmax also where a block is a single place."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.embedding, self.positions = _conv(ours.embedding), copy.deepcopy(ours.positions)
        self.transformers = nn.ModuleList(map(_Transformer, ours.transformers))
        self.merges = nn.ModuleList(
            nn.Sequential(copy.deepcopy(merge[0]), _Norm(merge[1]), nn.MaxPool2d(3, 2, 1)) for merge in ours.merges
        ).to(memory_format=torch.contiguous_format)
        self.norm, self.classifier = _Norm(ours.norm), copy.deepcopy(ours.classifier)

    def forward(self, tiles: Tensor) -> Tensor:
        x, levels = self.embedding(_cut(tiles, 7)), len(self.transformers)
        for level, transformer in enumerate(self.transformers):
            blocks = 2 ** (levels - 1 - level)
            n, channels, height, width = x.shape
            side = height // blocks
            cut = x.reshape(n, channels, blocks, side, blocks, side).permute(0, 2, 4, 1, 3, 5)
            done = transformer(cut.reshape(-1, channels, side, side) + self.positions[level].view(1, 1, side, side))
            x = done.reshape(n, blocks, blocks, channels, side, side).permute(0, 3, 1, 4, 2, 5)
            x = x.reshape(n, channels, height, width)
            x = self.merges[level](x) if level < levels - 1 else x
        return self.classifier(self.norm(x).mean(dim=(2, 3)))


class _MSCTNet(nn.Module):
    """MSCT-Net on maps, which are scaled to 2 x 2 places and then weighed."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.patches = [branch.patch for branch in ours.branches]
        self.embeddings = nn.ModuleList(
            nn.Sequential(_conv(branch.embedding[0]), _Norm(branch.embedding[1])) for branch in ours.branches
        )
        self.positions = nn.ParameterList(copy.deepcopy(branch.position) for branch in ours.branches)
        self.transformers = nn.ModuleList(_Transformer(branch.transformer) for branch in ours.branches)
        self.attentions = nn.ModuleList(copy.deepcopy(branch.attention) for branch in ours.branches)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), _conv(ours.gate[0]), nn.GELU(), _conv(ours.gate[2]))
        self.classifier = copy.deepcopy(ours.classifier)

    def forward(self, flow: Tensor) -> Tensor:
        maps = []
        for place, patch in enumerate(self.patches):
            x = self.embeddings[place](_cut(flow, patch))
            x = self.transformers[place](x + self.positions[place].unflatten(2, x.shape[2:]))
            mean = adaptive_avg_pool2d(x, 1).squeeze(-1).transpose(1, 2)
            x = x * self.attentions[place](mean).sigmoid().transpose(1, 2).unsqueeze(-1).expand_as(x)
            if x.shape[2:] != (2, 2):
                x = interpolate(x, size=(2, 2), mode="bilinear", align_corners=False)
            maps.append(x)
        weights = self.gate(torch.cat(maps, dim=1)).flatten(1).softmax(dim=1)
        fused = sum(x * weights[:, place].view(-1, 1, 1, 1) for place, x in enumerate(maps))
        return self.classifier(adaptive_avg_pool2d(fused, 1).flatten(1))


class _Streams(nn.Module):
    """OFF-ApexNet, or Dual-Inception with each component as `colours`: maps are activated before they are pooled."""

    def __init__(self, ours: Any, colours: int) -> None:
        super().__init__()
        self.ours, self.colours = copy.deepcopy(ours).to(memory_format=torch.contiguous_format), colours
        for stream in self.ours.streams:
            places = [place for place, part in enumerate(stream) if isinstance(part, nn.ReLU)]
            for place in places:
                stream[place - 1], stream[place] = stream[place], stream[place - 1]

    def forward(self, flow: Tensor) -> Tensor:
        pictures = [part.expand(-1, self.colours, -1, -1) for part in torch.chunk(flow, 2, dim=1)]
        found = [stream(picture) for stream, picture in zip(self.ours.streams, pictures, strict=True)]
        return self.ours.dense(torch.cat(found, dim=1))


class _Bdcnn(nn.Module):
    """BDCNN block by block through the shared convolution, joined one after the other; and its loss.

    Covariances of classes come from features that are copied for each class, the augmented scores from the diagonal of
    products (classes, classes).
    """

    def __init__(self, ours: Any, method: Any) -> None:
        super().__init__()
        self.ours, self.augmentation = copy.deepcopy(ours["net"]), method.config.augmentation
        classes, features = ours["covariances"].mean.shape
        self.covariance = torch.zeros(classes, features, features)
        self.mean, self.count = torch.zeros(classes, features), torch.zeros(classes)
        self.cross_entropy = nn.CrossEntropyLoss(weight=method._weights)

    def forward(self, maps: Tensor) -> Tensor:
        return self.ours.classifier(self._features(maps))

    def _features(self, maps: Tensor) -> Tensor:
        ours, joined = self.ours, []
        size, pool = ours.block, nn.MaxPool2d(3, 3, 1)
        mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
        for picture in ((maps - mean) / deviation).unbind(1):
            count = picture.shape[-1] // size
            blocks = [
                picture[:, :, size * row : size * (row + 1), size * column : size * (column + 1)]
                for row in range(count)
                for column in range(count)
            ]
            convolved = [pool(relu(ours.shared(block))) for block in blocks]
            x = torch.cat((convolved[0], convolved[1]), dim=1)
            for each in convolved[2:]:
                x = torch.cat((x, each), dim=1)
            joined.append(x)
        x = relu(ours.join(torch.cat(joined, dim=1)))
        return ours.dense(x.view(len(x), -1))

    def _update(self, features: Tensor, labels: Tensor) -> None:
        clips, width, classes = *features.shape, len(self.count)
        onehot = torch.zeros(clips, classes).scatter_(1, labels.view(-1, 1), 1)
        mine = onehot.view(clips, classes, 1).expand(clips, classes, width)
        by_class = features.view(clips, 1, width).expand(clips, classes, width).mul(mine)
        amount = mine.sum(0)
        amount[amount == 0] = 1
        mean = by_class.sum(0) / amount
        centred = by_class - mean.expand(clips, classes, width).mul(mine)
        new = torch.bmm(centred.permute(1, 2, 0), centred.permute(1, 0, 2)).div(amount[:, :, None])
        share = onehot.sum(0) / (onehot.sum(0) + self.count)
        share = torch.where(share.isnan(), 0, share)
        wide = share[:, None, None].expand(classes, width, width)
        apart = (self.mean - mean)[:, :, None]
        between = wide.mul(1 - wide).mul(torch.bmm(apart, apart.transpose(1, 2)))
        self.covariance = self.covariance.mul(1 - wide) + new.mul(wide) + between
        self.mean = self.mean.mul(1 - share[:, None]) + mean.mul(share[:, None])
        self.count += onehot.sum(0)

    def loss(self, maps: Tensor, labels: Tensor, trained: float) -> Tensor:
        """Return the loss of a batch after a share of the epochs."""
        features = self._features(maps)
        scores = self.ours.classifier(features)
        self._update(features.detach(), labels)
        clips, classes = scores.shape
        weights = self.ours.classifier.weight.expand(clips, classes, -1)
        apart = weights - torch.gather(weights, 1, labels.view(clips, 1, 1).expand_as(weights))
        spread = torch.bmm(torch.bmm(apart, self.covariance[labels]), apart.permute(0, 2, 1))
        spread = self.augmentation * trained * spread.mul(torch.eye(classes).expand(clips, classes, classes)).sum(2)
        return self.cross_entropy(scores + 0.5 * spread, labels)


def _three_streams(ours: Any, method: Any) -> nn.Module:  # noqa: ARG001 - as all that make a net
    net = ThreeStreams()
    split = {name: values.split((3, 5, 8)) for name, values in ours.state_dict().items() if values.shape[:1] == (16,)}
    for stream in range(3):
        for theirs, name in ((net.convs[stream], "conv"), (net.norms[stream], "norm")):
            mine = {key.partition(".")[2]: parts[stream] for key, parts in split.items() if key.startswith(name)}
            theirs.load_state_dict(mine, strict=False)
    net.fc.load_state_dict(ours.fc.state_dict())
    return net


#: Method -> what makes the authors' net of merbench's net and method.
AUTHORS: dict[str, Callable[[Any, Any], Any]] = {
    "ststnet": _three_streams,
    "rcn": lambda ours, _: _Rcn(ours),
    "off-apexnet": lambda ours, _: _Streams(ours, colours=1),
    "dual-inception": lambda ours, _: _Streams(ours, colours=3),
    "msct-net": lambda ours, _: _MSCTNet(ours),
    "htnet": lambda ours, _: _HTNet(ours),
    "bdcnn": _Bdcnn,
}
#: Those whose code tests or validates after each epoch, and takes its best one; the others test once.
EACH_EPOCH = ("ststnet", "off-apexnet", "dual-inception", "htnet", "bdcnn")
