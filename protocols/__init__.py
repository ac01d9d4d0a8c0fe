"""How methods are judged: a YAML file a protocol. Installed as ``merbench.protocols``.

``merbench.protocols.megc2019`` is the path of that protocol's file, which is what the registry asks for; so is
``merbench.protocols.cdmer`` of the file in ``families/`` that says what its protocols share.
"""

from pathlib import Path


def __getattr__(name: str) -> Path:
    """Return the path of a protocol's, or a family's, file."""
    here = Path(__file__).parent
    for path in (here / f"{name}.yaml", here / "families" / f"{name}.yaml"):
        if not name.startswith("_") and path.is_file():
            return path
    raise AttributeError(f"module {__name__} has no protocol {name!r}")
