"""Nets of baselines equal their authors': the same weights, inputs and outputs (../shared/data/parity)."""

import re

import numpy as np
import pytest
import torch
from merbench.methods.bdcnn.method import Settings as BdcnnConfig
from merbench.methods.bdcnn.method import with_magnitude
from merbench.methods.bdcnn.net import Covariances
from merbench.methods.bdcnn.net import Net as Bdcnn
from merbench.methods.dual_inception.net import Net as DualInception
from merbench.methods.htnet.net import Net as HTNet
from merbench.methods.htnet.net import tiled
from merbench.methods.msctnet.net import Net as MSCTNet
from merbench.methods.offapexnet.net import Net as OffApexNet
from merbench.methods.rcn.net import Net as RCN
from support.nets import count
from support.parity import arrays_of
from torch import nn
from torch.testing import assert_close

BRANCHES = {"one": "0.0", "three_reduce": "1.0", "three": "1.2"}
BRANCHES |= {"five_reduce": "2.0", "five": "2.2", "pool_proj": "3.1"}
#: Their names of parameters, as regular expressions, and ours; the first that fits counts, None: not built here.
DENSE = (r"fc(\d)\.(.*)", lambda m: f"dense.{2 * (int(m[1]) - 1)}.{m[2]}")
LAYER = r"layers\.(\d)\.(\d)\.(.*)"
NAMES = {
    "rcn": [
        (r".*conv3.*", None),
        (r"conv1\.(.*)", r"stem.\1"),
        (r"stream(\d)\.(.*)", lambda m: f"stem.streams.{int(m[1]) - 1}.{m[2]}"),
        (r"(?:rcls\.0\.ffconv|dbl\.0\.conv1|ebl\.conv1)\.(.*)", r"block.first.\1"),
        (r"(?:rcls\.0\.rrconv|dbl\.0\.conv2|ebl\.conv2)\.(.*)", r"block.again.\1"),
        (r"(classifier.*)", r"\1"),
    ],
    "htnet": [
        (r"to_patch_embedding\.1\.(.*)", r"embedding.\1"),
        (r"layers\.(\d)\.0\.pos_emb", r"positions.\1"),
        (rf"layers\.(\d)\.0\.{LAYER}", lambda m: f"transformers.{m[1]}.blocks.{m[2]}.{m[3]}.{part(m[4])}"),
        (r"layers\.(\d)\.1\.(.*)", lambda m: f"merges.{m[1]}.{norm(m[2])}"),
        (r"mlp_head\.0\.(.*)", lambda m: f"norm.{norm(m[1])}"),
        (r"mlp_head\.2\.(.*)", r"classifier.\1"),
    ],
    "msctnet": [
        (r"branches\.(\d)\.0\.(\d)\.(.*)", lambda m: f"branches.{m[1]}.embedding.{int(m[2]) - 1}.{norm(m[3])}"),
        (r"branches\.(\d)\.1\.pos_emb", r"branches.\1.position"),
        (r"branches\.(\d)\.2\.conv\.(.*)", r"branches.\1.attention.\2"),
        (rf"branches\.(\d)\.1\.{LAYER}", lambda m: f"branches.{m[1]}.transformer.blocks.{m[2]}.{m[3]}.{part(m[4])}"),
        (r"gated_fusion\.gate\.(\d)\.(.*)", lambda m: f"gate.{int(m[1]) - 1}.{m[2]}"),
        (r"(classifier.*)", r"\1"),
    ],
    "offapexnet": [
        (r"cnn(\d)\.conv(\d)\.(.*)", lambda m: f"streams.{int(m[1]) - 1}.{3 * (int(m[2]) - 1)}.{m[3]}"),
        (r"(dense.*)", r"\1"),
    ],
    "dualinception": [
        DENSE,
        (r"x\.(.*)", lambda m: f"streams.0.{inception(m[1])}"),
        (r"y\.(.*)", lambda m: f"streams.1.{inception(m[1])}"),
    ],
    "bdcnn": [(r"conv1\.(.*)", r"shared.\1"), (r"conv2\.(.*)", r"join.\1"), DENSE],
}


