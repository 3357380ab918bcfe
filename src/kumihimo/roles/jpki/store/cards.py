"""Cards and certificates as the authority keeps them, and everything that becomes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Self

from sqlalchemy import Connection, Engine, Row, func, select
from sqlalchemy.exc import IntegrityError

from kumihimo.domain.jpki import CaName, Profile, Reason
from kumihimo.domain.kernel import PartyId
from kumihimo.plumbing.storage import append_feed
from kumihimo.plumbing.wire.messages.cards import Cause, CertificateState, ListMade, Occasion, StatusChange
from kumihimo.roles.jpki.store.lists import ListQueries
from kumihimo.roles.jpki.store.tables import application, card, certificate, change, disclosure, feed, holder

RESPONDER = PartyId("jpki/responder")
_WRITING: Final = int.from_bytes(hashlib.sha256(b"kumihimo.jpki.authority").digest()[:8], signed=True)
STATUS, LIST, ROOT_LIST = "status", "list", "root_list"
"""Kinds of items in the responder's feed."""


class CardState(StrEnum):
    """Of a card: in use, reported lost, or over for good."""

    IN_USE = "in_use"
    LOST = "lost"
    ENDED = "ended"


@dataclass(frozen=True)
class Card:
    """A card as the authority knows it."""

    card_serial: str
    resident_code: str
    municipality: str
    card_until: date
    state: CardState
    issued_at: datetime
    since: datetime


@dataclass(frozen=True)
class Certificate:
    """A certificate as it stands now. `reason` is what the public is told of one that is not good."""

    profile: Profile
    serial: str
    resident_code: str
    card_serial: str
    key_hash: str
    der: bytes = field(repr=False)
    valid_from: datetime
    valid_until: datetime
    state: CertificateState
    cause: Cause
    reason: Reason | None
    since: datetime


@dataclass(frozen=True)
class NewCertificate:
    """A certificate just signed."""

    profile: Profile
    serial: str
    key_hash: str
    der: bytes = field(repr=False)
    valid_from: datetime
    valid_until: datetime


class Taken(Exception):
    """Another writer was faster with the same card or key; rolled back."""


class AuthorityStore:
    """The authority's store."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One transaction, all or nothing, durable when it returns; one at a time.

        Raises Taken when another writer had the same card or key first.
        """
        try:
            with self.engine.begin() as conn:
                yield Transaction.writing(conn)
        except IntegrityError:
            raise Taken from None

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """One transaction that only reads."""
        with self.engine.connect() as conn:
            yield Transaction(conn)


