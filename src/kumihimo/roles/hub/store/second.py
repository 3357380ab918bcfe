"""What operator 2 keeps (運営者2の台帳): marks against replay, promises it was shown, and its feeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, insert, select

from kumihimo.plumbing.storage import GroupCommitWriter, append_feed
from kumihimo.plumbing.wire.envelope import Part, Signed
from kumihimo.plumbing.wire.messages.inquiry import LogPromise, WitnessedPromise
from kumihimo.roles.hub.store import tables as t

PROMISE_KIND = "promise"


@dataclass(frozen=True)
class News:
    """One feed item for one party."""

    audience: str
    kind: str
    body: Part


@dataclass(frozen=True)
class Passage:
    """Something operator 2 let pass, once: its mark, the promise that it is logged, and who is told what."""

    mark: str
    promise: Signed[LogPromise]
    news: tuple[News, ...]
    at: datetime


class SecondStore:
    """Writes passages in groups; the overseer is told of every promise."""

    def __init__(self, engine: Engine, overseer: str) -> None:
        self._engine = engine
        self._overseer = overseer
        self._writer: GroupCommitWriter[Passage, bool] = GroupCommitWriter(engine, self._write, name="passages")

    def passes(self, passage: Passage) -> bool:
        """Write a passage durably; False when its mark was already made, and then nothing is written."""
        return self._writer.submit(passage)

    def close(self) -> None:
        """Write what was handed over and stop."""
        self._writer.close()

    def _write(self, conn: Connection, passages: Sequence[Passage]) -> list[bool]:
        asked = [passage.mark for passage in passages]
        used = set(conn.execute(select(t.marks.c.mark).where(t.marks.c.mark.in_(asked))).scalars())
        results = []
        for passage in passages:
            results.append(passage.mark not in used)
            if passage.mark not in used:
                used.add(passage.mark)
                self._write_one(conn, passage)
        return results

    def _write_one(self, conn: Connection, passage: Passage) -> None:
        conn.execute(insert(t.marks), {"mark": passage.mark, "made_at": passage.at})
        promise, envelope = passage.promise.value, passage.promise.envelope
        known = select(t.promises.c.entry).where(
            t.promises.c.entry_index == promise.index, t.promises.c.entry == promise.entry
        )
        if conn.execute(known).one_or_none() is None:
            row = {
                "entry_index": promise.index,
                "entry": promise.entry,
                "envelope": envelope.model_dump_json(),
                "seen_at": passage.at,
            }
            conn.execute(insert(t.promises), row)
        told = (News(self._overseer, PROMISE_KIND, WitnessedPromise(promise=envelope)), *passage.news)
        for news in told:
            append_feed(conn, t.feed, news.audience, news.kind, news.body.model_dump(mode="json"), passage.at)
