"""Start Ray on this machine, or connect to one that runs; without waiting for what is not there, and without noise."""

import logging
import os
import secrets
import socket
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from merbench.contracts.errors import MerbenchError
from merbench.engine.execute.ray_executor import RayExecutor
from merbench.engine.execute.units import Unit, Watcher
from merbench.records.outcome import FoldOutcome

CONNECT_SECONDS = 5.0
#: Ray speaks HTTP/2: it answers a hello with its settings. At a port that does not, Ray's own client waits for minutes.
_HTTP2_SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
#: What Ray says where it does not come up in time.
_TOO_SLOW = "timed out during startup"
_HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _HTTP2_SETTINGS


class RayWorkers:
    """An executor that starts Ray on this machine, or connects to one that runs, once there is something to execute.

    Ray is let go of at the end of the ``with`` block.

    Parameters
    ----------
    workers, gpus, folds_per_gpu, pack : int, optional
        See `RayExecutor`.
    address : str, optional
        ``host:port`` of a Ray cluster that this machine is part of.
    """

    runs_at_once = RayExecutor.runs_at_once

    def __init__(
        self,
        workers: int | None = None,
        gpus: int | None = None,
        folds_per_gpu: int | None = None,
        address: str | None = None,
        pack: int | None = None,
    ) -> None:
        self._workers, self._gpus, self._folds_per_gpu, self._address = workers, gpus, folds_per_gpu, address
        self._pack = pack
        self._executor: RayExecutor | None = None
        self._connected = False

    def __enter__(self) -> Self:
        """Refuse an address that nothing answers at."""
        if self._address is not None:
            _check_reachable(self._address)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connected:
            import ray

            ray.shutdown()

    def __call__(self, units: Sequence[Unit], watcher: Watcher) -> Generator[tuple[Unit, FoldOutcome], None, None]:
        """Execute, see `RayExecutor`.

        Raises
        ------
        MerbenchError
            Ray can't be started, it does not let us in, or it has fewer GPUs than are asked for.
        """
        if self._executor is None:
            watcher.note(f"joining the Ray at {self._address}" if self._address else "starting Ray on this machine")
            self._connected = True  # also a start that is broken off has processes to end
            connect(self._address, self._workers, self._gpus)
            self._executor = RayExecutor(self._workers, self._gpus, self._folds_per_gpu, self._pack)
        yield from self._executor(units, watcher)


def connect(address: str | None, workers: int | None = None, gpus: int | None = None) -> None:
    """Start Ray on this machine with so many CPUs and GPUs, or connect to the one at `address`.

    Raises
    ------
    MerbenchError
        As `RayWorkers` says.
    """
    _prepare_environment(alone=address is None)
    import ray

    logging.getLogger("ray").setLevel(logging.CRITICAL)  # what matters is told by the driver
    own: dict[str, Any] = {} if address else {"num_cpus": workers, "num_gpus": gpus, "include_dashboard": False}
    for again in (False, True):
        try:
            with _nothing_on_stderr():
                ray.init(address or "local", log_to_driver=False, configure_logging=False, **own)
        except Exception as error:  # a bare one is raised where Ray does not come up within its 30 seconds
            if again or _TOO_SLOW not in str(error):
                raise MerbenchError(_not_connected(address, error)) from error
            ray.shutdown()  # a busy machine: a second start finds its files in memory
        else:
            break
    there = int(ray.cluster_resources().get("GPU", 0))
    if gpus is not None and gpus > there:
        where = f"the Ray at {address}" if address else "this machine"
        raise MerbenchError(f"--gpus {gpus}, but {where} has {there}")


def _prepare_environment(alone: bool) -> None:
    """Set what Ray reads from the environment, before it is imported."""
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # what is called after the end would start another Ray
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # else every worker would build an environment of its own
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")  # what the raylet prints into our terminal
    if alone:
        os.environ.setdefault("RAY_worker_niceness", "0")  # folds run as they would in this process
        if "RAY_AUTH_MODE" not in os.environ:  # else Ray writes a token into the user's home
            os.environ["RAY_AUTH_MODE"] = "token"
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


@contextmanager
def _nothing_on_stderr() -> Iterator[None]:
    """Throw away what native code prints, such as a warning for each try with a wrong token; what matters is raised."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
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
    """Refuse an address that nothing answers at; Ray itself would try for minutes."""
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
        raise MerbenchError(f"no Ray answers at {address} ({error.strerror or error}): {start}") from error
    if answer[3:4] != _HTTP2_SETTINGS[3:4]:
        raise MerbenchError(f"what answers at {address} is no Ray: {start}")


def _not_connected(address: str | None, error: Exception) -> str:
    """Say why there is no Ray, and what to do."""
    said = " ".join(str(error).split())[:300]
    if address is None:
        return f"Ray could not be started on this machine: {said}; --workers 1 runs without it"
    whole = f"{error} {error.__cause__}".lower()  # Ray hides a refusal behind a bare failure to connect
    if "auth" in whole or "token" in whole:
        return f"the Ray at {address} does not let us in: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN as on the cluster"
    return (
        f"can't join the Ray at {address}: {said}; this machine must be part of it: ray start --address={address}, "
        "with the same versions of Ray and Python"
    )
