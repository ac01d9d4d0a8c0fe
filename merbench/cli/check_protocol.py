"""``merbench check-protocol``: what a protocol takes of the data, before anything is run."""

from typing import TYPE_CHECKING, Annotated

import typer

from merbench.cli.options import Data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from merbench.contracts.protocols import ProtocolSpec
    from merbench.splits.examine import Examined


def check_protocol(
    name: Annotated[str, typer.Argument(help="A path ending in .yaml, or a protocol's name.", metavar="FILE")],
    data: Data = "auto",
    clips: Annotated[bool, typer.Option("--clips", help="List every clip that is taken, with its class.")] = False,
) -> None:
    """Show what a protocol makes of the data: clips, classes, folds, singletons, and what differs from what it expects.

    Exit code 2 if a run would be refused.
    """
    from rich.console import Console

    from merbench.cli.display import PreparationDisplay
    from merbench.contracts.databases import same_people
    from merbench.contracts.errors import DataError, listed
    from merbench.engine.plan.catalogue import protocol as find_protocol
    from merbench.engine.plan.data import choose_data
    from merbench.splits.examine import examine

    spec = find_protocol(name)
    console = Console(highlight=False)
    _say(console, f"{spec.name}: {spec.title}; the file is sound, specification {spec.spec_digest()[:12]}")
    for warning in spec.warnings:
        _say(console, f"warning: {warning}", "yellow")
    with PreparationDisplay(console) as watcher:
        chosen = choose_data(data, [spec], watcher)
        watcher.note(f"data: {chosen.name}, {chosen.why}")
    found = examine(spec, chosen.clips, same_people(chosen.sources), chosen.synthetic)
    _print_counts(console, spec, found)
    for left_out in found.left_out:
        idle = not chosen.synthetic and not all(left_out.by_name.values())
        _say(console, left_out.told, "yellow" if idle else "")
    _print_people(console, found)
    if clips:
        for row in found.clips.itertuples(index=False):
            _say(console, f"{row.dataset}/{row.subject}/{row.clip} {row[-1]}".rstrip())
    if found.problems or (found.differences and not chosen.synthetic):
        more = not (found.problems or spec.official_list or clips)  # where a list is, differing clips are named
        step = "; --clips lists those that are taken" if more else ""
        said = listed([*found.problems, *found.differences], 1000)
        raise DataError(f"protocol {spec.name} would not run: {said}{step}")
    for difference in found.differences:
        _say(console, f"differs, which does not bind on made data: {difference}", "yellow")
    _say_compared(console, spec, chosen.synthetic, agrees=not found.differences)


def _say_compared(console: "Console", spec: "ProtocolSpec", synthetic: bool, agrees: bool) -> None:
    """Say what the clips were held against: the counts that the protocol names, and its list, which has real clips."""
    from merbench.contracts.errors import listed

    counted = [name for name, count in spec.expected or () if count not in (None, {})]
    against = [f"the protocol's counts of {listed(counted)}"] if counted else []
    if spec.official_list and not synthetic:
        against.append(f"every clip and class of {spec.official_list}")
    if agrees and against:
        _say(console, f"agrees with {' and '.join(against)}")
    if not against:
        _say(console, "the protocol expects no counts: nothing was compared")
    if spec.official_list and synthetic:
        _say(console, f"not compared with {spec.official_list}, which lists real clips: these are made")


def _say(console: "Console", text: str, style: str = "") -> None:
    from merbench.contracts.names import shown

    console.print(shown(text), style=style, markup=False, soft_wrap=True)


def _print_counts(console: "Console", spec: "ProtocolSpec", found: "Examined") -> None:
    """Print clips and subjects of each dataset, and its clips by class or by action unit."""
    from merbench.report.write.terminal import print_columns
    from merbench.splits.labels import output_counts

    outputs = [name if spec.task == "classification" else f"AU{name}" for name in spec.outputs]
    rows = []
    for dataset in (*spec.datasets, None) if len(spec.datasets) > 1 else spec.datasets:
        of = found.clips if dataset is None else found.clips[found.clips.dataset == dataset]
        subjects = len(of[["dataset", "subject"]].drop_duplicates())
        rows.append([dataset or "all", str(len(of)), str(subjects), *map(str, output_counts(spec, of))])
    print_columns(console, "", ["Dataset", "Clips", "Subjects", *outputs], rows)


def _from_to(counts: "Sequence[int]") -> str:
    """Write the least and the greatest of some counts; one number where they are the same."""
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def _print_people(console: "Console", found: "Examined") -> None:
    """Print the folds' sizes, subjects with one clip or one class, and people on both sides."""
    from merbench.contracts.errors import listed

    sizes = [len(fold.test) for fold in found.folds]
    if sizes:
        trained = [len(fold.train) for fold in found.folds]
        largest = max(found.folds, key=lambda fold: len(fold.test))
        most = f" (most in {largest.name})" if min(sizes) < max(sizes) else ""
        folds = f"{len(sizes)} fold{'s' * (len(sizes) > 1)}"
        _say(console, f"{folds}: {_from_to(sizes)} clips tested{most}, {_from_to(trained)} trained on")
        if len(sizes) <= 12:
            for fold in found.folds:
                _say(console, f"  {fold.name}: {len(fold.test)} tested, {len(fold.train)} trained on")
    taken = [len(found.clips) - len(fold.test) - len(fold.train) for fold in found.folds]
    if any(taken):
        of = "other clips of people who are tested, under another dataset, are not trained on"
        _say(console, f"{of}: {_from_to(taken)}{' of a fold' * (len(taken) > 1)}", "yellow")
    for what, names in (("one clip", found.one_clip), ("clips of one class only", found.one_class)):
        if names:
            _say(console, f"{len(names)} subject{'s have' if len(names) > 1 else ' has'} {what}: {listed(names)}")
    if found.shared:
        _say(console, f"{len(found.shared)} people are trained on and tested: {listed(found.shared)}", "yellow")
