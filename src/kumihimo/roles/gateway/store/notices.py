"""Notices and mailboxes of one institution (お知らせ): each recipient of a notice is delivered to once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.storage import insert_rows
from kumihimo.plumbing.wire.messages.notices import Opening
from kumihimo.roles.gateway.store.exchange import mailbox, notice, notice_answer, notice_recipient
from kumihimo.roles.gateway.store.upserts import dialect_insert, upsert

MOST_SHOWN: Final = 1_000


class Delivery(StrEnum):
    """How far a notice is with one recipient."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    NO_CODE = "no_code"  # nobody the platform knows: they must be told otherwise


@dataclass(frozen=True)
class Notice:
    """A notice as it was handed in. `id` is what the portal knows it by; `problem` what holds it up at the moment."""

    reference: str
    id: str
    staff: str
    content: str = field(repr=False)
    digest: bytes = field(repr=False)
    recipients: int
    taken_at: datetime
    announced: bool = False
    done: bool = False
    problem: str | None = None


@dataclass(frozen=True)
class To:
    """One recipient."""

    position: int
    addressee_number: str
    values: Mapping[str, str]
    state: Delivery = Delivery.WAITING
    opened_at: datetime | None = None


@dataclass(frozen=True)
class Mailbox:
    """Where an addressee's notices go at the portal, opened for the code with this hash."""

    handle: bytes
    code_hash: bytes


@dataclass(frozen=True)
class Said:
    """What a recipient answered."""

    reference: str
    addressee_number: str
    says: str
    received_at: datetime


