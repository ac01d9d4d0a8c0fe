"""Tracking servers: an MLflow server or database file that runs are mirrored to; how it is found and connected."""

import logging
import os
import re
import shlex
import socket
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from merbench.contracts.errors import MerbenchError, suggestion
from merbench.contracts.names import shown

if TYPE_CHECKING:
    from mlflow import MlflowClient

NONE = "none"
VARIABLE = "MLFLOW_TRACKING_URI"

#: Databases that MLflow can write to; a driver may follow a plus, ``mysql+pymysql``.
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_SCHEMES = ("http", "https", "databricks", *_DATABASES)
_SQLITE = "sqlite:///"
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}

#: Seconds that a server may take for one answer.
ANSWER_SECONDS = 5

# A request is tried once: repeated after a lost answer it would create a run twice, while a later pass finds the run
# and continues from it.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(ANSWER_SECONDS),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@dataclass(frozen=True)
class TrackingServer:
    """An MLflow server, or a database file."""

    uri: str  #: MLflow's tracking URI; may hold a password
    artifacts: Path | None = None  #: folder for the files of new experiments; a server over HTTP has its own
    named: bool = False  #: it was given on the command line, so a later command has to name it too

    @property
    def address(self) -> str:
        """The URI for people: without a password, and with control characters as escapes."""
        return shown(_without_password(self.uri))

    @property
    def look(self) -> str:
        """Where to open it: an address, or the command that gives one."""
        return self.address if self.over_http else f"mlflow ui --backend-store-uri {shlex.quote(self.address)}"

    @property
    def later(self) -> str:
        """The command that brings it up to date."""
        return "merbench sync mlflow" + (f" --tracking-uri {shlex.quote(self.address)}" if self.named else "")

    @property
    def over_http(self) -> bool:
        """Whether it answers over HTTP."""
        return urlsplit(self.uri).scheme in ("http", "https")


def settle(given: str | None, results: Path) -> TrackingServer | None:
    """Find the tracking server: as given, else ``MLFLOW_TRACKING_URI``, else files in the results folder.

    It is None for ``none``. A URI that MLflow could not write to raises a `MerbenchError` that names valid forms.
    """
    source = "--tracking-uri" if given else VARIABLE
    uri = (given or os.environ.get(VARIABLE) or "").strip()
    if not uri:
        return TrackingServer(_sqlite_uri(results.resolve() / "mlflow.db"), results.resolve() / "mlartifacts")
    if uri.lower() == NONE:
        return None
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError as error:
        raise MerbenchError(f"{source} {_without_password(uri)!r} is not an address: {error}") from None
    scheme = parts.scheme.partition("+")[0]
    if uri != "databricks" and (scheme not in _SCHEMES or ":" not in uri):
        hint = suggestion(scheme, _SCHEMES) if scheme else ""
        raise MerbenchError(
            f"{source} {_without_password(uri)!r} is not an MLflow address{hint}: write http://HOST:PORT, "
            "sqlite:///FILE, or none"
        )
    if scheme in ("http", "https") and not parts.hostname:
        raise MerbenchError(f"{source} {_without_password(uri)!r} lacks a host: write http://HOST:PORT")
    if scheme != "sqlite":
        return TrackingServer(uri, named=bool(given))
    if not uri.startswith(_SQLITE) or uri == _SQLITE:
        raise MerbenchError(f"{source} {uri!r} lacks a file: write sqlite:///FILE")
    path = Path(uri.removeprefix(_SQLITE)).expanduser().resolve()
    return TrackingServer(_sqlite_uri(path), path.parent / "mlartifacts", named=bool(given))


def _sqlite_uri(path: Path) -> str:
    return _SQLITE + path.as_posix().replace("%", "%25").replace("?", "%3F")  # these would end or change the path


def _without_password(uri: str) -> str:
    return re.sub(r"^([\w+]+://)[^/@]*@", r"\1", uri)


