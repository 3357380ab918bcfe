"""Canonical form and commitments: one value, one spelling, one hash."""

from __future__ import annotations

import hashlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.sealing import canonical_json, commit

SALT = bytes(range(32))
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | text,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(text, children, max_size=4),
    max_leaves=12,
)


@given(values)
def test_the_canonical_form_reads_back_as_the_same_value(value: object) -> None:
    assert json.loads(canonical_json(value)) == value
    assert canonical_json(json.loads(canonical_json(value))) == canonical_json(value)


@given(values | st.text(st.characters(max_codepoint=0x9F), max_size=40))
def test_the_canonical_form_is_the_one_the_standard_library_writes(value: object) -> None:
    """Python's json, told to sort and not to escape, is what protocols.md points other implementations to."""
    written = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    assert canonical_json(value) == written.encode()


@given(st.dictionaries(text, st.integers(0, 9), max_size=6), st.randoms())
def test_the_order_in_which_a_record_was_filled_does_not_matter(record: dict[str, int], random: object) -> None:
    shuffled = list(record.items())
    random.shuffle(shuffled)
    assert canonical_json(dict(shuffled)) == canonical_json(record)


def test_the_spelling_is_fixed() -> None:
    record = {"年度": 2024, "b": [True, None, -1], "a": {"z": '組紐\n"', "Z": ()}}
    assert canonical_json(record) == '{"a":{"Z":[],"z":"組紐\\n\\""},"b":[true,null,-1],"年度":2024}'.encode()


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"amount": 1.0}, "$.amount"),
        ({"a": [0, math.nan]}, "$.a[1]"),
        ([math.inf], "$[0]"),
        ({"n": 2**53}, "$.n"),
        ([1, 2**53], "$[1]"),
        ((-(2**53), 1), "$[0]"),
        (["a", math.inf], "$[1]"),
        ([1, True, 2**53], "$[2]"),
        ({"n": -(2**53)}, "$.n"),
        ({1: "x"}, "$"),
        ({"a": b"bytes"}, "$.a"),
        ({"a": {1, 2}}, "$.a"),
        ("\ud800", "$"),
    ],
)
def test_what_has_several_spellings_is_refused_at_its_place(value: object, where: str) -> None:
    with pytest.raises(Problem) as caught:
        canonical_json(value)
    assert caught.value.code == "value.invalid"
    assert caught.value.where == where


def test_a_refusal_does_not_show_the_value() -> None:
    with pytest.raises(Problem) as caught:
        canonical_json({"number": 123456789018.0})
    assert "123456789018" not in str(caught.value)
    with pytest.raises(Problem) as caught:
        canonical_json({"123456789018": 1.0})
    assert "123456789018" not in str(caught.value)


def test_a_record_nested_without_end_is_refused() -> None:
    record: list[object] = []
    record.append(record)
    with pytest.raises(Problem, match=r"value\.invalid"):
        canonical_json(record)


def test_a_commitment_is_the_salted_hash_of_its_specification() -> None:
    assert commit(SALT, b"record") == hashlib.sha256(b"kumihimo/commitment/v1\0" + SALT + b"record").digest()


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_a_commitment_opens_to_one_record_only(record: bytes, other: bytes) -> None:
    assert (commit(SALT, record) == commit(SALT, other)) == (record == other)
    assert commit(bytes(32), record) != commit(SALT, record)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_salt_has_32_bytes(length: int) -> None:
    with pytest.raises(Problem, match=r"value\.invalid"):
        commit(bytes(length), b"record")
