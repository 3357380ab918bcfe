"""Provisions of one institution (情報提供): each permit answered once, in one transaction with everything that belongs to it.

Flags and copies are read in the same transaction in which the answer is written down (I7): a flag set a moment before the
release counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import IntegrityError

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.inquiry import Period
from kumihimo.roles.gateway.store.commits import Commit, OneByOne
from kumihimo.roles.gateway.store.copies import CopyStore, StoredCopy, StoredFlag
from kumihimo.roles.gateway.store.exchange import link_code, provision
from kumihimo.roles.gateway.store.outbox import Report, append_report
from kumihimo.roles.gateway.store.records import AccessRecord, append_record


@dataclass(frozen=True)
class Claim:
    """What a permit lets be asked about the holder of a link code."""

    transaction: str
    code: bytes = field(repr=False)
    items: tuple[str, ...]
    period: Period


@dataclass(frozen=True)
class Holdings:
    """What this institution has on the person: nothing at all when no addressee has the code."""

    addressee_number: str | None
    flags: tuple[StoredFlag, ...] = ()
    copies: tuple[StoredCopy, ...] = ()


class Written(Protocol):
    """What is written down of an answer before it leaves."""

    @property
    def record(self) -> AccessRecord: ...
    @property
    def report(self) -> Report: ...
    @property
    def permit(self) -> Envelope: ...


W = TypeVar("W", bound=Written)


class ProvisionStore:
    """One institution's provisions in a database."""

    def __init__(self, engine: Engine, institution: str, commit: Commit | None = None) -> None:
        self._engine = engine
        self._institution = institution
        self._commit = commit or OneByOne(engine)
        self._copies = CopyStore(engine, institution)

    def answered(self, transaction: str) -> bool:
        """Whether the permit of this transaction was used."""
        with self._engine.connect() as conn:
            return self._used(conn, transaction)

    def release(self, claim: Claim, decide: Callable[[Holdings], W]) -> W:
        """Read what is held, let `decide` make the answer, write it down; durable when this returns.

        `decide` must do nothing else: it may be asked twice.

        Raises Problem(permit.used), also for the second of two at the same moment, and whatever `decide` raises, with
        nothing written.
        """

        def work(conn: Connection) -> W:
            if self._used(conn, claim.transaction):
                raise permit_used(claim.transaction)
            answer = decide(self._holdings(conn, claim))
            self._write(conn, answer)
            return answer

        try:
            return self._commit(work)
        except IntegrityError:
            # On PostgreSQL the second of two at the same moment sees the first one only now.
            if self.answered(claim.transaction):
                raise permit_used(claim.transaction) from None
            raise

    def _used(self, conn: Connection, transaction: str) -> bool:
        query = select(provision.c.transaction).where(
            provision.c.institution == self._institution, provision.c.transaction == transaction
        )
        return conn.execute(query).one_or_none() is not None

    def _holdings(self, conn: Connection, claim: Claim) -> Holdings:
        owner = select(link_code.c.addressee_number).where(
            link_code.c.institution == self._institution, link_code.c.code == claim.code
        )
        number = conn.execute(owner).scalar_one_or_none()
        if number is None:
            return Holdings(None)
        flags = self._copies.flags(conn, number)
        copies = self._copies.held(conn, number, claim.items, claim.period)
        return Holdings(number, tuple(flags), tuple(copies))

    def _write(self, conn: Connection, answer: Written) -> None:
        record = answer.record
        conn.execute(
            provision.insert().values(
                institution=self._institution,
                transaction=record.transaction,
                addressee_number=record.addressee_number,
                requester=record.requester,
                permit=answer.permit.model_dump_json(),
                permit_hash=answer.permit.digest(),
                outcome=record.outcome,
                payload_hash=record.payload_hash,
                answered_at=record.recorded_at,
            )
        )
        append_record(conn, self._institution, record)
        append_report(conn, self._institution, answer.report, record.recorded_at)


def permit_used(transaction: str) -> Problem:
    """The refusal of a permit that was answered before."""
    return Problem(
        "permit.used",
        f"transaction {transaction}",
        where="permit",
        expected="a permit that was not answered yet",
        advice="Make a new inquiry; every permit is answered once.",
    )
