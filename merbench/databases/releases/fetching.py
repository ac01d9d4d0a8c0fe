"""Public databases from the web: every file is verified by the database's list of checksums before it enters the copy.

pooch downloads each file beside the copy and verifies it; then it is renamed into the copy. So however a download ends
(an error, Ctrl-C, a kill), all files of the copy are whole, and the next download continues with the missing ones.
"""

import queue
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from filelock import FileLock, Timeout

from merbench.contracts.databases import DatabaseCard, Download, Source
from merbench.contracts.errors import DataError, MerbenchError, listed, unwritable
from merbench.databases import DATABASES
from merbench.databases.registrations import home, register
from merbench.databases.releases.checksums import PublishedFile, read_checksums
from merbench.databases.releases.transfer import ELSEWHERE, FileError, copied, retrieve

#: Files at a time.
PARALLEL = 8
#: After this many files that can't be fetched, the others are not requested.
MOST_FAILURES = 10


def fetched_folder(name: str) -> Path:
    """Return the folder of the downloaded copy of database `name`."""
    return home() / "fetched" / name


def repair_hint(name: str, folder: Path) -> str:
    """Return the tail of an error line that says how to repair a broken copy, if `folder` is the downloaded one."""
    downloaded = folder.resolve() == fetched_folder(name).resolve()
    return f"; run merbench data fetch {name} to download these files again" if downloaded else ""


def downloadable(name: str) -> tuple[DatabaseCard, Download]:
    """Return the card of database `name`, and its download.

    MerbenchError if it can't be downloaded: names the way to get it, and a public release with some of its clips.
    """
    card = DATABASES.get(name).card
    if card.download is not None:
        return card, card.download
    if card.synthetic:
        raise MerbenchError(f"{name} is generated on this machine, not downloaded: {card.source}")
    public = [
        other
        for other, database in DATABASES.load_all()[0].items()
        if database.card.download is not None and set(card.datasets) & set(database.card.datasets)
    ]
    instead = f"; public data of some of its clips: merbench data fetch {public[0]}" if public else ""
    raise MerbenchError(
        f"{name} is not public and can't be fetched: {card.licence}, at {card.source}; then {card.commands}{instead}"
    )


def fetch(
    name: str, address: str | None, progress: Callable[[int, int], None], note: Callable[[str], None]
) -> tuple[Source, int, int]:
    """Download the missing files of the copy of database `name` in ``MERBENCH_HOME``, and register the copy.

    `address` is a mirror instead of the publisher, with the publisher's folders or those of a copy: http, https, or a
    folder.
    ``progress(done, total)`` counts files; `note` receives other lines for the user. Returns the registered copy, the
    number of its files, and of those downloaded this time. MerbenchError if it is not downloadable, for an invalid
    address, files that could not be fetched, or a folder that can't be written; verified files are kept.
    """
    download = downloadable(name)[1]
    base = download.address if address is None else _checked(address)
    files = read_checksums(download.checksums)
    folder = fetched_folder(name)
    with _locked(folder, note) as drafts:
        missing = [file for file in files if not file.is_in(folder)]
        changed = [file.path for file in missing if (folder / file.path).exists()]
        if changed:
            note(f"{name}: changed on this disk, fetched again: {listed(changed, most=3)}")
        if missing:
            there = len(files) - len(missing)
            _Work(name, base, download.folders, folder, drafts, deque(missing), there, progress).run()
    return register(name, folder), len(files), len(missing)


def _checked(address: str) -> str:
    """Return the address of a mirror without trailing slashes, or an absolute folder; MerbenchError if not valid."""
    place = unquote(address.removeprefix("file://")) if address.startswith("file://") else address
    if place and Path(place).is_dir():
        return str(Path(place).resolve())
    try:
        url = urlsplit(address)
        valid = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        valid = False
    if not valid or "@" in url.netloc or url.query or url.fragment:
        step = "write http://HOST/FOLDER or https://HOST/FOLDER, without name, password, ? or #"
        raise MerbenchError(f"--from {address!r} is neither a folder nor a valid address: {step}")
    return address.rstrip("/")


