"""Old encodings of text files, which nothing in a file names."""

import re

_HIGH = re.compile(rb"[\x80-\xff]+")


def old_encodings(content: bytes) -> tuple[str, ...]:
    """Return GBK and Windows' Latin alphabet, the likelier first, for text that is not UTF-8.

    In GBK nearly all characters are pairs of bytes above 127, so that runs of these are even; an accented letter is one
    such byte, mostly alone.
    """
    runs = [len(run) % 2 for run in _HIGH.findall(content)]
    gbk, latin = "gb18030", "cp1252"
    return (latin, gbk) if 2 * sum(runs) > len(runs) else (gbk, latin)
