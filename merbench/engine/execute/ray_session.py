"""Start Ray on this machine, or connect to a running cluster; errors are reported at once, without Ray's noise."""

import logging
import os
import secrets
import socket
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import chdir, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from merbench.contracts.errors import MerbenchError
from merbench.engine.execute.jobs import Executor, Job, Observer
from merbench.engine.execute.ray_executor import RayExecutor
from merbench.records.outcome import FoldOutcome

CONNECT_SECONDS = 5.0
#: Ray uses HTTP/2 and answers a hello with its settings. For other services, Ray's own client waits for minutes.
_HTTP2_SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
#: Ray's message if it does not start in time.
_TOO_SLOW = "timed out during startup"
_HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _HTTP2_SETTINGS


@contextmanager
def ray_workers(
    workers: int | None = None,
    gpus: int | None = None,
    folds_per_gpu: int | None = None,
    address: str | None = None,
    pack: int | None = None,
) -> Iterator[Executor]:
    """Yield an executor that starts Ray on this machine, or joins the cluster at ``host:port``, with its first jobs.

    The other arguments are those of `RayExecutor`. The connection to Ray is closed at the end of the ``with`` block. A
    `MerbenchError` says that no service or a service other than Ray answers at the address or, on the first call of the
    executor, that Ray cannot be started, refuses the connection, or has fewer GPUs than requested.
    """
    if address is not None:
        _check_reachable(address)
    late = _StartedLate(address, workers, gpus, folds_per_gpu, pack)
    try:
        yield late
    finally:
        if late.connected:
            import ray

            ray.shutdown()


class _StartedLate(Executor):
    runs_at_once = RayExecutor.runs_at_once

    def __init__(self, address: str | None, *asked: int | None) -> None:
        super().__init__()
        self.address, self.asked, self.connected = address, asked, False
        self.executor: RayExecutor | None = None

    def __call__(self, jobs: Sequence[Job], observer: Observer) -> Generator[tuple[Job, FoldOutcome], None, None]:
        if self.executor is None:
            observer.note(
                f"joining the Ray cluster at {self.address}" if self.address else "starting Ray on this machine"
            )
            self.connected = True  # an interrupted start also has processes to end
            connect(self.address, *self.asked[:2])
            self.executor = RayExecutor(*self.asked)
        yield from self.executor(jobs, observer)


def connect(address: str | None, workers: int | None = None, gpus: int | None = None) -> None:
    """Start Ray on this machine with so many CPUs and GPUs, or connect to a cluster; raises as `ray_workers`."""
    _prepare_environment(alone=address is None)
    import ray

    logging.getLogger("ray").setLevel(logging.CRITICAL)  # the driver reports the relevant events
    own: dict[str, Any] = {} if address else {"num_cpus": workers, "num_gpus": gpus, "include_dashboard": False}
    for again in (False, True):
        try:
            with _nothing_on_stderr(), chdir(_empty_folder().name):
                ray.init(address or "local", log_to_driver=False, configure_logging=False, **own)
        except Exception as error:  # raised without a message if Ray does not start within its 30 seconds
            if again or _TOO_SLOW not in str(error):
                raise MerbenchError(_not_connected(address, error)) from error
            ray.shutdown()  # on a busy machine a second start finds its files in memory
        else:
            break
    there = int(ray.cluster_resources().get("GPU", 0))
    if gpus is not None and gpus > there:
        where = f"the Ray cluster at {address}" if address else "this machine"
        raise MerbenchError(f"--gpus {gpus}, but {where} has {there}")


def _prepare_environment(alone: bool) -> None:
    """Set what Ray reads from the environment, before it is imported."""
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # a call after the end would start another Ray
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # otherwise every worker would build its own environment
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")  # the raylet's lines in the terminal
    if alone:
        os.environ.setdefault("RAY_worker_niceness", "0")  # folds run as in this process
        if "RAY_AUTH_MODE" not in os.environ:  # otherwise Ray writes a token into the user's home
            os.environ["RAY_AUTH_MODE"] = "token"
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


@cache
def _empty_folder() -> TemporaryDirectory[str]:
    """Return the folder in which Ray starts, removed at the end of the process.

    Ray's processes import modules from the folder where they start, and its workers from the driver's: a file there
    with a module's name would be executed. Workers then change to the driver's folder, see `_Worker`.
    """
    return TemporaryDirectory(prefix="merbench-ray-", ignore_cleanup_errors=True)


@contextmanager
def _nothing_on_stderr() -> Iterator[None]:
    """Discard the output of native code, such as a warning for each try with a wrong token; errors are raised."""
    try:
        kept = os.dup(2)
    except OSError:  # standard error is closed
        yield
        return
    if sys.stderr:
        sys.stderr.flush()
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _check_reachable(address: str) -> None:
    """Refuse an address without a Ray cluster; Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 2**16 or "/" in host:
        raise MerbenchError(
            f"--ray-address {address!r}: write host:port, such as 10.0.0.5:6379, as ray start prints it"
        )
    start = "start it with ray start --head, or leave --ray-address out to use this machine alone"
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS) as connection:
            connection.settimeout(CONNECT_SECONDS)
            connection.sendall(_HTTP2_HELLO)
            answer = connection.recv(len(_HTTP2_SETTINGS))
    except OSError as error:
        raise MerbenchError(f"no Ray cluster answers at {address} ({error.strerror or error}): {start}") from error
    if answer[3:4] != _HTTP2_SETTINGS[3:4]:
        raise MerbenchError(f"no Ray cluster at {address} (another service is listening there): {start}")


def _not_connected(address: str | None, error: Exception) -> str:
    said = " ".join(str(error).split())[:300]
    if address is None:
        return f"Ray could not be started on this machine: {said}; --workers 1 runs without it"
    whole = f"{error} {error.__cause__}".lower()  # Ray reports a refusal as a failure to connect
    if "auth" in whole or "token" in whole:
        return (
            f"Ray at {address} refused the connection (authentication): set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN "
            "as on the cluster"
        )
    return (
        f"can't join the Ray cluster at {address}: {said}; this machine must be part of it: "
        f"ray start --address={address}, with the same versions of Ray and Python"
    )
