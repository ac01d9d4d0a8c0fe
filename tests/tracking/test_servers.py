"""Servers that are fine, dead, slow, out of order, something else, or die midway: one line each, and nothing lost."""

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from support.cases import each
from support.mirrored import synced

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

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def says(status, content, kind="text/html"):
    def answer(handler):
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


BROKEN = {
    "500": (says(500, b"<h1>Internal Server Error</h1>\nmore"), "500"),
    "html": (says(200, b"<html><body>Welcome to the router</body></html>"), "not MLflow"),
    "json": (says(200, b'{"welcome": "to the router"}', "application/json"), "not MLflow"),
    "empty": (says(200, b""), "not MLflow"),
    "noise": (says(200, b"\x00\xff\x1b[31m"), "not MLflow"),
    "404": (says(404, b"not here"), "404"),
    "401": (
        says(401, b'{"error_code": "UNAUTHENTICATED", "message": "who are you?"}', "application/json"),
        "who are you",
    ),
    "hangs up": (lambda handler: handler.connection.close(), "MLflow at"),
}


def test_a_broken_server_or_another_service_is_one_line(record, answers, tmp_path):
    folder = record(answers)
    for name in each(BROKEN):
        answer, reason = BROKEN[name]
        with answering(answer) as address:
            with pytest.raises(MerbenchError) as raised:
                synced(settle(address, tmp_path), folder)
            assert address in str(raised.value)
        assert reason in str(raised.value)
        assert str(raised.value).isprintable()
        assert len(str(raised.value)) < 400


def test_a_server_that_does_not_answer_in_time_is_reported(record, answers, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    over = threading.Event()
    with answering(lambda handler: over.wait(60)) as address:
        with pytest.raises(MerbenchError, match="no answer within"):
            synced(settle(address, tmp_path), record(answers))
        over.set()


@pytest.mark.slow
def test_a_server_that_slows_down_later_is_reported(record, answers, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    over = threading.Event()

    def answer(handler):
        if handler.path != "/health":
            over.wait(60)
        else:
            says(200, b"OK")(handler)

    with answering(answer) as address:
        with pytest.raises(MerbenchError, match="no answer within 1 s"):
            synced(settle(address, tmp_path), record(answers))
        over.set()


def test_a_refused_connection_is_reported_without_password(record, answers, tmp_path):
    with socket.socket() as taken:  # bound, but not listening: nobody else gets it
        taken.bind(("127.0.0.1", 0))
        address = f"http://me:secret@127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(MerbenchError, match=r"MLflow at http://127.*: connection refused") as raised:
            synced(settle(address, tmp_path), record(answers))
    assert "secret" not in str(raised.value)


@contextmanager
def real_server(folder):
    """Run a real ``mlflow server`` on a free port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    words = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", f"{folder}/files"]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *words], cwd=folder, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(1800):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, "the server ended"
            time.sleep(0.2)
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
            with pytest.raises(MerbenchError):
                synced(server, folder)
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
    with pytest.raises(MerbenchError, match="connection refused"):
        synced(server, folder)
