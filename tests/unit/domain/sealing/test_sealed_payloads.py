"""Sealed answers: only the requester can open one, and only under its own transaction."""

from __future__ import annotations

import hashlib
from itertools import permutations

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from hypothesis import given, settings
from hypothesis import strategies as st

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.sealing import PADDING_BLOCK, SealingKey, binding, open_sealed, seal

KEY = SealingKey.generate()
PERMIT_HASH = hashlib.sha256(b"permit").digest()
INFO = binding("t-1", "y-city", "x-city", PERMIT_HASH)
ANSWER = '{"所得額":1234000}'.encode()
SEALED = seal(ANSWER, KEY.public_bytes, INFO)


def cannot_open(sealed: bytes, key: SealingKey = KEY, info: bytes = INFO) -> bool:
    try:
        open_sealed(sealed, key, info)
    except Problem as problem:
        return problem.code == "sealing.cannot_open"
    return False


@given(plaintext=st.binary(max_size=3 * PADDING_BLOCK))
@settings(deadline=None)
def test_the_addressee_opens_what_was_sealed(plaintext: bytes) -> None:
    assert open_sealed(seal(plaintext, KEY.public_bytes, INFO), KEY, INFO) == plaintext


@pytest.mark.parametrize("plaintext", [b"", b"\0", b"\x80", b"\x80\0\0", b"a" * 1023, b"a" * 1024, b"\0" * 2048])
def test_answers_that_look_like_padding_come_back_whole(plaintext: bytes) -> None:
    assert open_sealed(seal(plaintext, KEY.public_bytes, INFO), KEY, INFO) == plaintext


def test_the_size_does_not_tell_a_short_answer_from_a_long_one() -> None:
    sizes = {len(seal(b"x" * length, KEY.public_bytes, INFO)) for length in (0, 1, 500, 1023)}
    assert sizes == {1120 + 1024 + 16}
    assert len(seal(b"x" * 1024, KEY.public_bytes, INFO)) == 1120 + 2048 + 16


def test_sealing_twice_never_gives_the_same_bytes() -> None:
    assert seal(ANSWER, KEY.public_bytes, INFO) != SEALED


def test_another_institution_cannot_open_it() -> None:
    assert cannot_open(SEALED, key=SealingKey.generate())


def test_half_a_key_does_not_open_it() -> None:
    other, own = SealingKey.generate().to_bytes(), KEY.to_bytes()
    assert cannot_open(SEALED, key=SealingKey.from_bytes(own[:64] + other[64:]))
    assert cannot_open(SEALED, key=SealingKey.from_bytes(other[:64] + own[64:]))


@pytest.mark.parametrize(
    "info",
    [
        binding("t-2", "y-city", "x-city", PERMIT_HASH),
        binding("t-1", "z-town", "x-city", PERMIT_HASH),
        binding("t-1", "y-city", "z-town", PERMIT_HASH),
        binding("t-1", "x-city", "y-city", PERMIT_HASH),
        binding("t-1", "y-city", "x-city", hashlib.sha256(b"another permit").digest()),
        b"",
    ],
    ids=["transaction", "provider", "requester", "ends exchanged", "permit", "none"],
)
def test_an_answer_cannot_be_moved_to_another_inquiry(info: bytes) -> None:
    assert cannot_open(SEALED, info=info)


@given(length=st.integers(0, len(SEALED) - 1))
@settings(deadline=None)
def test_a_truncated_answer_does_not_open(length: int) -> None:
    assert cannot_open(SEALED[:length])


@given(position=st.integers(0, len(SEALED) - 1), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=200)
def test_an_answer_with_one_flipped_bit_does_not_open(position: int, bit: int) -> None:
    altered = bytearray(SEALED)
    altered[position] ^= 1 << bit
    assert cannot_open(bytes(altered))


@given(junk=st.binary(max_size=1300))
@settings(deadline=None)
def test_junk_does_not_open(junk: bytes) -> None:
    assert cannot_open(junk)
    assert cannot_open(SEALED + b"\0")


@pytest.mark.parametrize(
    "public",
    [b"", KEY.public_bytes[:-1], KEY.public_bytes + b"\0", b"\xff" * 1216, KEY.public_bytes[:1184] + bytes(32)],
    ids=["empty", "short", "long", "no lattice key", "x25519 of small order"],
)
def test_nothing_is_sealed_for_bytes_that_are_no_key(public: bytes) -> None:
    with pytest.raises(Problem, match=r"value\.invalid"):
        seal(ANSWER, public, INFO)


@pytest.mark.parametrize(
    "padded",
    [b"", b"answer", b"answer\x80", b"answer".ljust(1024, b"\0"), b"answer\x80".ljust(2048, b"\0"), bytes(1024)],
    ids=["nothing", "no padding", "short of a block", "no mark", "a block too many", "zeros only"],
)
def test_a_payload_that_was_padded_otherwise_does_not_open(padded: bytes) -> None:
    raw = KEY.to_bytes()
    public = MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(raw[:64]), X25519PrivateKey.from_private_bytes(raw[64:])
    ).public_key()
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    assert cannot_open(suite.encrypt(padded, public, info=INFO))


def test_a_key_file_gives_the_same_key_back() -> None:
    again = SealingKey.from_bytes(KEY.to_bytes())
    assert again.public_bytes == KEY.public_bytes
    assert len(KEY.to_bytes()) == 96
    assert open_sealed(SEALED, again, INFO) == ANSWER
    assert repr(again) == "SealingKey()"
    with pytest.raises(Problem, match=r"value\.invalid"):
        SealingKey.from_bytes(KEY.to_bytes()[:-1])


def test_no_two_inquiries_have_the_same_binding() -> None:
    names = ("t-1", "y-city", "x-city")
    bindings = {binding(*order, PERMIT_HASH) for order in permutations(names)}
    bindings |= {binding("t-1y", "-city", "x-city", PERMIT_HASH), binding("t-1", "y-cityx", "-city", PERMIT_HASH)}
    assert len(bindings) == 8


@pytest.mark.parametrize(
    ("transaction", "provider", "requester", "permit_hash"),
    [("", "p", "r", PERMIT_HASH), ("t", "", "r", PERMIT_HASH), ("t", "p", "", PERMIT_HASH), ("t", "p", "r", b"")],
)
def test_a_binding_is_complete(transaction: str, provider: str, requester: str, permit_hash: bytes) -> None:
    with pytest.raises(Problem, match=r"value\.invalid"):
        binding(transaction, provider, requester, permit_hash)
