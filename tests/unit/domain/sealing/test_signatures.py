"""Signatures: nobody can alter a message, or pass it off as one of another kind."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.sealing import SigningKey, VerifyKey, pae, sign, verify

PERMIT, ANSWER = "application/vnd.kumihimo.permit+json", "application/vnd.kumihimo.answer+json"
KEY = SigningKey.from_bytes(bytes(range(32)))


def test_the_encoding_is_the_one_in_the_dsse_protocol() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_lengths_are_counted_in_bytes() -> None:
    assert pae("許可", "組紐".encode()) == "DSSEv1 6 許可 6 組紐".encode()


@given(st.text(max_size=20), st.binary(max_size=20), st.text(max_size=20), st.binary(max_size=20))
def test_no_two_messages_are_encoded_alike(kind: str, payload: bytes, other_kind: str, other_payload: bytes) -> None:
    assert (pae(kind, payload) == pae(other_kind, other_payload)) == ((kind, payload) == (other_kind, other_payload))


def test_an_ed25519_key_signs_as_rfc_8032_says() -> None:
    # RFC 8032 section 7.1, test 2.
    key = SigningKey.from_bytes(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert key.verify_key.to_bytes().hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert key.sign_bytes(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


@given(payload=st.binary(max_size=300))
def test_what_a_party_signed_verifies_with_its_key(payload: bytes) -> None:
    verify(PERMIT, payload, sign(PERMIT, payload, KEY), VerifyKey.from_bytes(KEY.verify_key.to_bytes()))


@given(payload=st.binary(min_size=1, max_size=100), position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_noticed(payload: bytes, position: int, bit: int) -> None:
    signature = sign(PERMIT, payload, KEY)
    message = bytearray(payload + signature)
    message[position % len(message)] ^= 1 << bit
    with pytest.raises(Problem) as caught:
        verify(PERMIT, bytes(message[: len(payload)]), bytes(message[len(payload) :]), KEY.verify_key)
    assert caught.value.code == "message.signature_invalid"


@given(payload=st.binary(max_size=100), cut=st.integers(0, 64), more=st.binary(max_size=64))
def test_a_signature_of_another_length_is_none(payload: bytes, cut: int, more: bytes) -> None:
    """Nor one whose end is the beginning of the message, or the other way round."""
    signature = KEY.sign_bytes(payload)
    assert KEY.verify_key.accepts(payload, signature)
    assert not KEY.verify_key.accepts(signature[64 - cut :] + payload, signature[: 64 - cut]) or cut == 0
    assert not KEY.verify_key.accepts(payload[1:], signature + payload[:1]) or not payload
    assert not KEY.verify_key.accepts(payload, signature + more) or not more


@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=100))
def test_another_library_agrees(seed: bytes, message: bytes) -> None:
    other = Ed25519PrivateKey.from_private_bytes(seed)
    ours = SigningKey.from_bytes(seed)
    assert ours.verify_key.to_bytes() == other.public_key().public_bytes_raw()
    assert ours.sign_bytes(message) == other.sign(message)
    assert ours.verify_key.accepts(message, other.sign(message))


def test_a_key_that_is_no_point_accepts_nothing() -> None:
    assert not VerifyKey.from_bytes(b"\x02" + bytes(31)).accepts(b"", bytes(64))


def test_a_permit_cannot_be_passed_off_as_an_answer() -> None:
    with pytest.raises(Problem, match=r"message\.signature_invalid"):
        verify(ANSWER, b"{}", sign(PERMIT, b"{}", KEY), KEY.verify_key)


def test_another_partys_key_does_not_verify() -> None:
    with pytest.raises(Problem, match=r"message\.signature_invalid"):
        verify(PERMIT, b"{}", sign(PERMIT, b"{}", KEY), SigningKey.generate().verify_key)


@pytest.mark.parametrize("length", [0, 1, 63, 65])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(Problem, match=r"message\.signature_invalid"):
        verify(PERMIT, b"{}", bytes(length), KEY.verify_key)


@pytest.mark.parametrize(
    "encoding", ["00" * 32, "01" + "00" * 31, "ec" + "ff" * 31, "00" * 31 + "80", "ee" + "ff" * 30 + "7f"]
)
def test_a_key_under_which_everything_verifies_is_refused(encoding: str) -> None:
    with pytest.raises(Problem, match=r"value\.invalid"):
        VerifyKey(bytes.fromhex(encoding))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_keys_have_32_bytes(length: int) -> None:
    for read in (VerifyKey.from_bytes, SigningKey.from_bytes):
        with pytest.raises(Problem, match=r"value\.invalid"):
            read(b"\x05" * length)


def test_keys_are_stored_and_compared_by_their_bytes_and_never_printed() -> None:
    again = SigningKey.from_bytes(KEY.to_bytes())
    assert again.verify_key == KEY.verify_key
    assert hash(again.verify_key) == hash(KEY.verify_key)
    assert again.key_id == KEY.verify_key.key_id == "56475aa75463474c"
    assert repr(again) == "SigningKey(56475aa75463474c)"
    assert KEY.to_bytes().hex() not in repr(KEY)
