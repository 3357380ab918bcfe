"""Mandates (代理権の付与): one resident lets another look and act for them, in named matters, until a day both know.

The giver hands a one-time invitation over by themselves; the portal knows two accounts and neither's name. Both see the mandate
and every use of it, and either ends it at once, also for a session that is acting.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from kumihimo.domain.kernel import Clock, Problem, RandomSource, legal_day
from kumihimo.roles.portal.store import PortalStore
from kumihimo.roles.portal.store_mandates import Mandate, MandateRows, Use

RELATIONS: Final = ("parent", "child", "spouse", "relative", "professional", "other")
SCOPES: Final = ("records", "information", "notices", "apply")
INVITATION: Final = timedelta(hours=24)
LONGEST: Final = timedelta(days=3 * 365)
_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that is taken for another
_LENGTH: Final = 12  # 60 bits, good for a day, a few tries a minute


@dataclass(frozen=True)
class Seen:
    """A mandate as one end sees it, with its uses, newest first."""

    mandate: Mandate
    given: bool  # by whoever looks; else held
    holds: bool
    uses: tuple[Use, ...]


class Mandates:
    """Gives, takes, uses and ends mandates."""

    def __init__(self, store: PortalStore, randomness: RandomSource, clock: Clock) -> None:
        self._store = store
        self._randomness = randomness
        self._clock = clock

    def give(self, giver: str, relation: str, scopes: frozenset[str], last_day: date) -> str:
        """A new mandate; its invitation, which is shown this once. Raises Problem(value.invalid)."""
        now, today = self._clock.now(), self._today
        if relation not in RELATIONS:
            raise Problem("value.invalid", relation[:40], "relation", f"one of {', '.join(RELATIONS)}")
        if not scopes or not scopes <= set(SCOPES):
            raise Problem("value.invalid", "what it is for", "scopes", f"one or more of {', '.join(SCOPES)}")
        if not today <= last_day <= today + LONGEST:
            raise Problem("value.invalid", last_day.isoformat(), "last_day", f"a day from {today} to {today + LONGEST}")
        invitation = "".join(_LETTERS[self._randomness.randbelow(len(_LETTERS))] for _ in range(_LENGTH))
        one = Mandate(
            self._randomness.token_bytes(16).hex(), giver, None, now + INVITATION, relation, scopes, last_day, now
        )
        with self._store.transaction() as transaction:
            MandateRows(transaction.conn).add(one, _hash(invitation))
        return f"{invitation[:4]}-{invitation[4:8]}-{invitation[8:]}"

    def accept(self, holder: str, invitation: str) -> Mandate:
        """Take an invitation, for the only time. Raises Problem(mandate.invitation)."""
        now = self._clock.now()
        with self._store.transaction() as transaction:
            rows = MandateRows(transaction.conn)
            found = rows.invited(_hash(invitation))
            if found is None or now >= found.invited_until or self._today > found.last_day:
                raise Problem(
                    "mandate.invitation", "no such invitation, or it was used or is over", advice="Ask for a new one."
                )
            if found.giver == holder:
                raise Problem("mandate.invitation", "it is your own", advice="Hand it to whoever is to act for you.")
            if not rows.accept(found.id, holder, now):
                raise Problem("mandate.invitation", "somebody else has used it", advice="Ask for a new one.")
        return found

    def usable(self, holder: str, mandate: str) -> Mandate:
        """The mandate its holder is about to act under. Raises Problem(mandate.over)."""
        with self._store.reading() as reading:
            found = MandateRows(reading.conn).of(mandate)
        if found is None or found.holder != holder or not found.holds(self._today):
            raise over()
        return found

    def used(self, mandate: Mandate, topic: str) -> None:
        """Something was looked at or done under it: both ends see when and what, to the minute."""
        at = self._clock.now().replace(second=0, microsecond=0)
        with self._store.transaction() as transaction:
            MandateRows(transaction.conn).used(mandate.id, topic, at)

    def revoke(self, account: str, mandate: str) -> None:
        """Either end ends it. Raises Problem(mandate.over) for what is neither's."""
        with self._store.transaction() as transaction:
            rows = MandateRows(transaction.conn)
            found = rows.of(mandate)
            if found is None or account not in (found.giver, found.holder):
                raise over()
            rows.revoke(mandate, "giver" if account == found.giver else "holder", self._clock.now())

    def seen_by(self, account: str) -> list[Seen]:
        """Every mandate an account gave or holds."""
        with self._store.reading() as reading:
            rows = MandateRows(reading.conn)
            found = rows.concerning(account)
            uses = rows.uses([one.id for one in found])
        return [Seen(one, one.giver == account, one.holds(self._today), tuple(uses[one.id])) for one in found]

    @property
    def _today(self) -> date:
        return legal_day(self._clock.now())


def over() -> Problem:
    """What somebody is told who acts without a mandate that holds."""
    return Problem("mandate.over", "no mandate of yours that holds", advice="You are back in your own account.")


def _hash(invitation: str) -> bytes:
    plain = unicodedata.normalize("NFKC", invitation).upper()
    return hashlib.sha256("".join(one for one in plain if one in _LETTERS).encode()).digest()