def inception(name):
    """Return our name of a parameter of an inception module."""
    module, branch, rest = name.split(".")
    return f"{2 * (int(module) - 1)}.branches.{BRANCHES[branch]}.{rest}"


def norm(name):
    """Return our name of a parameter of a normalisation over channels."""
    return re.sub(r"\b(?:g|gamma)$", "weight", re.sub(r"\b(?:b|beta)$", "bias", name))


def part(name):
    """Return our name of a part of a transformer block."""
    for theirs, ours in (("norm", "0"), ("fn.to_qkv", "1.qkv"), ("fn.to_out.0", "1.out"), ("fn.net", "1")):
        name = re.sub(rf"^{re.escape(theirs)}\b", ours, name)
    return norm(name)


@pytest.fixture
def authors(shared):
    """Return what reads a file of arrays, and a state of ours made of its weights."""

    def read(file, net=None):
        arrays = arrays_of(shared, file)
        family = NAMES.get(file.partition("_")[0], [])

        def state(prefix="state/"):
            found = {}
            # P and C also hold a recurrent or embedding block, which they never use, beside their dense one.
            for key in sorted(
                (key for key in arrays if key.startswith(prefix)), key=lambda key: ".dbl" in f".{key[len(prefix) :]}"
            ):
                name = key.removeprefix(prefix)
                pattern, to = next(pair for pair in family if re.fullmatch(pair[0], name))
                if to is not None:
                    found[re.sub(pattern, to, name)] = arrays[prefix + name]
            return found

        if net is not None:
            own = net.state_dict()  # our matrices are their 1x1 convolutions
            known = {name: values.view_as(own.get(name, values)) for name, values in state().items()}
            missing, unexpected = net.load_state_dict(known, strict=False)
            assert not unexpected
            assert {name.partition(".")[0] for name in missing if "num_batches" not in name} <= {"classifier"}
        return arrays, state

    return read


def test_the_rcns_equal_their_authors(authors):
    for variant, side, pool in (("a", 28, 5), ("s", 28, 5), *((variant, 60, 7) for variant in "aswpcf")):
        for third in (False, True):
            net = RCN(variant, 3, 16, pool, third).eval()
            arrays, _ = authors(f"rcn_{variant}_{side}", net)
            scores, attention = net.seen(arrays["in/x"])
            wanted = arrays["out/logits_third_stream" if variant == "f" and third else "out/logits"]
            assert_close(scores, wanted, rtol=1e-4, atol=1e-5)
            if "mid/attention" in arrays:
                assert_close(attention, arrays["mid/attention"], rtol=1e-4, atol=1e-5)
    assert [count(RCN(variant, 3, 64, 7)) for variant in "aw"] == [55_747, 52_675]
    assert [count(RCN(variant, 3, 32, 5)) for variant in "aw"] == [15_331, 13_795]
    still = RCN("a", 3, 8, 5).eval()(torch.zeros(2, 3, 28, 28))
    assert still.isfinite().all()  # a constant map has no range


def test_rcn_a_is_trained_as_its_authors_train_it(authors):
    net = RCN("a", 3, 8, 5)
    arrays, state = authors("rcn_a_train", net)
    net.stem[-1] = net.block.dropout = nn.Identity()
    optimiser = torch.optim.SGD(net.parameters(), float(arrays["lr"]), float(arrays["momentum"]))
    for wanted in arrays["out/losses"]:
        loss = nn.functional.cross_entropy(net(arrays["in/x"]), arrays["in/y"].long())
        assert_close(loss, wanted, rtol=1e-4, atol=1e-5)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    for name, values in state("after/").items():
        assert_close(net.state_dict()[name], values, rtol=1e-3, atol=1e-5)


