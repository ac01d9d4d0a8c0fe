"""Cost of every method: parameters, multiply-adds, seconds per epoch and fold on one core, peak memory.

Run: uv run python benchmarks/methods.py [METHOD[:CONFIGURATION] ...] [--seconds 60]   # measure all methods, or some
     uv run python benchmarks/methods.py --pages                                       # write the tables only

The figures are kept in `results/costs.json`; the tables are written into `benchmarks/README.md` and
`docs/methods.md`, where a test compares them with the registered methods.

A fold has 438 synthetic training clips of the method's own inputs, as many as a fold of MEGC 2019; each configuration
is measured in a process of its own, with one thread, in seconds of the processor. A fold that would take longer than
`--seconds` is extrapolated from the epochs timed so far (~). Preparation of inputs is excluded. Of configurations for a
GPU, which `benchmarks/gpu.py` times, parameters and multiply-adds alone are counted here.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from _pages import between_marks, write_pages

from merbench.contracts.errors import MerbenchError
from merbench.contracts.inputs import InputSpec
from merbench.engine.plan.catalogue import METHODS, RegisteredMethod

ROOT = Path(__file__).resolve().parents[1]
KEPT, PAGE, README = (ROOT / path for path in ("results/costs.json", "docs/methods.md", "benchmarks/README.md"))
LAST = CLASSICAL, FLOORS_AND_SANITY = "Classical", "Floors and sanity rows"  # families, below the nets
FOLDS = 68

Figures = Mapping[str, Any]  # of a configuration, as `measured` returns them


def built_in() -> list[RegisteredMethod]:
    """Return merbench's own methods."""
    return [METHODS.get(entry.name) for entry in METHODS.entries() if entry.origin == "merbench"]


def configurations(method: RegisteredMethod) -> list[str]:
    """Return the names of the configurations that people run; `tiny` is for tests."""
    return [name for name in method.card.configurations if name != "tiny"]


def measured(name: str, configuration: str, seconds: float) -> dict[str, Any]:
    """Measure a configuration in this process."""
    from _folds import few_epochs, fold_task, net_of, random_weights, timed_folds

    gpu = METHODS.get(name).card.needs_gpu(configuration)
    task = fold_task(name, configuration, random_weights(name, configuration), repeated=gpu)
    found = {}
    if not gpu:
        timed_folds(fold_task(name, configuration, few_epochs(name, configuration)), seconds)  # libraries are imported
        found = timed_folds(task, seconds)
    parameters, gmac = net_of(task)
    found |= {"parameters": parameters, "gmac": gmac}
    return {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in found.items()}


