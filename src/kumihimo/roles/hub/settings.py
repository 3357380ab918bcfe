"""Settings of one operator of the hub (情報連携基盤 運営者の設定): which of the two it is, its rule books, its log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field

from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.settings import RoleSettings
from kumihimo.roles.hub.service.parties import OVERSIGHT


class Settings(RoleSettings):
    """What an operator is told beside what every role is told.

    The keys folder also holds `reshuffle.seed` and `rekey.seed` (32 bytes each) and, at operator 1, `log.key` (Ed25519,
    32 bytes). `rule_books` are files in the rule-book format (ordinances, later versions) beside the Act's book that comes
    with the product; the two operators must be given the same ones.
    `requests_per_minute` and `requests_per_day` are the quota of each requester; an order of the oversight body overrides it.
    `proof_share` is the share of requests for which the other operator must prove its translation.
    `witnesses` are asked to cosign every checkpoint; a cosignature is taken only when one of `witness_keys`
    (`name+hash+base64`, C2SP) verifies it, or, when none are given, as it comes. `retention_days` is how long operator 2
    keeps what the portal has taken: a portal restored from a backup not older than that gets again what it lost.
    """

    operator: Literal[1, 2]
    rule_books: tuple[Path, ...] = ()
    log_origin: str = "hub-1.kumihimo.internal/log"
    witnesses: tuple[str, ...] = (OVERSIGHT,)
    witness_keys: tuple[str, ...] = ()
    checkpoint_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    requests_per_minute: Annotated[int, Field(ge=1, le=10_000_000)] = 60_000
    requests_per_day: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1_000_000
    proof_share: Annotated[float, Field(ge=0, le=1)] = 0.02
    retention_days: Annotated[int, Field(ge=0, le=3650)] = 30
    threads: Annotated[int, Field(ge=4, le=500)] = 60

    @property
    def other_operator(self) -> PartyId:
        """The party that runs the other half of the translation."""
        return OPERATORS[2 - self.operator]

    @classmethod
    def load(cls, path: Path) -> Self:
        """As every role's settings; rule books are relative to the file too. Raises Problem(file.unreadable)."""
        settings = super().load(path)
        base = path.parent.resolve()
        return settings.model_copy(update={"rule_books": tuple(base / book for book in settings.rule_books)})
