"""Packages that a method requires beyond merbench's own, written as in PEP 508: ``timm>=1.0``."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name


def checked_requirement(text: str) -> str:
    """Return a requirement if it is a package with or without a range of versions; ValueError for other text."""
    try:
        found = Requirement(text)
    except InvalidRequirement:
        found = None
    if found is None or found.url:
        raise ValueError(f"{text!r} is not a package and its versions, like timm>=1.0")
    return text


def required_packages(requirements: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the packages, spelled as package indexes spell them."""
    return tuple(canonicalize_name(Requirement(text).name) for text in requirements)


def installation(requirements: Iterable[str]) -> str:
    """Return the command that installs those packages that are missing or of another version; empty if none is.

    Wrong versions follow in parentheses: ``pip install 'timm>=1.0' (timm 0.9 is installed)``. Requirements whose
    environment marker does not apply here are met.
    """
    lacking, wrong = [], []
    for each in map(Requirement, requirements):
        if each.marker and not each.marker.evaluate():
            continue
        try:
            found = version(each.name)
        except PackageNotFoundError:
            found = ""
        if not found or not each.specifier.contains(found, prereleases=True):
            each.marker = None
            lacking.append(f"'{each}'")
            wrong += [f"{each.name} {found} is installed"] if found else []
    said = f" ({', '.join(wrong)})" if wrong else ""
    return f"pip install {' '.join(lacking)}{said}" if lacking else ""


def lacking_of(package: str) -> str:
    """Return the command that installs what an installed package requires and lacks; empty if it lacks nothing."""
    try:
        return installation(requires(package) or ())
    except (PackageNotFoundError, InvalidRequirement):
        return ""
