"""Notices (お知らせ) in the portal's store: mailboxes by link code, and what lies in them, sealed with a key that is not here.

Whose mailbox one is, is known by its link code alone, so that notices that came before the account are there when it is opened. A
mailbox's handle and a notice's place among its recipients are kept as keyed hashes: with the senders' own stores, nothing joins.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from kumihimo.plumbing.storage import UtcDateTime, among, insert_rows
from kumihimo.plumbing.wire.messages.notices import NoticeKind, Opening
from kumihimo.roles.portal.store import account, mailbox, metadata

announced = Table(
    "announced",
    metadata,
    Column("notice", String(32), primary_key=True),
    Column("institution", String(40), nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # NoticeContent without its attachments
    Column("kind", String(20), nullable=False),
    Column("deadline", Date),
    Column("announced_at", UtcDateTime, nullable=False),
    Column("delivered", Integer, nullable=False),
    Column("opened", Integer, nullable=False),
)
attachment = Table(
    "attachment",
    metadata,
    Column("notice", String(32), ForeignKey("announced.notice"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)
notice = Table(
    "notice",
    metadata,
    Column("id", String(32), primary_key=True),  # keyed hash of notice and position
    Column("mailbox", Integer, ForeignKey("mailbox.number"), nullable=False),
    Column("notice", String(32), ForeignKey("announced.notice"), nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # position and own values
    Column("delivered_at", UtcDateTime, nullable=False),
    Column("opened_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
)
Index("ix_notice_mailbox", notice.c.mailbox, notice.c.delivered_at)

# Of those alone who let institutions know that they opened a notice.
opening = Table(
    "opening",
    metadata,
    Column("notice", String(32), ForeignKey("announced.notice"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("opened_at", UtcDateTime, nullable=False),
)


@dataclass(frozen=True)
class Announced:
    """A notice as announced; `sealed` is its content."""

    notice: str
    institution: str
    sealed: bytes = field(repr=False)
    kind: NoticeKind
    deadline: date | None
    announced_at: datetime
    delivered: int = 0
    opened: int = 0


@dataclass(frozen=True)
class InInbox:
    """A notice in somebody's inbox."""

    id: str
    of: Announced
    sealed: bytes = field(repr=False)
    delivered_at: datetime
    opened_at: datetime | None
    answered_at: datetime | None


