"""Opening audit: a requester cannot ask about one person and claim another."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from link_code_hub import Hub

from kumihimo.domain.codes import decrypt, encrypt, encrypt_own, opens_to, public_key, random_scalar, request_randomness
from kumihimo.domain.codes.group import mul, scalar_invert
from kumihimo.domain.kernel.errors import Problem

X_CITY = "x-city#1"
SECRET = bytes(range(32))
transactions = st.text(alphabet="0123456789abcdef-", min_size=1, max_size=40)


@given(transaction=transactions, person=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_recomputing_an_honest_request_gives_the_logged_ciphertext(hub: Hub, transaction: str, person: int) -> None:
    code, key = hub.code(person, X_CITY), hub.operator1.public_key_of(X_CITY)
    logged = encrypt(code, public_key(hub.key(X_CITY)), request_randomness(SECRET, transaction))
    assert opens_to(logged, code, key, request_randomness(SECRET, transaction))
    assert not opens_to(logged, hub.code(person + 1, X_CITY), key, request_randomness(SECRET, transaction))
    assert not opens_to(logged, code, key, request_randomness(SECRET, transaction + "0"))
    assert decrypt(logged, hub.key(X_CITY)) == code


def test_a_blinded_code_escapes_the_resident_s_portal_but_no_audit(hub: Hub) -> None:
    """What a requester and a provider that work together can do (docs/security.md, section 3), and what shows it.

    The requester asks about c times a code; the provider, who knows c, finds its own code, and the portal nobody's.
    """
    transaction, c = "0" * 32, random_scalar()
    code, key = hub.code(1, X_CITY), public_key(hub.key(X_CITY))
    logged = encrypt(mul(c, code), key, request_randomness(SECRET, transaction))
    (at_provider,), (at_portal,) = (hub.translate([logged], X_CITY, label) for label in ("y-city#1", "portal#1"))
    assert mul(scalar_invert(c), decrypt(at_provider, hub.key("y-city#1"))) == hub.code(1, "y-city#1")
    assert decrypt(at_portal, hub.key("portal#1")) != hub.code(1, "portal#1")
    assert not opens_to(logged, code, key, request_randomness(SECRET, transaction))


def test_no_two_persons_of_a_batch_and_no_two_transactions_share_randomness() -> None:
    drawn = [
        request_randomness(secret, transaction, position)
        for secret in (SECRET, bytes(32))
        for transaction in ("t-1", "t-2", "t-10")
        for position in (0, 1, 256)
    ]
    assert len(set(drawn)) == 18


@pytest.mark.parametrize(("secret", "transaction", "position"), [(b"", "t", 0), (SECRET, "", 0), (SECRET, "t", -1)])
def test_randomness_needs_a_secret_and_a_transaction(secret: bytes, transaction: str, position: int) -> None:
    with pytest.raises(Problem, match=r"value\.invalid"):
        request_randomness(secret, transaction, position)


def test_neither_code_nor_key_nor_randomness_may_be_trivial(hub: Hub) -> None:
    code, key = hub.code(1, X_CITY), public_key(hub.key(X_CITY))
    scalar = request_randomness(SECRET, "t")
    for arguments, problem in (
        ((bytes(32), key, scalar), "codes.identity_point"),
        ((code, bytes(32), scalar), "codes.identity_point"),
        ((code, b"\x01" * 32, scalar), "codes.not_a_point"),
        ((code, key, bytes(32)), "value.invalid"),
        ((code, key, b"\xff" * 32), "value.invalid"),
    ):
        with pytest.raises(Problem) as caught:
            encrypt(*arguments)
        assert caught.value.code == problem


def test_whoever_has_the_key_encrypts_to_the_very_same_bytes(hub: Hub) -> None:
    secret = hub.key(X_CITY)
    for person in range(1, 9):
        code, scalar = hub.code(person, X_CITY), request_randomness(SECRET, f"t{person}")
        assert encrypt_own(code, secret, scalar) == encrypt(code, public_key(secret), scalar)


def test_what_is_trivial_is_refused_to_the_holder_of_the_key_as_well(hub: Hub) -> None:
    code, secret, scalar = hub.code(1, X_CITY), hub.key(X_CITY), request_randomness(SECRET, "t")
    for arguments, problem in (
        ((bytes(32), secret, scalar), "codes.identity_point"),
        ((b"\x01" * 32, secret, scalar), "codes.not_a_point"),
        ((code[:31], secret, scalar), "codes.not_a_point"),
        ((code, bytes(32), scalar), "value.invalid"),
        ((code, secret, bytes(32)), "value.invalid"),
        ((code, secret, b"\xff" * 32), "value.invalid"),
    ):
        with pytest.raises(Problem) as caught:
            encrypt_own(*arguments)
        assert caught.value.code == problem


def test_only_two_points_are_decrypted(hub: Hub) -> None:
    code, secret = hub.code(1, X_CITY), hub.key(X_CITY)
    good = encrypt(code, public_key(secret), request_randomness(SECRET, "t"))
    no_point = b"\xff" * 32
    for ciphertext, problem in (
        (no_point + good[32:], "codes.not_a_point"),
        (good[:32] + no_point, "codes.not_a_point"),
        (good[:63], "codes.not_a_point"),
        (bytes(32) + good[32:], "codes.identity_point"),
        (good[:32] + bytes(32), "codes.identity_point"),
        (good[:32] + mul(secret, good[:32]), "codes.identity_point"),  # an encryption of the identity
    ):
        with pytest.raises(Problem) as caught:
            decrypt(ciphertext, secret)
        assert caught.value.code == problem
