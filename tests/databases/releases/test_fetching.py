"""Downloads against a web server of this machine, which can be made to misbehave in every way."""

import re
import resource
import shutil
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import pytest
from support import webserver as web
from support.refusals import refusal

from merbench.databases.registrations import registered
from merbench.databases.releases import fetching, transfer
from merbench.databases.releases.checksums import checksums
from merbench.databases.releases.fetching import fetch, fetched_folder
from merbench.databases.releases.megc2019_flow28 import DATABASE, IMAGES, LIST


@pytest.fixture
def serve():
    """Return what starts a server; all are closed in the end."""
    servers = []

    def start(root, published=True):
        servers.append(web.Server(root, published))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def publisher(serve, small_release, tmp_path, monkeypatch):
    """Publish the small release, 25 files, in place of the real one, and return its server."""
    server = serve(small_release)
    web.publish(server, small_release, tmp_path, monkeypatch)
    return server


def fetched(address=None):
    """Fetch; return how many files came, and the notes."""
    notes = []
    return fetch(web.NAME, address, lambda done, total: None, notes.append)[2], notes


def refused(address=None):
    """Fetch, which must fail; return the line."""
    return refusal(fetched, address)


def test_names_are_encoded_and_each_file_is_requested_once(publisher, small_release, tmp_path):
    odd = f"{IMAGES}/a #1? 100%41 ä+&.png"
    shutil.copy(small_release / web.ONE, small_release / odd)
    (tmp_path / "list.csv").write_text(checksums(small_release, [LIST, IMAGES]), encoding="utf-8")
    assert fetched() == (26, [])
    assert len(publisher.asked) == len(set(publisher.asked)) == 26
    for path in (LIST, f"datasets/{web.ONE_QUOTED}", f"datasets/{IMAGES}/a%20%231%3F%20100%2541%20%C3%A4%2B%26.png"):
        assert f"/{path}" in publisher.asked
    assert web.complete_but()
    publisher.asked.clear()
    assert fetched() == (0, [])
    assert publisher.asked == []


def test_a_mirror_has_the_publishers_folders_or_those_of_a_copy(publisher, serve, small_release, tmp_path):
    for layout, slash in ((True, ""), (False, "/")):
        mirror = serve(small_release, layout)
        assert fetched(mirror.address + slash) == (25, [])
        assert web.complete_but()
        assert not [path for path in mirror.asked if path.startswith("//")]
        shutil.rmtree(fetched_folder(web.NAME))
    (tmp_path / "empty").mkdir()
    mirror = serve(tmp_path / "empty")  # left after ten files
    said = refused(mirror.address)
    assert re.search(r"at least 1\d files could not be fetched: (.*404 Not Found.*; ){3}…; 0 of 25 files", said)
    assert len(mirror.asked) < 2 * 25
    wrong = ("ftp://host/x", "file:///no/such/folder", "host", "", "http://", "http://me:secret@host", "http://h/?a=1",
             "http://h/#x", "http://[x", "http://host:port/")  # fmt: skip
    for address in wrong:
        assert f"--from {address!r} is neither a folder nor a valid address" in refused(address)
    assert publisher.asked == []


def test_a_changed_file_is_refused_and_the_others_are_kept(publisher, tmp_path):
    for change in (
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content + b"\n",
        lambda content: b"<html>Log in to the campus network</html>",
    ):
        publisher.always(
            web.ONE, lambda handler, content, c=change: web.reply(handler, c(content), Content_Type="text/html")
        )
        said = refused()
        assert web.ONE in unquote(said)
        assert re.search(r"is not the published file: .* bytes \(text/html\), SHA-256 differs from \w{12}…", said)
        assert "24 of 25 files" in said
        assert web.complete_but(web.ONE)
        assert registered() == {}
    publisher.answers.clear()
    publisher.asked.clear()
    assert fetched() == (1, [])
    assert publisher.asked == [f"/datasets/{web.ONE_QUOTED}"]  # finished ones are not requested again
    path = tmp_path / "list.csv"
    path.write_text(path.read_text().replace(web.ONE, "../../../etc/passwd"))
    assert "'../../../etc/passwd'" in refused()


