"""Memory, time and disk of preparing as many clips as DFME has, with the estimate that is made before.

Synthetic clips in DFME's layout, of the smallest size: 96 px, three frames; faces by the Haar cascade, flow by DIS. A
run that was broken off goes on where it was, and then counts the clips that it built itself.
Run: uv run python benchmarks/preparation_at_size.py FOLDER [--clips 7526]
"""

import argparse
import os
import resource
import time
from dataclasses import replace
from pathlib import Path

from merbench.contracts.inputs import Flow
from merbench.databases.registrations import open_source
from merbench.prepare.arrays import fill_store
from merbench.synthetic.copies import LayoutSettings, write_copies
from merbench.synthetic.database import LAYOUTS_DATABASE

SETTINGS = LayoutSettings(layouts=("dfme",), size="full", pixels=96, frames=3)
QUARTERS = 4


class _Watcher:
    """Notes the peak memory of this process at each quarter of each step."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.seen: dict[tuple[str, int], tuple[int, float, float]] = {}

    def preparing(self, what: str, done: int, total: int) -> None:
        """Count clips."""
        quarter = QUARTERS * done // max(total, 1)
        if (what, quarter) not in self.seen:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            self.seen[what, quarter] = done, peak, time.monotonic() - self.begun
            print(
                f"{done:>6} of {total} clips, peak {peak:.0f} MB, {self.seen[what, quarter][2]:.0f} s: {what}",
                flush=True,
            )

    def note(self, text: str) -> None:
        """Print what is said, the estimate among it."""
        print(text, flush=True)


def main() -> None:
    """Make the clips, prepare them, and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=7526)
    options = parser.parse_args()
    os.environ["MERBENCH_HOME"] = str(options.folder / "home")
    begun = time.monotonic()
    write_copies(SETTINGS, options.folder / "made")
    print(f"made or found: {time.monotonic() - begun:.0f} s, {_megabytes(options.folder / 'made'):.0f} MB", flush=True)
    begun = time.monotonic()
    source = open_source(LAYOUTS_DATABASE.card.name, options.folder / "made")
    print(
        f"{len(source.clips)} clips, {source.clips.subject.nunique()} subjects read: {time.monotonic() - begun:.1f} s"
    )
    source = replace(source, reading=replace(source.reading, clips=source.clips.head(options.clips)))
    begun, before = time.monotonic(), _megabytes(options.folder / "home")
    count = fill_store(source, Flow(algorithm="dis", faces="haar"), _Watcher())
    seconds, stored = time.monotonic() - begun, _megabytes(options.folder / "home") - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count} clips prepared: {seconds:.0f} s, {stored:.0f} MB of files, peak memory {peak:.0f} MB")
    begun = time.monotonic()
    fill_store(source, Flow(algorithm="dis", faces="haar"), _Watcher())
    print(f"the same again, all there: {time.monotonic() - begun:.1f} s")


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    main()
