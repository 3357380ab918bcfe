"""Translation of a chunk (一括の符号変換): every person's ciphertext under the seed of their own transaction number.

So each translation can be proven by itself, as that of a single inquiry. The work goes to threads of its own, a share at a
time, so that of two chunks neither waits for the whole of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from datetime import datetime
from functools import partial
from typing import Final

from kumihimo.domain.codes import Translator
from kumihimo.roles.hub.service.proofs import Seeds
from kumihimo.roles.hub.store import Domains

_AT_ONCE: Final = 32  # items a thread takes at a time

Item = tuple[str, bytes]  # transaction number of the person, ciphertext


class ChunkTranslation:
    """One operator's translation of many ciphertexts."""

    def __init__(self, translator: Translator, seeds: Seeds, pool: Executor, domains: Domains) -> None:
        self.domains = domains
        self._translator = translator
        self._seeds = seeds
        self._pool = pool

    def hop(self, items: Sequence[Item], source: str, target: str, at: datetime) -> list[bytes]:
        """Translate, in order. Raises Problem(codes.not_a_point, codes.identity_point)."""
        shares = [items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE)]
        done = self._pool.map(partial(self._hop, source=source, target=target, at=at), shares)
        return [ciphertext for share in done for ciphertext in share]

    def _hop(self, items: Sequence[Item], source: str, target: str, at: datetime) -> list[bytes]:
        seeds = self._seeds.seeds([transaction for transaction, _ in items], at)
        return self._translator.hop_each([item for _, item in items], source, target, seeds)
