"""A second public flow release of the 442 clips of MEGC 2019, by the authors of CausalNet (ICCV 2025).

Of its four 28x28 images a clip, two are the flow from onset to apex and from apex to offset: in RGB order u, v and
optical strain, each scaled to 0..255 over the clip. They are another preparation of the clips of `megc2019-flow28`: the
median correlation of an image with the one there is .50 (u), .29 (v) and .15 (strain). The other two are maps of two
channels, derived from either flow in a way that is not published.

``megc2019_flow4x28.csv`` beside this file lists the published files.
"""

from pathlib import Path

from merbench.contracts.databases import DatabaseCard, Download
from merbench.contracts.inputs import Flow, MotionPositions
from merbench.databases.releases.megc2019_flow28 import CARD, FLOW, FlowImages

COMMIT = "7bdf163face030eeae4358fc7638cf538305acce"

CHECKSUMS = Path(__file__).with_suffix(".csv")
_FURTHER = {Flow(span="apex-offset"): "_1", MotionPositions(): "_2", MotionPositions(span="apex-offset"): "_3"}


class _Megc2019Flow4x28(FlowImages):
    card = DatabaseCard(
        name="megc2019-flow4x28",
        title="MEGC 2019 flow images, 4 of 28x28 a clip (public release of CausalNet's authors)",
        datasets=CARD.datasets,
        holds=CARD.holds,
        licence="MIT; its videos need the licence of each database",
        source="https://github.com/tony19980810/CausalNet (commit 7bdf163)",
        offers=(FLOW, *_FURTHER),
        labels=CARD.labels,
        listed_by=CARD.listed_by,
        download=Download(
            address=f"https://raw.githubusercontent.com/tony19980810/CausalNet/{COMMIT}",
            checksums=CHECKSUMS,
            cite=(
                "CausalNet, ICCV 2025 (https://github.com/tony19980810/CausalNet)",
                "the databases behind it: SMIC, CASME II, SAMM",
            ),
        ),
    )
    checksums = CHECKSUMS
    further = _FURTHER


DATABASE = _Megc2019Flow4x28()
