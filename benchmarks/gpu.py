"""Everything that only a GPU can tell, in one command of at most 8 minutes: seconds per epoch, memory, sharing.

Run: uv run python benchmarks/gpu.py [--device cuda:0] [--seconds 470] [--only TEXT ...] [--out benchmarks/gpu.json]
     uv run python benchmarks/gpu.py --device cpu --tiny     # tries the same on a CPU, in a minute or two

Each part trains folds of 438 synthetic clips in processes of its own, which warm up, wait for each other, and then time
epochs until the part's share of the seconds is spent; what was not trained to its end is extrapolated from them (~).
A part that fails, or is not ready in time, is reported and skipped. Times include neither imports and the start of the
GPU nor the preparation of inputs; those of compiled nets include tracing them again for each pack.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from tempfile import TemporaryFile
from threading import Thread
from typing import IO, Any, NamedTuple

from _folds import FOLDS, few_epochs, fold_task, timed_folds

ROOT = Path(__file__).resolve().parents[1]
#: Of a part's time, for the test of the fold and the end of its processes.
MARGIN = 0.15


class _Part(NamedTuple):
    """One line of the table: so many processes train folds, each a pack of so many, for a share of the time."""

    name: str
    method: str
    configuration: str
    share: float
    pack: int = 1
    processes: int = 1
    compiled: bool = False


def parts(tiny: bool) -> list[_Part]:
    """Return all parts; `tiny` ones can be run on a CPU."""
    packs = (2, 4) if tiny else (17, 68)
    quick = "quick" if tiny else "default"
    found = [_Part("ststnet, one by one", "ststnet", quick, 30)]
    found += [_Part(f"ststnet, packed by {pack}", "ststnet", quick, 30, pack) for pack in packs]
    found += [
        _Part(f"ststnet, compiled, packed by {pack}", "ststnet", quick, 70, pack, compiled=True) for pack in packs
    ]
    for method in ("medn", "mmnet", "atm-gcn"):
        size = "tiny" if tiny else "full"
        found.append(_Part(f"{method} {size}, one fold", method, size, 35))
        found.append(_Part(f"{method} {size}, 4 folds at a time", method, size, 45, processes=4))
    return found


def work(part: _Part, device: str, budget: float) -> None:
    """Be a process of a part: warm up, say so, wait, time folds, and print the figures as JSON."""
    begin = time.perf_counter()
    from merbench.engine.environment import begin_gpu_memory, peak_gpu_memory_mb

    settings = {"compiled": "true"} if part.compiled else {}
    few = settings | few_epochs(part.method, part.configuration)
    warm = fold_task(part.method, part.configuration, few, device, repeated=True)
    timed_folds(warm, budget, part.pack)
    task = fold_task(part.method, part.configuration, settings, device, repeated=True)
    begin_gpu_memory(device)
    print("ready", flush=True)
    sys.stdin.readline()
    left = budget * (1 - MARGIN) - (time.perf_counter() - begin)
    found = timed_folds(task, max(left, 0), part.pack)
    print(json.dumps(found | {"gpu_memory_mb": peak_gpu_memory_mb(device)}), flush=True)


def run(part: _Part, device: str, budget: float) -> dict[str, Any]:
    """Run a part within so many seconds; returns its figures, or under ``failed`` why there are none."""
    command = [sys.executable, __file__, "--part", json.dumps(part), "--device", device, "--seconds", str(budget)]
    with ExitStack() as files:
        errors = [files.enter_context(TemporaryFile("w+")) for _ in range(part.processes)]  # a pipe could fill up
        begun = [
            Popen(command, text=True, stdin=PIPE, stdout=PIPE, stderr=each, start_new_session=True) for each in errors
        ]
        Thread(target=_end, args=(begun, time.monotonic() + budget), daemon=True).start()
        try:
            said = _answers(begun)
        finally:
            for process in begun:
                _kill(process)
        if not said:
            return {"failed": _why([process.wait() for process in begun], errors)}
    return _together([json.loads(text.splitlines()[-1]) for text in said])


def _answers(begun: Sequence[Any]) -> list[str]:
    """Wait until all processes are ready, let them go on, and return their output; nothing if one of them fails."""
    if not all(process.stdout.readline().strip() == "ready" for process in begun):
        return []
    for process in begun:
        with suppress(BrokenPipeError):
            process.stdin.write("\n")
            process.stdin.flush()
    said = [process.communicate()[0] for process in begun]
    return said if all(process.returncode == 0 for process in begun) else []


def _end(begun: Sequence[Any], deadline: float) -> None:
    """Kill processes that are still at work at the deadline."""
    for process in begun:
        try:
            process.wait(max(deadline - time.monotonic(), 0))
        except TimeoutExpired:
            _kill(process)


def _kill(process: Any) -> None:
    """Kill a process and those that it started, such as compilers, which would keep its pipes open."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _why(codes: Sequence[int], errors: Sequence[IO[str]]) -> str:
    """Return the last line of the first process that failed by itself; the others were killed, then or when late."""
    for code, error in zip(codes, errors, strict=True):
        if code != -signal.SIGKILL and code:
            error.seek(0)
            return (error.read().strip().splitlines() or [f"exit code {code}"])[-1].partition(" (known:")[0][-150:]
    return "not done in time"


