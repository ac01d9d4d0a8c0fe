"""The process that mirrors runs while others are computed; :class:`merbench.tracking.mirror.Mirror` starts it.

It reads lines of JSON: the store, then folders of runs that have changed. It prints a line for the user where the store
can't be written. When there is nothing more to read it mirrors what is left, and ends.
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread, Timer

from merbench.tracking.stores import Store, TrackingError
from merbench.tracking.sync import sync

#: Between two passes, so that folds that finish together are mirrored together.
PAUSE_SECONDS = 10.0
#: How long it may go on after the driver has ended.
LINGER_SECONDS = 60.0


class Told:
    """The runs that the driver has told of and that are not mirrored yet; filled by a thread that reads its lines."""

    def __init__(self) -> None:
        self._changed: dict[Path, None] = {}
        self._condition = Condition()
        self.ended = False

    def read(self) -> None:
        """Read until the driver has nothing more to tell, or is gone."""
        for line in sys.stdin:
            self.put([Path(json.loads(line))])
        with self._condition:
            self.ended = True
            self._condition.notify()
        watchdog = Timer(LINGER_SECONDS, os._exit, (1,))
        watchdog.daemon = True
        watchdog.start()

    def put(self, folders: list[Path]) -> None:
        """Note runs as changed."""
        with self._condition:
            self._changed |= dict.fromkeys(folders)
            self._condition.notify()

    def take(self, pause: float) -> tuple[list[Path], bool]:
        """Wait `pause` seconds, then for runs, and take all there are; neither is waited for once the driver has ended.

        Returns
        -------
        list of Path
            The runs' folders.
        bool
            Nothing more will come.
        """
        with self._condition:
            self._condition.wait_for(lambda: self.ended, pause)
            self._condition.wait_for(lambda: self.ended or self._changed)
            taken, self._changed = list(self._changed), {}
            return taken, self.ended


def mirror(store: Store, told: Told, say: Callable[[str], None]) -> bool:
    """Mirror what is told until nothing more comes; what stands in the way is said once, and tried again.

    Records that do not verify are no matter of this process: they are being written, or the driver tells of them.

    Returns
    -------
    bool
        All of it is mirrored.
    """
    said: set[str] = set()
    pause, last = 0.0, False
    while not last:
        folders, last = told.take(pause)
        pause = PAUSE_SECONDS
        try:
            behind = sync(store, folders, lambda *_: None).refused
        except TrackingError as error:
            behind = [f"{error}; nothing is lost: {store.later} brings it up to date later"]
            told.put(folders)
        for line in behind:
            if line not in said:
                said.add(line)
                say(line)
    return not behind


def main() -> None:
    """Mirror for the driver at the other end of standard input and output."""
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what libraries print is no line for the user
    asked = json.loads(sys.stdin.readline())
    store = Store(asked["uri"], asked["artifacts"] and Path(asked["artifacts"]), asked["named"])
    told = Told()
    Thread(target=told.read, daemon=True).start()

    def say(line: str) -> None:
        with suppress(OSError):  # the driver may be gone
            lines.write(f"{line}\n")

    sys.exit(0 if mirror(store, told, say) else 1)


if __name__ == "__main__":
    main()
