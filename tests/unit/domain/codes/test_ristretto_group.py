"""The group: vectors of RFC 9496, and that nothing here ever yields or accepts the identity."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumihimo.domain.codes import group
from kumihimo.domain.kernel.errors import Problem

ORDER = 2**252 + 27742317777372353535851937790883648493
IDENTITY = group.Point(bytes(32))
# RFC 9496 appendix A.1: the generator and its multiples; A.2: encodings to refuse.
MULTIPLES = {
    1: "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76",
    2: "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919",
}
REFUSED = [
    "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ed57ffd8c914fb201471d1c3d245ce3c746fcbe63a3679d51b6a516ebebe0e20",
    "c34c4e1826e5d403b78e246e88aa051c36ccf0aafebffe137d148a2bf9104562",
]


def scalar(number: int) -> group.Scalar:
    return group.Scalar((number % ORDER).to_bytes(32, "little"))


numbers = st.integers(min_value=1, max_value=ORDER - 1)


@pytest.mark.parametrize(("number", "encoding"), MULTIPLES.items())
def test_multiples_of_the_generator_are_those_of_rfc_9496(number: int, encoding: str) -> None:
    assert group.base_mul(scalar(number)).hex() == encoding


@pytest.mark.parametrize("encoding", REFUSED)
def test_encodings_that_rfc_9496_refuses_are_refused(encoding: str) -> None:
    bad = group.Point(bytes.fromhex(encoding))
    good = group.base_mul(scalar(7))
    for operation in (
        lambda: group.as_point(bad),
        lambda: group.add(bad, good),
        lambda: group.add(good, bad),
        lambda: group.sub(good, bad),
        lambda: group.mul(scalar(3), bad),
    ):
        with pytest.raises(Problem) as caught:
            operation()
        assert caught.value.code == "codes.not_a_point"


def test_the_identity_is_neither_accepted_nor_returned() -> None:
    point = group.base_mul(scalar(5))
    for operation in (
        lambda: group.as_point(IDENTITY),
        lambda: group.sub(point, point),
        lambda: group.add(point, group.base_mul(scalar(-5))),
        lambda: group.mul(scalar(3), IDENTITY),
        lambda: group.mul(group.Scalar(bytes(32)), point),
        lambda: group.base_mul(group.Scalar(bytes(32))),
    ):
        with pytest.raises(Problem) as caught:
            operation()
        assert caught.value.code == "codes.identity_point"


@pytest.mark.parametrize(
    "encoding",
    [bytes(32), ORDER.to_bytes(32, "little"), (ORDER + 1).to_bytes(32, "little"), b"\xff" * 32, b"\x01", b"\x01" * 33],
    ids=["zero", "order", "order plus one", "largest", "short", "long"],
)
def test_a_scalar_from_outside_must_be_canonical_and_not_zero(encoding: bytes) -> None:
    with pytest.raises(Problem, match=r"value\.invalid"):
        group.as_scalar(encoding)


def test_a_derived_scalar_of_zero_is_refused() -> None:
    with pytest.raises(Problem, match=r"value\.invalid"):
        group.scalar_from_wide(ORDER.to_bytes(64, "little"))


@given(numbers, numbers)
def test_scalars_behave_as_integers_modulo_the_order(left: int, right: int) -> None:
    assert group.scalar_mul(scalar(left), scalar(right)) == scalar(left * right)
    assert group.scalar_invert(scalar(left)) == scalar(pow(left, -1, ORDER))
    assert group.inner_product([scalar(left)] * 2, [scalar(right)] * 2) == scalar(2 * left * right)
    if left != right:
        assert group.scalar_sub(scalar(left), scalar(right)) == scalar(left - right)


@given(numbers, numbers)
def test_multiplication_distributes_over_addition(left: int, right: int) -> None:
    if (left + right) % ORDER:
        total = group.add(group.base_mul(scalar(left)), group.base_mul(scalar(right)))
        assert total == group.base_mul(scalar(left + right))
    assert group.mul(scalar(left), group.base_mul(scalar(right))) == group.base_mul(scalar(left * right))


def test_no_two_lists_of_parts_are_hashed_alike() -> None:
    assert group.scalar_from_hash(b"ab", b"c") != group.scalar_from_hash(b"a", b"bc")
    assert group.scalar_from_hash(b"ab") != group.scalar_from_hash(b"ab", b"")
