"""Translation of a chunk (一括の符号変換): every person's ciphertext under the seed of their own transaction number.

So each translation can be proven by itself, as that of a single inquiry. The work goes to a thread of its own, a chunk after
the other: the first is with the next party while the second is in work. Were they taken by turns, all would come to an end
together, and the other parties would wait and then have all of them at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from datetime import datetime
from typing import NamedTuple

from kumihimo.domain.codes import Rerandomised, Translator
from kumihimo.roles.hub.service.proofs import Seeds
from kumihimo.roles.hub.store import Domains

Item = tuple[str, bytes]  # transaction number of the person, ciphertext


class Line(NamedTuple):
    """Ciphertexts that go from one domain to another."""

    items: Sequence[Item]
    source: str
    target: str


class ChunkTranslation:
    """One operator's translation of many ciphertexts."""

    def __init__(self, translator: Translator, seeds: Seeds, pool: Executor, domains: Domains) -> None:
        self.domains = domains
        self._translator = translator
        self._seeds = seeds
        self._pool = pool

    def hop(self, items: Sequence[Item], source: str, target: str, at: datetime) -> list[bytes]:
        """Translate, in order. Raises Problem(codes.not_a_point, codes.identity_point)."""
        return self.hops([Line(items, source, target)], at)[0]

    def hops(self, lines: Sequence[Line], at: datetime) -> list[list[bytes]]:
        """All translations that a chunk needs here, line by line, before those of the next chunk. Raises Problem as `hop`."""
        fresh: Rerandomised = {}
        return self._pool.submit(lambda: [self._hop(*line, at, fresh) for line in lines]).result()

    def _hop(self, items: Sequence[Item], source: str, target: str, at: datetime, fresh: Rerandomised) -> list[bytes]:
        seeds = self._seeds.seeds([transaction for transaction, _ in items], at)
        return self._translator.hop_each([item for _, item in items], source, target, seeds, fresh)
