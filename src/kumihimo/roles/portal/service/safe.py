"""The safe (封印): what residents are written and how they are reached lies in the store sealed with a key that is not there."""

from __future__ import annotations

import hmac
from typing import Final

from kumihimo.domain.sealing import open_kept, seal_to_keep

SAFE_KEY: Final = "safe.key"
_PREFIX: Final = "kumihimo/portal/safe/v1/"


class Safe:
    """Seals, opens and hashes with one secret of 32 bytes."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._hash_key = hmac.digest(secret, f"{_PREFIX}hash".encode(), "sha256")

    def seal(self, plain: bytes, area: str, about: str) -> bytes:
        """Sealed, and bound to where it lies: elsewhere it does not open. Each area has a key of its own."""
        return seal_to_keep(plain, self._secret, f"{_PREFIX}{area}".encode(), about.encode())

    def open(self, sealed: bytes, area: str, about: str) -> bytes:
        """What was sealed. Raises Problem(sealing.cannot_open)."""
        return open_kept(sealed, self._secret, f"{_PREFIX}{area}".encode(), about.encode())

    def hashed(self, *parts: bytes) -> str:
        """A keyed hash, 64 hex digits."""
        framed = b"".join(len(one).to_bytes(4, "big") + one for one in parts)
        return hmac.digest(self._hash_key, framed, "sha256").hex()
