import ast
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merbench.contracts.digests import bytes_digest, derived_seed, digest, plain_syntax

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


def _reordered(value):
    if isinstance(value, dict):
        return {key: _reordered(value[key]) for key in reversed(list(value))}
    return [_reordered(item) for item in value] if isinstance(value, list) else value


@given(values)
def test_digest_ignores_the_order_of_keys(value):
    assert digest(_reordered(value)) == digest(value)


def test_digest_is_the_sha256_of_sorted_compact_json():
    assert digest({"b": [1, 2.5, None], "a": "é"}) == bytes_digest('{"a":"é","b":[1,2.5,null]}'.encode())
    assert digest({"b": 1, "a": "é"}) == hashlib.sha256('{"a":"é","b":1}'.encode()).hexdigest()
    assert bytes_digest(b"merbench") == hashlib.sha256(b"merbench").hexdigest()
    for value in (float("nan"), float("inf"), [1, -float("inf")]):
        with pytest.raises(ValueError, match="JSON compliant"):
            digest(value)


def test_values_that_look_alike_have_different_digests():
    alike = [1, "1", 1.5, True, None, "None", [], {}, [[]], ["a", "b"], ["b", "a"], ["ab"], {"a": 1}, [["a", 1]]]
    assert len({digest(value) for value in alike}) == len(alike)


@given(st.lists(st.text() | st.integers(), max_size=4))
def test_seed_fits_a_signed_64_bit_integer(parts):
    assert 0 <= derived_seed(*parts) < 2**63


def test_seed_depends_on_every_part_and_boundary():
    names = [(0, "a"), (1, "a"), (0, "b"), ("a", 0), (0, "a", ""), ("0a",), (0, "a", 0), ()]
    assert len({derived_seed(*parts) for parts in names}) == len(names)
    expected = int(hashlib.sha256(b'["0","casme2/sub01","shuffle"]').hexdigest()[:16], 16) // 2
    assert derived_seed(0, "casme2/sub01", "shuffle") == expected


def test_syntax_trees_ignore_comments_and_docstrings():
    one = plain_syntax(ast.parse('def f(x):\n    """Doc."""\n    return x + 1  # more\n'))
    assert one == plain_syntax(ast.parse("def f(x):\n\n    return x + 1\n"))
    assert one != plain_syntax(ast.parse("def f(x):\n    return x + 2\n"))
