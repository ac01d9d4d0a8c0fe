import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from merbench.contracts.names import checked_name, fold_folder

datasets = st.from_regex(r"[a-z0-9]{1,4}([-_.][a-z0-9]{1,4}){0,2}", fullmatch=True)
# A subject is any text; characters with a meaning in folder names are drawn more often.
subjects = st.text(min_size=1, max_size=12) | st.text("-/.%2DF a", min_size=1, max_size=6)
folds = datasets | st.builds("{}/{}".format, datasets, subjects)


def test_names_must_be_lower_case_words():
    for name in ("megc2019", "smic-hs", "a", "0", "cas_me.3", "x" * 64):
        assert checked_name(name, "dataset") == name
    wrong = ("", "A", "a b", "a--b", "-a", "a-", ".a", "..", "a/b", "a\\b", "é", "a\n", "x" * 65, "a:b", "٣")
    for name in wrong:
        with pytest.raises(ValueError, match=r"dataset name .* must be lower-case"):
            checked_name(name, "dataset")


@given(folds, folds)
@example("a/../../b", "a/..%2F..%2Fb")
@example("a/x--y", "a/x/y")
@example("a/x", "a/-x")
@example("a/x%2Dy", "a/x-y")
@example("a", "a/")
@example("mine/x-/y", "mine/x/-y")
def test_different_folds_have_different_folders(one, other):
    assume(one != other)
    assert fold_folder(one) != fold_folder(other)


@given(folds)
@example("samm/../../../etc/passwd")
@example("samm/..")
@example("samm/C:\\x")
@example("samm/x\0y")
@example("samm/subject é 東")
def test_fold_folder_is_one_visible_path_component(fold):
    folder = fold_folder(fold)
    assert re.fullmatch(r"[A-Za-z0-9_.~%-]+", folder)
    assert not folder.startswith(".")


def test_ordinary_fold_folders_are_readable():
    names = {"samm/006": "samm--006", "smic-hs/s03": "smic-hs--s03", "casme2": "casme2"}
    assert {fold: fold_folder(fold) for fold in names} == names
