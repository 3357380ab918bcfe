"""Signatures that hold (検証済みの署名): what this process has verified, or signed itself, it need not verify again."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Final

from kumihimo.domain.sealing import VerifyKey, pae, verify


class Verified:
    """The newest signatures that this process made or verified: a permit passes one process several times.

    Whether a signature holds depends on nothing but key, type, payload and signature; only those that hold are noted, by
    a digest of all four. Safe for many threads.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[bytes, None] = {}

    def verify(self, kind: str, payload: bytes, signature: bytes, key: VerifyKey) -> None:
        """As `sealing.verify`, once for each signature. Raises Problem(message.signature_invalid)."""
        digest = _digest(kind, payload, signature, key)
        if digest not in self._known:
            verify(kind, payload, signature, key)
            self._note(digest)

    def made(self, kind: str, payload: bytes, signature: bytes, key: VerifyKey) -> None:
        """A signature that this process itself made with the private key of `key`."""
        self._note(_digest(kind, payload, signature, key))

    def _note(self, digest: bytes) -> None:
        self._known[digest] = None
        if len(self._known) > self._most:
            with suppress(KeyError, StopIteration, RuntimeError):  # another thread was as quick
                del self._known[next(iter(self._known))]


def _digest(kind: str, payload: bytes, signature: bytes, key: VerifyKey) -> bytes:
    return hashlib.sha256(key.raw + signature + pae(kind, payload)).digest()


VERIFIED: Final = Verified(most=4_096)
