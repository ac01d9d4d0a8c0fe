"""Packages that offer methods, protocols and databases, installed while the tests run."""

from merbench.databases import DATABASES
from merbench.engine.plan.catalogue import METHODS, PROTOCOLS


def forget() -> None:
    """Let the registries scan the installed packages anew."""
    for registry in (METHODS, PROTOCOLS, DATABASES):
        registry.forget()
