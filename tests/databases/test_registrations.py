import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from platformdirs import user_data_dir
from support.refusals import refusal

from merbench.contracts.errors import DataError
from merbench.contracts.registry import Registry
from merbench.databases import registrations
from merbench.databases.registrations import open_registered, open_source, recognise, register, registered
from merbench.databases.releases.megc2019_flow28 import DATABASE, LIST

NAME = "megc2019-flow28"


def folders():
    return {name: entry.folder for name, entry in registered().items()}


@pytest.fixture
def many(monkeypatch):
    """Return what makes the release known under several names."""

    def use(*names):
        made = Registry("database", "no.such.group", lambda: dict.fromkeys(names, "json:dumps"), lambda *_: DATABASE)
        monkeypatch.setattr(registrations, "DATABASES", made)

    return use


def test_the_users_data_folder_is_the_default_home(home, monkeypatch):
    assert (registrations.home(), registered()) == (home, {})
    monkeypatch.setenv("MERBENCH_HOME", "")
    assert registrations.home() == Path(user_data_dir("merbench"))
    monkeypatch.delenv("MERBENCH_HOME")
    assert registrations.home() == Path(user_data_dir("merbench"))


def test_a_registered_copy_is_found_and_read_again(small_release, tmp_path, monkeypatch):
    monkeypatch.setenv("MERBENCH_HOME", str(tmp_path / "a" / "b"))  # not there yet
    monkeypatch.chdir(small_release.parent)
    source = register(NAME, Path("release"))  # remembered from the root
    monkeypatch.chdir(os.sep)
    assert folders() == {NAME: small_release}
    assert registered()[NAME].corrections
    again = open_registered(NAME)
    assert (again.database, again.folder, len(again.clips)) == (DATABASE, small_release, 24)
    assert again.clips.equals(source.clips)
    # The format of earlier versions: the folder alone.
    (tmp_path / "a/b/databases.json").write_text(json.dumps({"other": "somewhere", NAME: str(small_release)}))
    assert len(open_registered(NAME).clips) == 24
    register(NAME, small_release, corrections=False)  # replaces it
    assert folders() == {"other": Path("somewhere"), NAME: small_release}
    assert not registered()[NAME].corrections


def test_concurrent_registrations_are_all_kept(small_release, many):
    names = [f"copy-{number}" for number in range(8)]
    many(*names)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: register(name, small_release), names))
    assert sorted(registered()) == names


def test_unusable_copies_names_and_registrations_are_reported(small_release, tmp_path, home, monkeypatch):
    for call in (register, open_source):
        assert str(tmp_path / "absent") in refusal(call, NAME, tmp_path / "absent", error=DataError)
    for name, command in {"casme2": "add casme2 PATH", NAME: f"fetch {NAME}, or merbench data add {NAME} PATH"}.items():
        assert refusal(open_registered, name).endswith(f"'{name}' is not registered here: merbench data {command}")
    assert list(home.iterdir()) == []
    register(NAME, small_release)
    moved = small_release.rename(tmp_path / "moved")
    assert f"{NAME} is registered in {small_release}" in refusal(open_registered, NAME, error=DataError)
    for call, *given in ((open_registered,), (register, moved)):
        line = refusal(call, "megc2019-flow", *given)
        assert f"unknown database 'megc2019-flow' (did you mean '{NAME}'" in line
    lost = (moved / LIST).rename(tmp_path / "lost")
    assert "incomplete" in refusal(register, NAME, moved, error=DataError)
    assert folders() == {NAME: small_release}
    lost.rename(moved / LIST)
    path = home / "databases.json"
    for content in (b"", b"{", b"[]", b"null", b'{"a": 3}', b'{"a": null}', b'"x"', b"\xff\xfe"):
        path.write_bytes(content)
        for call, *given in ((registered,), (open_registered, NAME), (register, NAME, moved)):
            assert "databases.json is damaged" in refusal(call, *given, case=content)
        assert path.read_bytes() == content
    path.unlink()
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff"))
    moved.rename(odd)
    assert "b\\udcff' is not a path in UTF-8: rename the folder" in refusal(register, NAME, odd, error=DataError)
    assert folders() == {}
    odd.rename(moved)
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("MERBENCH_HOME", str(tmp_path / "file" / "home"))
    assert "databases.json can't be written" in refusal(register, NAME, moved)


def test_a_copy_is_recognised_if_one_database_knows_it(small_release, miniature, tmp_path, many):
    assert recognise(small_release) == NAME
    (tmp_path / "empty").mkdir()
    line = refusal(recognise, tmp_path / "empty", error=DataError)
    assert all(text in line for text in ("merbench data add DATABASE PATH", NAME))
    miniature.write_casme2(tmp_path / "all" / "c")
    assert recognise(tmp_path / "all") == "casme2"
    miniature.write_samm(tmp_path / "all" / "s")
    assert "(casme2, samm)" in refusal(recognise, tmp_path / "all", error=DataError)
    many("one", "two")
    assert "(one, two)" in refusal(recognise, small_release, error=DataError)


def test_part_of_a_synthetic_database_is_never_real(miniature, tmp_path):
    miniature.write_casme2(tmp_path / "made" / "casme2")
    for place in (".", "casme2"):
        assert len(open_source("casme2", tmp_path / "made" / place).clips) == 6
    (tmp_path / "made" / "synthetic.json").write_text("{}")
    for place in (".", "casme2"):
        line = refusal(open_source, "casme2", tmp_path / "made" / place, error=DataError)
        assert line.endswith(f"part of a synthetic database, not of casme2: use it with --data {tmp_path / 'made'}")
