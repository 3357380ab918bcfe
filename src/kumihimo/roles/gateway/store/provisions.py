"""Provisions of one institution (情報提供): each permit answered once, in one transaction with everything that belongs to it.

Flags and copies are read in the same transaction in which the answer is written down (I7): a flag set a moment before the
release counts. The sealed answer is kept for the life of the permit, for a requester that lost it on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol, TypeVar

from sqlalchemy import Connection, Engine, bindparam, select
from sqlalchemy.exc import IntegrityError

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.storage import Statement
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.roles.gateway.service.freshness import Delivered
from kumihimo.roles.gateway.store.commits import Commit, OneByOne
from kumihimo.roles.gateway.store.copies import StoredCopy, StoredFlag
from kumihimo.roles.gateway.store.deliveries import delivered
from kumihimo.roles.gateway.store.exchange import by_hand, link_code, provision, sealed_answer
from kumihimo.roles.gateway.store.links import LinkStore
from kumihimo.roles.gateway.store.outbox import Report, append_report
from kumihimo.roles.gateway.store.records import AccessRecord, append_record
from kumihimo.roles.gateway.store.upserts import upsert

TIDY_EVERY: Final = timedelta(minutes=1)
_USED: Final = Statement(
    select(provision.c.transaction).where(
        provision.c.institution == bindparam("institution"), provision.c.transaction == bindparam("transaction")
    )
)
_OWNER: Final = Statement(
    select(link_code.c.addressee_number).where(
        link_code.c.institution == bindparam("institution"), link_code.c.code == bindparam("code")
    )
)
_WRITTEN: Final = (
    "institution", "transaction", "addressee_number", "requester", "permit", "permit_hash", "outcome", "payload_hash",
    "answered_at",
)  # fmt: skip
_WRITE: Final = Statement(provision.insert(), _WRITTEN)


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
    delivered: tuple[Delivered, ...] = ()


@dataclass(frozen=True)
class KeptAnswer:
    """A sealed answer as it is kept: `request_hash` is the SHA-256 of the request that may come again, hex."""

    sealed: bytes = field(repr=False)
    request_hash: str | None
    kept_until: datetime


@dataclass(frozen=True)
class Answered:
    """An answer as it leaves, the first time and every further time."""

    transaction: str
    outcome: Outcome
    permit_hash: str
    answered_at: datetime
    sealed: bytes = field(repr=False)


class Written(Protocol):
    """What is written down of an answer before it leaves; `due_at` when a person has to answer."""

    @property
    def record(self) -> AccessRecord: ...
    @property
    def report(self) -> Report: ...
    @property
    def permit(self) -> Envelope: ...
    @property
    def kept(self) -> KeptAnswer: ...
    @property
    def due_at(self) -> datetime | None: ...


W = TypeVar("W", bound=Written)


class ProvisionStore:
    """One institution's provisions in a database."""

    def __init__(self, engine: Engine, institution: str, commit: Commit | None = None) -> None:
        self._engine = engine
        self._institution = institution
        self._commit = commit or OneByOne(engine)
        self._links = LinkStore(engine, institution)
        self._tidied_at: datetime | None = None

    def answered(self, transaction: str) -> bool:
        """Whether the permit of this transaction was used."""
        with self._engine.connect() as conn:
            return self._used(conn, transaction)

    def release(self, claims: Sequence[tuple[Claim, Callable[[Holdings], W]]]) -> list[W | Problem]:
        """For each claim read what is held, let its `decide` make the answer, write it down; durable when this returns.

        A `decide` must do nothing else: it may be asked twice. In the place of an answer stands Problem(permit.used), also
        for the second of two at the same moment, or the one that `decide` raised, with nothing written.
        """

        def work(claim: Claim, decide: Callable[[Holdings], W], conn: Connection) -> W:
            if self._used(conn, claim.transaction):
                raise permit_used(claim.transaction)
            answer = decide(self._holdings(conn, claim))
            self._write(conn, answer)
            return answer

        released = self._commit.each([partial(work, claim, decide) for claim, decide in claims])
        return [self._released(claim, one) for (claim, _), one in zip(claims, released, strict=True)]

    def _released(self, claim: Claim, released: W | Exception) -> W | Problem:
        if isinstance(released, IntegrityError) and self.answered(claim.transaction):
            # On PostgreSQL the second of two at the same moment sees the first one only now.
            return permit_used(claim.transaction)
        if isinstance(released, Exception) and not isinstance(released, Problem):
            raise released
        return released

    def again(
        self, claim: Claim, request_hash: str, now: datetime, withheld: Callable[[Holdings], bool]
    ) -> Answered | None:
        """The answer this very request got before; None when it was another request, or it is kept no longer.

        `withheld`: whether what is held now may not go out; an answer with data is not given again then (I7).
        """

        def work(conn: Connection) -> Answered | None:
            query = select(provision, sealed_answer.c.sealed).join(
                sealed_answer,
                (sealed_answer.c.institution == provision.c.institution)
                & (sealed_answer.c.transaction == provision.c.transaction),
            )
            row = conn.execute(
                query.where(
                    provision.c.institution == self._institution,
                    provision.c.transaction == claim.transaction,
                    sealed_answer.c.request_hash == request_hash,
                    sealed_answer.c.kept_until > now,
                )
            ).one_or_none()
            if row is None:
                return None
            if row.outcome == Outcome.PROVIDED and withheld(self._holdings(conn, claim)):
                return None
            return Answered(row.transaction, Outcome(row.outcome), row.permit_hash, row.answered_at, bytes(row.sealed))

        return self._commit(work)

    def _used(self, conn: Connection, transaction: str) -> bool:
        return _USED.row(conn, institution=self._institution, transaction=transaction) is not None

    def _holdings(self, conn: Connection, claim: Claim) -> Holdings:
        number: str | None = _OWNER.value(conn, institution=self._institution, code=claim.code)
        # The code of an addressee that turned out to be somebody else, or nobody, no longer stands for anyone.
        if self._links.survivor(conn, number or "") != number:
            number = None
        # Asked also for nobody: how long it takes must not tell whether the person is known here.
        family = self._links.family(conn, number or "")
        flags = self._links.flags(conn, family)
        copies = self._links.held(conn, family, claim.items, claim.period)
        return Holdings(number, tuple(flags), tuple(copies), tuple(delivered(conn, self._institution, claim.items)))

    def _write(self, conn: Connection, answer: Written) -> None:
        record = answer.record
        row = {
            "institution": self._institution,
            "transaction": record.transaction,
            "addressee_number": record.addressee_number,
            "requester": record.requester,
            "permit": answer.permit.model_dump_json(),
            "permit_hash": answer.permit.digest(),
            "outcome": record.outcome,
            "payload_hash": record.payload_hash,
            "answered_at": record.recorded_at,
        }
        _WRITE.write(conn, row)
        keep_answer(conn, self._institution, record.transaction, answer.kept)
        if answer.due_at is not None:
            queued = {"institution": self._institution, "transaction": record.transaction, "due_at": answer.due_at}
            conn.execute(by_hand.insert().values(queued))
        append_record(conn, self._institution, record)
        append_report(conn, self._institution, answer.report, record.recorded_at)
        self._forget_expired(conn, record.recorded_at)

    def _forget_expired(self, conn: Connection, now: datetime) -> None:
        """Forget answers whose time is over, once a minute: nobody can fetch them any more."""
        if self._tidied_at is None or abs(now - self._tidied_at) >= TIDY_EVERY:
            expired = sealed_answer.c.kept_until < now
            conn.execute(sealed_answer.delete().where(sealed_answer.c.institution == self._institution, expired))
            self._tidied_at = now


def keep_answer(conn: Connection, institution: str, transaction: str, kept: KeptAnswer) -> None:
    """Keep a sealed answer in the caller's transaction, in the place of an earlier one."""
    row = {
        "institution": institution,
        "transaction": transaction,
        "request_hash": kept.request_hash,
        "sealed": kept.sealed,
        "kept_until": kept.kept_until,
    }
    upsert(conn, sealed_answer, [row])


def permit_used(transaction: str) -> Problem:
    """The refusal of a permit that was answered before."""
    return Problem(
        "permit.used",
        f"transaction {transaction}",
        where="permit",
        expected="a permit that was not answered yet",
        advice="Make a new inquiry; every permit is answered once.",
    )
