"""``merbench data fetch``, from the command line to a registered copy."""

import os
import re
import signal
import sys
import threading
from pathlib import Path

import pytest
from support import webserver
from support.cases import says
from support.webserver import NAME, ONE, Server, complete_but, copied, published, silent, status

from merbench.cli.doctor import registered_copies
from merbench.contracts.protocols import load_protocol
from merbench.databases.registrations import registered
from merbench.databases.releases import transfer
from merbench.databases.releases.checksums import checksums
from merbench.databases.releases.fetching import fetched_folder
from merbench.databases.releases.megc2019_flow28 import DATABASE, IMAGES, LIST
from merbench.engine.plan.data import choose_data

CLI = sys.modules["merbench.cli.data.fetch"]  # merbench.cli.data.fetch itself is the command
COMMAND = ("data", "fetch", NAME)


@pytest.fixture
def publisher(small_release, tmp_path, monkeypatch):
    """Publish the small release, 25 files, in place of the real one, and return its server."""
    server = Server(small_release)
    webserver.publish(server, small_release, tmp_path, monkeypatch)
    yield server
    server.close()


@pytest.fixture
def quick(monkeypatch):
    """Read all methods' cards, which the last line needs, in one test only."""
    monkeypatch.setattr(CLI, "first_run", lambda source: "")


def test_a_release_is_fetched_registered_and_found_by_a_run(done, publisher, small_release, small_protocol, home):
    said = done(*COMMAND)
    says(said, DATABASE.card.title, f"from {publisher.address} into {home / 'fetched' / NAME}")
    says(said, "terms: public, in a repository that states no licence | cite: Liong et al., STSTNet")
    says(said, "25 files | 24 clips, 9 subjects", str(home / "databases.json"))
    assert re.search(rf"{NAME}: 25/25 files, [\d.]+ files/s", said)
    assert "note" not in said
    last = said.splitlines()[-1]
    assert last.startswith("next: merbench run flow-classifier stratified-random ststnet ststnet-balanced svm-flow")
    assert last.endswith(" --protocol megc2019")
    assert complete_but()
    assert all((fetched_folder(NAME) / name).read_bytes() == (small_release / name).read_bytes() for name in copied())
    assert choose_data("auto", [load_protocol(small_protocol)]).name == NAME


def test_failures_are_one_line_and_a_former_copy_is_named(done, refused, publisher, small_release, quick):
    done("data", "add", NAME, small_release)
    publisher.always(ONE, status(403))
    refused(*COMMAND)
    publisher.answers.clear()
    assert f"note: {NAME} was registered in {small_release} before" in done(*COMMAND)
    assert registered()[NAME].folder == fetched_folder(NAME)
    assert "was registered" not in done(*COMMAND)


def test_ctrl_c_ends_at_once_and_the_next_fetch_resumes(merbench, done, publisher, monkeypatch, quick):
    assert threading.current_thread() is threading.main_thread()  # where Python takes signals

    def interrupt(handler, content):
        os.kill(os.getpid(), signal.SIGINT)
        silent(handler, content)

    publisher.answers[ONE] = [interrupt]
    monkeypatch.setattr(transfer, "SILENCE", 600.0)  # the test ends before the connection's patience does
    said = merbench(*COMMAND)
    assert (said.code, said.err.count("\n")) == (130, 1)
    came = copied()
    assert ONE not in came
    assert complete_but(*({file.path for file in published()} - came))
    assert registered() == {}
    publisher.asked.clear()
    assert f"{25 - len(came)} files downloaded" in done(*COMMAND)
    assert len(publisher.asked) == 25 - len(came)


def test_databases_without_a_download_name_the_way_to_get_them(refused):
    for name in ("casme2", "samm", "smic-hs", "synthetic-small", "megc2019-flow"):
        refused("data", "fetch", name)


def test_a_database_of_another_package_can_be_fetched(done, offer, publisher, small_release, tmp_path, quick):
    (tmp_path / "toy.csv").write_text(checksums(small_release, [LIST, IMAGES]), encoding="utf-8")
    publisher.published = False
    code = f"""
        from pathlib import Path
        from merbench.contracts.databases import Download
        from merbench.databases.releases.megc2019_flow28 import DATABASE as RELEASE

        class Toy(type(RELEASE)):
            own = Download(address="{publisher.address}", checksums=Path({str(tmp_path / "toy.csv")!r}))
            card = RELEASE.card.model_copy(update={{"name": "toy-flow", "download": own}})

        DATABASE = Toy()
        """
    offer("[merbench.databases]\ntoy-flow = MODULE:DATABASE\n", {"__init__.py": code})
    said = done("data", "fetch", "toy-flow")
    assert "toy-flow: 25 files downloaded" in said
    assert "cite" not in said
    assert len(publisher.asked) == 25


def test_list_and_doctor_name_the_command_that_repairs(done, publisher, small_release, monkeypatch, quick):
    monkeypatch.setenv("COLUMNS", "2000")  # so that no cell is broken
    command = f"merbench data fetch {NAME}"
    assert f"{command}, or merbench data add {NAME} PATH" in done("data", "list")
    assert command in registered_copies()[0]["registered"]
    done(*COMMAND)
    assert registered_copies() == ({NAME: f"{fetched_folder(NAME)}, 24 clips"}, [])
    (fetched_folder(NAME) / ONE).unlink()
    repair = rf"casme2/sub06/EP01_01f.*{command} to download"
    assert re.search(repair, done("data", "list"))
    (found, (line,)) = registered_copies()
    assert found == {}
    assert re.search(repair, line)
    done("data", "add", NAME, small_release)
    (small_release / ONE).unlink()
    assert f"{command} to download" not in done("data", "list")  # a copy that merbench did not fetch


@pytest.mark.slow
def test_the_real_release_is_fetched_and_equals_the_official_list(done, shared):
    root: Path = shared / "data/megc2019-flow28"
    server = Server(root)
    try:
        said = done(*COMMAND, "--from", server.address)
    finally:
        server.close()
    says(said, "443 files downloaded", "442 clips, 68 subjects")
    assert complete_but()
    assert "equal to the organisers' list" in done("data", "verify", NAME)
