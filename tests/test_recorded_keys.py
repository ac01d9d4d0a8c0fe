"""No change of form moves a recorded key: the committed rows are found again by whoever plans them."""

import json

import pytest

from merbench.contracts.protocols import ProtocolSpec
from merbench.databases.registrations import register
from merbench.engine.plan.catalogue import METHODS, PROTOCOLS
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs
from merbench.records.model import RunFile

#: The committed rows, and the first digits of their keys' digests, which no later version may move.
ROWS = {
    "majority-megc2019-s0-da613c25f8",
    "ststnet-megc2019-s0-96bb92611e",
    "ststnet-megc2019-s0-faada5d37f",
    "ststnet-megc2019-s1-82edb0ef44",
    "ststnet-megc2019-s1-f736dd6b10",
    "ststnet-megc2019-s2-8a775376db",
    "ststnet-megc2019-s2-c1bd71858d",
    "svm-flow-megc2019-s0-94ce8d8f94",
}


@pytest.fixture(scope="module")
def recorded(root):
    """Return every committed ``run.json``, by the run's id."""
    found = [RunFile.model_validate_json(path.read_bytes()) for path in root.glob("results/**/run.json")]
    return {file.run_id: file for file in found}


def test_every_committed_run_keeps_its_key(recorded):
    assert recorded.keys() >= ROWS
    for run_id, file in recorded.items():
        assert run_id.endswith(file.key.digest()[:10])


def test_committed_rows_are_planned_under_their_ids(recorded, shared):
    register("megc2019-flow28", shared / "data" / "megc2019-flow28")
    planned = {}
    for run_id in ROWS:
        file = recorded[run_id]
        spec: ProtocolSpec = PROTOCOLS.get(file.protocol)
        config = METHODS.get(file.method).resolve(file.config_name).model_dump(mode="json")
        settings = {name: json.dumps(value) for name, value in file.key.config.items() if config[name] != value}
        chosen = {"config": file.config_name, "seeds": (file.key.seed,), "selection": file.key.selection}
        request = Request.named((file.method,), settings=settings, **chosen)
        prepared = planned.setdefault(spec.name, PreparedProtocol.of(spec, choose_data(file.data, [spec])))
        (plan,) = plan_runs(request, [prepared])
        assert plan.file.key == file.key
        assert plan.run_id == run_id
