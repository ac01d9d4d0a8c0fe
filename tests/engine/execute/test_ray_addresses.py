"""Addresses without a Ray cluster, and a Ray that starts slowly."""

import contextlib
import socket
import threading

import pytest
from support.raynodes import free_port

from merbench.contracts.errors import MerbenchError
from merbench.engine.execute.ray_session import connect, ray_workers


def test_an_invalid_address_is_refused():
    for address in ("somewhere", "ray://127.0.0.1:10001", "127.0.0.1:0", "nowhere.invalid:6379"):
        told = "nowhere.invalid:6379" if address.startswith("nowhere") else "write host:port"
        with pytest.raises(MerbenchError, match=told), ray_workers(address=address):
            pass


def test_an_address_without_ray_is_refused_at_once():
    address = f"127.0.0.1:{free_port()}"
    with (
        pytest.raises(MerbenchError, match=f"no Ray cluster answers at {address} .*ray start --head"),
        ray_workers(address=address),
    ):
        pass
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")).start()
        with (
            pytest.raises(MerbenchError, match=r"no Ray cluster at .*another service"),
            ray_workers(address=f"127.0.0.1:{server.getsockname()[1]}"),
        ):
            pass


def test_a_slow_start_of_ray_is_tried_again_once(monkeypatch):
    import ray

    started, failures = [], 0

    def slow(*given, **options):
        started.append(options)
        if len(started) <= failures:
            raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "init", slow)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray, "cluster_resources", dict)
    for failures, starts in ((0, 1), (1, 2), (2, 2)):
        started.clear()
        expected = contextlib.nullcontext() if failures < 2 else pytest.raises(MerbenchError, match="--workers 1")
        with expected:
            connect(None, workers=2)
        assert len(started) == starts
        assert all(options["num_cpus"] == 2 for options in started)
