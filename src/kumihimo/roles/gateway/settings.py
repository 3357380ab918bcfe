"""Settings (設定) of the two services of a gateway; the institution is the first half of the party's name."""

from __future__ import annotations

from datetime import timedelta

from kumihimo.plumbing.wire.settings import RoleSettings


class LedgerSettings(RoleSettings):
    """The addressee ledger (団体内統合宛名): nothing beyond what every role is told."""


class ExchangeSettings(RoleSettings):
    """The exchange (中間サーバー). Its key folder also holds `audit.key`, the secret of opening audits.

    `ticket_patience`: how long a link code that was asked for counts as under way.
    `rotation_overlap`: how long both epochs of link codes stay open when the oversight body ordered a rotation.
    `by_hand_patience`: how long an inquiry may wait for a person to answer. `by_hand_kept`: how long such an answer can be
    fetched again.
    """

    ticket_patience: timedelta = timedelta(minutes=10)
    rotation_overlap: timedelta = timedelta(days=1)
    by_hand_patience: timedelta = timedelta(days=14)
    by_hand_kept: timedelta = timedelta(days=30)
