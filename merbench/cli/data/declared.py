"""The inputs that methods declare, as ``--for`` names them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from merbench.contracts.inputs import InputSpec
    from merbench.prepare.store import PreparationWatcher


def declared(methods: list[str], watcher: "PreparationWatcher") -> "dict[InputSpec, str]":
    """Return the inputs that methods declare for their tasks, each once, with the first method that declares it.

    Without names these are all methods that can be loaded.
    """
    from merbench.engine.plan.catalogue import METHODS

    specs: dict[InputSpec, str] = {}
    if not methods:
        found, problems = METHODS.load_all()
        methods = list(found)
        for problem in problems:
            watcher.note(problem.text)
    for wanted in methods:
        name, _, config = wanted.partition(":")
        method = METHODS.get(name)
        resolved = method.resolve(config or method.usual_config)
        for task in method.card.tasks:
            for spec in method.inputs(resolved, task).values():
                specs.setdefault(spec, name)
    return specs