@contextmanager
def _locked(folder: Path, note: Callable[[str], None]) -> Iterator[Path]:
    """Lock `folder` against other processes; gives a folder for drafts, on the same disk, and removes it."""
    drafts = folder.with_name(f".{folder.name}.drafts")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f".{folder.name}.lock"))
        try:
            lock.acquire(blocking=False)
        except Timeout:
            note(f"{folder}: waiting for another process that is writing to it")
            lock.acquire()
        shutil.rmtree(drafts, ignore_errors=True)  # of a download that was killed
        drafts.mkdir()
    except OSError as error:
        raise DataError(unwritable(folder, error, ELSEWHERE)) from error
    try:
        yield drafts
    finally:
        shutil.rmtree(drafts, ignore_errors=True)
        lock.release()


@dataclass
class _Work:
    """A download in progress: files of `waiting` are moved into `folder`, which has `there` of the copy's files."""

    name: str
    base: str
    folders: dict[str, str]
    folder: Path
    drafts: Path
    waiting: deque[PublishedFile]
    there: int
    progress: Callable[[int, int], None]
    failed: list[str] = field(default_factory=list)
    stopped: str = ""
    events: "queue.Queue[str | Exception]" = field(default_factory=queue.Queue)

    def run(self) -> None:
        """Download `PARALLEL` files at a time until all are in the copy or further requests are futile: DataError."""
        total = self.there + len(self.waiting)
        self.progress(self.there, total)
        # Daemons: after Ctrl-C the interpreter does not wait for answers of a silent server.
        threads = [threading.Thread(target=self._take, daemon=True) for _ in range(PARALLEL)]
        for thread in threads:
            thread.start()
        running = len(threads)
        try:
            while running:
                event = self.events.get()
                if isinstance(event, Exception):
                    raise event
                if event == "finished":
                    running -= 1
                else:
                    self.there += 1
                    self.progress(self.there, total)
        except BaseException:  # Ctrl-C: files that are nearly complete still enter the copy
            self.stopped = "interrupted"
            for thread in threads:
                thread.join(0.1)
            raise
        if self.stopped or self.failed:
            kept = f"{self.there} of {total} files are complete and kept; run the same command to resume"
            count = f"{'at least ' if self.waiting else ''}{len(self.failed)} file{'s' * (len(self.failed) > 1)}"
            first = "; ".join(self.failed[:3]) + "; …" * (len(self.failed) > 3)
            why = self.stopped or f"{count} could not be fetched: {first}"
            raise DataError(f"{self.name}: {why}; {kept}; --from URL uses a mirror")

    def _take(self) -> None:
        """Download one waiting file after the other, in a thread of its own."""
        while not self.stopped and len(self.failed) < MOST_FAILURES:
            try:
                file = self.waiting.popleft()
            except IndexError:
                break
            try:
                self._bring(file)
                self.events.put("fetched")
            except FileError as problem:
                if problem.everywhere:
                    self.stopped = self.stopped or str(problem)
                else:
                    self.failed.append(f"{file.path}: {problem}")
            except Exception as problem:  # noqa: BLE001 - the main thread raises it
                self.events.put(problem)
        self.events.put("finished")

    def _bring(self, file: PublishedFile) -> None:
        """Bring a file into the copy, from the first of its addresses that has one."""
        absent = []
        folder, _, name = file.path.rpartition("/")
        # As published, or, on a mirror that is a copy, as in the copy.
        places = [f"{self.folders[folder]}/{name}", file.path] if folder in self.folders else [file.path]
        local = not self.base.startswith(("http://", "https://"))
        for url in (f"{self.base}/{place if local else quote(place)}" for place in places):
            try:
                draft = (copied if local else retrieve)(url, file, self.drafts)
            except FileError as problem:
                if not problem.absent:
                    raise
                absent.append(str(problem))
                continue
            target = self.folder / file.path
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                draft.replace(target)
            except OSError as error:
                raise FileError(unwritable(target, error, ELSEWHERE), everywhere=True) from error
            return
        raise FileError(" and ".join(absent))
