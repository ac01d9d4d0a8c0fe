"""``merbench data fetch`` against a web server of one's own, which can be made to misbehave in every way."""

import os
import re
import resource
import shutil
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from merbench.cli.data.fetch import first_run
from merbench.cli.doctor import _copies as copies
from merbench.contracts.databases import Download
from merbench.contracts.protocols import load_protocol
from merbench.databases.registrations import registered
from merbench.databases.releases import fetching
from merbench.databases.releases.checksums import checksums, read_checksums
from merbench.databases.releases.fetching import fetch, fetched_folder
from merbench.databases.releases.megc2019_flow28 import DATABASE, IMAGES, LIST
from merbench.engine.plan.data import choose_data

NAME = "megc2019-flow28"
ONE = f"{IMAGES}/sub06_EP01_01f .png"  # an image of the small release
CLI = sys.modules["merbench.cli.data.fetch"]  # merbench.cli.data.fetch itself is the group of commands
COMMAND = ("data", "fetch", NAME)


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
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

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


def dripping(pieces, seconds):
    def answer(handler, content):
        size = -(-len(content) // pieces)
        reply(handler, b"", Content_Length=len(content))
        for start in range(0, len(content), size):
            handler.wfile.write(content[start : start + size])
            if handler.server.over.wait(seconds):
                break

    return answer


def endless(handler, content):
    handler.close_connection = True
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.over.is_set():
        handler.wfile.write(b"x" * 65536)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Pause less than for a user, read all methods' cards in one test only, keep the developer's proxies out."""
    monkeypatch.setattr(fetching, "PAUSES", (0.01, 0.02))
    monkeypatch.setattr(CLI, "first_run", lambda source: "")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def serve():
    """Return what starts a server; all are closed in the end."""
    servers = []

    def start(root, published=True):
        servers.append(Server(root, published))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def publisher(serve, small_release, tmp_path, monkeypatch):
    """Publish the small release, 25 files, in place of the real one, and return its server."""
    server = serve(small_release)
    (tmp_path / "list.csv").write_text(checksums(small_release, [LIST, IMAGES]), encoding="utf-8")
    download = DATABASE.card.download.model_copy(update={"address": server.address, "checksums": tmp_path / "list.csv"})
    monkeypatch.setattr(DATABASE, "card", DATABASE.card.model_copy(update={"download": download}))
    return server


def copy():
    """Return the files of the fetched copy, as a set of their paths within it."""
    folder = fetched_folder(NAME)
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def listed():
    return read_checksums(DATABASE.card.download.checksums)


def kept_all_but(*names):
    """Say whether the copy has all files but these, each whole, and nothing else lies beside it."""
    files = {file.path: file for file in listed()}
    beside = [path.name for path in fetched_folder(NAME).parent.iterdir() if path.name != NAME]
    return (
        copy() == set(files) - set(names)
        and all(files[name].is_in(fetched_folder(NAME)) for name in copy())
        and beside == [f".{NAME}.lock"]
    )


def test_a_release_is_fetched_registered_and_found_by_a_run(
    done, publisher, small_release, small_protocol, home, monkeypatch
):
    monkeypatch.setattr(CLI, "first_run", first_run)
    said = done(*COMMAND)
    first, terms, where, *_, last = said.splitlines()
    assert first == f"{NAME}: {DATABASE.card.title}, 442 clips of 68 subjects"
    assert terms.startswith("terms: public, in a repository that states no licence")
    assert where == f"from {publisher.address} into {home / 'fetched' / NAME}"
    assert re.search(rf"{NAME}: 25/25 files, [\d.]+ files/s", said)
    assert "25 files came; all 25 have the published checksums" in said
    assert f"HTNet's flat layout, 24 clips, 9 subjects; registered in {home / 'databases.json'}" in said
    assert "cite: Liong et al., STSTNet" in said
    assert "note" not in said
    assert last == "next: merbench run stratified-random ststnet svm-flow --protocol megc2019"
    assert kept_all_but()
    assert all((fetched_folder(NAME) / name).read_bytes() == (small_release / name).read_bytes() for name in copy())
    data = choose_data("auto", [load_protocol(small_protocol)])
    assert (data.name, data.why) == (NAME, "the registered release that holds casme2, samm, smic-hs")


def test_a_second_fetch_finds_all_there_and_asks_for_nothing(done, publisher):
    done(*COMMAND)
    publisher.asked.clear()
    publisher.close()
    said = done(*COMMAND)
    assert "all is there already, nothing was fetched; all 25 have the published checksums" in said
    assert publisher.asked == []


def test_each_file_is_asked_for_once_by_its_percent_encoded_name(done, publisher, small_release, tmp_path):
    odd = f"{IMAGES}/a #1? 100%41 ä+&.png"
    shutil.copy(small_release / ONE, small_release / odd)
    (tmp_path / "list.csv").write_text(checksums(small_release, [LIST, IMAGES]), encoding="utf-8")
    done(*COMMAND)
    assert len(publisher.asked) == len(set(publisher.asked)) == 26
    assert f"/{LIST}" in publisher.asked
    assert f"/datasets/{IMAGES}/sub06_EP01_01f%20.png" in publisher.asked
    assert f"/datasets/{IMAGES}/a%20%231%3F%20100%2541%20%C3%A4%2B%26.png" in publisher.asked
    assert kept_all_but()


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_mirror_may_have_the_publishers_folders_or_be_a_copy(done, publisher, serve, small_release, slash):
    for published in (True, False):
        mirror = serve(small_release, published)
        assert f"from {mirror.address}" in done(*COMMAND, "--from", mirror.address + slash)
        assert kept_all_but()
        assert not [path for path in mirror.asked if path.startswith("//")]
        shutil.rmtree(fetched_folder(NAME))
    assert publisher.asked == []


def failed(refused, publisher, *names, told):
    """Fetch, which must fail over these files with exactly one line; then mend the server, and fetch again."""
    said = refused(*COMMAND)
    for text in (told, f"{25 - len(names)} of 25 files are there and kept, the same command goes on from there"):
        assert text in said, said
    assert all(name in unquote(said) for name in names)
    assert kept_all_but(*names)
    assert registered() == {}
    publisher.answers.clear()
    publisher.asked.clear()
    return said


CHANGES = {
    "a changed byte": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "a byte more": lambda content: content + b"\n",
    "another page": lambda content: b"<html>Log in to the campus network</html>",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_file_is_named_and_the_others_are_kept(refused, done, publisher, change):
    publisher.always(ONE, lambda handler, content: reply(handler, change(content), Content_Type="text/html"))
    said = failed(refused, publisher, ONE, told="1 file did not come: ")
    assert re.search(r"gives another file than was published: .* bytes \(text/html\), SHA-256 \w{12}… inst", said)
    assert "1 files came" in done(*COMMAND)
    assert publisher.asked == [f"/datasets/{IMAGES}/sub06_EP01_01f%20.png"]  # finished ones are not asked for again


def test_a_missing_file_is_named_with_both_places_where_it_was_looked_for(refused, publisher, small_release):
    path = small_release / ONE
    path.rename(path.with_name("away"))
    said = failed(refused, publisher, ONE, told="--from URL asks a mirror")
    for folder in ("datasets/", ""):
        assert f"{publisher.address}/{folder}{IMAGES}/sub06_EP01_01f%20.png answers 404 Not Found" in said


def test_a_mirror_of_something_else_is_left_after_ten_files(refused, publisher, serve, tmp_path):
    (tmp_path / "empty").mkdir()
    mirror = serve(tmp_path / "empty")
    said = refused(*COMMAND, "--from", mirror.address)
    assert re.search(r"at least 1\d files did not come: (.*404 Not Found.*; ){3}…; 0 of 25 files are there", said)
    assert len(mirror.asked) < 2 * 25


@pytest.mark.parametrize("answer", [half, hang_up, status(500), status(429)])
def test_what_passes_is_asked_for_again(done, publisher, answer):
    publisher.answers = {ONE: [answer, answer], LIST: [answer]}
    assert "25 files came" in done(*COMMAND)
    assert len(publisher.asked) == 25 + 3
    assert kept_all_but()


@pytest.mark.parametrize(
    ("answer", "told"),
    [(half, "broke off ("), (hang_up, "broke off ("), (status(500), "answers 500 Internal Server Error")],
)
def test_what_does_not_pass_is_told_after_three_attempts(refused, publisher, answer, told):
    publisher.always(ONE, answer)
    asked = publisher.asked
    refused(*COMMAND)
    assert len(asked) == 25 + 2
    failed(refused, publisher, ONE, told=told)


def test_a_forbidden_file_is_asked_for_once(refused, publisher):
    publisher.always(ONE, status(403))
    failed(refused, publisher, ONE, told="sub06_EP01_01f%20.png answers 403 Forbidden")


def test_a_server_that_gives_no_more_for_now_is_left_alone_and_the_line_says_when_to_come_back(
    refused, done, publisher, monkeypatch
):
    monkeypatch.setattr(fetching, "PARALLEL", 1)
    publisher.always(ONE, status(429, Retry_After=1800))
    said = refused(*COMMAND)
    assert "answers 429 Too Many Requests: it gives so many files at a time; ask again in 1800 seconds" in said
    before = len(copy())
    assert f"{before} of 25 files are there and kept" in said
    assert before < 24  # the others were not asked for
    publisher.answers.clear()
    assert f"{25 - before} files came" in done(*COMMAND)


def test_a_slow_file_comes(done, publisher):
    publisher.answers[ONE] = [dripping(20, 0.05)]
    assert "25 files came" in done(*COMMAND)


def test_a_file_that_comes_too_slowly_is_given_up(refused, publisher, monkeypatch):
    monkeypatch.setattr(fetching, "PATIENCE", 2.0)
    monkeypatch.setattr(fetching, "PAUSES", ())
    publisher.always(ONE, dripping(500, 0.1))  # never silent for long, and would take a minute
    started = time.monotonic()
    assert "is silent, or slower than " in refused(*COMMAND)
    assert time.monotonic() - started < 30
    assert kept_all_but(ONE)


def test_a_silent_server_is_given_up(refused, publisher, monkeypatch):
    monkeypatch.setattr(fetching, "SILENCE", 1.0)
    monkeypatch.setattr(fetching, "PAUSES", ())
    for file in listed():
        publisher.always(file.path, silent)
    said = refused(*COMMAND)
    assert "is silent, or slower than" in said
    assert "0 of 25 files are there" in said
    assert len(publisher.asked) <= fetching.PARALLEL  # nobody waits for one file after the other


def test_a_file_without_end_is_cut_off(refused, publisher):
    publisher.always(ONE, endless)
    failed(refused, publisher, ONE, told="gives another file than was published: more than ")


def test_a_server_that_is_not_there_is_told_in_one_line(refused, publisher):
    publisher.close()
    said = refused(*COMMAND)
    assert re.search(rf"{NAME}: {publisher.address}/\S+ can't be reached \(.+\); 0 of 25 files are there", said)
    assert "--from URL asks a mirror" in said
    assert registered() == {}


def test_a_redirect_is_followed_since_the_checksum_vouches_for_what_comes(done, publisher, serve, small_release):
    other = serve(small_release, published=False)
    publisher.answers[ONE] = [status(302, Location=f"{other.address}/{IMAGES}/sub06_EP01_01f%20.png")]
    assert "25 files came" in done(*COMMAND)
    assert len(other.asked) == 1


def test_a_redirect_to_another_page_is_told_with_the_place(refused, publisher, serve, tmp_path):
    (tmp_path / "campus").mkdir()
    (tmp_path / "campus" / "login").write_text("<html>Log in</html>")
    other = serve(tmp_path / "campus")
    publisher.always(ONE, status(302, Location=f"{other.address}/login"))
    failed(refused, publisher, ONE, told=f"which sent us on to {other.address}/login, gives another file than was pub")


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://", "", f"/{ONE}", "http://[x"])
def test_a_redirect_that_leads_nowhere_is_told(refused, publisher, location):
    publisher.always(ONE, status(301, Location=location))
    said = failed(refused, publisher, ONE, told="1 file did not come: ")
    assert re.search(r"sends us on to|broke off|answers 301", said), said


def test_a_full_disk_is_told_and_what_came_is_kept(refused, done, publisher, small_release):
    sizes = sorted(path.stat().st_size for path in (small_release / IMAGES).iterdir())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (sizes[12], before[1]))  # to the kernel longer files don't fit
    try:
        said = refused(*COMMAND)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert re.search(r"part can't be written \(File too large\): free some space, or set MERBENCH_HOME to", said)
    assert f"{len(copy())} of 25 files are there and kept" in said
    assert all(file.is_in(fetched_folder(NAME)) for file in listed() if file.path in copy())
    assert re.search(r" \d+ files came; all 25 have", done(*COMMAND))


def test_a_home_that_cannot_be_written_is_told_before_anything_is_asked(refused, publisher, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("MERBENCH_HOME", str(tmp_path / "file"))
    said = refused(*COMMAND)
    assert f"{tmp_path / 'file' / 'fetched' / NAME} can't be written (Not a directory): " in said
    assert "set MERBENCH_HOME to another folder of yours" in said
    assert publisher.asked == []


def test_a_folder_in_a_files_place_is_told(refused, publisher):
    (fetched_folder(NAME) / LIST).mkdir(parents=True)
    assert f"{fetched_folder(NAME) / LIST} can't be written (Is a directory)" in refused(*COMMAND)


def test_after_a_kill_half_files_do_not_count_and_whole_ones_are_not_asked_for_again(done, publisher):
    done(*COMMAND)
    folder = fetched_folder(NAME)
    drafts = folder.with_name(f".{NAME}.drafts")
    drafts.mkdir()
    (drafts / "0.part").write_bytes(b"half a fi")
    (folder / ONE).write_bytes((folder / ONE).read_bytes()[:100])
    (folder / LIST).unlink()
    publisher.asked.clear()
    said = done(*COMMAND)
    assert f"changed on this disk, fetched again: {ONE}\n" in said
    assert "2 files came; all 25 have" in said
    assert len(publisher.asked) == 2
    assert kept_all_but()


def test_ctrl_c_ends_at_once_and_the_next_fetch_goes_on(merbench, done, publisher, monkeypatch):
    assert threading.current_thread() is threading.main_thread()  # where Python takes signals

    def interrupt(handler, content):
        os.kill(os.getpid(), signal.SIGINT)
        silent(handler, content)

    publisher.answers[ONE] = [interrupt]
    monkeypatch.setattr(fetching, "SILENCE", 600.0)
    started = time.monotonic()
    said = merbench(*COMMAND)
    assert time.monotonic() - started < 40  # not when the connection's patience ends
    assert (said.code, said.err) == (
        130,
        "error: stopped; what is recorded is kept, the same command goes on from there\n",
    )
    came = copy()
    assert ONE not in came
    assert kept_all_but(*({file.path for file in listed()} - came))
    assert registered() == {}
    publisher.asked.clear()
    assert f"{25 - len(came)} files came" in done(*COMMAND)
    assert len(publisher.asked) == 25 - len(came)


def test_of_two_fetches_at_once_the_second_waits_and_finds_all_there(publisher):
    publisher.answers[ONE] = [dripping(10, 0.1)]
    notes, fetched = [], {}

    def work(number):
        fetched[number] = fetch(NAME, None, lambda done, total: None, notes.append)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(each.came for each in fetched.values()) == [0, 25]
    assert notes == [f"{fetched_folder(NAME)}: another process is at work on it, waiting"]
    assert len(publisher.asked) == 25


def test_a_copy_that_was_registered_before_is_told_and_left_as_it_is(done, publisher, small_release):
    done("data", "add", NAME, small_release)
    said = done(*COMMAND)
    assert f"note: {NAME} was registered in {small_release} before; merbench data add goes back to it" in said
    assert registered()[NAME].folder == fetched_folder(NAME)
    assert "was registered" not in done(*COMMAND)


def test_a_list_whose_names_lead_out_of_the_copy_is_refused_before_anything_is_asked(refused, publisher, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(path.read_text().replace(ONE, "../../../etc/passwd"))
    assert "'../../../etc/passwd' is no path within a copy" in refused(*COMMAND)
    assert publisher.asked == []
    assert copy() == set()


@pytest.mark.parametrize(
    "address",
    ["ftp://host/x", "file:///etc", "host", "", "http://", "http://me:secret@host", "http://host/?a=1", "http://h/#x"],
)
def test_an_address_that_is_none_is_refused(refused, publisher, address):
    assert f"--from {address!r} is no address of files: write http://HOST/FOLDER" in refused(
        *COMMAND, "--from", address
    )


def test_a_proxy_that_cannot_be_used_is_told(refused, publisher, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "nonsense://127.0.0.1")
    assert "the proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names can't be used" in refused(*COMMAND)


@pytest.mark.parametrize(
    ("name", "source"), [("casme2", "fu.psych.ac.cn"), ("samm", "mmu.ac.uk"), ("smic-hs", "oulu.fi")]
)
def test_a_licensed_database_is_not_fetched_and_the_line_says_how_to_apply(refused, name, source):
    said = refused("data", "fetch", name)
    assert f"{name} can't be fetched, its owners give it: apply with a signed licence agreement" in said
    assert source in said
    assert f"then merbench data add {name} PATH" in said
    assert f"merbench data fetch {NAME} has what is public of its clips" in said


def test_a_stand_in_is_made_and_an_unknown_name_has_a_suggestion(refused):
    assert "synthetic-small is not fetched but made here" in refused("data", "fetch", "synthetic-small")
    assert f"did you mean '{NAME}'?" in refused("data", "fetch", "megc2019-flow")


def test_a_database_of_another_package_can_be_fetched_too(done, offer, serve, small_release, tmp_path):
    server = serve(small_release, published=False)
    (tmp_path / "toy.csv").write_text(checksums(small_release, [LIST, IMAGES]), encoding="utf-8")
    offer(
        "[merbench.databases]\ntoy-flow = MODULE:DATABASE\n",
        {
            "__init__.py": f"""
            from pathlib import Path
            from merbench.contracts.databases import Download
            from merbench.databases.releases.megc2019_flow28 import Megc2019Flow28

            class Toy(Megc2019Flow28):
                card = Megc2019Flow28.card.model_copy(update={{
                    "name": "toy-flow",
                    "download": Download(address="{server.address}", checksums=Path({str(tmp_path / "toy.csv")!r})),
                }})

            DATABASE = Toy()
            """
        },
    )
    said = done("data", "fetch", "toy-flow")
    assert "toy-flow: 25 files came" in said
    assert "cite" not in said
    assert len(server.asked) == 25


def test_list_and_doctor_name_the_command_where_nothing_is_registered_or_the_fetched_copy_is_broken(
    done, publisher, small_release, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "2000")  # so that no cell is broken
    assert f"merbench data fetch {NAME}, or merbench data add {NAME} PATH" in done("data", "list")
    assert copies() == ({"registered": f"no database; public: merbench data fetch {NAME}"}, [])
    done(*COMMAND)
    assert copies() == ({NAME: f"{fetched_folder(NAME)}, 24 clips"}, [])
    (fetched_folder(NAME) / ONE).unlink()
    mended = rf"no image for casme2/sub06/EP01_01f; .*; merbench data fetch {NAME} mends it"
    assert re.search(mended, done("data", "list"))
    (found, (line,)) = copies()
    assert found == {}
    assert re.search(mended, line)
    done("data", "add", NAME, small_release)
    (small_release / ONE).unlink()
    assert "mends it" not in done("data", "list")  # a copy that merbench did not fetch


def test_the_address_is_the_publishers_repository_at_a_commit():
    download = DATABASE.card.download
    assert isinstance(download, Download)
    assert download.address == (
        "https://raw.githubusercontent.com/wangzhifengharrison/HTNet/91cf4bda0a2db50d638d46c04c5d7cf3b602d446"
    )
    assert download.folders == {IMAGES: f"datasets/{IMAGES}"}


def test_the_real_release_is_fetched_from_a_server_and_equals_the_organisers_list(done, serve, shared):
    root: Path = shared / "data/megc2019-flow28"
    said = done(*COMMAND, "--from", serve(root).address)
    assert "443 files came; all 443 have the published checksums" in said
    assert "HTNet's flat layout, 442 clips, 68 subjects" in said
    assert kept_all_but()
    assert "equal to the organisers' list" in done("data", "verify", NAME)