def connect(server: TrackingServer) -> "MlflowClient":
    """Return MLflow's client of a server; a database file is created if it is missing.

    MLflow's telemetry is turned off, and only errors are printed. A `MerbenchError` where no server answers.
    """
    if server.over_http:
        _knock(server)
    elif server.uri.startswith(_SQLITE):
        _check_file(server)
    else:
        _check_port(server)
    os.environ.update(_QUIET)
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # errors are raised, and printed in one line
    if server.uri.startswith(_SQLITE) and server.artifacts:
        server.artifacts.parent.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri=server.uri)
    if server.artifacts and (quoted := Path(server.uri.removeprefix(_SQLITE)).parent) != server.artifacts.parent:
        with suppress(OSError):
            quoted.rmdir()  # MLflow makes a folder of the name with %3F for a question mark
    return client


def _knock(server: TrackingServer) -> None:
    """Check that something answers, before the seconds of importing MLflow; its answer is examined later."""
    parts = urlsplit(server.uri)
    netloc = parts.netloc.rpartition("@")[2]
    address = urlunsplit((parts.scheme, netloc, parts.path.rstrip("/") + "/health", "", ""))
    try:
        seconds = float(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT") or ANSWER_SECONDS)
        with urlopen(Request(quote(address, safe=":/[]%")), timeout=seconds):  # noqa: S310 - http or https only
            pass
    except HTTPError:
        return  # something answers
    except (URLError, OSError, ValueError) as error:
        raise MerbenchError(f"MLflow at {server.address}: {reason(error)}") from error


def _check_file(server: TrackingServer) -> None:
    """Check that a database file can be written; MLflow itself would try for minutes."""
    path = Path(unquote(server.uri.removeprefix(_SQLITE)))
    step = f"make {shown(path.name)} and its folder writable, or give another --tracking-uri"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            raise MerbenchError(f"MLflow at {server.address}: not a file: move it away, or give another --tracking-uri")
        with closing(sqlite3.connect(path, timeout=ANSWER_SECONDS)) as database:
            database.execute("BEGIN IMMEDIATE")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            database.execute(f"PRAGMA user_version = {int(version)}")  # fails where only reading is possible
            database.rollback()
    except sqlite3.OperationalError as error:
        busy = "locked" in str(error)
        step = "another program writes to it: try again later" if busy else step
        raise MerbenchError(f"MLflow at {server.address}: {error}: {step}") from error
    except (OSError, sqlite3.Error) as error:
        damaged = isinstance(error, sqlite3.Error)
        step = f"move it away; {server.later} then writes another from the records" if damaged else step
        raise MerbenchError(f"MLflow at {server.address}: {error}: {step}") from error


def _check_port(server: TrackingServer) -> None:
    """Check that a database server answers, if its address says where."""
    parts = urlsplit(server.uri)
    port = parts.port or _PORTS.get(parts.scheme.partition("+")[0])
    if parts.hostname and port:
        try:
            socket.create_connection((parts.hostname, port), ANSWER_SECONDS).close()
        except OSError as error:
            raise MerbenchError(f"MLflow at {server.address}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """Explain in a few words why a server can't be written, without MLflow's repetitions of the address."""
    chain = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None and inner not in chain:
        chain.append(inner)
    kinds = {kind.__name__ for link in chain for kind in type(link).__mro__}
    texts = " ".join(str(link) for link in chain)
    if kinds & {"gaierror", "NameResolutionError"}:
        return "unknown host"
    if {"ConnectionRefusedError", "NewConnectionError"} & kinds or "Connection refused" in texts:
        return "connection refused"  # first: urllib3 counts a refused connection among those out of time
    if {"TimeoutError", "Timeout"} & kinds or isinstance(getattr(error, "reason", None), socket.timeout):
        return f"no answer within {os.environ.get('MLFLOW_HTTP_REQUEST_TIMEOUT', ANSWER_SECONDS)} s"
    if status := re.search(r"too many (\d+) error responses", texts):
        return f"answers with error {status[1]}"
    if "ConnectionError" in kinds:
        return "the connection was lost"
    if "not in a valid JSON format" in texts:
        return "the service there is not MLflow"
    first = next(iter(str(error).strip().splitlines()), "")
    return shown(f"{type(error).__name__}: {first}"[:200])
