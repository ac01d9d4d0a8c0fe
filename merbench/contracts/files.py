"""Read files of others: neither links to elsewhere, pipes, devices nor files without end."""

import os
import stat
from pathlib import Path

from merbench.contracts.errors import MerbenchError


def read_bounded(
    path: Path, most: int, what: str, error: type[MerbenchError] = MerbenchError, links: bool = True
) -> bytes:
    """Read a plain file of at most `most` bytes; anything else is refused without waiting for it, by `error`.

    `what` names such files in the message, as in "a log"; without `links`, symbolic links are refused.
    """
    try:
        kind = path.stat(follow_symlinks=links)
        if not stat.S_ISREG(kind.st_mode):
            raise error(f"{path} is {kind_of(kind.st_mode)}, expected a plain file")
        if kind.st_size > most:
            raise error(f"{path} has {kind.st_size >> 20} MiB, {what} has at most {most >> 20}")
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as stream:
            opened = os.fstat(descriptor)
            if (opened.st_mode, opened.st_dev, opened.st_ino) != (kind.st_mode, kind.st_dev, kind.st_ino):
                raise error(f"{path} was exchanged while it was read")
            content = stream.read(most + 1)
    except OSError as problem:
        raise error(f"{path} can't be read: {problem.strerror or problem}") from problem
    if len(content) > most:
        raise error(f"{path} has more than {most >> 20} MiB, {what} has at most that")
    return content


def kind_of(mode: int) -> str:
    """Name what the mode of a file says that it is: a plain file, a folder, a link, a pipe, a socket or a device."""
    kinds = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}
    return kinds.get(stat.S_IFMT(mode), "a plain file" if stat.S_ISREG(mode) else "a device")
