"""Provisions of chunks (一括の情報提供): as `provisions`, for all permitted persons of a chunk in one transaction.

Flags and copies are read in the transaction in which the answers are written down (I7). Every person has a provision and
an access record of their own; sealed answer and report are the chunk's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import IntegrityError

from kumihimo.plumbing.storage import among, insert_rows
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.inquiry import Period
from kumihimo.roles.gateway.store.bulk_records import append_records
from kumihimo.roles.gateway.store.chunk_reports import ChunkReport, append_chunk_report
from kumihimo.roles.gateway.store.commits import Commit, OneByOne
from kumihimo.roles.gateway.store.copies import CopyStore
from kumihimo.roles.gateway.store.exchange import by_hand, chunk_answer, provision
from kumihimo.roles.gateway.store.holdings import holdings_of
from kumihimo.roles.gateway.store.provisions import Holdings, permit_used
from kumihimo.roles.gateway.store.records import AccessRecord


@dataclass(frozen=True)
class ChunkClaim:
    """What a chunk's permit lets be asked about the holders of link codes, by transaction number."""

    transaction: str
    codes: dict[str, bytes] = field(repr=False)
    items: tuple[str, ...]
    period: Period


@dataclass(frozen=True)
class ChunkAnswered:
    """An answer to a chunk as it leaves, the first time and every further time."""

    transaction: str
    outcomes: str
    permit_hash: str
    answered_at: datetime
    sealed: bytes = field(repr=False)


@dataclass(frozen=True)
class ChunkProvided:
    """What is written down of an answer before it leaves; `due` when a person has to answer, by transaction number."""

    records: tuple[AccessRecord, ...]
    report: ChunkReport
    permit: Envelope
    request_hash: str
    kept_until: datetime
    answer: ChunkAnswered
    due: dict[str, datetime]


class ChunkProvisionStore:
    """One institution's provisions of chunks in a database."""

    def __init__(self, engine: Engine, institution: str, commit: Commit | None = None) -> None:
        self._engine = engine
        self._institution = institution
        self._commit = commit or OneByOne(engine)
        self._copies = CopyStore(engine, institution)

    def release(self, claim: ChunkClaim, decide: Callable[[Sequence[Holdings]], ChunkProvided]) -> ChunkProvided:
        """As `ProvisionStore.release`: what is held about each person is read, answered and written down together.

        Raises Problem(permit.used) when one of the persons was answered before.
        """

        def work(conn: Connection) -> ChunkProvided:
            if self._used(conn, claim):
                raise permit_used(claim.transaction)
            provided = decide(self._holdings(conn, claim))
            self._write(conn, provided)
            return provided

        try:
            return self._commit(work)
        except IntegrityError:
            with self._engine.connect() as conn:
                used = self._used(conn, claim)
            if used:
                raise permit_used(claim.transaction) from None
            raise

    def again(
        self,
        claim: ChunkClaim,
        request_hash: str,
        now: datetime,
        withheld: Callable[[str, Sequence[Holdings]], bool],
    ) -> ChunkAnswered | None:
        """The answer this very request got before; None when it was another request, or it is kept no longer.

        `withheld`: whether of those who were provided somebody's data may not go out now (I7).
        """

        def work(conn: Connection) -> ChunkAnswered | None:
            row = conn.execute(
                select(chunk_answer).where(
                    chunk_answer.c.institution == self._institution,
                    chunk_answer.c.transaction == claim.transaction,
                    chunk_answer.c.request_hash == request_hash,
                    chunk_answer.c.kept_until > now,
                )
            ).one_or_none()
            if row is None or withheld(row.outcomes, self._holdings(conn, claim)):
                return None
            return ChunkAnswered(row.transaction, row.outcomes, row.permit_hash, row.answered_at, bytes(row.sealed))

        return self._commit(work)

    def _holdings(self, conn: Connection, claim: ChunkClaim) -> list[Holdings]:
        codes = list(claim.codes.values())
        return holdings_of(conn, self._institution, self._copies, codes, claim.items, claim.period)

    def _used(self, conn: Connection, claim: ChunkClaim) -> bool:
        query = select(provision.c.transaction).where(
            provision.c.institution == self._institution, among(conn, provision.c.transaction, claim.codes)
        )
        return conn.execute(query.limit(1)).one_or_none() is not None

    def _write(self, conn: Connection, provided: ChunkProvided) -> None:
        here, permit, answer = self._institution, provided.permit.model_dump_json(), provided.answer
        rows = [
            (
                here, one.transaction, one.addressee_number, one.requester, permit, answer.permit_hash,
                one.outcome.value if one.outcome else "", one.payload_hash, one.recorded_at,
            )
            for one in provided.records
        ]  # fmt: skip
        insert_rows(conn, provision, tuple(column.name for column in provision.columns), rows)
        kept = (
            here, answer.transaction, provided.request_hash, answer.permit_hash, answer.outcomes, answer.sealed,
            answer.answered_at, provided.kept_until,
        )  # fmt: skip
        insert_rows(conn, chunk_answer, tuple(column.name for column in chunk_answer.columns), [kept])
        waiting = [(here, transaction, due_at) for transaction, due_at in provided.due.items()]
        insert_rows(conn, by_hand, ("institution", "transaction", "due_at"), waiting)
        append_records(conn, here, provided.records)
        append_chunk_report(conn, here, provided.report, answer.answered_at)
        expired = chunk_answer.c.kept_until < answer.answered_at
        conn.execute(chunk_answer.delete().where(chunk_answer.c.institution == here, expired))
