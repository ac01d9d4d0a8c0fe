"""Every kind of broken copy of every database: one line each, which names the folder or the file."""

import re

import pytest
from support.broken import READERS, broken_copies
from support.refusals import refusal

from merbench.contracts.errors import DataError
from merbench.databases import DATABASES


@pytest.mark.slow
def test_every_broken_copy_is_refused_in_one_clear_line(tmp_path):
    wrong, seen = [], {}
    for name, kind, folder, expected in broken_copies(tmp_path):
        seen[name] = seen.get(name, 0) + 1
        line = refusal(DATABASES.get(name).read, folder, case=(name, kind), error=DataError)
        if not re.search(expected, line) or str(folder) not in line:
            wrong.append((name, kind, line))
    assert wrong == []
    assert set(seen) == set(READERS)
    assert sum(seen.values()) >= 150
