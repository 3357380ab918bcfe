"""Settings (設定) of the two services of a gateway; the institution is the first half of the party's name."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, field_validator

from kumihimo.plumbing.information_items import item_ids
from kumihimo.plumbing.wire.settings import RoleSettings
from kumihimo.roles.gateway.service.freshness import Freshness, Rhythm


class LedgerSettings(RoleSettings):
    """The addressee ledger (団体内統合宛名): nothing beyond what every role is told."""


class ExchangeSettings(RoleSettings):
    """The exchange (中間サーバー). Its key folder also holds `audit.key`, the secret of opening audits.

    `ticket_patience`: how long a link code that was asked for counts as under way.
    `rotation_overlap`: how long both epochs of link codes stay open when the oversight body ordered a rotation.
    `by_hand_patience`: how long an inquiry may wait for a person to answer. `by_hand_kept`: how long such an answer can be
    fetched again. `batch_kept`: how long the answers of a batch inquiry can be fetched.
    `copies`: how fresh the copies of each item must be: `daily` (at most 2 days old), `monthly` (40), `yearly` (400), or a
    duration; an item that is not named has the rhythm that is usual for it. `copies_per_day`: how many are taken in a day.
    `backlog_patience`: how long rows may wait at the business system before it is an alarm; `register_patience`: how long
    copies may go on contradicting the register.
    """

    ticket_patience: timedelta = timedelta(minutes=10)
    rotation_overlap: timedelta = timedelta(days=1)
    by_hand_patience: timedelta = timedelta(days=14)
    by_hand_kept: timedelta = timedelta(days=30)
    batch_kept: timedelta = timedelta(days=14)
    copies: dict[str, Rhythm | timedelta] = Field(default_factory=dict)
    copies_per_day: Annotated[int, Field(ge=1, le=10**12)] = 5_000_000
    backlog_patience: timedelta = timedelta(days=1)
    register_patience: timedelta = timedelta(days=14)

    @field_validator("copies")
    @classmethod
    def _known_items(cls, copies: dict[str, Rhythm | timedelta]) -> dict[str, Rhythm | timedelta]:
        unknown = sorted(set(copies) - set(item_ids()))
        if unknown:
            raise ValueError(f"no such item: {', '.join(unknown)}")
        return copies

    def freshness(self) -> Freshness:
        """What the institution declares about its copies."""
        return Freshness(self.copies, self.backlog_patience, self.register_patience)
