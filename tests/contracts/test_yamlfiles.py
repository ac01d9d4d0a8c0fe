import os

import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from merbench.contracts.errors import MerbenchError
from merbench.contracts.yamlfiles import load_yaml_model, validated


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


def test_a_file_becomes_its_model(written):
    read = load_yaml_model(written("name: é\nmany: {a: {width: 3}}\nrow: [{width: 4}]\n"), Outer)
    assert read == Outer(name="é", many={"a": Inner(width=3)}, row=[Inner(width=4)])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name: a\nsise: 3\n", r"unknown key 'sise' \(did you mean 'size'\?\)"),
        ("name: a\ninner: {widht: 3}\n", r"unknown key 'inner.widht' \(did you mean 'width'\?\)"),
        ("name: a\nmany: {x: {widht: 3}}\n", r"unknown key 'many.x.widht' \(did you mean 'width'\?\)"),
        ("name: a\nrow: [{}, {widht: 3}]\n", r"unknown key 'row.1.widht' \(did you mean 'width'\?\)"),
        ("size: 3\n", "'name' is missing"),
        ("name: a\nsize: many\n", "size: .*whole number.*, not 'many'"),
        ("name: a\nsize: 10\n", "size: size must be a digit, not 10"),
        ("name: a\nrow: 3\n", r"row: must be a list, like \[1, 2\], not 3"),
        ("name: a\nrow: [{width: x}]\n", "row.0.width: .*whole number.*, not 'x'"),
        ("- name\n", "must hold a mapping of keys to values, not list"),
        ("", "must hold a mapping of keys to values, not NoneType"),
        ("name: [a\nsize: 3\n", ", line [23] is not valid YAML"),
        ("name: a\nno: 3\n", ", line 2: unknown key 'no'"),
        ("name: a\nnull: 3\n", ", line 2 is not valid YAML: a key must be a word, not null: put it in quotes"),
        ("name: a\n12: 3\n", ", line 2 is not valid YAML: a key must be a word, not 12: put it in quotes"),
        ("name: a\n<<: {size: 3}\n", ", line 2 is not valid YAML: << is not read: write the keys out"),
        (f"name: a\nsize: {'9' * 5000}\n", "is not valid YAML"),
        ("name: a\nsize: 3\n\tx: 3\n", ", line 3 is not valid YAML"),
        ("name: !!python/object/apply:os.getcwd []\n", ", line 1 is not valid YAML"),
        (b"name: a\n\nsize: \xff\n", ", line 3 can't be read: it is no text in UTF-8$"),
        ("name: a\n? [a, b]\n: c\n", ", line 2 is not valid YAML: a key must be a word, not a list or a mapping"),
        ("name: a\nmany:\n  ? {a: b}\n  : c\n", ", line 3 is not valid YAML: a key must be a word"),
    ],
)
def test_a_mistake_is_one_line_with_the_file_and_the_key(written, content, said):
    path = written(content)
    with pytest.raises(MerbenchError, match=said) as caught:
        load_yaml_model(path, Outer)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("nested", ["[" * 100_000, "- " * 100_000, "{a: " * 100_000, "[" * 51 + "]" * 51])
def test_what_is_nested_too_deep_is_one_line_before_the_parser_crashes(written, nested):
    with pytest.raises(MerbenchError, match=r"card\.yaml, line 3: lists and mappings lie more than 50 deep"):
        load_yaml_model(written(f"name: a\nmany:\n  {nested}\n"), Outer)


def test_what_lies_deep_but_not_too_deep_is_judged_by_the_model(written):
    with pytest.raises(MerbenchError, match="line 2: many: "):
        load_yaml_model(written(f"name: a\nmany: {'[' * 49}{']' * 49}\n"), Outer)


def test_a_control_character_is_one_line_with_the_file(written):
    path = written("name: a\nsize: \x07\n")
    with pytest.raises(MerbenchError, match=r", line 2 is not valid YAML: .*control") as caught:
        load_yaml_model(path, Outer)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "word", ["2020-13-45", "2020-01-02", "no", "yes", "off", "010", "1:30", "0x1F", "1_000", "006_1_1"]
)
def test_a_plain_word_is_read_as_it_looks(written, word):
    assert load_yaml_model(written(f"name: {word}\n"), Outer).name == word


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "card.yaml")
    with pytest.raises(MerbenchError, match=r"card\.yaml can't be read: it is no file"):
        load_yaml_model(tmp_path / "card.yaml", Outer)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MerbenchError, match=r"absent\.yaml can't be read"):
        load_yaml_model(tmp_path / "absent.yaml", Outer)
    with pytest.raises(MerbenchError, match="can't be read"):
        load_yaml_model(tmp_path, Outer)


def test_content_from_elsewhere_is_named_by_its_origin():
    assert validated(Outer, {"name": "a"}, "settings of x") == Outer(name="a")
    with pytest.raises(MerbenchError, match=r"^settings of x: unknown key 'nam'"):
        validated(Outer, {"name": "a", "nam": "b"}, "settings of x")
