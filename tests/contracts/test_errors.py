from merbench.contracts.errors import DataError, MerbenchError, RecordError, UnknownNameError, listed, suggestion


def test_what_a_user_can_mend_exits_with_2():
    assert {error("x").exit_code for error in (MerbenchError, UnknownNameError, DataError, RecordError)} == {2}


def test_a_close_name_is_suggested():
    assert suggestion("STSnet", ["ststnet", "majority"]) == " (did you mean 'ststnet'?)"


def test_where_no_name_is_close_the_known_ones_are_told():
    assert suggestion("xyzzy", ["ststnet", "majority"]) == " (known: majority, ststnet)"


def test_of_many_known_names_twenty_are_told_and_the_rest_counted():
    told = suggestion("xyzzy", [f"{number:02d}" for number in range(59)])
    assert told.endswith("18, 19 and 39 more)")


def test_where_nothing_is_known_nothing_is_suggested():
    assert suggestion("ststnet", []) == ""


def test_a_long_list_is_cut_and_counted():
    assert listed(range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    assert listed(range(10)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert listed(range(3), most=2) == "0, 1 and 1 more"
    assert listed(range(3), most=3) == "0, 1, 2"
    assert listed([]) == ""
