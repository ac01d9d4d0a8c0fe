import os
import re

import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from merbench.contracts.errors import MerbenchError
from merbench.contracts.yamlfiles import load_yaml_model, read_value, settings_text, validated


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    width: int = 1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    inner: Inner = Inner()
    many: dict[str, Inner] = {}
    row: list[Inner] = []
    size: int = 1

    @field_validator("size")
    @classmethod
    def _small(cls, value: int) -> int:
        if value > 9:
            raise ValueError("size must be a digit")
        return value


@pytest.fixture
def written(tmp_path):
    def write(content: str | bytes):
        path = tmp_path / "card.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def refused(path):
    """Return the one line with which a file is refused."""
    with pytest.raises(MerbenchError) as caught:
        load_yaml_model(path, Outer)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_becomes_its_model(written):
    read = load_yaml_model(written("name: é\nmany: {a: {width: 3}}\nrow: [{width: 4}]\n"), Outer)
    assert read == Outer(name="é", many={"a": Inner(width=3)}, row=[Inner(width=4)])


MISTAKES = [
    ("name: a\nsise: 3\n", r"line 2: unknown key 'sise' \(did you mean 'size'\?\)"),
    ("name: a\ninner: {widht: 3}\n", r"unknown key 'inner.widht' \(did you mean 'width'\?\)"),
    ("name: a\nmany: {x: {widht: 3}}\n", r"unknown key 'many.x.widht' \(did you mean 'width'\?\)"),
    ("name: a\nrow: [{}, {widht: 3}]\n", r"unknown key 'row.1.widht' \(did you mean 'width'\?\)"),
    ("size: 3\n", "'name' is missing"),
    ("name: a\nsize: many\n", "size: .*whole number.*, not 'many'"),
    ("name: a\nsize: 10\n", "size: size must be a digit, not 10"),
    ("name: a\nrow: 3\n", r"row: must be a list, .*, not 3"),
    ("name: a\nrow: [{width: x}]\n", "row.0.width: .*whole number.*, not 'x'"),
    ("- name\n", "mapping .*, not list"),
    ("", "mapping .*, not NoneType"),
    ("name: [a\nsize: 3\n", ", line [23] is not valid YAML"),
    ("name: a\nno: 3\n", ", line 2: unknown key 'no'"),
    ("name: a\nsize: 3\nsize: 4\n", ", line 3 .*duplicate key 'size'"),
    ("name: a\nnull: 3\n", ", line 2 .*key must be text, not null: put it in quotes"),
    ("name: a\n12: 3\n", ", line 2 .*key must be text, not 12: put it in quotes"),
    ("name: a\n<<: {size: 3}\n", ", line 2 .*<<"),
    (f"name: a\nsize: {'9' * 5000}\n", "is not valid YAML"),
    ("name: a\nsize: 3\n\tx: 3\n", ", line 3 is not valid YAML"),
    ("name: !!python/object/apply:os.getcwd []\n", ", line 1 is not valid YAML"),
    (b"name: a\n\nsize: \xff\n", ", line 3 can't be read: .*UTF-8"),
    ("name: a\nsize: \x07\n", ", line 2 is not valid YAML: .*control"),
    ("name: a\n? [a, b]\n: c\n", ", line 2 .*key must be text, not a list"),
    ("name: a\nmany:\n  ? {a: b}\n  : c\n", ", line 3 .*key must be text"),
    (f"name: a\nmany: {'[' * 49}{']' * 49}\n", "line 2: many: "),
    *(
        (f"name: a\nmany:\n  {nested}\n", "card.yaml, line 3: nested more than 50 levels deep")
        for nested in ("[" * 100_000, "- " * 100_000, "{a: " * 100_000, "[" * 51 + "]" * 51)
    ),
]


def test_mistakes_are_reported_with_file_and_key(written):
    for content, expected in MISTAKES:
        assert re.search(expected, refused(written(content))), content[:80]


def test_a_plain_word_is_read_as_it_looks(written):
    words = ("2020-13-45", "2020-01-02", "no", "yes", "off", "010", "1:30", "0x1F", "1_000", "006_1_1")
    assert [load_yaml_model(written(f"name: {word}\n"), Outer).name for word in words] == list(words)


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "card.yaml")
    assert "is a pipe, expected a plain file" in refused(tmp_path / "card.yaml")
    assert "can't be read" in refused(tmp_path / "absent.yaml")
    assert "is a folder, expected a plain file" in refused(tmp_path)


def test_content_from_elsewhere_is_named_by_its_origin():
    assert validated(Outer, {"name": "a"}, "settings of x") == Outer(name="a")
    with pytest.raises(MerbenchError, match=r"^settings of x: unknown key 'nam'"):
        validated(Outer, {"name": "a", "nam": "b"}, "settings of x")


def test_a_single_value_is_read_as_in_a_file():
    read = {"3": 3, "1e-3": 0.001, "true": True, "no": "no", "[1, 2]": [1, 2], "[": "[", "[" * 99: "[" * 99}
    assert {text: read_value(text) for text in read} == read
    settings = {"a": None, "b": False, "c": [1, 2.5], "d": "add", "e": "true", "g": "[", "h": 1e-5}
    assert settings_text(settings).startswith('a=null, b=false, c=[1, 2.5], d=add, e="true", ')
    pairs = (each.split("=") for each in settings_text(settings, "|").split("|"))
    assert {name: read_value(text) for name, text in pairs} == settings
