"""Servers that are fine, dead, slow, out of order, something else, or die midway: one line each, and nothing lost."""

import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from support.cases import each
from support.faults import wait_for
from support.mirrored import synced
from support.raynodes import answers as listening
from support.raynodes import free_port
from support.webserver import reply

from merbench.contracts.errors import MerbenchError
from merbench.tracking.servers import settle

pytestmark = pytest.mark.usefixtures("undrawn")


@contextmanager
def answering(answer):
    """Give the address of a server on loopback that answers every request by ``answer(handler)``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        def log_message(self, *given):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def refused(server, folder, expected):
    """Mirror a run, which must fail; return the line."""
    with pytest.raises(MerbenchError, match=expected) as raised:
        synced(server, folder)
    return str(raised.value)


def says(status, content, kind="text/html"):
    return lambda handler: reply(handler, content, status, Content_Type=kind)


BROKEN = {
    "500": (says(500, b"<h1>Internal Server Error</h1>\nmore"), "500"),
    "html": (says(200, b"<html><body>Welcome to the router</body></html>"), "not MLflow"),
    "json": (says(200, b'{"welcome": "to the router"}', "application/json"), "not MLflow"),
    "empty": (says(200, b""), "not MLflow"),
    "noise": (says(200, b"\x00\xff\x1b[31m"), "not MLflow"),
    "404": (says(404, b"not here"), "404"),
    "401": (says(401, b'{"error_code": "UNKNOWN", "message": "who are you?"}', "application/json"), "who are you"),
    "hangs up": (lambda handler: handler.connection.close(), "MLflow at"),
}


def test_a_broken_server_or_another_service_is_one_line(record, answers, tmp_path):
    folder = record(answers)
    for name in each(BROKEN):
        answer, reason = BROKEN[name]
        with answering(answer) as address:
            line = refused(settle(address, tmp_path), folder, reason)
        assert address in line
        assert line.isprintable()
        assert len(line) < 400


@pytest.mark.parametrize(
    "healthy", [False, pytest.param(True, marks=pytest.mark.slow)]
)  # slow from the start, or later
def test_a_server_that_does_not_answer_in_time_is_reported(record, answers, tmp_path, monkeypatch, healthy):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    over, fine = threading.Event(), says(200, b"OK")
    wait = lambda handler: fine(handler) if healthy and handler.path == "/health" else over.wait(60)  # noqa: E731
    with answering(wait) as address:
        refused(settle(address, tmp_path), record(answers), "no answer within 1 s")
        over.set()


def test_a_refused_connection_is_reported_without_password(record, answers, tmp_path):
    with socket.socket() as taken:  # bound, but not listening: nobody else gets it
        taken.bind(("127.0.0.1", 0))
        address = f"http://me:secret@127.0.0.1:{taken.getsockname()[1]}"
        line = refused(settle(address, tmp_path), record(answers), r"MLflow at http://127.*: connection refused")
    assert "secret" not in line


@contextmanager
def real_server(folder):
    """Run a real ``mlflow server`` on a free port."""
    port = free_port()
    words = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", f"{folder}/files"]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    del environment["MLFLOW_TRACKING_URI"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *words], cwd=folder, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: listening(port) or process.poll() is not None, 360)
        assert process.poll() is None, "the server ended"
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def forwarding(address, left):
    """Answer like the server at `address`, for ``left[0]`` requests, and then no more."""

    def answer(handler):
        left[0] -= 1
        if left[0] < 0:
            handler.connection.close()
            return
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        kind = {"Content-Type": handler.headers.get("Content-Type", "application/json")}
        asked = Request(address + handler.path, body or None, kind, method=handler.command)
        try:
            answered = urlopen(asked, timeout=300)
        except HTTPError as error:
            answered = error
        with answered:
            says(answered.status, answered.read(), answered.headers.get("Content-Type", ""))(handler)

    return answer


@pytest.mark.slow
def test_a_real_server_is_completed_after_it_died_midway(record, answers, tmp_path, empty, look):
    (tmp_path / "server.db").write_bytes(empty.read_bytes())
    folder, other = record(answers), record(answers, seed=1, folds=["alpha/s1"])
    left = [0]
    with real_server(tmp_path) as server, answering(forwarding(server, left)) as address:
        server = settle(address, tmp_path)
        for left[0] in (5, 9, 15):
            refused(server, folder, "MLflow at")
        left[0] = 10_000
        assert synced(server, folder, other).added == 1  # the first had been begun
        again = synced(server, folder, other)
        assert (again.added, again.updated, again.kept) == (0, 0, 2)
        found = look(server)
        assert {name: len(shown.folds) for name, shown in found.items()} == {folder.name: 3, other.name: 1}
        shown = found[folder.name]
        assert shown.run.info.status == "FINISHED"
        assert shown.metrics["acc"] == pytest.approx(5 / 7)
        assert {fold.info.status for fold in shown.folds.values()} == {"FINISHED"}
        files = tmp_path.glob(f"files/*/{shown.run.info.run_id}/artifacts/*")
        assert {path.name for path in files} == {"confusion.png", "predictions.csv", "run.json"}
    refused(server, folder, "connection refused")
