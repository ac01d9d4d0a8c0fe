"""The smallest difference that each protocol can show, for docs/power.md.

Run: uv run python benchmarks/power.py [PROTOCOL ...]   # minutes for all; docs/power.md is written anew

Two rows are assumed, as by `merbench power --assumed`, over the clips of the protocol's official list, or as many as it
expects. The figures are kept in `results/power.json`.
"""

import argparse
import json
from pathlib import Path

from _pages import between_marks, write_pages

from merbench.analysis.power import DIFFERENCES, power_of_counts
from merbench.cli.power import clips_of
from merbench.contracts.errors import MerbenchError
from merbench.engine.plan.catalogue import PROTOCOLS
from merbench.engine.plan.catalogue import protocol as find_protocol
from methods import markdown

ROOT = Path(__file__).resolve().parents[1]
KEPT, PAGE = ROOT / "results/power.json", ROOT / "docs/power.md"


def measured(name: str) -> dict[str, object] | None:
    """Return the figures of a protocol; None where its clips or people are not known."""
    spec = find_protocol(name)
    try:
        found = power_of_counts(spec, clips_of(spec))
    except MerbenchError:
        return None
    record = found.record()
    return {
        "clips": record["clips"], "subjects": record["subjects"], "classes": len(spec.classes),
        "smallest": record["smallest"][0]["uf1"], "found": [each["power"] for each in record["found"]],
    }  # fmt: skip


def table(kept: dict[str, dict[str, object] | None]) -> str:
    """Return the table of the page."""
    shown = [difference for difference in DIFFERENCES if difference]
    head = ["protocol", "classes", "clips", "subjects", "smallest difference", *(f"{each:.2f}"[1:] for each in shown)]
    lines = []
    for name, figures in sorted(kept.items()):
        if figures is None:
            lines.append([f"`{name}`", *["–"] * (len(head) - 1)])
            continue
        smallest = "–" if figures["smallest"] is None else f"{figures['smallest']:.2f}".lstrip("0")
        powers = ["–" if each is None else f"{100 * each:.0f} %" for each in figures["found"][1:]]
        lines.append([f"`{name}`", *(str(figures[key]) for key in ("classes", "clips", "subjects")), smallest, *powers])
    return markdown(head, lines, text=1)


def main() -> None:
    """Simulate and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("protocols", nargs="*")
    parser.add_argument("--pages", action="store_true", help="simulate nothing")
    options = parser.parse_args()
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    every = [name for name in PROTOCOLS.names() if find_protocol(name).task == "classification"]
    for name in [] if options.pages else options.protocols or every:
        kept[name] = measured(name)
        print(name, json.dumps(kept[name]), flush=True)
        KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    write_pages({PAGE: between_marks(PAGE, "power.py", table(kept))})


if __name__ == "__main__":
    main()
