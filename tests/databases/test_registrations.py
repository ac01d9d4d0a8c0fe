import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from platformdirs import user_data_dir
from support.refusals import refusal

from merbench.contracts.errors import DataError, UnknownNameError
from merbench.contracts.registry import Registry
from merbench.databases import registrations
from merbench.databases.registrations import (
    Registration,
    open_registered,
    open_source,
    recognise,
    register,
    registered,
)
from merbench.databases.releases.megc2019_flow28 import DATABASE, LIST

NAME = "megc2019-flow28"


def test_nothing_is_registered_at_first(home):
    assert registrations.home() == home
    assert registered() == {}


def test_the_users_data_folder_is_the_default_home(monkeypatch):
    for value in (None, ""):
        monkeypatch.delenv("MERBENCH_HOME", raising=False)
        if value is not None:
            monkeypatch.setenv("MERBENCH_HOME", value)
        assert registrations.home() == Path(user_data_dir("merbench")), value


def test_a_registered_copy_is_found_and_read_again(small_release):
    source = register(NAME, small_release)
    assert registered() == {NAME: Registration(folder=small_release)}
    again = open_registered(NAME)
    assert again.database is DATABASE
    assert again.folder == small_release
    assert again.clips.equals(source.clips)
    assert len(source.clips) == 24


def test_a_folder_given_relative_is_remembered_from_the_root(small_release, monkeypatch):
    monkeypatch.chdir(small_release.parent)
    register(NAME, Path("release"))
    monkeypatch.chdir(os.sep)
    assert len(open_registered(NAME).clips) == 24


def test_a_home_that_is_not_there_yet_is_made(small_release, tmp_path, monkeypatch):
    monkeypatch.setenv("MERBENCH_HOME", str(tmp_path / "a" / "b"))
    register(NAME, small_release)
    assert list(registered()) == [NAME]


def test_a_second_registration_replaces_the_first(small_release, tmp_path, home):
    (home / "databases.json").write_text(json.dumps({"other": "somewhere", NAME: "long ago"}))
    register(NAME, small_release)
    assert registered() == {"other": Registration(folder=Path("somewhere")), NAME: Registration(folder=small_release)}


def test_concurrent_registrations_are_all_kept(small_release, monkeypatch):
    names = [f"copy-{number}" for number in range(8)]
    many = Registry(
        "database", "no.such.group", lambda: dict.fromkeys(names, "json:dumps"), lambda entry, found: DATABASE
    )
    monkeypatch.setattr(registrations, "DATABASES", many)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: register(name, small_release), names))
    assert sorted(registered()) == names


def test_an_incomplete_copy_is_not_registered(small_release, home):
    (small_release / LIST).unlink()
    with pytest.raises(DataError, match="incomplete"):
        register(NAME, small_release)
    assert registered() == {}
    assert list(home.iterdir()) == []


def test_missing_folders_and_unknown_names_are_reported(small_release, tmp_path):
    for call in (register, open_source):
        assert str(tmp_path / "absent") in refusal(call, NAME, tmp_path / "absent", error=DataError)
    register(NAME, small_release)
    moved = small_release.rename(tmp_path / "moved")
    assert f"{NAME} is registered in {small_release}" in refusal(open_registered, NAME, error=DataError)
    for call, *given in ((open_registered,), (register, moved)):
        line = refusal(call, "megc2019-flow", *given, error=UnknownNameError)
        assert f"unknown database 'megc2019-flow' (did you mean '{NAME}'?)" in line
    assert list(registered()) == [NAME]


def test_unregistered_databases_are_named_with_a_command():
    for name, command in {"casme2": "add casme2 PATH", NAME: f"fetch {NAME}, or merbench data add {NAME} PATH"}.items():
        assert refusal(open_registered, name).endswith(f"'{name}' is not registered here: merbench data {command}")


def test_a_damaged_file_of_registrations_is_kept(small_release, home):
    path = home / "databases.json"
    for content in (b"", b"{", b"[]", b"null", b'{"a": 3}', b'{"a": null}', b'"x"', b"\xff\xfe"):
        path.write_bytes(content)
        for call, *given in ((registered,), (open_registered, NAME), (register, NAME, small_release)):
            assert "databases.json is damaged" in refusal(call, *given, case=content)
        assert path.read_bytes() == content


def test_an_unwritable_home_is_reported(small_release, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("MERBENCH_HOME", str(tmp_path / "file" / "home"))
    assert "databases.json can't be written" in refusal(register, NAME, small_release)


def test_a_copy_is_recognised_if_one_database_knows_it(small_release, tmp_path, monkeypatch):
    assert recognise(small_release) == NAME
    (tmp_path / "empty").mkdir()
    line = refusal(recognise, tmp_path / "empty", error=DataError)
    assert "merbench data add NAME PATH" in line
    assert NAME in line
    found = {"one": "json:dumps", "two": "json:dumps"}
    both = Registry("database", "no.such.group", lambda: found, lambda entry, found: DATABASE)
    monkeypatch.setattr(registrations, "DATABASES", both)
    assert "(one, two)" in refusal(recognise, small_release, error=DataError)


def test_a_registration_remembers_the_corrections(small_release, home):
    register(NAME, small_release, corrections=False)
    assert registered()[NAME] == Registration(folder=small_release, corrections=False)


def test_a_registration_of_an_earlier_version_is_read(small_release, home):
    (home / "databases.json").write_text(json.dumps({NAME: str(small_release)}))
    assert len(open_registered(NAME).clips) == 24


def test_part_of_a_synthetic_database_is_never_real(miniature, tmp_path_factory):
    for place in (".", "casme2"):
        tmp_path = tmp_path_factory.mktemp("case")
        miniature.write_casme2(tmp_path / "made" / "casme2")
        assert len(open_source("casme2", tmp_path / "made" / place).clips) == 6
        (tmp_path / "made" / "synthetic.json").write_text("{}")
        with pytest.raises(
            DataError, match=r"is part of a synthetic database, not of casme2: use it with --data .*made$"
        ):
            open_source("casme2", tmp_path / "made" / place)


def test_a_folder_with_several_databases_is_refused(miniature, tmp_path):
    miniature.write_casme2(tmp_path / "all" / "c")
    assert recognise(tmp_path / "all") == "casme2"
    miniature.write_samm(tmp_path / "all" / "s")
    assert "(casme2, samm)" in refusal(recognise, tmp_path / "all", error=DataError)
