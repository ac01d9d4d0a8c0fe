"""Lists and cards, as ``merbench methods`` and ``merbench protocols`` print them."""

from typing import TYPE_CHECKING

from merbench.cli.printing import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from merbench.contracts.notes import Note


def origin(origin: str) -> str:
    """Name who registered it, unless merbench did."""
    return "" if origin == "merbench" else f" [{origin}]"


def report_broken(problems: "Sequence[Note]") -> None:
    """Name entries that are broken or not installed on standard error."""
    for problem in problems:
        say(problem.text, err=True)


def print_card(content: dict[str, object]) -> None:
    """Print a card as YAML, texts of several lines as blocks, so that BibTeX can be copied from it."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    say(yaml.dump(content, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110).rstrip())
