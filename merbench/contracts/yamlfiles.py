"""Cards and protocols are YAML files; an error in one is reported with file, line, key and what was expected."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from merbench.contracts.errors import MerbenchError, suggestion
from merbench.contracts.files import read_bounded

Model = TypeVar("Model", bound=BaseModel)

#: The C parser if PyYAML has it (wheels do): ten times as fast, and every command reads all cards.
_SAFE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: Maximum depth of nested lists and mappings; cards and protocols need 5. The C parser recurses until it crashes.
_DEEPEST = 50
#: A larger file, in MiB, is not read.
_LARGEST = 8

#: Type of a plain scalar other than text -> its pattern, and its first characters. YAML 1.1 has more: there 010 is 8,
#: 1:30 is 90, no is false and 2020-01-02 is a date.
_PLAIN = {
    "null": (r"~|null|Null|NULL|", "~nN"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    "float": (
        r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
}


class _Loader(_SAFE):
    """A safe loader that reads values as they look, and refuses duplicate keys (PyYAML would keep the last)."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key_node, yaml.ScalarNode):
                problem = "a key must be text, not a list or a mapping"
            elif not isinstance(key, str):
                problem = f"a key must be text, not {key_node.value}: put it in quotes"
            elif key == "<<":
                problem = "merge keys (<<) are not supported: write the keys out"
            elif key in seen:
                problem = f"duplicate key {key!r}"
            else:
                seen.add(key)
                continue
            raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
        content: dict[Any, Any] = super().construct_mapping(node, deep)
        return content


for _tag, (_pattern, _first) in _PLAIN.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})$"), [*_first, ""])


def keyed_error(message: str, *path: str | int) -> PydanticCustomError:
    """Make the error of a validator of a whole model, with the path of the key that it concerns."""
    return PydanticCustomError("keyed", "{message}", {"message": message, "path": path})


def load_yaml_model(path: Path, model: type[Model]) -> Model:
    """Read a YAML file into a pydantic model.

    MerbenchError names file, line, key and what was expected where the file is unreadable, is not a YAML mapping, is
    nested too deep, or has an invalid key or value.
    """
    text = _text(path)
    try:
        if deep := _too_deep(text):
            raise MerbenchError(f"{path}, line {deep}: nested more than {_DEEPEST} levels deep")
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a number of thousands of digits
        mark, position = (getattr(error, name, None) for name in ("problem_mark", "position"))
        line = mark.line + 1 if mark else None if position is None else text.encode()[:position].count(b"\n") + 1
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or error
        raise MerbenchError(f"{path}{f', line {line}' if line else ''} is not valid YAML: {problem}") from error
    if not isinstance(content, dict):
        raise MerbenchError(f"{path} must hold a mapping of keys to values, not {type(content).__name__}")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problem, keys = _first_problem(model, error, content)
        line = _line_of(text, keys)
        raise MerbenchError(f"{path}{f', line {line}' if line else ''}: {problem}") from error


