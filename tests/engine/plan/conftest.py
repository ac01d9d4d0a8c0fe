"""Plans of runs on the small release, and a toy method."""

import pytest
from support.toy_package import plug_in

from merbench.contracts.protocols import load_protocol
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs


@pytest.fixture
def toy(tmp_path, monkeypatch):
    return plug_in(tmp_path, monkeypatch)


@pytest.fixture
def plan_one(small_release, small_protocol):
    """Plan one run from what lies on disk now."""

    def make(method="toy", release=small_release, protocol=small_protocol, **request):
        spec = load_protocol(protocol)
        prepared = PreparedProtocol.of(spec, choose_data(str(release), [spec]))
        (plan,) = plan_runs(Request.named((method,), **request), [prepared])
        return plan

    return make


@pytest.fixture
def prepared(small_release, small_protocol):
    spec = load_protocol(small_protocol)
    return PreparedProtocol.of(spec, choose_data(str(small_release), [spec]))