def _together(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the figures of several processes as one: means, and for the GPU's memory the sum."""
    mean = {
        key: sum(each[key] for each in found) / len(found) for key in ("epochs", "epoch_s", "fold_s", "timed_epochs")
    }
    memory = [each["gpu_memory_mb"] for each in found]
    return {
        **mean,
        "fold_s": mean["fold_s"] / len(found),  # they are trained at the same time
        "measured": all(each["measured"] for each in found),
        "gpu_memory_mb": None if None in memory else sum(memory),
    }


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the results in Markdown; the gain is that over the part before it that trains one fold at a time."""
    lines = [
        "| part | s per epoch | s per fold | 68 folds, minutes | gain | peak memory, MB | folds that fit |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    alone = 0.0
    for name, found in results.items():
        if "failed" in found:
            lines.append(f"| {name} | skipped: {found['failed']} | | | | | |")
            alone = 0.0 if name.endswith(("one by one", "one fold")) else alone
            continue
        fold, about = found["fold_s"], "" if found["measured"] else "~"
        alone = fold if name.endswith(("one by one", "one fold")) else alone
        gain = f"{alone / fold:.2f}x" if alone else "–"
        memory, fit = found["gpu_memory_mb"], found.get("fit")
        cells = [name, f"{found['epoch_s']:.4f}", f"{about}{fold:.2f}", f"{about}{fold * FOLDS / 60:.1f}", gain]
        cells += ["–" if memory is None else f"{memory:.0f}", "–" if fit is None else str(fit)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def about_device(device: str) -> dict[str, Any]:
    """Name the device, its memory in MiB, and torch."""
    import torch

    found: dict[str, Any] = {"device": "CPU", "memory_mb": None, "torch": str(torch.__version__)}
    if device != "cpu":
        properties = torch.cuda.get_device_properties(device)
        found |= {"device": properties.name, "memory_mb": properties.total_memory / 2**20}
    return found


def main() -> None:
    """Run the parts one after another, print the table and write the JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--seconds", type=float, default=470, help="for all parts together, divided by their shares")
    parser.add_argument("--tiny", action="store_true", help="small configurations, and packs of 2 and 4")
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="only parts whose names contain one of these")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "gpu.json")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        work(_Part(*json.loads(options.part)), options.device, options.seconds)
        return
    machine = about_device(options.device)
    chosen = [each for each in parts(options.tiny) if any(text in each.name for text in options.only or [""])]
    end, results = time.monotonic() + options.seconds, dict[str, dict[str, Any]]()
    for number, part in enumerate(chosen):
        left = sum(each.share for each in chosen[number:])  # what one part does not use is the others'
        found = run(part, options.device, max(end - time.monotonic(), 0) * part.share / left)
        if machine["memory_mb"] and found.get("gpu_memory_mb"):
            found["fit"] = int(machine["memory_mb"] * part.processes * part.pack // found["gpu_memory_mb"])
        results[part.name] = found
        print(f"{part.name}: {json.dumps(found)}", flush=True)
        options.out.write_text(json.dumps({**machine, "parts": results}, indent=1) + "\n", encoding="utf-8")
    print(f"\n{machine['device']}, torch {machine['torch']}\n\n{table(results)}")


if __name__ == "__main__":
    main()
