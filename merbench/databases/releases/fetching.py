"""Public databases from the web: every file is held against the database's list of checksums, and kept if it agrees.

A file is written beside the copy and renamed into it once it is verified: what is in the copy is whole. So however a
download ends (an error, Ctrl-C, a kill), the next one goes on with what is missing.
"""

import asyncio
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from filelock import FileLock, Timeout

from merbench import __version__
from merbench.contracts.databases import DatabaseCard, Download, Source
from merbench.contracts.errors import DataError, MerbenchError, listed
from merbench.databases import DATABASES
from merbench.databases.registrations import home, register
from merbench.databases.releases.checksums import PublishedFile, read_checksums

if TYPE_CHECKING:
    import httpx2

#: Files at a time.
PARALLEL = 8
#: Seconds before the second and the third attempt at a file, where it may help.
PAUSES = (0.5, 2.0)
#: Seconds until a connection stands, and between two pieces of an answer.
SILENCE = 10.0
#: A file may take so many seconds, and one more for each so many bytes.
PATIENCE, SLOWEST = 20.0, 5_000
#: A mirror may send us on, but not round and round.
MOST_REDIRECTS = 3
#: With so many files that can't be had there is no point in asking for the others.
MOST_FAILURES = 10


@dataclass(frozen=True)
class Fetched:
    """What a download brought.

    Attributes
    ----------
    source : Source
        The copy, registered.
    files, came : int
        Files of the whole copy, and how many of them came this time.
    """

    source: Source
    files: int
    came: int


class _FileError(Exception):
    """Why a file did not come: `passing` may pass when asked again, `everywhere` any other file would meet too."""

    def __init__(self, text: str, passing: bool = False, everywhere: bool = False) -> None:
        super().__init__(text)
        self.passing, self.everywhere = passing, everywhere


class _AbsentError(_FileError):
    """The server has no file of this name."""


def fetched_folder(name: str) -> Path:
    """Return where the downloaded copy of database `name` is kept, within ``MERBENCH_HOME``."""
    return home() / "fetched" / name


def mended(name: str, folder: Path) -> str:
    """Say, as the tail of an error line, how a broken copy is mended if it was fetched."""
    fetched = fetched_folder(name)
    return f"; merbench data fetch {name} mends it" if folder.resolve() == fetched.resolve() else ""


def downloadable(name: str) -> tuple[DatabaseCard, Download]:
    """Return the card of database `name`, and where it can be downloaded.

    Raises
    ------
    UnknownNameError
        No database has this name.
    MerbenchError
        It can't be downloaded: says how else to get it, and which public release holds something of it.
    """
    card = DATABASES.get(name).card
    if card.download is not None:
        return card, card.download
    if card.synthetic:
        raise MerbenchError(f"{name} is not fetched but {card.licence}: {card.source}")
    public = [
        other
        for other, database in DATABASES.load_all()[0].items()
        if database.card.download is not None and set(card.datasets) & set(database.card.datasets)
    ]
    instead = f"; without it, merbench data fetch {public[0]} has what is public of its clips" if public else ""
    raise MerbenchError(
        f"{name} can't be fetched, its owners give it: {card.licence}, at {card.source}; then {card.commands}{instead}"
    )


def fetch(
    name: str,
    address: str | None,
    progress: Callable[[int, int], None],
    note: Callable[[str], None],
) -> Fetched:
    """Download what is missing of the copy of database `name` in ``MERBENCH_HOME``, and register the copy.

    Parameters
    ----------
    name : str
        A database whose card has a download.
    address : str, optional
        A mirror instead of the publisher, http or https: it has the publisher's folders, or those of a copy.
    progress : callable
        ``progress(done, total)``, in files.
    note : callable
        Is told what else the user should know.

    Raises
    ------
    MerbenchError
        Not downloadable, a wrong address, files that did not come, or a folder that can't be written. What came is
        kept.
    """
    download = downloadable(name)[1]
    base = download.address if address is None else _checked(address)
    files = read_checksums(download.checksums)
    folder = fetched_folder(name)
    with _alone(folder, note) as drafts:
        missing = [file for file in files if not file.is_in(folder)]
        changed = [file.path for file in missing if (folder / file.path).exists()]
        if changed:
            note(f"{name}: changed on this disk, fetched again: {listed(changed, most=3)}")
        if missing:
            work = _Work(
                name, base, download.folders, folder, drafts, missing[::-1], len(files) - len(missing), progress
            )
            asyncio.run(work.done())
    return Fetched(register(name, folder), len(files), len(missing))


