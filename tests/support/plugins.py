"""Packages that offer methods, protocols, databases and input kinds, installed while the tests run."""

from merbench.contracts.specifications import KINDS
from merbench.databases import DATABASES
from merbench.engine.plan.catalogue import METHODS, PROTOCOLS


def forget() -> None:
    """Let the registries scan the installed packages anew."""
    for registry in (METHODS, PROTOCOLS, DATABASES, KINDS):
        registry.forget()
