"""What operator 2 keeps (運営者2の台帳): marks against replay, promises it was shown, and its feeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, Text, bindparam, delete, select

from kumihimo.plumbing.storage import (
    GroupCommitWriter,
    NewItem,
    Statement,
    append_feed_all,
    insert_rows,
    is_listed,
    listed,
)
from kumihimo.plumbing.wire.envelope import Part, Signed
from kumihimo.plumbing.wire.messages.inquiry import LogPromise, WitnessedPromise
from kumihimo.roles.hub.store import tables as t
from kumihimo.roles.hub.store.log_rows import marks_made

PROMISE_KIND = "promise"
_FORGET_ANSWERS = Statement(delete(t.kept_answers).where(t.kept_answers.c.kept_until < bindparam("now")))
_PROMISED = Statement(
    lambda dialect: select(t.promises.c.entry_index, t.promises.c.entry).where(
        is_listed(dialect, t.promises.c.entry_index, bindparam("indexes", type_=Text))
    )
)


@dataclass(frozen=True)
class News:
    """One feed item for one party."""

    audience: str
    kind: str
    body: Part


@dataclass(frozen=True)
class KeptAnswer:
    """What was answered to one request, for when the same request comes again; `request_hash` is its digest, hex."""

    request_hash: str
    answer: Part
    until: datetime


@dataclass(frozen=True)
class Passage:
    """Something operator 2 let pass, once: its mark, the promise that it is logged, who is told what, what was answered.

    `requester` is whose quota it counts against, for a request.
    """

    mark: str
    promise: Signed[LogPromise]
    news: tuple[News, ...]
    at: datetime
    kept: KeptAnswer | None = None
    requester: str | None = None


class SecondStore:
    """Writes passages in groups; the overseer is told of every promise."""

    def __init__(self, engine: Engine, overseer: str) -> None:
        self._engine = engine
        self._overseer = overseer
        self._writer: GroupCommitWriter[Passage, bool] = GroupCommitWriter(engine, self._write, name="passages")

    def passes(self, passage: Passage) -> bool:
        """Write a passage durably; False when its mark was already made, and then nothing is written."""
        return self._writer.submit(passage)

    def pass_all(self, passages: Sequence[Passage]) -> list[bool]:
        """Write passages durably, in their order; False for each whose mark was already made."""
        return self._writer.submit_all(passages)

    def kept(self, mark: str, request_hash: str, now: datetime) -> str | None:
        """What was answered to this very request, as JSON; None for another request, or when its time is over."""
        query = select(t.kept_answers.c.answer).where(
            t.kept_answers.c.mark == mark,
            t.kept_answers.c.request_hash == request_hash,
            t.kept_answers.c.kept_until > now,
        )
        with self._engine.connect() as conn:
            return conn.execute(query).scalar_one_or_none()

    def close(self) -> None:
        """Write what was handed over and stop."""
        self._writer.close()

    def _write(self, conn: Connection, passages: Sequence[Passage]) -> list[bool]:
        asked = [passage.mark for passage in passages]
        used = marks_made(conn, asked)
        results: list[bool] = []
        new: list[Passage] = []
        for passage in passages:
            results.append(passage.mark not in used)
            if passage.mark not in used:
                used.add(passage.mark)
                new.append(passage)
        marks = [(passage.mark, passage.at, passage.requester) for passage in new]
        insert_rows(conn, t.marks, ("mark", "made_at", "requester"), marks)
        answered = [
            (passage.mark, kept.request_hash, kept.answer.model_dump_json(), kept.until)
            for passage in new
            if (kept := passage.kept) is not None
        ]
        insert_rows(conn, t.kept_answers, ("mark", "request_hash", "answer", "kept_until"), answered)
        _keep_promises(conn, new)
        append_feed_all(conn, t.feed, [item for passage in new for item in self._told(passage)])
        _FORGET_ANSWERS.write(conn, {"now": max(one.at for one in passages)})
        return results

    def _told(self, passage: Passage) -> list[NewItem]:
        seen = News(self._overseer, PROMISE_KIND, WitnessedPromise(promise=passage.promise.envelope))
        return [
            NewItem(news.audience, news.kind, news.body.model_dump_json(), passage.at) for news in (seen, *passage.news)
        ]


def _keep_promises(conn: Connection, passages: Sequence[Passage]) -> None:
    """Keep each promise once, and every other promise made for the same index beside it."""
    indexes = {passage.promise.value.index for passage in passages}
    known = set(_PROMISED.rows(conn, indexes=listed(conn, t.promises.c.entry_index, indexes))) if indexes else set()
    rows: dict[tuple[int, str], tuple[int, str, str, datetime]] = {}
    for passage in passages:
        promise = passage.promise.value
        if (promise.index, promise.entry) not in known:
            row = (promise.index, promise.entry, passage.promise.envelope.model_dump_json(), passage.at)
            rows.setdefault((promise.index, promise.entry), row)
    insert_rows(conn, t.promises, ("entry_index", "entry", "envelope", "seen_at"), list(rows.values()))


def requests_passed(engine: Engine, since: datetime) -> Iterator[tuple[str, datetime]]:
    """Requester and instant of every request that counted since then, oldest first."""
    query = select(t.marks.c.requester, t.marks.c.made_at).where(
        t.marks.c.made_at >= since, t.marks.c.requester.is_not(None)
    )
    with engine.connect() as conn:
        for row in conn.execute(query.order_by(t.marks.c.made_at)):
            yield row.requester, row.made_at