def _checked(address: str) -> str:
    """Return the address of a mirror without a slash at its end; refuse what is none."""
    import httpx2

    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL as error:
        raise MerbenchError(f"--from {address!r} is no address: {error}") from None
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise MerbenchError(
            f"--from {address!r} is no address of files: write http://HOST/FOLDER or https://HOST/FOLDER, "
            "without name, password, ? or #"
        )
    return str(url).rstrip("/")


@contextmanager
def _alone(folder: Path, note: Callable[[str], None]) -> Iterator[Path]:
    """Be the only process at work on `folder`; gives a folder for drafts, on the same disk, and takes it away."""
    drafts = folder.with_name(f".{folder.name}.drafts")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f".{folder.name}.lock"))
        try:
            lock.acquire(blocking=False)
        except Timeout:
            note(f"{folder}: another process is at work on it, waiting")
            lock.acquire()
        shutil.rmtree(drafts, ignore_errors=True)  # of a download that was killed
        drafts.mkdir()
    except OSError as error:
        raise DataError(_unwritable(folder, error)) from error
    try:
        yield drafts
    finally:
        shutil.rmtree(drafts, ignore_errors=True)
        lock.release()


def _unwritable(path: Path, error: OSError) -> str:
    why = error.strerror or error
    return f"{path} can't be written ({why}): free some space, or set MERBENCH_HOME to another folder of yours"


@dataclass
class _Work:
    """A download while it goes on: the files of `waiting` come into `folder`; `there` of the copy's files are in it."""

    name: str
    base: str
    folders: Mapping[str, str]
    folder: Path
    drafts: Path
    waiting: list[PublishedFile]
    there: int
    progress: Callable[[int, int], None]
    failed: list[str] = field(default_factory=list)
    stopped: str = ""

    def __post_init__(self) -> None:
        self.total = self.there + len(self.waiting)

    async def done(self) -> None:
        """Download several files at a time until all are there or there is no point; DataError if some are not."""
        self.progress(self.there, self.total)
        async with _client() as client:
            await asyncio.gather(*(self._take(client, self.drafts / f"{n}.part") for n in range(PARALLEL)))
        if self.stopped or self.failed:
            kept = f"{self.there} of {self.total} files are there and kept, the same command goes on from there"
            raise DataError(f"{self.name}: {self.stopped or self._failures()}; {kept}; --from URL asks a mirror")

    def _failures(self) -> str:
        count = f"{'at least ' if self.waiting else ''}{len(self.failed)} file{'s' * (len(self.failed) > 1)}"
        return f"{count} did not come: {'; '.join(self.failed[:3])}{'; …' if len(self.failed) > 3 else ''}"

    async def _take(self, client: "httpx2.AsyncClient", draft: Path) -> None:
        """Bring one waiting file after the other."""
        while self.waiting and not self.stopped and len(self.failed) < MOST_FAILURES:
            file = self.waiting.pop()
            try:
                await self._bring(client, file, draft)
            except _FileError as problem:
                if problem.everywhere:
                    self.stopped = self.stopped or str(problem)
                else:
                    self.failed.append(f"{file.path}: {problem}")
            else:
                self.there += 1
                self.progress(self.there, self.total)

    async def _bring(self, client: "httpx2.AsyncClient", file: PublishedFile, draft: Path) -> None:
        """Bring a file into the copy, from the first of its addresses that has one."""
        absent = []
        for url in self._urls(file.path):
            try:
                await _persistently(client, url, file, draft)
            except _AbsentError as problem:
                absent.append(str(problem))
                continue
            target = self.folder / file.path
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                draft.replace(target)
            except OSError as error:
                raise _FileError(_unwritable(target, error), everywhere=True) from error
            return
        raise _FileError(" and ".join(absent))

    def _urls(self, path: str) -> list[str]:
        """Return where a file may lie: in its publisher's folder, or, on a mirror that is a copy, as in the copy."""
        folder, _, name = path.rpartition("/")
        published = [f"{self.folders[folder]}/{name}"] if folder in self.folders else []
        return [f"{self.base}/{quote(place)}" for place in [*published, path]]


