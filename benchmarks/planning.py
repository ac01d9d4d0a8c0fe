"""Time the planning of a grid: 20 methods x 5 seeds on one protocol, inputs prepared beforehand.

``uv run python benchmarks/planning.py [FOLDER]``; FOLDER holds a copy of megc2019-flow28, by default the one in
../shared/data. The methods are the installed ones that run on it, repeated until there are 20. The first scan of the
registry, which imports every method, and the reading of the data are timed separately.
"""

import sys
import time
from pathlib import Path

from merbench.contracts.errors import MerbenchError
from merbench.databases.registrations import open_source
from merbench.engine.plan.catalogue import METHODS, PROTOCOLS
from merbench.engine.plan.data import Data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs

METHOD_COUNT, SEEDS = 20, (0, 1, 2, 3, 4)


def main() -> None:
    """Print a line a step, in seconds of CPU."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/megc2019-flow28")
    start = time.process_time()
    methods, _ = METHODS.load_all()
    print(f"scan and import {len(methods)} methods   {time.process_time() - start:6.2f} s")
    start = time.process_time()
    spec = PROTOCOLS.get("megc2019")
    source = open_source("megc2019-flow28", folder)
    prepared = PreparedProtocol.of(spec, Data(source.name, "for the benchmark", (source,)))
    print(f"read and split the data    {time.process_time() - start:6.2f} s")
    able = []
    for name in methods:
        try:
            plan_runs(Request.named([name]), [prepared])  # builds the inputs, which are kept
        except MerbenchError:
            continue
        able.append(name)
    start = time.process_time()
    plans = []
    for round_ in range(METHOD_COUNT // len(able) + 1):
        some = able[: METHOD_COUNT - round_ * len(able)]
        plans += plan_runs(Request.named(some, seeds=SEEDS, selection="last"), [prepared]) if some else []
    seconds = time.process_time() - start
    print(f"plan {METHOD_COUNT} methods x {len(SEEDS)} seeds {seconds:6.2f} s ({len(plans)} runs)")


if __name__ == "__main__":
    main()
