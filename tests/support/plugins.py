"""Packages that offer methods, protocols, databases and input kinds, installed while the tests run."""

from merbench.contracts.specifications import KINDS
from merbench.databases import DATABASES
from merbench.engine.plan.catalogue import METHODS, PROTOCOLS

#: Not empty after a scan, until the test has ended.
scanned: list[bool] = []


def forget() -> None:
    """Let the registries scan the installed packages anew."""
    scanned.append(True)
    for registry in (METHODS, PROTOCOLS, DATABASES, KINDS):
        registry.forget()
