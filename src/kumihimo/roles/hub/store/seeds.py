"""Generations of an operator's seeds on disk (種の世代管理): key files beside a table that says which domain needs which.

The first generation is `reshuffle.seed` and `rekey.seed`, a later one `reshuffle.N.seed` and `rekey.N.seed`. A new one is
begun while the service runs: what is opened after that is derived from it. An old one is destroyed when no open domain needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, insert, select, update

from kumihimo.domain.codes import CONSTANT_INSTITUTION, OperatorSecrets, SeedGenerations
from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.storage import read_secret, write_secret
from kumihimo.roles.hub.store.domains import FIRST_GENERATION, newest_generation
from kumihimo.roles.hub.store.tables import domain_seeds, seed_generations

KEPT_FACTOR: Final = "registry.factor"
_PURPOSES: Final = ("reshuffle", "rekey")


@dataclass(frozen=True)
class Generation:
    """One generation of seeds and the open domains that are derived from it; none left means it can be destroyed."""

    generation: int
    begun_at: datetime | None
    destroyed_at: datetime | None
    domains: tuple[str, ...]


class SeedStore:
    """The seeds of one operator: `folder` is its key folder."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        # A domain's generation never changes once it is written down, and an unwritten one is asked for anew.
        self._written = lru_cache(8_192)(self._find)

    def factors(self) -> SeedGenerations:
        """The operator's factors of every domain. Raises Problem(key.missing, key.permissions) for want of any seed."""
        with self._engine.connect() as conn:
            self._secrets(newest_generation(conn))
        return SeedGenerations(self.generation_of, lru_cache(64)(self._secrets), self._kept_factor)

    def generation_of(self, label: str) -> int:
        """The generation that a domain is derived from."""
        try:
            return self._written(label)
        except KeyError:
            with self._engine.connect() as conn:
                return newest_generation(conn)

    def begin(self, open_labels: Sequence[str], rng: Callable[[int], bytes], at: datetime) -> int:
        """Draw new seeds, durably; returns their generation. `open_labels`: every domain that is open now.

        Raises Problem(key.exists) for files of a generation that was begun and never written down: begin again after
        moving them away.
        """
        with self._engine.begin() as conn:
            old = newest_generation(conn)
            for label in open_labels:  # what had no row until now stays with the seeds it was derived from
                if conn.execute(select(domain_seeds).where(domain_seeds.c.label == label)).one_or_none() is None:
                    conn.execute(insert(domain_seeds).values(label=label, generation=old))
            if not (self._folder / KEPT_FACTOR).exists():
                factor = self._secrets(FIRST_GENERATION).reshuffle_factor(f"{CONSTANT_INSTITUTION}#1")
                write_secret(self._folder / KEPT_FACTOR, factor)
            for purpose in _PURPOSES:
                write_secret(self._file(purpose, old + 1), rng(32))
            conn.execute(insert(seed_generations).values(generation=old + 1, begun_at=at))
        return old + 1

    def shown(self, open_labels: Sequence[str]) -> list[Generation]:
        """Every generation, oldest first, with those of `open_labels` that need it."""
        with self._engine.connect() as conn:
            rows = {row.generation: row for row in conn.execute(select(seed_generations))}
            needed = self._needed(conn, open_labels)
            newest = newest_generation(conn)
        return [
            Generation(
                number,
                rows[number].begun_at if number in rows and number != FIRST_GENERATION else None,
                rows[number].destroyed_at if number in rows else None,
                tuple(sorted(label for label, generation in needed.items() if generation == number)),
            )
            for number in range(FIRST_GENERATION, newest + 1)
        ]

    def destroy_unused(self, open_labels: Sequence[str], at: datetime) -> list[int]:
        """Destroy every generation but the newest; which. Raises Problem(seeds.in_use) where an open domain needs one.

        The files go first: what is written down as destroyed is gone. Nothing is destroyed unless all can be.
        """
        old = [one for one in self.shown(open_labels)[:-1] if one.destroyed_at is None]
        for one in old:
            if one.domains:
                raise Problem(
                    "seeds.in_use",
                    f"generation {one.generation}: {', '.join(one.domains)}",
                    expected="no open domain that is derived from it",
                    advice="Rotate these institutions and close their old epochs first.",
                )
        for one in old:
            for purpose in _PURPOSES:
                self._file(purpose, one.generation).unlink(missing_ok=True)
            with self._engine.begin() as conn:
                gone = update(seed_generations).where(seed_generations.c.generation == one.generation)
                if conn.execute(gone.values(destroyed_at=at)).rowcount == 0:
                    row = {"generation": one.generation, "begun_at": at, "destroyed_at": at}
                    conn.execute(insert(seed_generations).values(row))
        return [one.generation for one in old]

    def _needed(self, conn: Connection, open_labels: Sequence[str]) -> dict[str, int]:
        written = {row.label: row.generation for row in conn.execute(select(domain_seeds))}
        newest = newest_generation(conn)
        return {label: written.get(label, newest) for label in open_labels}

    def _find(self, label: str) -> int:
        with self._engine.connect() as conn:
            found = conn.execute(
                select(domain_seeds.c.generation).where(domain_seeds.c.label == label)
            ).scalar_one_or_none()
        if found is None:
            raise KeyError(label)
        return int(found)

    def _secrets(self, generation: int) -> OperatorSecrets:
        return OperatorSecrets(*(read_secret(self._file(purpose, generation)) for purpose in _PURPOSES))

    def _kept_factor(self) -> bytes | None:
        path = self._folder / KEPT_FACTOR
        return read_secret(path) if path.exists() else None

    def _file(self, purpose: str, generation: int) -> Path:
        number = "" if generation == FIRST_GENERATION else f".{generation}"
        return self._folder / f"{purpose}{number}.seed"
