"""A method with a list of its own; a cluster of Ray nodes, and executors on it."""

import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import ClassVar

import pytest
from support.grid import Counted
from support.raynodes import Nodes, until

from merbench.engine.execute.ray_executor import RayExecutor
from merbench.engine.execute.ray_session import connect


@pytest.fixture
def method():
    """Return a method with a list of its own."""

    class Mine(Counted):
        trained: ClassVar[list] = []

    return Mine


@pytest.fixture(scope="package", autouse=True)
def token():
    """Set what a process reads but once, before any test of the folder asks Ray for a cluster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        if "RAY_AUTH_TOKEN" not in os.environ:  # else this process may have read it already
            patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        for name, value in (("worker_niceness", "0"), ("ENABLE_UV_RUN_RUNTIME_ENV", "0"), ("USAGE_STATS_ENABLED", "0")):
            patch.setenv(f"RAY_{name}", value)
        yield


@pytest.fixture(scope="module")
def nodes(token):
    """Start a head with two CPUs and one GPU, as Ray counts them."""
    folder = Path(tempfile.mkdtemp(prefix="mb"))  # the paths of its sockets may not be long
    found = Nodes(folder)
    try:
        found.start_head()
        yield found
    finally:
        found.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def joined(nodes):
    """Be part of the nodes' cluster."""
    connect(nodes.address)
    import ray

    until(lambda: ray.cluster_resources().get("CPU") == 2, 120)
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def two_workers(joined):
    """Give an executor whose two workers stay from test to test; they leave the GPU, which is none, alone."""
    one = RayExecutor(workers=2, gpus=0)
    yield one
    one.close()


@pytest.fixture
def executor(joined, two_workers, monkeypatch):
    """Return what makes executors with workers of their own, which go with the test; they find classes of tests."""
    monkeypatch.syspath_prepend(Path(__file__).parents[3])
    two_workers.close()  # it starts workers again when it is called
    made = []

    def make(*args, **options):
        made.append(RayExecutor(*args, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
