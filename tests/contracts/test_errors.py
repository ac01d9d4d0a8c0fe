import errno

import pytest

from merbench.contracts.errors import DataError, MerbenchError, RecordError, blaming, listed, suggestion, unwritable


def test_errors_are_one_printable_line_with_exit_code_2():
    assert {error("x").exit_code for error in (MerbenchError, DataError, RecordError)} == {2}
    assert str(MerbenchError("a\n  b \x1b[31m")) == r"a b \x1b[31m"


def test_suggestion_names_close_or_known_names():
    assert suggestion("STSnet", ["ststnet", "majority"]) == " (did you mean 'ststnet'?)"
    assert suggestion("xyzzy", ["ststnet", "majority"]) == " (known: majority, ststnet)"
    assert suggestion("xyzzy", [f"{number:02d}" for number in range(59)]).endswith("18, 19 and 39 more)")
    assert suggestion("ststnet", []) == ""


def test_advice_on_unwritable_files_fits_the_error():
    for number, words in ((errno.ENOSPC, "free some space, "), (errno.EACCES, "make it writable, "), (errno.EIO, "")):
        line = unwritable("a/b", OSError(number, "why"), "use c")
        assert line == f"a/b can't be written (why): {words}{'or ' * bool(words)}use c"


def test_long_lists_are_cut_and_counted():
    assert listed(range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    assert listed(range(10)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert listed(range(3), most=2) == "0, 1 and 1 more"
    assert listed(range(3), most=3) == "0, 1, 2"
    assert listed([]) == ""


def test_an_exception_of_a_plugin_names_the_plugin():
    with pytest.raises(MerbenchError, match=r"plug-in x failed: ValueError\('y'\)"), blaming("plug-in x"):
        raise ValueError("y")
    with pytest.raises(DataError, match=r"^z$"), blaming("plug-in x"):
        raise DataError("z")