def _client() -> "httpx2.AsyncClient":
    import httpx2

    try:
        return httpx2.AsyncClient(
            follow_redirects=True,
            max_redirects=MOST_REDIRECTS,
            timeout=SILENCE,
            headers={"User-Agent": f"merbench/{__version__}", "Accept-Encoding": "identity"},
        )
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        raise MerbenchError(
            f"the proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names can't be used ({error}): set or unset it"
        ) from error


async def _persistently(client: "httpx2.AsyncClient", url: str, file: PublishedFile, draft: Path) -> None:
    """Write a verified file to `draft`; what may pass is tried again, after a pause."""
    for pause in PAUSES:
        try:
            return await _attempt(client, url, file, draft)
        except _FileError as problem:
            if not problem.passing:
                raise
        await asyncio.sleep(pause)
    return await _attempt(client, url, file, draft)


async def _attempt(client: "httpx2.AsyncClient", url: str, file: PublishedFile, draft: Path) -> None:
    import httpx2

    seconds = PATIENCE + file.bytes / SLOWEST
    try:
        async with asyncio.timeout(seconds), client.stream("GET", url) as response:
            where = f"{url}, which sent us on to {response.url}," if response.history else url
            _check_status(response, where)
            await _write(response, where, file, draft)
    except (TimeoutError, httpx2.TimeoutException) as error:
        text = f"{url} is silent, or slower than {seconds:.0f} seconds a file"
        raise _FileError(text, passing=True, everywhere=True) from error
    except (httpx2.ConnectError, httpx2.ProxyError) as error:
        asked = error.request.url == httpx2.URL(url)
        what = url if asked else f"{url} sends us on to {error.request.url}, which"
        raise _FileError(f"{what} can't be reached ({error})", passing=True, everywhere=asked) from error
    except (httpx2.TooManyRedirects, httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
        raise _FileError(f"{url} sends us on to nowhere ({error})") from error
    except httpx2.RequestError as error:
        raise _FileError(f"{url} broke off ({error or type(error).__name__})", passing=True) from error
    except OSError as error:
        raise _FileError(_unwritable(draft, error), everywhere=True) from error


def _check_status(response: "httpx2.Response", where: str) -> None:
    said = f"{where} answers {response.status_code} {response.reason_phrase}".rstrip()
    if response.status_code in (404, 410):
        raise _AbsentError(said)
    if response.status_code == 429:
        after = response.headers.get("Retry-After", "")
        wait = f"in {after} seconds" if after.isdecimal() else "in an hour"
        raise _FileError(f"{said}: it gives so many files at a time; ask again {wait}", passing=True, everywhere=True)
    if response.status_code != 200:
        raise _FileError(said, passing=response.status_code >= 500)


async def _write(response: "httpx2.Response", where: str, file: PublishedFile, draft: Path) -> None:
    """Write what is answered to `draft`, never more than the file may have, and verify it."""
    received, digest = 0, hashlib.sha256()
    with draft.open("wb") as out:
        async for piece in response.aiter_bytes():
            received += len(piece)
            if received > file.bytes:
                break
            digest.update(piece)
            out.write(piece)
    if received != file.bytes or digest.hexdigest() != file.sha256:
        came = f"more than {file.bytes}" if received > file.bytes else f"{received} of {file.bytes}"
        kind = response.headers.get("Content-Type", "no type")
        raise _FileError(
            f"{where} gives another file than was published: {came} bytes ({kind}), "
            f"SHA-256 {digest.hexdigest()[:12]}… instead of {file.sha256[:12]}…",
            passing=received < file.bytes,
        )
