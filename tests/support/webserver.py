"""A web server on this machine that serves a copy of a release, and can be made to misbehave in every way."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from urllib.parse import unquote

from merbench.databases.releases import transfer
from merbench.databases.releases.checksums import checksums, read_checksums
from merbench.databases.releases.fetching import fetched_folder
from merbench.databases.releases.megc2019_flow28 import DATABASE, IMAGES, LIST

NAME = "megc2019-flow28"
ONE = f"{IMAGES}/sub06_EP01_01f .png"  # an image of the small release
ONE_QUOTED = f"{IMAGES}/sub06_EP01_01f%20.png"


class Server(ThreadingHTTPServer):
    """Serves a copy: images in the publisher's folder, or, as a mirror that is a copy, where the copy has them.

    `answers` maps a file to what it answers instead, a request after the other; after the last as usual, unless that
    is repeated by ``Server.always``.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, root, published=True):
        super().__init__(("127.0.0.1", 0), Handler)
        self.root, self.published = root, published
        self.answers, self.asked, self.over = {}, [], threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    def always(self, name, answer):
        self.answers[name] = [answer] * 10_000

    def handle_error(self, request, client_address):
        """Say nothing of clients that went away."""

    def close(self):
        self.over.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        place = unquote(self.path.partition("?")[0]).lstrip("/")
        name = place.removeprefix("datasets/") if self.server.published else place
        waiting = self.server.answers.get(name)
        path = self.server.root / name
        moved = self.server.published and place == name and name.startswith(IMAGES)
        if waiting:
            waiting.pop(0)(self, path.read_bytes() if path.is_file() else b"")
        elif path.is_file() and not moved:
            reply(self, path.read_bytes())
        else:
            reply(self, b"nothing here", 404)

    def log_message(self, *args):
        pass


def reply(handler, content, status=200, **headers):
    handler.send_response(status)
    for name, value in ({"Content_Length": len(content)} | headers).items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(content)


def status(code, **headers):
    return lambda handler, content: reply(handler, b"no", code, **headers)


def instead(content, **headers):
    return lambda handler, _: reply(handler, content, **headers)


def half(handler, content):
    """Promise all, send half, hang up."""
    handler.close_connection = True
    reply(handler, content[: len(content) // 2], Content_Length=len(content))


def hang_up(handler, content):
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def silent(handler, content):
    handler.close_connection = True
    handler.server.over.wait(60)


def drip(handler, pieces, seconds):
    for piece in pieces:
        handler.wfile.write(piece)
        if handler.server.over.wait(seconds):
            break


def dripping(pieces, seconds):
    def answer(handler, content):
        size = -(-len(content) // pieces)
        reply(handler, b"", Content_Length=len(content))
        drip(handler, (content[start : start + size] for start in range(0, len(content), size)), seconds)

    return answer


def endless(handler, content):
    handler.close_connection = True
    handler.send_response(200)
    handler.end_headers()
    drip(handler, repeat(b"x" * 65536), 0)


def publish(server, root, folder, monkeypatch):
    """Let `server`, which serves the release in `root`, stand for the publisher; proxies are kept out, pauses short."""
    (folder / "list.csv").write_text(checksums(root, [LIST, IMAGES]), encoding="utf-8")
    download = DATABASE.card.download.model_copy(update={"address": server.address, "checksums": folder / "list.csv"})
    monkeypatch.setattr(DATABASE, "card", DATABASE.card.model_copy(update={"download": download}))
    monkeypatch.setattr(transfer, "PAUSES", (0.01, 0.02))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def copied():
    """Return the files of the fetched copy, as a set of their paths within it."""
    folder = fetched_folder(NAME)
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def published():
    """Return the publisher's list of files."""
    return read_checksums(DATABASE.card.download.checksums)


def complete_but(*names):
    """Say whether the copy has all files but these, each verified, and nothing else is beside it."""
    files = {file.path: file for file in published()}
    beside = [path.name for path in fetched_folder(NAME).parent.iterdir() if path.name != NAME]
    whole = all(files[name].is_in(fetched_folder(NAME)) for name in copied())
    return copied() == set(files) - set(names) and whole and beside == [f".{NAME}.lock"]
