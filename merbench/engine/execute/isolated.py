"""The process in which one fold of a method runs alone; ``python -m merbench.engine.execute.isolated`` is it.

It gets an order by pickle from the process that started it, and answers in JSON: what a method declares, or the
predictions of a fold. It holds no label, name or path of a test clip, and no table of clips.
"""

import importlib
import json
import os
import pickle
import sys
import traceback
from contextlib import suppress
from dataclasses import replace
from types import FunctionType
from typing import Any

from merbench.contracts.errors import readable
from merbench.contracts.methods import declared_auxiliary, declared_inputs
from merbench.engine.fold.folds import run_fold
from merbench.engine.fold.handed import written


def main() -> None:
    """Carry out the order on standard input, and write the answer to what standard output was."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a method prints is not an answer
    order = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one
    _limit(*order.pop("limits"))
    try:
        carry_out: Any = {"describe": _described, "fold": _fold}[order.pop("what")]
        found: dict[str, Any] = carry_out(**order)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a method raises while it is imported
        lines = readable(lambda raised: "".join(traceback.format_exception(raised)), error)
        message = readable(str, error)
        found = {"failure": {"type": type(error).__name__, "message": message, "traceback": lines}}
    answers.write(json.dumps(found, default=str).encode())
    answers.flush()
    os._exit(0)  # threads of a method do not keep the process


def _limit(memory: int, seconds: int, processes: int, file: int) -> None:
    """Limit what this process, and what it starts, may use."""
    with suppress(ImportError):
        import resource

        limits = {"AS": memory << 20, "CPU": seconds, "NPROC": processes, "FSIZE": file << 20, "CORE": 0}
        for name, value in limits.items():
            with suppress(ValueError, OSError, AttributeError):
                resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def _found(target: str, path: str | None) -> Any:
    """Import a method's class; `path` is a folder to import it from."""
    if path:
        sys.path.insert(0, path)
    module, _, name = target.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _described(
    target: str, path: str | None, card: Any, task: str, named: dict[str, Any], config: dict[str, Any]
) -> dict[str, Any]:
    """Say what a method declares under a configuration: settings, inputs, auxiliary data."""
    before = _state_of_merbench()
    cls = _found(target, path)
    resolved, usual = cls.Config.model_validate(config), cls.Config.model_validate(named)
    auxiliary = declared_auxiliary(cls, card, resolved)
    return {
        "config": resolved.model_dump(mode="json"),
        "named": usual.model_dump(mode="json"),
        "inputs": _specs(declared_inputs(cls, card.inputs, resolved, task)),  # type: ignore[arg-type]
        "auxiliary": {name: None if own is None else _specs(own) for name, own in auxiliary.items()},
        "changed": _changed(before),
    }


def _specs(specs: Any) -> dict[str, Any]:
    return {name: spec.model_dump(mode="json") for name, spec in specs.items()}


def _fold(
    target: str, path: str | None, config: dict[str, Any], content: bytes, name: str, watch: bool
) -> dict[str, Any]:
    """Run a fold; if `watch`, say which parts of merbench the method has replaced."""
    before = _state_of_merbench() if watch else {}
    cls = _found(target, path)
    task = pickle.loads(content)  # noqa: S301 - from the process that started this one
    task = replace(task, method=cls, config=cls.Config.model_validate(config))
    outcome = run_fold(task, name)
    found = written(outcome, task.split.problem.outputs)
    return found | ({"changed": _changed(before)} if watch else {})


def _state_of_merbench() -> dict[str, int]:
    """Return the identity of each function and class of merbench's imported modules, and of their parts."""
    found = {}
    for module in [each for name, each in list(sys.modules.items()) if name.partition(".")[0] == "merbench"]:
        if module.__name__.startswith("merbench.methods"):
            continue
        for name, value in list(vars(module).items()):
            if isinstance(value, FunctionType | type) and getattr(value, "__module__", "").startswith("merbench"):
                found[f"{module.__name__}.{name}"] = id(value)
                found |= _parts(f"{module.__name__}.{name}", value)
    return found


def _parts(name: str, value: Any) -> dict[str, int]:
    if isinstance(value, FunctionType):
        return {f"{name}.__code__": id(value.__code__)}
    return {f"{name}.{each}": id(part) for each, part in vars(value).items() if isinstance(part, FunctionType)}


def _changed(before: dict[str, int]) -> list[str]:
    now = _state_of_merbench()
    return sorted(name for name, identity in before.items() if now.get(name) != identity)[:20]


if __name__ == "__main__":
    main()
