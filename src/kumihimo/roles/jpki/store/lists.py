"""What lists are made of, and which were made; certificates among offices and cards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from kumihimo.domain.jpki import CaName, Entry, Profile, Reason
from kumihimo.plumbing.wire.messages.cards import CertificateState
from kumihimo.roles.jpki.store.tables import among_cards, certificate, change, crl

FULL, DELTA = "full", "delta"


@dataclass(frozen=True)
class MadeList:
    """A list that was made: its number, the id of the last change it knows, and when."""

    number: int
    last_change: int
    made_at: datetime


class ListQueries:
    """The part of a transaction that lists need."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    @property
    def conn(self) -> Connection:
        """The connection it runs on, for what else belongs into it."""
        return self._conn

    def newest_list(self, ca: CaName, kind: str) -> MadeList | None:
        """The newest full or delta list of an authority."""
        mine = (crl.c.ca == ca.value) & (crl.c.kind == kind)
        row = self._conn.execute(select(crl.c.number, crl.c.last_change, crl.c.made_at).where(mine)).first()
        return None if row is None else MadeList(row.number, row.last_change, row.made_at)

    def keep_list(self, ca: CaName, kind: str, made: MadeList) -> None:
        """Remember the newest list in place of the one before."""
        mine = (crl.c.ca == ca.value) & (crl.c.kind == kind)
        values = {"number": made.number, "last_change": made.last_change, "made_at": made.made_at}
        if self._conn.execute(crl.update().where(mine).values(values)).rowcount == 0:
            self._conn.execute(crl.insert().values(ca=ca.value, kind=kind, **values))

    def last_change(self) -> int:
        """The id of the last change of any certificate."""
        return self._conn.scalar(select(func.max(change.c.id))) or 0

    def not_good(self, profile: Profile, still_at: datetime) -> list[Entry]:
        """Everything revoked or suspended whose validity had not ended at `still_at`, by serial number."""
        mine = (certificate.c.profile == profile.value) & (certificate.c.valid_until > still_at)
        rows = self._conn.execute(
            select(certificate.c.serial, certificate.c.since, certificate.c.reason)
            .where(mine, certificate.c.state != CertificateState.GOOD.value)
            .order_by(certificate.c.serial)
        )
        return [Entry(int(row.serial, 16), row.since, Reason(row.reason or 0)) for row in rows]

    def changed_since(self, profile: Profile, last_change: int, still_at: datetime) -> list[Entry]:
        """What has changed after a change: as it stands now; what is good again is taken off."""
        touched = (
            select(change.c.serial)
            .where(change.c.profile == profile.value, change.c.id > last_change, change.c.cause != "issued")
            .distinct()
        )
        mine = (certificate.c.profile == profile.value) & (certificate.c.valid_until > still_at)
        rows = self._conn.execute(
            select(certificate.c.serial, certificate.c.since, certificate.c.reason, certificate.c.state)
            .where(mine, certificate.c.serial.in_(touched))
            .order_by(certificate.c.serial)
        )
        return [
            Entry(
                int(row.serial, 16),
                row.since,
                Reason.REMOVE_FROM_CRL if row.state == CertificateState.GOOD.value else Reason(row.reason or 0),
            )
            for row in rows
        ]

    def among_cards(self, kind: str, name: str) -> list[tuple[str, bytes]]:
        """(hash of the key, certificate in DER) of an office or a card, oldest first."""
        mine = (among_cards.c.kind == kind) & (among_cards.c.name == name)
        rows = self._conn.execute(
            select(among_cards.c.key_hash, among_cards.c.der).where(mine).order_by(among_cards.c.id)
        )
        return [(row.key_hash, row.der) for row in rows]

    def add_among_cards(self, kind: str, name: str, key_hash: str, der: bytes, at: datetime, asked_by: str) -> None:
        row = {"kind": kind, "name": name, "key_hash": key_hash, "der": der, "issued_at": at, "asked_by": asked_by}
        self._conn.execute(among_cards.insert().values(row))
