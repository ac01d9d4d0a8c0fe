"""How methods are judged: a YAML file a protocol. Installed as ``merbench.protocols``.

``merbench.protocols.megc2019`` is the path of that protocol's file, which is what the registry asks for.
"""

from pathlib import Path


def __getattr__(name: str) -> Path:
    """Return the path of a protocol's file."""
    path = Path(__file__).parent / f"{name}.yaml"
    if name.startswith("_") or not path.is_file():
        raise AttributeError(f"module {__name__} has no protocol {name!r}")
    return path