def test_errors_of_one_file_name_it_and_keep_the_others(publisher, small_release):
    path = small_release / web.ONE
    path.rename(small_release / "away")
    said = refused()
    (small_release / "away").rename(path)
    for folder in ("datasets/", ""):
        assert f"{publisher.address}/{folder}{web.ONE_QUOTED} answers 404 Not Found" in said
    assert "--from URL" in said
    for answer, times, expected in (
        (web.status(403), 1, "answers 403 Forbidden"),
        (web.status(500), 3, "answers 500 Internal Server Error"),
        (web.half, 3, "connection lost ("),
        (web.hang_up, 3, "connection lost ("),
        (web.endless, 1, "not the published file: more than "),
    ):
        publisher.always(web.ONE, answer)
        publisher.asked.clear()
        assert expected in refused()
        assert len([path for path in publisher.asked if web.ONE_QUOTED in path]) == times
        assert web.complete_but(web.ONE)
    publisher.answers = {web.ONE: [web.half, web.status(429)]}
    publisher.asked.clear()
    assert fetched() == (1, [])  # errors that pass are retried
    assert len(publisher.asked) == 3


def test_a_rate_limit_ends_the_download_with_the_time_to_wait(publisher, monkeypatch):
    monkeypatch.setattr(fetching, "PARALLEL", 1)
    publisher.always(web.ONE, web.status(429, Retry_After=1800))
    said = refused()
    assert "answers 429 Too Many Requests" in said
    assert "in 1800 seconds" in said
    before = len(web.copied())
    assert f"{before} of 25 files" in said
    assert before < 24  # the others were not requested
    publisher.answers.clear()
    assert fetched() == (25 - before, [])


@pytest.mark.slow
def test_slow_files_are_accepted_up_to_a_limit(publisher, monkeypatch):
    publisher.answers[web.ONE] = [web.dripping(20, 0.05)]
    assert fetched() == (25, [])
    (fetched_folder(web.NAME) / web.ONE).unlink()
    monkeypatch.setattr(transfer, "PATIENCE", 1.0)
    monkeypatch.setattr(transfer, "PAUSES", ())
    publisher.always(web.ONE, web.dripping(500, 0.1))  # never silent for long, and would take a minute
    assert "takes more than" in refused()
    assert web.complete_but(web.ONE)


def test_silent_and_unreachable_servers_and_proxies_are_reported(publisher, monkeypatch):
    for proxy in ("nonsense://127.0.0.1", "http://127.0.0.1:1"):
        with monkeypatch.context() as patch:
            patch.setenv("ALL_PROXY", proxy)
            assert "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY" in refused()
    assert publisher.asked == []
    monkeypatch.setattr(transfer, "SILENCE", 0.5)
    monkeypatch.setattr(transfer, "PAUSES", ())
    for file in web.published():
        publisher.always(file.path, web.silent)
    said = refused()
    assert "does not answer" in said
    assert "0 of 25 files" in said
    assert len(publisher.asked) <= fetching.PARALLEL
    publisher.close()
    said = refused()
    assert re.search(rf"{web.NAME}: {publisher.address}/\S+ can't be reached \(.*refused\); 0 of 25 files", said)
    assert registered() == {}


def test_redirects_are_followed_and_invalid_ones_reported(publisher, serve, small_release, tmp_path):
    other = serve(small_release, published=False)
    publisher.answers[web.ONE] = [web.status(302, Location=f"{other.address}/{web.ONE_QUOTED}")]
    assert fetched() == (25, [])
    assert len(other.asked) == 1
    (fetched_folder(web.NAME) / web.ONE).unlink()
    (tmp_path / "campus").mkdir()
    (tmp_path / "campus" / "login").write_text("<html>Log in</html>")
    campus = serve(tmp_path / "campus")
    publisher.always(web.ONE, web.status(302, Location=f"{campus.address}/login"))
    assert f"redirected to {campus.address}/login, is not the published file" in refused()
    for location in ("file:///etc/passwd", "http://", f"/{web.ONE}", "http://[x"):
        publisher.always(web.ONE, web.status(301, Location=location))
        assert "redirects to an invalid address" in refused(), location
        assert web.complete_but(web.ONE)