def test_htnet_equals_its_authors(authors):
    for side in (28, 56):
        net = HTNet(3, side, 16, 2, (1, 1, 2)).eval()
        arrays, _ = authors(f"htnet_{side}", net)
        assert_close(net(arrays["in/x"]), arrays["out/logits"], rtol=1e-4, atol=1e-5)
    with torch.device("meta"):
        assert count(HTNet(3, 28, 256, 3, (2, 2, 10))) == 139_582_982
    picture = torch.arange(28 * 28.0).view(1, 1, 28, 28)
    tile = tiled(picture)[0, 0]
    corners = [tile[::14, ::14].flatten().tolist(), [28 * r + c for r, c in ((2, 4), (14, 3), (3, 14), (13, 14))]]
    assert corners[0] == corners[1]  # points 0, 1, 3, 4: x - 7 as row, y - 7 as column, within 0..14


def test_msct_net_off_apexnet_and_dual_inception_equal_their_public_code(authors):
    net = MSCTNet(3, 24, 4, (1, 1, 2), 0.1).eval()
    arrays, _ = authors("msctnet_28", net)
    assert_close(net(arrays["in/x"]), arrays["out/logits"], rtol=1e-4, atol=1e-5)
    for activated, named in ((False, "out/logits"), (True, "out/logits_relu_after_conv")):
        net = OffApexNet(3, 32, activated).eval()
        arrays, _ = authors("offapexnet", net)
        assert_close(net(arrays["in/x"]), arrays[named], rtol=1e-4, atol=1e-6)
    net = DualInception(3, 3, 16).eval()
    arrays, _ = authors("dualinception_official_graph", net)
    assert_close(net(arrays["in/x"], arrays["in/y"]), arrays["out/logits"], rtol=1e-4, atol=1e-5)
    with torch.device("meta"):
        sizes = [count(net) for net in (MSCTNet(3, 256, 4, (2, 2, 8), 0.1), OffApexNet(3), DualInception(3))]
    assert sizes == [10_397_973, 2_664_475, 6_449_963]


def test_bdcnn_and_its_augmentation_equal_the_authors(authors):
    net = Bdcnn(3, 120, 40, 16, 8)
    arrays, _ = authors("bdcnn_40", net)
    maps = torch.stack([arrays[f"in/x{number}"] for number in (1, 2, 3, 4)], dim=1)
    assert_close(net(maps)[0], arrays["out/features"], rtol=1e-4, atol=1e-6)
    with torch.device("meta"):
        sizes = [round(count(Bdcnn(3, 120, block)) / 1e6, 2) for block in (8, 10, 20, 30, 40)]
    assert sizes == [8.54, 10.88, 13.27, 13.31, 6.56]
    arrays, _ = authors("isda_loss")
    seen = Covariances(3, 8)
    for turn in (1, 2):
        labels = arrays[f"in/labels{turn}"].long()
        seen.update(arrays[f"in/features{turn}"], labels)
        assert_close(seen.covariance, arrays[f"out/cov{turn}"], rtol=1e-4, atol=1e-6)
    assert_close(seen.mean, arrays["out/mean2"], rtol=1e-4, atol=1e-6)
    weight, ratio = arrays["state/weight"], float(arrays["in/ratio"])
    scores = arrays["in/features2"] @ weight.T + arrays["state/bias"]
    augmented = seen.augmented(scores, labels, weight, ratio)
    assert_close(augmented, arrays["out/aug_logits"], rtol=1e-4, atol=1e-5)
    loss = nn.functional.cross_entropy(augmented, labels, arrays["in/class_weight"].float())
    assert_close(loss, arrays["out/loss"].float(), rtol=1e-4, atol=1e-5)
    config = BdcnnConfig()
    assert [config.rate(epoch, 100) for epoch in (0, 79, 80)] == [1, 1, 0.1]


def test_magnitude_has_its_zero_at_the_median():
    flow = np.full((1, 8, 8, 3), 100, np.uint8)
    flow[0, 2, 3, :2] = (103, 104)
    magnitude = with_magnitude(flow)[0, 3]
    assert magnitude[2, 3] == pytest.approx(1)
    assert magnitude.sum() == pytest.approx(1)
