"""What sealing and signing cost (封緘・署名): ours, against the library's bare operation on the same bytes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey, Suite
from nacl.bindings import crypto_sign, crypto_sign_keypair, crypto_sign_open

from kumihimo.country.benches.figures import Effort, Measured, Reference
from kumihimo.country.benches.timing import Work, paired
from kumihimo.domain.sealing import SealingKey, SigningKey, binding, open_sealed, seal, sign, verify

_PAYLOAD: Final = 1_000  # bytes: an answer of a few items, before padding
_MICRO: Final = 1e6


def measure(effort: Effort) -> Iterator[Measured]:
    """Median µs of sealing, opening, signing and verifying a payload of 1,000 bytes."""
    rounds, times = effort.pick(quick=5, full=31), effort.pick(quick=20, full=200)
    for figure, work, name, bare in (*_sealing(), *_signing()):
        found = paired(partial(_repeat, work, times), partial(_repeat, bare, times), rounds)
        micros = _MICRO / times
        reference = Reference(name, found.reference_seconds * micros)
        yield Measured("seal", figure, found.seconds * micros, "µs", reference, found.time_ratio)


def _sealing() -> Iterator[tuple[str, Work, str, Work]]:
    payload, key = secrets.token_bytes(_PAYLOAD), SealingKey.generate()
    info = binding("0" * 32, "y-city", "x-city", bytes(32))
    public, sealed = key.public_bytes, seal(payload, key.public_bytes, info)
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    mlkem, x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
    bare_private = MLKEM768X25519PrivateKey(mlkem, x25519)
    bare_public = MLKEM768X25519PublicKey(mlkem.public_key(), x25519.public_key())
    bare_sealed = suite.encrypt(payload, bare_public, info=info)
    yield (
        "seal",
        lambda: seal(payload, public, info),
        "bare HPKE",
        lambda: suite.encrypt(payload, bare_public, info=info),
    )
    yield (
        "open",
        lambda: open_sealed(sealed, key, info),
        "bare HPKE",
        lambda: suite.decrypt(bare_sealed, bare_private, info=info),
    )


def _signing() -> Iterator[tuple[str, Work, str, Work]]:
    payload, key = secrets.token_bytes(_PAYLOAD), SigningKey.generate()
    signature = sign("bench", payload, key)
    bare_public, bare = crypto_sign_keypair()
    bare_signed = crypto_sign(payload, bare)
    yield "sign", lambda: sign("bench", payload, key), "bare Ed25519", lambda: crypto_sign(payload, bare)
    yield (
        "verify",
        lambda: verify("bench", payload, signature, key.verify_key),
        "bare Ed25519",
        lambda: crypto_sign_open(bare_signed, bare_public),
    )


def _repeat(work: Callable[[], object], times: int) -> None:
    for _ in range(times):
        work()
