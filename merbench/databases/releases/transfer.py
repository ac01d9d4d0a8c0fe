"""One file from the web: downloaded and verified by pooch, with limits of its own on size and time.

pooch gives the transport, the checksum and the atomic file; here are the attempts, and what an error means for the file
and for the others.
"""

import hashlib
import time
from pathlib import Path
from typing import Any

from merbench import __version__
from merbench.contracts.errors import unwritable
from merbench.databases.releases.checksums import PublishedFile

#: Seconds before the second and the third attempt at a file, after errors that may be temporary.
PAUSES = (0.5, 2.0)
#: Seconds until a connection must be established, and between two pieces of an answer.
SILENCE = 10.0
#: A file may take this many seconds, and one more for each this many bytes.
PATIENCE, SLOWEST = 20.0, 5_000
#: What helps where a file can't be written.
ELSEWHERE = "set MERBENCH_HOME to a folder on another disk"


class FileError(Exception):
    """Why a file was not downloaded: perhaps `passing`, for all files (`everywhere`), or `absent` on the server."""

    def __init__(self, text: str, passing: bool = False, everywhere: bool = False, absent: bool = False) -> None:
        super().__init__(text)
        self.passing, self.everywhere, self.absent = passing, everywhere, absent


def retrieve(url: str, file: PublishedFile, drafts: Path) -> Path:
    """Download a verified file into `drafts`; after an error that may be temporary, try again after a pause."""
    for pause in PAUSES:
        try:
            return _attempt(url, file, drafts)
        except FileError as problem:
            if not problem.passing:
                raise
        time.sleep(pause)
    return _attempt(url, file, drafts)


def copied(path: str, file: PublishedFile, drafts: Path) -> Path:
    """Copy a verified file from a folder on this machine into `drafts`."""
    draft = drafts / f"{file.sha256}-{Path(file.path).name[-40:]}"
    try:
        if (size := Path(path).stat().st_size) != file.bytes:  # of any size, so it is not read
            raise FileError(f"{path} is not the published file: {size} bytes, not {file.bytes}")
        content = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise FileError(f"{path} is missing", absent=True) from error
    except OSError as error:
        raise FileError(f"{path} can't be read: {error.strerror or error}") from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise FileError(f"{path} is not the published file: SHA-256 differs from {file.sha256[:12]}…")
    try:
        draft.write_bytes(content)
    except OSError as error:
        raise FileError(unwritable(draft, error, ELSEWHERE), everywhere=True) from error
    return draft


