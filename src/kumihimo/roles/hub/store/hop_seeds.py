"""Hop seeds (変換の乱数の種): what an operator needs to prove a translation later, kept for about an hour and then forgotten.

No row for a translation: one random secret serves ten minutes, and the seed of a transaction follows from it by HMAC. A
seed is secret because it tells which ciphertext that went in became which that came out; who has only the wire cannot
tell. Forgetting the secret after an hour ends what a thief of the store could tell from recorded traffic.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from kumihimo.roles.hub.store.tables import hop_secrets

SLOT: Final = timedelta(minutes=10)
KEPT: Final = 6  # slots before the present one
_SECRET_BYTES: Final = 32
_PURPOSE: Final = b"kumihimo/hop-seed/v1\n"


class HopSeeds:
    """The seeds of the last hour. Safe for many threads; several processes on one store agree on the secrets."""

    def __init__(self, engine: Engine, rng: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._engine = engine
        self._rng = rng
        self._lock = threading.Lock()
        with engine.connect() as conn:
            rows = conn.execute(select(hop_secrets.c.slot, hop_secrets.c.secret)).all()
        self._secrets: dict[int, bytes] = {row.slot: row.secret for row in rows}

    def seed(self, transaction: str, at: datetime) -> bytes:
        """The seed, 32 bytes, for a translation made at `at`; its secret is durable on return."""
        return self.seeds([transaction], at)[0]

    def seeds(self, transactions: Sequence[str], at: datetime) -> list[bytes]:
        """As `seed`, for many translations made at once."""
        slot = _slot(at)
        secret = self._secrets.get(slot) or self._begin(slot)
        return [_derived(secret, one) for one in transactions]

    def candidates(self, transaction: str, now: datetime) -> list[bytes]:
        """The seeds a transaction of the last hour can have had, newest first."""
        newest = _slot(now)
        known = [self._secrets.get(slot) for slot in range(newest + 1, newest - KEPT - 1, -1)]
        return [_derived(secret, transaction) for secret in known if secret is not None]

    def _begin(self, slot: int) -> bytes:
        with self._lock:
            if slot not in self._secrets:
                self._secrets = self._kept_with(slot)
            return self._secrets[slot]

    def _kept_with(self, slot: int) -> dict[int, bytes]:
        try:
            with self._engine.begin() as conn:
                conn.execute(delete(hop_secrets).where(hop_secrets.c.slot < slot - KEPT))
                conn.execute(insert(hop_secrets).values(slot=slot, secret=self._rng(_SECRET_BYTES)))
        except IntegrityError:
            pass  # another process on this store began the slot first
        with self._engine.connect() as conn:
            rows = conn.execute(select(hop_secrets.c.slot, hop_secrets.c.secret)).all()
        return {row.slot: row.secret for row in rows}


def _slot(at: datetime) -> int:
    return int(at.timestamp() // SLOT.total_seconds())


def _derived(secret: bytes, transaction: str) -> bytes:
    return hmac.digest(secret, _PURPOSE + transaction.encode(), "sha256")