class NoticeRows:
    """Queries over a connection."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def announce(self, one: Announced, attachments: Sequence[bytes]) -> None:
        """A notice that will be delivered."""
        self._conn.execute(
            insert(announced).values(
                notice=one.notice, institution=one.institution, sealed=one.sealed, kind=one.kind, deadline=one.deadline,
                announced_at=one.announced_at, delivered=0, opened=0,
            )
        )  # fmt: skip
        for place, sealed in enumerate(attachments):
            self._conn.execute(insert(attachment).values(notice=one.notice, place=place, sealed=sealed))

    def announced(self, notice_ids: Collection[str]) -> dict[str, Announced]:
        """Those of these notices that were announced."""
        query = select(announced).where(announced.c.notice.in_(notice_ids))
        return {row.notice: _announced(row) for row in self._conn.execute(query)}

    def attachment(self, notice_id: str, place: int) -> bytes | None:
        """An attachment, sealed."""
        here = (attachment.c.notice == notice_id) & (attachment.c.place == place)
        found = self._conn.scalar(select(attachment.c.sealed).where(here))
        return None if found is None else bytes(found)

    def mailboxes(self, institution: str, hashes: Collection[str]) -> dict[str, int]:
        """The numbers of an institution's mailboxes, by the hashes of their handles."""
        query = select(mailbox.c.handle_hash, mailbox.c.number).where(
            mailbox.c.institution == institution, among(self._conn, mailbox.c.handle_hash, list(hashes))
        )
        return {row.handle_hash: row.number for row in self._conn.execute(query)}

    def deliver(self, notice_id: str, rows: Mapping[str, tuple[int, bytes]], at: datetime) -> list[int]:
        """Put a notice into mailboxes: id → mailbox and what is sealed. What lies there already stays; the mailboxes reached."""
        query = select(notice.c.id).where(among(self._conn, notice.c.id, list(rows)))
        known = set(self._conn.execute(query).scalars())
        new = [
            (one, number, notice_id, sealed, at, None, None)
            for one, (number, sealed) in rows.items()
            if one not in known
        ]
        insert_rows(self._conn, notice, tuple(column.name for column in notice.columns), new)
        here = announced.c.notice == notice_id
        self._conn.execute(update(announced).where(here).values(delivered=announced.c.delivered + len(new)))
        return [number for _, number, *_ in new]

    def holders(self, numbers: Collection[int]) -> list[str]:
        """The accounts of these mailboxes, of those whose holder has one."""
        query = select(account.c.account).distinct().join(mailbox, mailbox.c.link_code == account.c.link_code)
        return list(self._conn.execute(query.where(among(self._conn, mailbox.c.number, list(numbers)))).scalars())

    def inbox(self, name: str, limit: int, before: datetime | None = None) -> list[InInbox]:
        """What is in an account's inbox, newest first."""
        query = self._of(name).order_by(notice.c.delivered_at.desc(), notice.c.id).limit(limit)
        if before is not None:
            query = query.where(notice.c.delivered_at < before)
        return [_in_inbox(row) for row in self._conn.execute(query)]

    def one(self, name: str, notice_id: str) -> InInbox | None:
        """One of an account's notices."""
        row = self._conn.execute(self._of(name).where(notice.c.id == notice_id)).one_or_none()
        return None if row is None else _in_inbox(row)

    def unread(self, name: str, today: date) -> tuple[int, date | None]:
        """How many an account has not opened, and the next deadline from today on."""
        of = (
            select(func.count()).select_from(notice).join(mailbox).join(account, _SAME).where(account.c.account == name)
        )
        count = self._conn.scalar(of.where(notice.c.opened_at.is_(None)))
        due = select(func.min(announced.c.deadline)).select_from(notice).join(announced).join(mailbox)
        due = due.join(account, _SAME).where(account.c.account == name, announced.c.deadline >= today)
        return int(count or 0), self._conn.scalar(due)

    def open(self, notice_id: str, at: datetime) -> bool:
        """A notice is opened; whether for the first time."""
        first = update(notice).where(notice.c.id == notice_id, notice.c.opened_at.is_(None)).values(opened_at=at)
        if self._conn.execute(first).rowcount == 0:
            return False
        of = select(notice.c.notice).where(notice.c.id == notice_id).scalar_subquery()
        self._conn.execute(update(announced).where(announced.c.notice == of).values(opened=announced.c.opened + 1))
        return True

    def tell_opening(self, notice_id: str, position: int, at: datetime) -> None:
        """The sender may know that this recipient opened it."""
        self._conn.execute(insert(opening).values(notice=notice_id, position=position, opened_at=at))

    def openings(self, notice_id: str) -> tuple[Opening, ...]:
        """Who let the sender know."""
        query = select(opening).where(opening.c.notice == notice_id).order_by(opening.c.position)
        return tuple(Opening(position=row.position, opened_at=row.opened_at) for row in self._conn.execute(query))

    def answered(self, notice_id: str, at: datetime) -> bool:
        """A notice is answered; whether for the first time."""
        first = update(notice).where(notice.c.id == notice_id, notice.c.answered_at.is_(None)).values(answered_at=at)
        return self._conn.execute(first).rowcount == 1

    def forget(self, name: str) -> None:
        """What lies in an account's inbox goes; mailboxes stay, for notices that come later."""
        theirs = select(mailbox.c.number).join(account, _SAME).where(account.c.account == name)
        self._conn.execute(delete(notice).where(notice.c.mailbox.in_(theirs)))

    @staticmethod
    def _of(name: str) -> Any:
        columns = (*notice.c, *(one.label(f"of_{one.name}") for one in announced.c))
        return select(*columns).join(announced).join(mailbox).join(account, _SAME).where(account.c.account == name)


_SAME: Final = mailbox.c.link_code == account.c.link_code


def _announced(row: Row[Any], prefix: str = "") -> Announced:
    values = {name: getattr(row, prefix + name) for name in Announced.__dataclass_fields__}
    return Announced(**{**values, "sealed": bytes(values["sealed"]), "kind": NoticeKind(values["kind"])})


def _in_inbox(row: Row[Any]) -> InInbox:
    return InInbox(row.id, _announced(row, "of_"), bytes(row.sealed), row.delivered_at, row.opened_at, row.answered_at)
