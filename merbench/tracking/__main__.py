"""The process that mirrors runs while others are computed; :class:`merbench.tracking.mirror.Mirror` starts it.

It reads lines of JSON: the tracking server, then folders of changed runs. It prints a line for the user where the
server can't be written. At the end of its input it mirrors what is left, and ends.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread, Timer

from merbench.contracts.errors import MerbenchError
from merbench.tracking.servers import TrackingServer
from merbench.tracking.sync import sync

#: Between two passes, so that folds that finish together are mirrored together.
PAUSE_SECONDS = 10.0
#: How long this process may continue after the driver has ended.
LINGER_SECONDS = 60.0


def read(lines: SimpleQueue[Path | None]) -> None:
    """Queue the folders that the driver sends; None once it has ended."""
    for line in sys.stdin:
        lines.put(Path(json.loads(line)))
    lines.put(None)
    watchdog = Timer(LINGER_SECONDS, os._exit, (1,))
    watchdog.daemon = True
    watchdog.start()


def mirror(server: TrackingServer, lines: SimpleQueue[Path | None], say: Callable[[str], None]) -> bool:
    """Mirror changed runs until no more are sent, each failure reported once and tried again; true if all are mirrored.

    Records that do not verify are not reported here: they are being written, or the driver reports them.
    """
    said: set[str] = set()
    changed: dict[Path, None] = {}
    pause, ended = 0.0, False
    while not ended:
        ended = _gather(lines, changed, pause)
        pause = PAUSE_SECONDS
        try:
            _, notes = sync(server, changed)
            behind = [str(note) for note in notes if note.kind == "warning"]
            changed.clear()
        except MerbenchError as error:
            behind = [f"{error}; the records are complete; then {server.later} brings MLflow up to date"]
        for line in behind:
            if line not in said:
                said.add(line)
                say(line)
    return not behind


def _gather(lines: SimpleQueue[Path | None], changed: dict[Path, None], pause: float) -> bool:
    """Add changed runs for `pause` seconds and until there is one; True at the end of the input."""
    due = time.monotonic() + pause
    while True:
        left = due - time.monotonic()
        try:
            folder = lines.get(timeout=max(0.0, left) if changed or left > 0 else None)
        except Empty:
            if changed:
                return False
            continue
        if folder is None:
            return True
        changed[folder] = None


def main() -> None:
    """Mirror for the driver at the other end of standard input and output."""
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the lines of libraries are not for the user
    asked = json.loads(sys.stdin.readline())
    server = TrackingServer(asked["uri"], asked["artifacts"] and Path(asked["artifacts"]), asked["named"])
    lines: SimpleQueue[Path | None] = SimpleQueue()
    Thread(target=read, args=(lines,), daemon=True).start()

    def say(line: str) -> None:
        with suppress(OSError):  # the driver may be gone
            output.write(f"{line}\n")

    sys.exit(0 if mirror(server, lines, say) else 1)


if __name__ == "__main__":
    main()
