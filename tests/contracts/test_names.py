import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from merbench.contracts.names import checked_name, fold_folder

datasets = st.from_regex(r"[a-z0-9]{1,4}([-_.][a-z0-9]{1,4}){0,2}", fullmatch=True)
# Any text may name a subject; what a folder's name treats in its own way is drawn more often.
subjects = st.text(min_size=1, max_size=12) | st.text("-/.%2DF a", min_size=1, max_size=6)
folds = datasets | st.builds("{}/{}".format, datasets, subjects)


@pytest.mark.parametrize("name", ["megc2019", "smic-hs", "a", "0", "cas_me.3", "x" * 64])
def test_a_name_of_lower_case_letters_digits_and_single_joints_is_kept(name):
    assert checked_name(name, "dataset") == name


@pytest.mark.parametrize(
    "name", ["", "A", "a b", "a--b", "-a", "a-", ".a", "..", "a/b", "a\\b", "é", "a\n", "x" * 65, "a:b", "٣"]
)
def test_a_name_that_could_not_stand_in_a_path_is_refused(name):
    with pytest.raises(ValueError, match=r"dataset name .* must be lower-case"):
        checked_name(name, "dataset")


@given(folds, folds)
@example("a/../../b", "a/..%2F..%2Fb")
@example("a/x--y", "a/x/y")
@example("a/x", "a/-x")
@example("a/x%2Dy", "a/x-y")
@example("a", "a/")
def test_different_folds_get_different_folders(one, other):
    assume(one != other)
    assert fold_folder(one) != fold_folder(other)


def test_subjects_with_a_dash_beside_a_slash_get_different_folders():
    assert fold_folder("mine/x-/y") != fold_folder("mine/x/-y")


@given(folds)
@example("samm/../../../etc/passwd")
@example("samm/..")
@example("samm/C:\\x")
@example("samm/x\0y")
@example("samm/subject é 東")
def test_a_fold_becomes_one_plain_visible_path_component(fold):
    folder = fold_folder(fold)
    assert re.fullmatch(r"[A-Za-z0-9_.~%-]+", folder)
    assert not folder.startswith(".")


def test_ordinary_folds_stay_readable():
    assert fold_folder("samm/006") == "samm--006"
    assert fold_folder("smic-hs/s03") == "smic-hs--s03"
    assert fold_folder("casme2") == "casme2"
