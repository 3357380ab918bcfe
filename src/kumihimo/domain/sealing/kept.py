"""Things kept for later (封緘保管): sealed under a secret of the party itself, for a store that may be stolen without it.

AES-256-GCM with a key derived by HKDF-SHA256 from a secret of 32 bytes for one purpose, and a random nonce before the
ciphertext.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kumihimo.domain.kernel.errors import Problem

SECRET_BYTES: Final = 32
_NONCE_BYTES: Final = 12


def seal_to_keep(plaintext: bytes, secret: bytes, purpose: bytes, bound_to: bytes) -> bytes:
    """Nonce, ciphertext and tag. `bound_to` says what it is about: it opens under nothing else. Raises Problem(value.invalid)."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _cipher(secret, purpose).encrypt(nonce, plaintext, bound_to)


def open_kept(sealed: bytes, secret: bytes, purpose: bytes, bound_to: bytes) -> bytes:
    """What `seal_to_keep` was given. Raises Problem(sealing.cannot_open, value.invalid)."""
    try:
        return _cipher(secret, purpose).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError):
        raise Problem(
            "sealing.cannot_open",
            f"{len(sealed)} kept bytes do not open with this secret",
            expected="what was sealed under this secret, for this purpose and about this",
        ) from None


@lru_cache(256)
def _cipher(secret: bytes, purpose: bytes) -> AESGCM:
    if len(secret) != SECRET_BYTES:
        raise Problem("value.invalid", f"a secret of {len(secret)} bytes", expected=f"{SECRET_BYTES} bytes")
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=purpose).derive(secret))
