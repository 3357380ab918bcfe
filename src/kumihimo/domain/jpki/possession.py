"""Proof of possession (秘密鍵の保有確認): a key on a card signs that it is the one to be certified.

RFC 2986 does the same with a whole request; a card signs only a digest, so that the statement here is as short as can be. It
names the card and the profile, so that a proof for one is none for another.
"""

from __future__ import annotations

import hashlib
from typing import Final

from asn1crypto import algos

from kumihimo.domain.jpki.algorithms import Algorithm, PublicKey, public_bytes, verify
from kumihimo.domain.jpki.issuing import Profile
from kumihimo.domain.kernel.errors import Problem

_LABEL: Final = b"kumihimo/jpki/possession/v1"


def possession_statement(card_serial: str, what_for: str, public_key: PublicKey) -> bytes:
    """What is signed: label, card serial, what the key is for (a profile, "office" or "card"), the key; each with its length."""
    parts = (_LABEL, card_serial.encode(), what_for.encode(), public_bytes(public_key))
    return b"".join(len(part).to_bytes(2) + part for part in parts)


def possession_digest(card_serial: str, profile: Profile, public_key: PublicKey) -> bytes:
    """What the card is given to sign: a DigestInfo (DER) for RSA, the plain digest for elliptic curves."""
    statement = possession_statement(card_serial, profile, public_key)
    algorithm = Algorithm.of(public_key)
    digest = hashlib.new(algorithm.hash.name, statement).digest()
    if algorithm is not Algorithm.RSA_2048:
        return digest
    kind = algos.DigestAlgorithm({"algorithm": algorithm.hash.name})
    info: bytes = algos.DigestInfo({"digest_algorithm": kind, "digest": digest}).dump()
    return info


def require_possession(card_serial: str, what_for: str, public_key: PublicKey, proof: bytes) -> None:
    """Raises Problem(jpki.no_possession) unless the key itself has signed the statement."""
    try:
        verify(public_key, possession_statement(card_serial, what_for, public_key), proof, "the proof of possession")
    except Problem as problem:
        if problem.code != "jpki.untrusted":
            raise
        raise Problem(
            "jpki.no_possession", f"the key for {what_for}", where="proof",
            expected="a signature by the key over card serial, purpose and public key",
            advice="Have the card sign it again.",
        ) from None  # fmt: skip
