"""Synthetic macro-expressions: other people, larger movements; methods pretrain on them where data is synthetic."""

import cv2
import numpy as np
import pytest
from support.phased import plug_in_phased

from merbench.contracts.methods import AuxiliaryData
from merbench.contracts.protocols import load_protocol
from merbench.databases.registrations import registered
from merbench.engine.plan.data import Data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs
from merbench.synthetic.database import make
from merbench.synthetic.macro import macro_source
from merbench.synthetic.settings import SyntheticSettings


@pytest.mark.slow
def test_macro_expressions_are_made_once_and_take_the_place_of_what_is_declared(
    tmp_path, monkeypatch, small_protocol, home
):
    done = []
    source = macro_source(lambda *counts: done.append(counts))
    assert done[-1] == (68, 68)
    assert registered()["synthetic-macro"].folder == source.folder
    assert (len(source.clips), source.clips.subject.nunique()) == (68, 8)
    assert set(source.clips.emotion) == {"disgust", "happiness", "repression", "surprise"}
    assert source.clips.aus.notna().all()
    before = source.folder.stat().st_mtime_ns
    assert macro_source().folder.stat().st_mtime_ns == before

    micro = make(SyntheticSettings(size="small"), tmp_path / "small")
    assert not set(source.clips.dataset) & set(micro.clips.dataset)
    assert motion(source) > 1.5 * motion(micro)

    plug_in_phased(tmp_path, monkeypatch)
    spec = load_protocol(small_protocol)
    data = Data("synthetic-small", "for the tests", (micro,))
    (plan,) = plan_runs(Request.named(("phased",)), [PreparedProtocol.of(spec, data)])
    assert plan.file.disclosures == ["pretrained on synthetic-macro"]  # "more" is not even registered
    found = plan.task.auxiliary["more"]
    assert isinstance(found, AuxiliaryData)
    assert set(found.datasets) == {"synthetic-macro"}
    assert set(found.labels) == {0, 1, 2}
    assert plan.file.key.input_digests["more:made"] == source.reading.made_with


def motion(source):
    """Return the mean change from onset to apex in grey levels, beyond noise, of some clips."""
    found = []
    for row in list(source.clips.itertuples())[::9]:
        frames = source.database.frames(source.folder, row.path)
        onset, apex = (cv2.imread(str(frames[int(number)]), 0).astype(float) for number in (row.onset, row.apex))
        found.append(np.percentile(np.abs(apex - onset), 99))
    return np.mean(found)