class _Download:
    """One answer, written piece by piece for pooch: not more bytes than the file has, not longer than it may take."""

    def __init__(self, file: PublishedFile) -> None:
        self.most, self.received = file.bytes, 0
        self.seconds = PATIENCE + file.bytes / SLOWEST
        self.response: Any = None
        self._chunk = min(max(file.bytes // 100, 1), 65536)  # small, so that a slow answer is noticed in time

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Download `url` into `output_file`: what pooch calls."""
        from pooch import HTTPDownloader

        headers = {"User-Agent": f"merbench/{__version__}", "Accept-Encoding": "identity"}
        hooks = {"response": self._answered}
        get = HTTPDownloader(chunk_size=self._chunk, timeout=SILENCE, headers=headers, hooks=hooks)
        self._deadline = time.monotonic() + self.seconds
        with Path(output_file).open("wb") as self._out:
            get(url, self, pooch)

    def _answered(self, response: Any, **_: Any) -> None:
        self.response = response

    def write(self, piece: bytes) -> None:
        """Write a piece; ValueError beyond the file's size, TimeoutError after its time."""
        self.received += len(piece)
        if self.received > self.most:
            raise ValueError("longer than the published file")
        if time.monotonic() > self._deadline:
            raise TimeoutError
        self._out.write(piece)

    def flush(self) -> None:
        """Do nothing: closing the file flushes it."""


def _attempt(url: str, file: PublishedFile, drafts: Path) -> Path:
    """Download and verify a file once; a FileError says what went wrong."""
    import pooch
    import requests
    from requests.exceptions import InvalidSchema, InvalidURL, ProxyError

    pooch.get_logger().setLevel("WARNING")  # without a line a file
    download, name = _Download(file), f"{file.sha256}-{Path(file.path).name[-40:]}"
    try:
        return Path(pooch.retrieve(url, f"sha256:{file.sha256}", name, drafts, downloader=download))
    except (TimeoutError, requests.Timeout) as error:
        raise _slow(url, download) from error
    except requests.HTTPError as error:
        raise _refusal(error.response, _where(url, download)) from error
    except (requests.TooManyRedirects, InvalidSchema, InvalidURL, ProxyError) as error:
        if isinstance(error, ProxyError) or download.response is None:
            what = "the proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names can't be used"
            raise FileError(f"{what} ({_reason(error)}): set or unset it", everywhere=True) from error
        raise FileError(f"{url} redirects to an invalid address ({_reason(error)})") from error
    except requests.ConnectionError as error:
        raise _lost(url, download, error) from error
    except requests.RequestException as error:
        raise FileError(f"{url}: connection lost ({_reason(error)})", passing=True) from error
    except ValueError as error:  # pooch: another checksum; urllib: an address that can't be parsed
        if download.response is not None and download.response.is_redirect:
            raise FileError(f"{url} redirects to an invalid address ({error})") from error
        raise _another_file(_where(url, download), download, file) from error
    except OSError as error:
        raise FileError(unwritable(drafts / name, error, ELSEWHERE), everywhere=True) from error


def _where(url: str, download: _Download) -> str:
    response = download.response
    return f"{url}, redirected to {response.url}," if response is not None and response.url != url else url


def _reason(error: Exception) -> str:
    """Return the innermost reason of an error of requests, without the objects around it."""
    cause = error.args[0] if error.args else error
    return str(getattr(cause, "reason", cause)).rpartition("): ")[2] or type(error).__name__


def _slow(url: str, download: _Download) -> FileError:
    text = f"{url} does not answer, or takes more than {download.seconds:.0f} seconds for a file"
    return FileError(text, passing=True, everywhere=True)


def _lost(url: str, download: _Download, error: Exception) -> FileError:
    """Tell a connection that can't be established from one that is silent and one that was lost."""
    from urllib3.exceptions import MaxRetryError, ReadTimeoutError

    cause = error.args[0] if error.args else None
    if isinstance(cause, ReadTimeoutError):
        return _slow(url, download)
    if isinstance(cause, MaxRetryError):
        redirected = download.response is not None
        what = f"{url} redirects to {download.response.headers.get('Location')}, which" if redirected else url
        return FileError(f"{what} can't be reached ({_reason(error)})", passing=True, everywhere=not redirected)
    return FileError(f"{url}: connection lost ({_reason(error)})", passing=True)


def _refusal(response: Any, where: str) -> FileError:
    said = f"{where} answers {response.status_code} {response.reason}".rstrip()
    if response.status_code in (404, 410):
        return FileError(said, absent=True)
    if response.status_code == 429:
        after = response.headers.get("Retry-After", "")
        wait = f"in {after} seconds" if after.isdecimal() else "in an hour"
        text = f"{said}: it limits the number of files; run the same command again {wait}"
        return FileError(text, passing=True, everywhere=True)
    return FileError(said, passing=response.status_code >= 500)


def _another_file(where: str, download: _Download, file: PublishedFile) -> FileError:
    came = f"more than {file.bytes}" if download.received > file.bytes else f"{download.received} of {file.bytes}"
    kind = download.response.headers.get("Content-Type", "no type")
    text = f"{where} is not the published file: {came} bytes ({kind}), SHA-256 differs from {file.sha256[:12]}…"
    return FileError(text, passing=download.received < file.bytes)
