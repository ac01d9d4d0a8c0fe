"""Where MLflow keeps what is mirrored: a file in the results folder, or a server; how it is reached, and kept quiet."""

import logging
import os
import re
import shlex
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from merbench.contracts.errors import MerbenchError, suggestion
from merbench.contracts.names import shown

if TYPE_CHECKING:
    from mlflow import MlflowClient

NONE = "none"
VARIABLE = "MLFLOW_TRACKING_URI"

#: Databases that MLflow can write to; a driver may stand behind a plus, ``mysql+pymysql``.
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_SCHEMES = ("http", "https", "databricks", *_DATABASES)
_SQLITE = "sqlite:///"

#: Seconds that a server may take for one answer.
ANSWER_SECONDS = 5

# A request is tried once: one that is repeated after its answer got lost would make a run twice, while a later pass
# finds what is there and goes on from it.
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


class TrackingError(MerbenchError):
    """MLflow can't be brought up to date; nothing recorded is touched by that."""


@dataclass(frozen=True)
class Store:
    """One MLflow.

    Attributes
    ----------
    uri : str
        As MLflow takes it; may hold a password.
    artifacts : Path, optional
        Folder for the files of new experiments; a server has its own.
    named : bool
        It was given on the command line, which a later command then has to do as well.
    """

    uri: str
    artifacts: Path | None = None
    named: bool = False

    @property
    def address(self) -> str:
        """The URI for people: without a password, and with control characters as escapes."""
        return shown(_without_password(self.uri))

    @property
    def look(self) -> str:
        """Where to look at it: an address, or the command that gives one."""
        return self.address if self.is_server else f"mlflow ui --backend-store-uri {shlex.quote(self.address)}"

    @property
    def later(self) -> str:
        """The command that brings it up to date."""
        return "merbench sync mlflow" + (f" --tracking-uri {shlex.quote(self.address)}" if self.named else "")

    @property
    def is_server(self) -> bool:
        """Whether it is reached by HTTP."""
        return urlsplit(self.uri).scheme in ("http", "https")


def settle(given: str | None, results: Path) -> Store | None:
    """Find out where MLflow is: as given, else ``MLFLOW_TRACKING_URI``, else files in the results folder.

    Returns
    -------
    Store, optional
        None where ``none`` is asked for.

    Raises
    ------
    MerbenchError
        A URI that MLflow could not write to; says which are understood.
    """
    source = "--tracking-uri" if given else VARIABLE
    uri = (given or os.environ.get(VARIABLE) or "").strip()
    if not uri:
        return Store(_sqlite_uri(results.resolve() / "mlflow.db"), results.resolve() / "mlartifacts")
    if uri.lower() == NONE:
        return None
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError as error:
        raise MerbenchError(f"{source} {_without_password(uri)!r} is no address: {error}") from None
    scheme = parts.scheme.partition("+")[0]
    if uri != "databricks" and (scheme not in _SCHEMES or ":" not in uri):
        hint = suggestion(scheme, _SCHEMES) if scheme else ""
        raise MerbenchError(
            f"{source} {_without_password(uri)!r} is no address of an MLflow{hint}: write http://HOST:PORT, "
            f"sqlite:///FILE, or none"
        )
    if scheme in ("http", "https") and not parts.hostname:
        raise MerbenchError(f"{source} {_without_password(uri)!r} names no host: write http://HOST:PORT")
    if scheme != "sqlite":
        return Store(uri, named=bool(given))
    if not uri.startswith(_SQLITE) or uri == _SQLITE:
        raise MerbenchError(f"{source} {uri!r} names no file: write sqlite:///FILE")
    path = Path(uri.removeprefix(_SQLITE)).expanduser().resolve()
    return Store(_sqlite_uri(path), path.parent / "mlartifacts", named=bool(given))


def _sqlite_uri(path: Path) -> str:
    """Write the URI of a database file; only what would end or change the path there is escaped."""
    return _SQLITE + path.as_posix().replace("%", "%25").replace("?", "%3F")


def _without_password(uri: str) -> str:
    return re.sub(r"^([\w+]+://)[^/@]*@", r"\1", uri)


def connect(store: Store) -> "MlflowClient":
    """Return MLflow's client of a store, which is made if it is a file that is not there yet.

    Nothing is sent to MLflow's makers, and nothing but errors is printed.

    Raises
    ------
    TrackingError
        No server answers.
    """
    if store.is_server:
        _knock(store)
    os.environ.update(_QUIET)
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is raised, and told in one line
    if store.uri.startswith(_SQLITE) and store.artifacts:
        store.artifacts.parent.mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=store.uri)


def _knock(store: Store) -> None:
    """See that something answers, which takes no seconds of importing MLflow first; what it answers shows later."""
    parts = urlsplit(store.uri)
    netloc = parts.netloc.rpartition("@")[2]
    address = urlunsplit((parts.scheme, netloc, parts.path.rstrip("/") + "/health", "", ""))
    try:
        seconds = float(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT") or ANSWER_SECONDS)
        with urlopen(Request(quote(address, safe=":/[]%")), timeout=seconds):  # noqa: S310 - http or https only
            pass
    except HTTPError:
        return  # somebody is there
    except (URLError, OSError, ValueError) as error:
        raise TrackingError(f"MLflow at {store.address}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """Say in a few words why a store can't be written, without what MLflow's messages repeat of the address."""
    chain = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None and inner not in chain:
        chain.append(inner)
    kinds = {kind.__name__ for link in chain for kind in type(link).__mro__}
    texts = " ".join(str(link) for link in chain)
    if {"gaierror", "NameResolutionError"} & kinds:
        return "there is no such host"
    if {"ConnectionRefusedError", "NewConnectionError"} & kinds or "Connection refused" in texts:
        return "nobody answers there"  # asked first: urllib3 counts a refused connection among those out of time
    if {"TimeoutError", "Timeout"} & kinds or isinstance(getattr(error, "reason", None), socket.timeout):
        return f"no answer within {os.environ.get('MLFLOW_HTTP_REQUEST_TIMEOUT', ANSWER_SECONDS)} s"
    if status := re.search(r"too many (\d+) error responses", texts):
        return f"it answers with error {status[1]}"
    if "ConnectionError" in kinds:
        return "the connection broke off"
    if "not in a valid JSON format" in texts:
        return "what answers there is no MLflow"
    first = next(iter(str(error).strip().splitlines()), "")
    return shown(f"{type(error).__name__}: {first}"[:200])