class NoticeStore:
    """One institution's notices in a database."""

    def __init__(self, engine: Engine, institution: str) -> None:
        self._engine = engine
        self._institution = institution
        self._own = notice.c.institution == institution

    def take(self, new: Notice, recipients: Iterable[tuple[str, Mapping[str, str]]]) -> Notice:
        """Write a notice down, all or nothing; the same again is the one that is here. Raises Problem(notice.reference)."""
        rows = [
            (
                new.id,
                position,
                number,
                json.dumps(values, ensure_ascii=False) if values else None,
                Delivery.WAITING,
                None,
            )
            for position, (number, values) in enumerate(recipients)
        ]
        values = {"institution": self._institution, **_values(new)}
        try:
            with self._engine.begin() as conn:
                conn.execute(insert(notice).values(values))
                insert_rows(conn, notice_recipient, tuple(column.name for column in notice_recipient.columns), rows)
        except IntegrityError:
            known = self.find(new.reference)
            if known is None or known.digest != new.digest:
                raise Problem(
                    "notice.reference", new.reference, "reference", "a reference of its own for each notice",
                    "Take another reference.",
                ) from None  # fmt: skip
            return known
        return new

    def find(self, reference: str) -> Notice | None:
        """A notice by the business system's reference."""
        return self._one(notice.c.reference == reference)

    def of_portal(self, notice_id: str) -> Notice | None:
        """A notice by what the portal knows it by."""
        return self._one(notice.c.notice == notice_id)

    def newest(self) -> list[Notice]:
        """The newest ones, at most `MOST_SHOWN`."""
        query = select(notice).where(self._own).order_by(notice.c.taken_at.desc()).limit(MOST_SHOWN)
        with self._engine.connect() as conn:
            return [_read(row) for row in conn.execute(query)]

    def unfinished(self) -> list[Notice]:
        """Those of which recipients wait, the oldest first."""
        query = select(notice).where(self._own, notice.c.done.is_(False)).order_by(notice.c.taken_at).limit(MOST_SHOWN)
        with self._engine.connect() as conn:
            return [_read(row) for row in conn.execute(query)]

    def note(self, notice_id: str, **values: Any) -> None:
        """What became of a notice: `announced`, `done`, `problem`."""
        with self._engine.begin() as conn:
            conn.execute(update(notice).where(notice.c.notice == notice_id).values(values))

    def waiting(self, notice_id: str, after: int, limit: int) -> list[To]:
        """The next recipients that wait, in order."""
        query = self._of(notice_id, Delivery.WAITING).where(notice_recipient.c.position > after)
        return self._recipients(query.order_by(notice_recipient.c.position).limit(limit))

    def recipients(self, notice_id: str, state: Delivery | None, after: int) -> list[To]:
        """The recipients after a position, in order, at most `MOST_SHOWN`."""
        query = self._of(notice_id, state).where(notice_recipient.c.position > after)
        return self._recipients(query.order_by(notice_recipient.c.position).limit(MOST_SHOWN))

    def counts(self, notice_id: str) -> dict[Delivery, int]:
        """How many recipients are how far."""
        query = select(notice_recipient.c.state, func.count()).where(notice_recipient.c.notice == notice_id)
        with self._engine.connect() as conn:
            return {Delivery(state): count for state, count in conn.execute(query.group_by(notice_recipient.c.state))}

    def moved(self, notice_id: str, positions: Sequence[int], state: Delivery) -> None:
        """These recipients are so far now; the positions are in order, and all between first and last that wait are meant."""
        if positions:
            between = notice_recipient.c.position.between(positions[0], positions[-1])
            here = (notice_recipient.c.notice == notice_id) & (notice_recipient.c.state == Delivery.WAITING)
            with self._engine.begin() as conn:
                chosen = here & between
                if len(positions) <= positions[-1] - positions[0]:
                    chosen &= notice_recipient.c.position.in_(positions)
                conn.execute(update(notice_recipient).where(chosen).values(state=state))

    def opened(self, notice_id: str, openings: Sequence[Opening]) -> None:
        """Those who let us know opened it."""
        with self._engine.begin() as conn:
            for one in openings:
                here = (notice_recipient.c.notice == notice_id) & (notice_recipient.c.position == one.position)
                conn.execute(update(notice_recipient).where(here).values(opened_at=one.opened_at))

    def mailboxes(self, numbers: Iterable[str]) -> dict[str, Mailbox]:
        """The mailboxes there are for these addressees."""
        query = select(mailbox).where(
            mailbox.c.institution == self._institution, mailbox.c.addressee_number.in_(list(numbers))
        )
        with self._engine.connect() as conn:
            return {
                row.addressee_number: Mailbox(bytes(row.handle), bytes(row.code_hash)) for row in conn.execute(query)
            }

    def keep_mailboxes(self, opened: Mapping[str, Mailbox]) -> None:
        """Write opened mailboxes down, in the place of earlier ones."""
        with self._engine.begin() as conn:
            upsert(
                conn,
                mailbox,
                [
                    {
                        "institution": self._institution, "addressee_number": number, "handle": one.handle,
                        "code_hash": one.code_hash,
                    }
                    for number, one in opened.items()
                ],
            )  # fmt: skip

    def answer(self, reference: str, notice_id: str, position: int, says: str, at: datetime) -> None:
        """Write an answer down; one of the same reference stays as it is. Raises Problem(notice.unknown)."""
        asked = self._of(notice_id, Delivery.DELIVERED).where(notice_recipient.c.position == position)
        if self.of_portal(notice_id) is None or not self._recipients(asked):
            raise Problem("notice.unknown", notice_id, "notice", "a notice that was delivered")
        row = {"reference": reference, "notice": notice_id, "position": position, "says": says, "received_at": at}
        with self._engine.begin() as conn:
            conn.execute(dialect_insert(conn, notice_answer).values(row).on_conflict_do_nothing())

    def answers(self, notice_id: str) -> list[Said]:
        """What recipients answered, the newest first, at most `MOST_SHOWN`."""
        here = (notice_recipient.c.notice == notice_answer.c.notice) & (
            notice_recipient.c.position == notice_answer.c.position
        )
        query = select(notice_answer, notice_recipient.c.addressee_number).join(notice_recipient, here)
        query = query.where(notice_answer.c.notice == notice_id).order_by(notice_answer.c.received_at.desc())
        with self._engine.connect() as conn:
            return [
                Said(row.reference, row.addressee_number, row.says, row.received_at)
                for row in conn.execute(query.limit(MOST_SHOWN))
            ]

    def _one(self, where: ColumnElement[bool]) -> Notice | None:
        with self._engine.connect() as conn:
            row = conn.execute(select(notice).where(self._own, where)).one_or_none()
        return None if row is None else _read(row)

    @staticmethod
    def _of(notice_id: str, state: Delivery | None) -> Any:
        query = select(notice_recipient).where(notice_recipient.c.notice == notice_id)
        return query if state is None else query.where(notice_recipient.c.state == state)

    def _recipients(self, query: Any) -> list[To]:
        with self._engine.connect() as conn:
            return [_recipient(row) for row in conn.execute(query)]


def _recipient(row: Any) -> To:
    values = json.loads(row.own_values) if row.own_values else {}
    return To(row.position, row.addressee_number, values, Delivery(row.state), row.opened_at)


def _values(one: Notice) -> dict[str, Any]:
    return {
        "reference": one.reference, "notice": one.id, "staff": one.staff, "content": one.content, "digest": one.digest,
        "recipients": one.recipients, "taken_at": one.taken_at, "announced": one.announced, "done": one.done,
        "problem": one.problem,
    }  # fmt: skip


def _read(row: Any) -> Notice:
    return Notice(
        row.reference, row.notice, row.staff, row.content, bytes(row.digest), row.recipients, row.taken_at, row.announced,
        row.done, row.problem,
    )  # fmt: skip
