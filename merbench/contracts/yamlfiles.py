"""Cards and protocols are YAML files; a mistake in one is a line that names the file, the key and what was expected."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from merbench.contracts.errors import MerbenchError, suggestion

Model = TypeVar("Model", bound=BaseModel)


#: The parser in C where PyYAML has it, which wheels do: ten times as fast, and every command reads all cards.
_SAFE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: How deep lists and mappings may lie in one another; ours need 5. The parser in C recurses until it crashes.
_DEEPEST = 50


class _Loader(_SAFE):
    """A safe loader that refuses a key written twice, where YAML would let the last one win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                said = "a key must be a word, not a list or a mapping"
                raise yaml.constructor.ConstructorError(None, None, said, key_node.start_mark)
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands there twice", key_node.start_mark)
            seen.add(key)
        content: dict[Any, Any] = super().construct_mapping(node, deep)
        return content


class KeyedError(ValueError):
    """What a validator of a whole model finds wrong, and the path of the key that it is about."""

    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


def load_yaml_model(path: Path, model: type[Model]) -> Model:
    """Read a YAML file into a pydantic model.

    Raises
    ------
    MerbenchError
        The file is unreadable, is no YAML mapping, nests too deep, or a key or value does not fit; names file, line,
        key and what was expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
        _check_depth(path, text)
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise MerbenchError(f"{path} can't be read: {getattr(error, 'strerror', None) or error}") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that no calendar has
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise MerbenchError(f"{path}{where} is not valid YAML: {getattr(error, 'problem', error)}") from error
    if not isinstance(content, dict):
        raise MerbenchError(f"{path} must hold a mapping of keys to values, not {type(content).__name__}")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        said, keys = _first_problem(model, error)
        line = _line_of(text, keys)
        raise MerbenchError(f"{path}{f', line {line}' if line else ''}: {said}") from error


def validated(model: type[Model], content: dict[str, Any], origin: str) -> Model:
    """Validate `content` as `model`; the first problem becomes one line that begins with `origin`."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise MerbenchError(f"{origin}: {_first_problem(model, error)[0]}") from error


def _check_depth(path: Path, text: str) -> None:
    """Refuse a text whose nesting would exhaust the stack; its events are read without recursion."""
    depth = 0
    for event in yaml.parse(text, Loader=_SAFE):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            where = f", line {event.start_mark.line + 1}" if event.start_mark else ""
            raise MerbenchError(f"{path}{where}: lists and mappings lie more than {_DEEPEST} deep in one another")


def _line_of(text: str, keys: Sequence[str | int]) -> int | None:
    """Find the line, from 1, of the innermost of nested `keys` that stands in a YAML text; None if none does."""
    node: Any = yaml.compose(text, Loader=_Loader)
    line = None
    for key in keys:  # a key that is not found is missing there, or names a case of a union
        if isinstance(node, yaml.MappingNode):
            found = [(name, value) for name, value in node.value if name.value == str(key)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            found = [(node.value[key], node.value[key])]
        else:
            found = []
        for name, value in found:
            line, node = name.start_mark.line + 1, value
    return line


def _first_problem(model: type[BaseModel], error: ValidationError) -> tuple[str, tuple[str | int, ...]]:
    """Say what is wrong, and with which key."""
    # A misspelt key is the cause where another is missing.
    problem = min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    keys = problem["loc"] + getattr(problem.get("ctx", {}).get("error"), "path", ())
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        *parents, key = problem["loc"]
        return f"unknown key {where!r}{suggestion(str(key), _keys_at(model, parents))}", keys
    if problem["type"] == "union_tag_invalid":
        tag, known = problem["ctx"]["tag"], problem["ctx"]["expected_tags"].replace("'", "").split(", ")
        return f"{where}: unknown {tag!r}{suggestion(tag, known)}", keys
    if problem["type"] == "missing":
        return f"{where!r} is missing", keys
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] in ("tuple_type", "list_type"):
        message = "must be a list, like [1, 2]"
    shown = f", not {problem['input']!r}" if where and not isinstance(problem["input"], dict | list) else ""
    return (f"{where}: {message}{shown}" if where else message), keys


def _keys_at(model: type[BaseModel], parents: list[Any]) -> list[str]:
    """Return the keys that are understood below the path `parents` of `model`."""
    models = [model]
    for parent in parents:
        fields = [m.model_fields[parent] for m in models if parent in m.model_fields]
        if fields:
            models = [m for field in fields for m in _models_in(field.annotation)]
    return [field.alias or name for m in models for name, field in m.model_fields.items()]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)