class Transaction(ListQueries):
    """The queries of one transaction."""

    def __init__(self, conn: Connection) -> None:
        super().__init__(conn)

    @classmethod
    def writing(cls, conn: Connection) -> Self:
        """Of a transaction that writes, from where on no other one does, on PostgreSQL as on SQLite.

        What is decided here rests on several rows: an event of the register and an application for the same person must
        not pass each other, and a list must know every change with a number below its last one.
        """
        if conn.dialect.name == "postgresql":
            conn.execute(select(func.pg_advisory_xact_lock(_WRITING)))
        return cls(conn)

    # cards

    def card(self, card_serial: str) -> Card | None:
        return self._card_where(card.c.card_serial == card_serial)

    def cards_of(self, resident_code: str) -> list[Card]:
        """The cards of a resident, the newest first."""
        rows = self._conn.execute(
            select(card).where(card.c.resident_code == resident_code).order_by(card.c.issued_at.desc())
        )
        return [_card(row) for row in rows]

    def add_card(self, one: Card) -> None:
        self._conn.execute(
            card.insert().values(
                card_serial=one.card_serial, resident_code=one.resident_code, municipality=one.municipality,
                card_until=one.card_until, state=one.state.value, issued_at=one.issued_at, since=one.since,
            )
        )  # fmt: skip

    def set_card(self, card_serial: str, state: CardState, at: datetime) -> None:
        mine = card.c.card_serial == card_serial
        self._conn.execute(card.update().where(mine, card.c.state != state.value).values(state=state.value, since=at))

    # applications and certificates

    def add_application(self, occasion: Occasion, one: Card, municipality: str, identity: str, at: datetime) -> int:
        """Record who was identified how, and return its number."""
        row = application.insert().values(
            occasion=occasion.value, resident_code=one.resident_code, card_serial=one.card_serial,
            municipality=municipality, identity=identity, received_at=at,
        )  # fmt: skip
        return int(self._conn.execute(row.returning(application.c.id)).scalar_one())

    def add_certificate(self, new: NewCertificate, one: Card, applied: int, at: datetime, by: str) -> None:
        """Store a new certificate and tell the responder of it."""
        self._conn.execute(
            certificate.insert().values(
                profile=new.profile.value, serial=new.serial, resident_code=one.resident_code,
                card_serial=one.card_serial, application=applied, key_hash=new.key_hash, der=new.der,
                valid_from=new.valid_from, valid_until=new.valid_until, state=CertificateState.GOOD.value,
                cause=Cause.ISSUED.value, reason=None, since=at,
            )
        )  # fmt: skip
        self._changed(new.profile, new.serial, CertificateState.GOOD, Cause.ISSUED, None, at, by)

    def certificate(self, profile: Profile, serial: str) -> Certificate | None:
        mine = (certificate.c.profile == profile.value) & (certificate.c.serial == serial)
        return next(iter(self._certificates(mine)), None)

    def certificate_of_key(self, key_hash: str) -> Certificate | None:
        return next(iter(self._certificates(certificate.c.key_hash == key_hash)), None)

    def certificates_on(self, card_serial: str) -> list[Certificate]:
        """All that were ever issued for keys on a card, the newest first."""
        return self._certificates(certificate.c.card_serial == card_serial)

    def set_certificate(
        self, one: Certificate, state: CertificateState, cause: Cause, reason: Reason | None, at: datetime, by: str
    ) -> None:
        """Change how a certificate stands, note who did it, and tell the responder."""
        mine = (certificate.c.profile == one.profile.value) & (certificate.c.serial == one.serial)
        self._conn.execute(
            certificate.update().where(mine).values(state=state.value, cause=cause.value, reason=reason, since=at)
        )
        self._changed(one.profile, one.serial, state, cause, reason, at, by)

    # holders

    def version_of(self, resident_code: str) -> int:
        """The newest version of a holder that was heard of, 0 for none."""
        found = select(holder.c.version).where(holder.c.resident_code == resident_code)
        return self._conn.scalar(found) or 0

    def municipality_of(self, resident_code: str) -> str | None:
        """Where a holder lived when last heard of."""
        return self._conn.scalar(select(holder.c.municipality).where(holder.c.resident_code == resident_code))

    def set_holder(self, resident_code: str, version: int, municipality: str) -> None:
        values = {"version": version, "municipality": municipality}
        known = holder.update().where(holder.c.resident_code == resident_code).values(values)
        if self._conn.execute(known).rowcount == 0:
            self._conn.execute(holder.insert().values(resident_code=resident_code, **values))

    # disclosures

    def record_disclosure(
        self, profile: Profile, serial: str, asked_by: str, basis: str, found: Certificate | None, at: datetime
    ) -> None:
        """Note that somebody asked whose a certificate is."""
        self._conn.execute(
            disclosure.insert().values(
                profile=profile.value,
                serial=serial,
                asked_by=asked_by,
                basis=basis,
                found=int(found is not None),
                at=at,
            )
        )

    def disclosures(self, profile: Profile, serial: str) -> list[tuple[str, str]]:
        """Who asked about a certificate, and on what basis, oldest first."""
        mine = (disclosure.c.profile == profile.value) & (disclosure.c.serial == serial)
        rows = self._conn.execute(
            select(disclosure.c.asked_by, disclosure.c.basis).where(mine).order_by(disclosure.c.id)
        )
        return [(row.asked_by, row.basis) for row in rows]

    # the responder's feed

    def tell_list(self, made: ListMade, at: datetime) -> None:
        """Hand the responder a list. The root's has a kind of its own: it is made once a year, and must not be forgotten."""
        kind = ROOT_LIST if made.ca is CaName.ROOT else LIST
        append_feed(self._conn, feed, RESPONDER, kind, made.model_dump(mode="json"), at)

    def _changed(
        self,
        profile: Profile,
        serial: str,
        state: CertificateState,
        cause: Cause,
        reason: Reason | None,
        at: datetime,
        by: str,
    ) -> None:
        self._conn.execute(
            change.insert().values(
                profile=profile.value, serial=serial, state=state.value, cause=cause.value, reason=reason, at=at, by=by
            )
        )
        told = StatusChange(profile=profile, serial=serial, state=state, at=at, reason=reason)
        append_feed(self._conn, feed, RESPONDER, STATUS, told.model_dump(mode="json"), at)

    def _card_where(self, condition: Any) -> Card | None:
        row = self._conn.execute(select(card).where(condition)).first()
        return _card(row) if row is not None else None

    def _certificates(self, condition: Any) -> list[Certificate]:
        newest_first = (
            certificate.c.valid_from.desc(), certificate.c.application.desc(), certificate.c.profile, certificate.c.serial,
        )  # fmt: skip
        rows: Sequence[Row[Any]] = self._conn.execute(
            select(certificate).where(condition).order_by(*newest_first)
        ).all()
        return [_certificate(row) for row in rows]


def _card(row: Row[Any]) -> Card:
    return Card(
        row.card_serial, row.resident_code, row.municipality, row.card_until, CardState(row.state), row.issued_at,
        row.since,
    )  # fmt: skip


def _certificate(row: Row[Any]) -> Certificate:
    return Certificate(
        Profile(row.profile), row.serial, row.resident_code, row.card_serial, row.key_hash, row.der, row.valid_from,
        row.valid_until, CertificateState(row.state), Cause(row.cause),
        Reason(row.reason) if row.reason is not None else None, row.since,
    )  # fmt: skip