def test_full_disks_and_unwritable_homes_are_reported(publisher, small_release, tmp_path, monkeypatch):
    sizes = sorted(path.stat().st_size for path in (small_release / IMAGES).iterdir())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (sizes[12], before[1]))  # to the kernel longer files don't fit
    try:
        said = refused()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "can't be written (File too large)" in said
    assert "MERBENCH_HOME" in said
    assert f"{len(web.copied())} of 25 files" in said
    assert all(file.is_in(fetched_folder(web.NAME)) for file in web.published() if file.path in web.copied())
    assert fetched()[0] == 25 - int(re.search(r"(\d+) of 25", said)[1])
    (fetched_folder(web.NAME) / LIST).unlink()
    (fetched_folder(web.NAME) / LIST).mkdir()
    assert f"{fetched_folder(web.NAME) / LIST} can't be written (Is a directory)" in refused()
    publisher.asked.clear()
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("MERBENCH_HOME", str(tmp_path / "file"))
    assert f"{tmp_path / 'file' / 'fetched' / web.NAME} can't be written (Not a directory)" in refused()
    assert publisher.asked == []


def test_after_a_kill_only_incomplete_files_are_fetched_once(publisher):
    fetched()
    folder = fetched_folder(web.NAME)
    drafts = folder.with_name(f".{web.NAME}.drafts")
    drafts.mkdir()
    (drafts / "0.part").write_bytes(b"half a fi")
    (folder / web.ONE).write_bytes((folder / web.ONE).read_bytes()[:100])
    (folder / LIST).unlink()
    publisher.asked.clear()
    came, (note,) = fetched()
    assert (came, web.ONE in note, LIST in note) == (2, True, False)
    assert len(publisher.asked) == 2
    assert web.complete_but()
    (folder / LIST).unlink()
    (folder / web.ONE).unlink()  # and a second fetch at the same time waits
    publisher.asked.clear()
    publisher.answers[web.ONE] = [web.dripping(10, 0.05)]
    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(lambda _: fetched(), range(2)))
    assert sorted(came for came, _ in results) == [0, 2]
    assert [note for _, notes in results for note in notes if str(folder) in note] != []
    assert len(publisher.asked) == 2


def test_the_address_is_the_publishers_repository_at_a_commit():
    download, commit = DATABASE.card.download, "91cf4bda0a2db50d638d46c04c5d7cf3b602d446"
    assert download.address == f"https://raw.githubusercontent.com/wangzhifengharrison/HTNet/{commit}"
    assert download.folders == {IMAGES: f"datasets/{IMAGES}"}


def test_a_folder_of_this_machine_is_a_mirror_as_a_copy_or_a_clone(publisher, small_release, tmp_path):
    clone = tmp_path / "a clone"
    (clone / "datasets").mkdir(parents=True)
    shutil.copy(small_release / LIST, clone / LIST)
    shutil.copytree(small_release / IMAGES, clone / "datasets" / IMAGES)
    for address in (small_release, clone, clone.as_uri()):
        assert fetched(str(address)) == (25, [])
        assert web.complete_but()
        shutil.rmtree(fetched_folder(web.NAME))
    assert publisher.asked == []
    (clone / "datasets" / web.ONE).write_bytes(b"x")
    one = web.ONE.split("/")[-1]
    assert f"{one} is not the published file: 1 bytes, not " in refused(str(clone))
    (clone / "datasets" / web.ONE).write_bytes(bytes((small_release / web.ONE).stat().st_size))
    assert f"{one} is not the published file: SHA-256 differs from" in refused(str(clone))
    (clone / "datasets" / web.ONE).unlink()
    assert f"{clone / 'datasets' / web.ONE} is missing" in refused(str(clone))