def measured_alone(name: str, configuration: str, seconds: float) -> dict[str, Any] | None:
    """Measure a configuration in a process of its own; None, and a line, if that fails."""
    command = [sys.executable, __file__, "--alone", name, configuration, "--seconds", str(seconds)]
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(command, env=os.environ | single, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{name}:{configuration} failed: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def family(method: RegisteredMethod) -> str:
    """Name the family of a method, by its model and by what it sees."""
    card = method.card
    if card.kind != "net":
        return CLASSICAL if card.kind == "classical" else FLOORS_AND_SANITY
    kinds = {spec.kind.replace("-", " ") for spec in _seen(method, card.default)}
    return f"Nets on {' and '.join(sorted(kinds))}"


def _seen(method: RegisteredMethod, configuration: str) -> list[InputSpec]:
    """Return the inputs of a configuration at test."""
    task = "classification" if "classification" in method.card.tasks else method.card.tasks[0]
    inputs = method.inputs(method.resolve(configuration), task).values()
    return [spec for spec in inputs if not spec.training_only]


def _sees(method: RegisteredMethod, configuration: str) -> str:
    """Describe the inputs of a configuration at test: kind, frames and size."""
    found = []
    for spec in _seen(method, configuration):
        count, span, facts = (getattr(spec, name, None) for name in ("count", "span", "facts"))
        kind = "frame" if count == 1 else spec.kind.replace("-", " ")
        several = str(count) if count and count > 1 else "all" if hasattr(spec, "count") and not count else None
        size = f"{spec.size} px" if hasattr(spec, "size") else None
        words = [several, span if count == 1 else None, kind, span if count != 1 else None, *(facts or ()), size]
        found.append(" ".join(filter(None, words)))
    return " + ".join(found) or "labels of training clips"


def _described(method: RegisteredMethod) -> str:
    """Name a method, with the first author and year of its paper, its remark, and a link to its README."""
    card, folder = method.card, method.folder.resolve().relative_to(ROOT)
    link = f"../{folder.as_posix()}/README.md"
    named = f"[`{card.name}`]({link})" if (ROOT / folder / "README.md").exists() else f"`{card.name}`"
    paper = card.paper and f"{card.paper.authors.partition(',')[0].split()[-1]} et al. {card.paper.year}"
    return ", ".join(filter(None, [named, paper, *card.facts("remark", method.resolve())]))


def _short(value: float | None, about: bool = False) -> str:
    """Write a figure with two digits at least."""
    if value is None:
        return "–"
    text = f"{value:,.0f}" if value >= 10 or value == int(value) else f"{float(f'{value:.2g}'):g}".removeprefix("0")
    return f"~{text}" if about else text


def _rows() -> Iterator[tuple[RegisteredMethod, str, str, Figures]]:
    """Yield each configuration of each method: the method, its name in a table, the configuration, its figures."""
    costs = kept()
    families = {method.card.name: family(method) for method in built_in()}
    order = [*sorted(set(families.values()) - {*LAST}), *LAST]
    for method in sorted(built_in(), key=lambda each: order.index(families[each.card.name])):
        for number, configuration in enumerate(configurations(method)):
            found = costs.get(method.card.name, {}).get(configuration, {})
            yield method, "" if number else _described(method), configuration, found


def page_table() -> str:
    """Return the table of docs/methods.md: the methods of each family, what they see, and what they cost."""
    head = ["method", "configuration", "sees", "parameters", "GMAC per clip", "68 folds on one core, minutes"]
    found: dict[str, list[list[str]]] = {}
    for method, name, configuration, costs in _rows():
        card = method.card
        others = [each for each in configurations(method) if each not in (card.default, card.cpu, card.quick)]
        many = len(others) > 2
        if many and configuration in others[1:]:
            continue
        if many and configuration in others:
            more = f"{len(others)} further: {', '.join(others)}"
            found[family(method)].append([name, more, *[""] * 4])
            continue
        whole = costs["fold_s"] * FOLDS / 60 if "fold_s" in costs else None
        fast = "under 1" if whole is not None and whole < 1 else _short(whole, not costs.get("measured", True))
        figures = [_short(costs.get("parameters")), _short(costs.get("gmac")), fast]
        found.setdefault(family(method), []).append([name, configuration, _sees(method, configuration), *figures])
    return "\n\n".join(f"## {name}\n\n{markdown(head, lines, text=3)}" for name, lines in found.items())


def cost_table() -> str:
    """Return the table of benchmarks/README.md: everything that was measured."""
    fields = {
        "parameters": "parameters", "gmac": "GMAC per clip", "epochs": "epochs", "epoch_s": "s per epoch",
        "fold_s": "s per fold", "memory_mb": "peak memory, MB",
    }  # fmt: skip
    lines = []
    for method, _, configuration, costs in _rows():
        about = not costs.get("measured", True)
        figures = [_short(costs.get(field), about and field == "fold_s") for field in fields]
        lines.append([f"`{method.card.name}`", configuration, *figures])
    return markdown(["method", "configuration", *fields.values()], lines, text=2)


def markdown(head: list[str], lines: list[list[str]], text: int) -> str:
    """Return a Markdown table whose first `text` columns are texts, the others figures."""
    rule = ["---"] * text + ["--:"] * (len(head) - text)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *lines])


def pages() -> dict[Path, str]:
    """Return both pages with the current tables."""
    return {
        path: between_marks(path, "methods.py", table) for path, table in ((PAGE, page_table()), (README, cost_table()))
    }


def kept() -> dict[str, dict[str, Any]]:
    """Return what was measured so far: method -> configuration -> figures."""
    found: dict[str, dict[str, Any]] = json.loads(KEPT.read_text(encoding="utf-8"))
    return found


def keep(name: str, configuration: str, figures: Figures) -> None:
    """Add figures to those that are kept."""
    costs = kept()
    costs.setdefault(name, {})[configuration] = figures
    KEPT.write_text(json.dumps(costs, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("methods", nargs="*", metavar="METHOD[:CONFIGURATION]")
    parser.add_argument("--seconds", type=float, default=60, help="longest measurement of a fold")
    parser.add_argument("--pages", action="store_true", help="measure nothing")
    parser.add_argument("--alone", nargs=2, metavar=("METHOD", "CONFIGURATION"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(measured(*options.alone, options.seconds)))
        return
    chosen = [name.partition(":") for name in options.methods] or [(each.card.name, "", "") for each in built_in()]
    for name, _, one in chosen if not options.pages else []:
        for configuration in [one] if one else configurations(METHODS.get(name)):
            if found := measured_alone(name, configuration, options.seconds):
                keep(name, configuration, found)
                print(f"{name}:{configuration} {json.dumps(found)}", flush=True)
    write_pages(pages())


if __name__ == "__main__":
    try:
        main()
    except MerbenchError as error:
        raise SystemExit(str(error)) from error
