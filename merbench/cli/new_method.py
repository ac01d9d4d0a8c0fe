"""``merbench new-method``: a method that runs at once, to be filled in."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from merbench.cli.declare import argument, flag, option
from merbench.cli.printing import say

if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS = ("torch", "sklearn", "plain", "pretrained")
#: Files of a distribution beside its package -> templates.
_PACKAGE = {
    "pyproject.toml": "package/pyproject.toml",
    "README.md": "readme/README.md",
    ".gitignore": "package/gitignore",
    "tests/test_method.py": "package/test_method.py",
    ".github/workflows/tests.yml": "package/tests.yml",
}


def new_method(
    name: Annotated[str, argument("The method's name: lower case, joined by dashes.", "NAME")],
    kind: Annotated[
        str, option("--kind", "What it is made with: torch, sklearn, plain or pretrained.", "KIND")
    ] = "torch",
    package: Annotated[
        bool, flag("--package", "Write a distribution of its own, with tests and CI, into the current folder.")
    ] = False,
) -> None:
    """Write a method that runs at once and passes check-method, and say the next steps.

    It is written into the folder methods/ of a checkout of merbench, or with --package as a distribution of its own
    into the current folder. pretrained is a net that is pretrained on another database.
    """
    from merbench.cli.options import one_of
    from merbench.contracts.errors import MerbenchError, unwritable

    one_of(kind, "--kind", _KINDS)
    words = _words(name, package)
    folder = Path(name) if package else _checkout() / "methods" / words["MODULE"]
    if folder.exists():
        raise MerbenchError(f"{folder} is there already: choose another name, or remove it")
    for path, text in _files(kind, words, package):
        target = folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        except OSError as error:
            raise MerbenchError(unwritable(target, error, "choose another place")) from error
        say(f"written: {target}")
    say(_steps(name, folder, package))


def _words(name: str, package: bool) -> dict[str, str]:
    """Return the words of templates -> their values for a name; MerbenchError for a name that can't be used."""
    import keyword
    import sys
    from importlib.util import find_spec

    from merbench.contracts.errors import MerbenchError
    from merbench.contracts.names import checked_name
    from merbench.engine.plan.catalogue import METHODS

    try:
        checked_name(name, "method")
    except ValueError as error:
        raise MerbenchError(str(error)) from error
    if name in METHODS.names():
        raise MerbenchError(f"method {name} exists already ({METHODS.entry(name).origin}): choose another name")
    parts = name.replace(".", "-").replace("_", "-").split("-")
    module = "_".join(parts)
    if not module.isidentifier() or keyword.iskeyword(module):
        raise MerbenchError(f"{name!r} can't be the name of a module of Python: begin with a letter, use no keyword")
    if package and (module in sys.stdlib_module_names or find_spec(module) is not None):
        raise MerbenchError(f"a module {module} is installed already: choose another name")
    title = " ".join(parts)
    return {
        "NAME": name,
        "MODULE": module,
        "CLASS": "".join(part[0].upper() + part[1:] for part in parts),
        "TITLE": title[0].upper() + title[1:],
    }


def _checkout() -> Path:
    """Return the checkout of merbench that the current folder is in; MerbenchError if it is in none."""
    import merbench
    from merbench.contracts.errors import MerbenchError

    root = Path(merbench.__file__).resolve().parents[1]
    if (root / "methods" / "__init__.py").is_file() and Path.cwd().resolve().is_relative_to(root):
        return root
    raise MerbenchError(
        f"{Path.cwd()} is not in the checkout of merbench that is installed: use --package, which writes a "
        "distribution of your own here"
    )


def _files(kind: str, words: dict[str, str], package: bool) -> "Iterator[tuple[str, str]]":
    """Yield the path of each file below the method's folder, and its content."""
    import re
    from importlib.resources import files

    own = {"__init__.py": "", "card.yaml": f"{kind}/card.yaml", "method.py": f"{kind}/method.py"}
    wanted = {f"{words['MODULE']}/{path}": source for path, source in own.items()} | _PACKAGE
    for path, source in (wanted if package else own | {"README.md": "readme/README.md"}).items():
        text = '"""TITLE."""\n' if not source else ""
        if source:
            text = files("merbench").joinpath("cli", "skeletons", f"{source}.txt").read_text(encoding="utf-8")
        yield path, re.sub(r"\b(NAME|MODULE|CLASS|TITLE)\b", lambda found: words[found[0]], text)


def _steps(name: str, folder: Path, package: bool) -> str:
    install = [f"pip install -e {folder}", "installs it; changes of its code count at once"] if package else []
    steps = [
        *([install] if install else []),
        [f"merbench check-method {name}", "runs the conformance checks"],
        [f"merbench run {name} svm-flow --protocol megc2019", "trains and tests every fold"],
        [f"merbench compare {name} --leaderboard", "shows it beside the committed rows"],
    ]
    lines = [f"{number}. {command:<52}  {does}" for number, (command, does) in enumerate(steps, start=1)]
    rest = (
        "fill in method.py, card.yaml and README.md; commit them before the runs that you submit (merbench submit RUN)"
    )
    return "\n".join(["next:", *lines, f"{len(steps) + 1}. {rest}"])
