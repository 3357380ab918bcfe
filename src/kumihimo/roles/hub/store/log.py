"""The log's rows at operator 1 (監査台帳): appended in groups, each group durable before anybody is answered.

Invariant I5 lives here: `append` returns only after the commit that holds the entry, its mark, and what the oversight
body will be told about it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from sqlalchemy import Engine, Text, bindparam, delete, select

from kumihimo.plumbing.storage import Answer, FeedItem, GroupCommitWriter, Statement, among, is_listed, listed
from kumihimo.plumbing.wire.envelope import Envelope, b64
from kumihimo.plumbing.wire.messages.batch import LogPromises, OversightRecords
from kumihimo.plumbing.wire.messages.inquiry import LoggedRecord, LogPromise, Outcome, OversightRecord
from kumihimo.roles.hub.store import tables as t
from kumihimo.roles.hub.store.entries import (
    Append,
    Entered,
    Prepared,
    Report,
    ReportedOutcome,
    Unrelayed,
    entered,
    prepared,
)
from kumihimo.roles.hub.store.log_rows import (
    Written,
    entries_at,
    names_chunk,
    names_entry,
    no_more_than,
    write_entries,
    written_at,
)

MOST_AT_ONCE: Final = 4_096  # entries in one commit
MOST_PROMISES: Final = 4_096  # kept in memory after they were made
MOST_TOLD: Final = 2_000  # entries on one page of the overseer, about
_REPORTED: Final = Statement(
    lambda dialect: select(t.outcomes).where(is_listed(dialect, t.outcomes.c.mark, bindparam("marks", type_=Text)))
)
_WAITING: Final = Statement(
    select(t.unrelayed.c.entry_index)
    .where(t.unrelayed.c.entry_index > bindparam("after"))
    .order_by(t.unrelayed.c.entry_index)
)
_UNRELAYED: Final = Statement(
    lambda dialect: (
        select(t.unrelayed)
        .where(is_listed(dialect, t.unrelayed.c.entry_index, bindparam("indexes", type_=Text)))
        .order_by(t.unrelayed.c.entry_index)
    )
)


class LogStore:
    """Appends entries and reads what depends on them. `promise` signs in the name of operator 1.

    A signature costs more than a row. None is made while others wait for the writer: a caller's promise is signed in the
    caller's thread after the commit, the overseer's when the overseer fetches the item.
    """

    def __init__(self, engine: Engine, promise: Callable[[LogPromise | LogPromises], Envelope], overseer: str) -> None:
        self._engine = engine
        self._promise = promise
        self._lately: dict[tuple[int, bytes], Envelope] = {}
        self._writer: GroupCommitWriter[Prepared, int | None] = GroupCommitWriter(
            engine, partial(write_entries, overseer=overseer), max_batch=MOST_AT_ONCE, name="log"
        )

    def append(self, item: Append) -> LoggedRecord | None:
        """Write one entry; None when its mark was already made, and then nothing is written.

        Returns after the durable commit. Raises what the commit raised, and Problem(store.closed).
        """
        ready = prepared(item)
        index = self._writer.submit(ready)
        return None if index is None else self.promised(entered(ready, index))

    def append_all(self, items: Sequence[Append]) -> list[LoggedRecord | None]:
        """As append, for many: one answer each, in their order. Each entry stands for itself, and several share a commit.

        Raises as append, after all were dealt with: the others are written then.
        """
        return [None if one is None else self.promised(one) for one in self.enter_all(items)]

    def enter(self, item: Append) -> Answer[int | None]:
        """Hand one entry over and go on: its index once it is durable, None when its mark was already made.

        Nobody was promised anything yet. Raises Problem(store.closed), the answer's `result` what the commit raised.
        """
        return self._writer.hand_over(prepared(item))

    def enter_all(self, items: Sequence[Append]) -> list[Entered | None]:
        """Write many entries, in their order; None for each whose mark was already made. Durable on return.

        Nobody was promised anything yet: `promised` makes what may leave. Raises as append, after all were dealt with.
        """
        ready = [prepared(item) for item in items]
        return [
            None if index is None else entered(one, index)
            for one, index in zip(ready, self._writer.submit_all(ready), strict=True)
        ]

    def promised(self, entry: Entered) -> LoggedRecord:
        """The record with operator 1's signed promise that it stands where it stands."""
        return LoggedRecord(record=entry.record, salt=b64(entry.salt), promise=self._promise_of(entry))

    def _promise_of(self, entry: Entered) -> Envelope:
        """Who asked gets it at once, the overseer a moment later: what was signed lately is not signed again."""
        key = entry.index, entry.commitment
        made = self._lately.get(key)
        if made is None:
            made = self._promise(
                LogPromise(index=entry.index, entry=b64(entry.commitment), logged_at=entry.record.logged_at)
            )
            self._lately[key] = made
            if len(self._lately) > MOST_PROMISES:
                with suppress(KeyError, StopIteration, RuntimeError):  # another thread was as quick
                    del self._lately[next(iter(self._lately))]
        return made

    def promised_all(self, entries: Sequence[Entered]) -> Envelope:
        """One signed promise about many entries, in this order."""
        return self._promises([(one.index, one.commitment) for one in entries])

    def told(self, items: Sequence[FeedItem]) -> list[FeedItem]:
        """Items of the feed as they leave: entries, which the feed names by their index only, are opened and promised.

        Ed25519 signatures are deterministic (RFC 8032): the overseer gets the very promise that the requester got.
        """
        items = no_more_than(items, MOST_TOLD)
        with self._engine.connect() as conn:
            found = entries_at(conn, [item.body["index"] for item in items if names_entry(item)])
            chunks = {item.seq: written_at(conn, item.body["indexes"]) for item in items if names_chunk(item)}
        return [
            replace(item, body=self._record_of(found[item.body["index"]]))
            if names_entry(item)
            else replace(item, body=self._records_of(chunks[item.seq]))
            if names_chunk(item)
            else item
            for item in items
        ]

    def close(self) -> None:
        """Write what was handed over and stop."""
        self._writer.close()

    def first_request(self, transaction: str) -> LoggedRecord | None:
        """The entry of the request that used this transaction number first, with its promise: the same as it was given."""
        with self._engine.connect() as conn:
            index = conn.execute(
                select(t.marks.c.entry_index).where(t.marks.c.mark == transaction)
            ).scalar_one_or_none()
            found = {} if index is None else entries_at(conn, [index])
        return None if index is None else self.promised(found[index])

    def entries_under(self, marks: Collection[str]) -> dict[str, Entered]:
        """The entries that were written under these marks, by mark."""
        query = select(t.marks.c.mark, t.marks.c.entry_index)
        with self._engine.connect() as conn:
            rows = conn.execute(query.where(among(conn, t.marks.c.mark, marks))).all()
            found = entries_at(conn, [row.entry_index for row in rows])
        return {row.mark: found[row.entry_index] for row in rows}

    def reported(self, marks: Sequence[str]) -> dict[str, ReportedOutcome]:
        """The outcomes reported under these marks, by mark."""
        with self._engine.connect() as conn:
            rows = _REPORTED.rows(conn, marks=listed(conn, t.outcomes.c.mark, marks))
            found = entries_at(conn, [int(row.logged) for row in rows if row.logged.isdecimal()])
        return {
            row.mark: ReportedOutcome(
                Report(Outcome(row.outcome), row.payload_hash, Envelope.model_validate_json(row.report)),
                self._logged(row.logged, found),
            )
            for row in rows
        }

    def unrelayed(self, after: int, limit: int, but: Container[int] = ()) -> list[tuple[int, Unrelayed]]:
        """Requests operator 2 has not heard of, by the index of their entry, oldest first; none of `but`."""
        with self._engine.connect() as conn:
            indexes = [row.entry_index for row in _WAITING.rows(conn, after=after)]
            wanted = [index for index in indexes if index not in but][:limit]
            rows = _UNRELAYED.rows(conn, indexes=listed(conn, t.unrelayed.c.entry_index, wanted)) if wanted else []
            found = entries_at(conn, [int(row.logged) for row in rows if row.logged.isdecimal()])
        return [
            (row.entry_index, Unrelayed(Envelope.model_validate_json(row.request), self._logged(row.logged, found)))
            for row in rows
        ]

    def forget_unrelayed(self, index: int) -> None:
        """Operator 2 has heard of it: its ciphertext is deleted."""
        with self._engine.begin() as conn:
            conn.execute(delete(t.unrelayed).where(t.unrelayed.c.entry_index == index))

    def _logged(self, stored: str, found: Mapping[int, Entered]) -> LoggedRecord:
        """What a row names: an entry by its index, or a whole record."""
        return self.promised(found[int(stored)]) if stored.isdecimal() else LoggedRecord.model_validate_json(stored)

    def _record_of(self, entry: Entered) -> dict[str, object]:
        return OversightRecord(index=entry.index, logged=self.promised(entry)).model_dump(mode="json")

    def _records_of(self, opened: Sequence[Written]) -> dict[str, object]:
        promise = self._promises([(one.index, one.commitment) for one in opened])
        salts = b64(b"".join(one.salt for one in opened))
        told = OversightRecords(records=tuple(one.record for one in opened), salts=salts, promise=promise)
        return told.model_dump(mode="json")

    def _promises(self, places: Sequence[tuple[int, bytes]]) -> Envelope:
        entries = b64(b"".join(commitment for _, commitment in places))
        return self._promise(LogPromises(indexes=tuple(index for index, _ in places), entries=entries))
