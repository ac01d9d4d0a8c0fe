import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merbench.contracts.digests import bytes_digest, canonical_json, derived_seed, digest

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


def _reordered(value):
    if isinstance(value, dict):
        return {key: _reordered(value[key]) for key in reversed(list(value))}
    return [_reordered(item) for item in value] if isinstance(value, list) else value


@given(values)
def test_the_order_of_keys_means_nothing(value):
    assert digest(_reordered(value)) == digest(value)


@given(st.lists(st.text(), min_size=2, max_size=5, unique=True))
def test_the_order_of_a_list_means_something(items):
    assert digest(items[::-1]) != digest(items)


def test_a_digest_is_the_sha256_of_sorted_json_without_spaces():
    assert canonical_json({"b": [1, 2.5, None], "a": "é"}) == '{"a":"é","b":[1,2.5,null]}'
    assert digest({"b": 1, "a": "é"}) == hashlib.sha256('{"a":"é","b":1}'.encode()).hexdigest()
    assert bytes_digest(b"merbench") == hashlib.sha256(b"merbench").hexdigest()


def test_values_that_only_look_alike_differ():
    alike = [1, "1", 1.5, True, None, "None", [], {}, [[]], ["a", "b"], ["ab"], {"a": 1}, [["a", 1]]]
    assert len({digest(value) for value in alike}) == len(alike)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1, -float("inf")]])
def test_numbers_that_json_does_not_know_are_refused(value):
    with pytest.raises(ValueError, match="JSON compliant"):
        digest(value)


@given(st.lists(st.text() | st.integers(), max_size=4))
def test_a_seed_fits_a_signed_64_bit_integer_and_is_always_the_same(parts):
    assert 0 <= derived_seed(*parts) < 2**63
    assert derived_seed(*parts) == derived_seed(*parts)


def test_a_seed_depends_on_every_part_and_on_where_the_parts_end():
    names = [(0, "a"), (1, "a"), (0, "b"), ("a", 0), (0, "a", ""), ("0a",), (0, "a", 0), ()]
    assert len({derived_seed(*parts) for parts in names}) == len(names)


def test_a_seed_stays_what_it_was_in_earlier_versions():
    text = '["0","casme2/sub01","shuffle"]'
    expected = int(hashlib.sha256(text.encode()).hexdigest()[:16], 16) // 2
    assert derived_seed(0, "casme2/sub01", "shuffle") == expected