def validated(model: type[Model], content: dict[str, Any], origin: str) -> Model:
    """Validate `content` as `model`; the first problem is raised as one line that begins with `origin`."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise MerbenchError(f"{origin}: {_first_problem(model, error, content)[0]}") from error


def read_value(text: str) -> object:
    """Read one value as in a YAML file; text that is not valid YAML is returned unchanged."""
    try:
        value = text if _too_deep(text) else yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError):
        return text
    try:
        return float(value) if isinstance(value, str) else value  # 1e-3, which YAML 1.1 reads as text
    except ValueError:
        return value


def settings_text(settings: Mapping[str, object], between: str = ", ") -> str:
    """Write settings as ``--set`` takes them: ``fusion=add, rates=[0.25, 0.5], decay=null``."""
    plain = {name: isinstance(value, str) and read_value(value) == value for name, value in settings.items()}
    return between.join(f"{name}={value if plain[name] else json.dumps(value)}" for name, value in settings.items())


def _text(path: Path) -> str:
    content = read_bounded(path, _LARGEST << 20, "a file of merbench's")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise MerbenchError(f"{path}, line {line} can't be read: it is not UTF-8 text") from error


def _too_deep(text: str) -> int:
    """Return the line where the nesting exceeds the limit, or 0; the events are read without recursion."""
    depth = 0
    for event in yaml.parse(text, Loader=_SAFE):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            return event.start_mark.line + 1 if event.start_mark else 1
    return 0


def _line_of(text: str, keys: Sequence[str | int]) -> int | None:
    """Return the line (from 1) of the innermost of nested `keys` that occurs in a YAML text, or None."""
    node: Any = yaml.compose(text, Loader=_Loader)
    line = None
    for key in keys:  # a key that is not found is missing, or names a case of a union
        if isinstance(node, yaml.MappingNode):
            found = [(name, value) for name, value in node.value if name.value == str(key)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            found = [(node.value[key], node.value[key])]
        else:
            found = []
        for name, value in found:
            line, node = name.start_mark.line + 1, value
    return line


def _first_problem(model: type[BaseModel], error: ValidationError, content: Any) -> tuple[str, tuple[str | int, ...]]:
    """Return the message for the first problem, and the path of its key."""
    # A misspelt key is reported first: it is the cause of a missing one.
    problem = min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    keys = problem["loc"] + problem.get("ctx", {}).get("path", ())
    missing = problem["type"] == "missing"
    where = ".".join(map(str, _in_file(content, problem["loc"][:-1] if missing else problem["loc"])))
    where = ".".join(filter(None, [where, str(problem["loc"][-1])])) if missing else where
    if problem["type"] == "extra_forbidden":
        *parents, key = problem["loc"]
        known = problem.get("ctx", {}).get("known") or _keys_at(model, parents)
        return f"unknown key {where!r}{suggestion(str(key), known)}", keys
    if problem["type"] == "union_tag_invalid":
        tag, known = problem["ctx"]["tag"], problem["ctx"]["expected_tags"].replace("'", "").split(", ")
        return f"{where}: unknown {tag!r}{suggestion(tag, known)}", keys
    if missing:
        return f"{where!r} is missing", keys
    message = _MESSAGES.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    message = message.replace("Input should be", "must be")
    given = problem["input"]
    named = isinstance(given, dict | list) or (isinstance(given, str) and repr(given) in message)
    shown = f", not {given!r}" if where and not named else ""
    return (f"{where}: {message}{shown}" if where else message), keys


#: Type of a pydantic error -> a message in plain words.
_MESSAGES = {
    "int_type": "must be a whole number, like 10",
    "int_parsing": "must be a whole number, like 10",
    "int_from_float": "must be a whole number, like 10",
    "float_parsing": "must be a number",
    "tuple_type": "must be a list, like [1, 2]",
    "list_type": "must be a list, like [1, 2]",
    "dict_type": "must be a mapping of keys to values, like {key: value}",
    "model_type": "must be a mapping of keys to values, like {key: value}",
    "too_short": "must have at least one entry",
}


def _in_file(content: Any, path: Sequence[str | int]) -> Iterator[str | int]:
    """Yield the keys of a path that occur in the content; a path also names cases of a union."""
    for key in path:
        within = range(len(content)) if isinstance(content, list | tuple) else content
        if isinstance(within, dict | range) and key in within:
            content = content[key]
            yield key


def _keys_at(model: type[BaseModel], parents: list[Any]) -> list[str]:
    """Return the valid keys below the path `parents` of `model`."""
    models = [model]
    for parent in parents:
        fields = [m.model_fields[parent] for m in models if parent in m.model_fields]
        if fields:
            models = [m for field in fields for m in _models_in(field.annotation)]
        else:  # a case of a union
            cases = [m for m in models if any(parent in get_args(f.annotation) for f in m.model_fields.values())]
            models = cases or models
    return [field.alias or name for m in models for name, field in m.model_fields.items()]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)
