"""Making lists (失効リストの作成): a full one every day, what has changed since every hour, and both on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from kumihimo.domain.jpki import CaName, CertificationAuthority, Entry, Period, Places, Profile, delta_list, full_list
from kumihimo.domain.kernel import Clock
from kumihimo.plumbing.wire.envelope import b64
from kumihimo.plumbing.wire.messages.cards import ListMade
from kumihimo.roles.jpki.store import AuthorityStore, Transaction
from kumihimo.roles.jpki.store.lists import DELTA, FULL, MadeList

LATE: Final = timedelta(minutes=30)  # the next list may be a little late before anybody calls this one old
_ONCE_MORE: Final = timedelta(days=2)  # RFC 5280 §3.3: what ends stands on one more list


@dataclass(frozen=True)
class Schedule:
    """How often lists are made."""

    full: timedelta
    delta: timedelta


class Lists:
    """The lists of both authorities for residents. `made` is called after a commit that told the responder."""

    def __init__(
        self,
        store: AuthorityStore,
        issuing: Mapping[CaName, CertificationAuthority],
        places: Places,
        schedule: Schedule,
        clock: Clock,
        made: Callable[[], None],
    ) -> None:
        self._store = store
        self._issuing = issuing
        self._places = places
        self._schedule = schedule
        self._clock = clock
        self._made = made
        self._due: datetime | None = None

    def make_due(self) -> int:
        """Make what the schedule asks for; how many lists were made. Costs nothing before the time."""
        now = self._clock.now()
        if self._due is not None and now < self._due:
            return 0
        count = 0
        for profile in Profile:
            with self._store.transaction() as transaction:
                count += self._make_due(transaction, profile, now)
        self._due = now + min(self._schedule.full, self._schedule.delta) / 60
        if count:
            self._made()
        return count

    def make_all(self) -> int:
        """Make a full and a delta list of each authority now; how many."""
        now = self._clock.now()
        for profile in Profile:
            with self._store.transaction() as transaction:
                number = self._full(transaction, profile, now)
                self._delta(transaction, profile, number, now)
        self._made()
        return 2 * len(Profile)

    def tell_root_list(self, crl: x509.CertificateRevocationList) -> None:
        """Hand the responder the root's list, where it is newer than what it was told."""
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        with self._store.transaction() as transaction:
            before = transaction.newest_list(CaName.ROOT, FULL)
            if before is not None and before.number >= number:
                return
            now = self._clock.now()
            transaction.keep_list(CaName.ROOT, FULL, MadeList(number, 0, now))
            transaction.tell_list(ListMade(ca=CaName.ROOT, number=number, crl=_der(crl)), now)
        self._made()

    def _make_due(self, transaction: Transaction, profile: Profile, now: datetime) -> int:
        full = transaction.newest_list(profile.ca, FULL)
        if full is None or now - full.made_at >= self._schedule.full:
            number = self._full(transaction, profile, now)
            self._delta(transaction, profile, number, now)
            return 2
        delta = transaction.newest_list(profile.ca, DELTA)
        if delta is None or now - delta.made_at >= self._schedule.delta:
            self._delta(transaction, profile, self._next(transaction, profile.ca), now)
            return 1
        return 0

    def _full(self, transaction: Transaction, profile: Profile, now: datetime) -> int:
        number, last = self._next(transaction, profile.ca), transaction.last_change()
        entries = transaction.not_good(profile, now - _ONCE_MORE)
        period = Period(now, now + self._schedule.full + LATE)
        crl = full_list(self._issuing[profile.ca], entries, number, period, self._places)
        transaction.keep_list(profile.ca, FULL, MadeList(number, last, now))
        transaction.tell_list(ListMade(ca=profile.ca, number=number, crl=_der(crl)), now)
        return number

    def _delta(self, transaction: Transaction, profile: Profile, number: int, now: datetime) -> None:
        """The changes since the newest full list, which is there."""
        base = transaction.newest_list(profile.ca, FULL)
        assert base is not None  # noqa: S101 - a full list was made first
        entries: list[Entry] = transaction.changed_since(profile, base.last_change, now - _ONCE_MORE)
        period = Period(now, now + self._schedule.delta + LATE)
        crl = delta_list(self._issuing[profile.ca], entries, number, base.number, period, self._places)
        transaction.keep_list(profile.ca, DELTA, MadeList(number, transaction.last_change(), now))
        transaction.tell_list(ListMade(ca=profile.ca, number=number, base=base.number, crl=_der(crl)), now)

    @staticmethod
    def _next(transaction: Transaction, ca: CaName) -> int:
        made = [transaction.newest_list(ca, kind) for kind in (FULL, DELTA)]
        return max((one.number for one in made if one is not None), default=0) + 1


def _der(crl: x509.CertificateRevocationList) -> str:
    return b64(crl.public_bytes(serialization.Encoding.DER))
