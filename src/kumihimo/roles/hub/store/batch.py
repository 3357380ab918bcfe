"""What operator 2 keeps of a chunk (一括照会の通過): a mark for every person, and what they share once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, select
from sqlalchemy.exc import IntegrityError

from kumihimo.plumbing.storage import NewItem, among, append_feed_all, insert_rows
from kumihimo.plumbing.wire.chunks import PromisedEntries
from kumihimo.plumbing.wire.envelope import b64
from kumihimo.plumbing.wire.messages.batch import WitnessedPromises
from kumihimo.roles.hub.store import tables as t
from kumihimo.roles.hub.store.second import KeptAnswer, News

PROMISES_KIND = "promises"


@dataclass(frozen=True)
class ChunkPassage:
    """Something about many persons that operator 2 let pass, once.

    `mark` is the chunk's own; `persons` are the marks of its persons, each with the requester whose quota it counts
    against, for a request. The others are as in Passage.
    """

    mark: str
    persons: tuple[tuple[str, str | None], ...]
    promised: PromisedEntries
    news: tuple[News, ...]
    at: datetime
    kept: KeptAnswer | None = None


class ChunkPassageStore:
    """Writes passages of chunks, each in a transaction of its own; the overseer is told of every promise."""

    def __init__(self, engine: Engine, overseer: str) -> None:
        self._engine = engine
        self._overseer = overseer

    def passes(self, passage: ChunkPassage) -> bool:
        """Write a passage durably; False when a mark of it was already made, and then nothing is written."""
        try:
            with self._engine.begin() as conn:
                if _made(conn, [passage.mark, *(mark for mark, _ in passage.persons)]):
                    return False
                self._write(conn, passage)
        except IntegrityError:
            # On PostgreSQL the second of two at the same moment sees the first one only now.
            return False
        return True

    def kept(self, mark: str, request_hash: str, now: datetime) -> str | None:
        """What was answered to this very request, as JSON; None for another request, or when its time is over."""
        query = select(t.kept_answers.c.answer).where(
            t.kept_answers.c.mark == mark,
            t.kept_answers.c.request_hash == request_hash,
            t.kept_answers.c.kept_until > now,
        )
        with self._engine.connect() as conn:
            return conn.execute(query).scalar_one_or_none()

    def _write(self, conn: Connection, passage: ChunkPassage) -> None:
        marks = [(passage.mark, passage.at, None), *((mark, passage.at, of) for mark, of in passage.persons)]
        insert_rows(conn, t.marks, ("mark", "made_at", "requester"), marks)
        if passage.kept is not None:
            answer = (
                passage.mark,
                passage.kept.request_hash,
                passage.kept.answer.model_dump_json(),
                passage.kept.until,
            )
            insert_rows(conn, t.kept_answers, ("mark", "request_hash", "answer", "kept_until"), [answer])
        _keep_promises(conn, passage)
        seen = News(self._overseer, PROMISES_KIND, WitnessedPromises(promise=passage.promised.signed.envelope))
        told = [
            NewItem(news.audience, news.kind, news.body.model_dump(mode="json"), passage.at)
            for news in (seen, *passage.news)
        ]
        append_feed_all(conn, t.feed, told)
        conn.execute(delete(t.kept_answers).where(t.kept_answers.c.kept_until < passage.at))


def _made(conn: Connection, marks: list[str]) -> bool:
    query = select(t.marks.c.mark).where(among(conn, t.marks.c.mark, marks)).limit(1)
    return conn.execute(query).one_or_none() is not None


def _keep_promises(conn: Connection, passage: ChunkPassage) -> None:
    """Keep the promise once, with the first of its entries that is new; the others say where it is."""
    entries = passage.promised.entries
    query = select(t.promises.c.entry_index, t.promises.c.entry).where(
        among(conn, t.promises.c.entry_index, [one.index for one in entries])
    )
    known = {(index, entry) for index, entry in conn.execute(query)}
    new = [(one.index, entry) for one in entries if (one.index, entry := b64(one.commitment)) not in known]
    if not new:
        return
    with_envelope = json.dumps({"promised_with": new[0][0]})
    rows = [
        (index, entry, passage.promised.signed.envelope.model_dump_json() if place == 0 else with_envelope, passage.at)
        for place, (index, entry) in enumerate(new)
    ]
    insert_rows(conn, t.promises, ("entry_index", "entry", "envelope", "seen_at"), rows)
