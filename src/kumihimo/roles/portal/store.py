"""Store of My Portal (マイ・ポータルの台帳): accounts with the portal's own link code, and the access records about each code.

It names nobody: an account is a random number, and who holds it is known only where it was opened. Access records are kept
by link code, so that those that came before the account are there when it is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from kumihimo.plumbing.storage import Statement, UtcDateTime, among, cursor_table, insert_rows, rotation_table
from kumihimo.plumbing.wire.messages.inquiry import LogRecord, Refusal

MIGRATIONS: Final = "kumihimo.roles.portal.migrations"
metadata = MetaData()

account = Table(
    "account",
    metadata,
    Column("account", String(32), primary_key=True),
    Column("link_code", LargeBinary),
    Column("epoch", Integer),  # of the link code; none: the one the portal began with
    Column("opened_by", String(40), nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
)
Index("ix_account_link_code", account.c.link_code)

# SHA-256 of a ticket whose link code is still under way; the row goes when the code has come.
ticket = Table(
    "ticket",
    metadata,
    Column("ticket_hash", String(64), primary_key=True),
    Column("account", String(32), ForeignKey("account.account"), nullable=False),
)

# One transaction number may have several records, a refused replay among them. Two commitments promised at one index are
# two rows: operator 1 can keep at most one of its promises, and the resident must see both records.
access = Table(
    "access",
    metadata,
    Column("log_index", BigInteger, primary_key=True, autoincrement=False),
    Column("link_code", LargeBinary, nullable=False),
    Column("transaction_number", String(32), nullable=False),
    Column("commitment", LargeBinary, primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("record", Text, nullable=False),
    Column("refusal", Text),  # operator 2's own, where operator 1 had granted
    Column("received_at", UtcDateTime, nullable=False),
    Column("epoch", Integer),  # of the link code, as above
)
Index("ix_access_link_code", access.c.link_code, access.c.log_index)

outcome = Table(
    "outcome",
    metadata,
    Column("log_index", BigInteger, primary_key=True, autoincrement=False),
    Column("transaction_number", String(32), nullable=False),
    Column("commitment", LargeBinary, primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("record", Text, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
)
Index("ix_outcome_transaction_number", outcome.c.transaction_number, outcome.c.log_index)

# Where an institution's notices for somebody go (お知らせの宛先). A keyed hash: the handle itself is in the institution's store.
mailbox = Table(
    "mailbox",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("handle_hash", String(64), nullable=False, unique=True),
    Column("institution", String(40), nullable=False),
    Column("link_code", LargeBinary, nullable=False),
    Column("epoch", Integer),  # of the link code, as above
)
Index("ix_mailbox_link_code", mailbox.c.link_code)

# A code that was replaced after a leak or in a rotation: records that were under way with it still reach their account.
replaced_code = Table(
    "replaced_code",
    metadata,
    Column("link_code", LargeBinary, primary_key=True),
    Column("replaced_by", LargeBinary, nullable=False),
    Column("epoch", Integer),
    Column("by_epoch", Integer),
    Index("ix_replaced_code_replaced_by", "replaced_by"),
)

HELD_BY_CODE: Final = (account, access, mailbox)
rotation = rotation_table(metadata)

# Things that are passed over but must be noticed, by name.
tally = Table(
    "tally",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("count", BigInteger, nullable=False),
)

feed_cursor = cursor_table(metadata)

UNKNOWN_TICKETS: Final = "unknown_tickets"
NOBODYS_CODE: Final = "nobodys_code"
_REPLACED = Statement(
    select(replaced_code.c.replaced_by, replaced_code.c.by_epoch).where(replaced_code.c.link_code == bindparam("code"))
)
_KEPT = ("log_index", "transaction_number", "commitment", "salt", "record", "received_at")
_KEEP = {
    access: Statement(insert(access), (*_KEPT, "refusal", "link_code", "epoch")),
    outcome: Statement(insert(outcome), _KEPT),
}
_SAME = {
    table: Statement(
        select(table.c.log_index).where(
            table.c.log_index == bindparam("log_index"), table.c.commitment == bindparam("commitment")
        )
    )
    for table in (access, outcome)
}
_IN = 5_000  # bound parameters in one statement


@dataclass(frozen=True)
class KeptRecord:
    """A record of the log as kept: its index, its commitment and salt (32 bytes each), and what it says.

    `refusal` is operator 2's own, for a request that operator 1 granted and operator 2 did not.
    """

    index: int
    transaction: str
    commitment: bytes
    salt: bytes
    record: LogRecord
    received_at: datetime
    refusal: Refusal | None = None


@dataclass(frozen=True)
class KeptWritten:
    """The same with the record as canonical JSON: one of many that came together."""

    index: int
    transaction: str
    commitment: bytes
    salt: bytes
    written: str
    received_at: datetime
    refusal: Refusal | None = None


@dataclass(frozen=True)
class Code:
    """A link code of the portal and its epoch; none: the one it began with."""

    code: bytes = field(repr=False)
    epoch: int | None


class PortalStore:
    """The portal's store; all work is done inside `transaction()`, or `reading()` where nothing is written."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One transaction, all or nothing."""
        with self._engine.begin() as conn:
            yield Transaction(conn)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """One transaction that only reads, and waits for nobody."""
        with self._engine.connect() as conn:
            yield Transaction(conn)


class Transaction:
    """The queries of one transaction."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    @property
    def conn(self) -> Connection:
        """The connection it runs on, for what else belongs into it."""
        return self._conn

    def account_awaiting(self, ticket_hash: str) -> str | None:
        """The account whose link code is under way under a ticket."""
        found: str | None = self._conn.scalar(select(ticket.c.account).where(ticket.c.ticket_hash == ticket_hash))
        return found

    def opened_by(self, name: str) -> str | None:
        """The institution that opened an account; None when there is no such account."""
        found: str | None = self._conn.scalar(select(account.c.opened_by).where(account.c.account == name))
        return found

    def code_of(self, name: str) -> Code | None:
        """The link code of an account; None while it is under way."""
        query = select(account.c.link_code, account.c.epoch).where(account.c.account == name)
        found = self._conn.execute(query).one_or_none()
        return None if found is None or found.link_code is None else Code(bytes(found.link_code), found.epoch)

    def open_account(self, name: str, ticket_hash: str, opened_by: str, at: datetime) -> None:
        """A new account without link code, and the ticket under which the code will come."""
        self._conn.execute(insert(account).values(account=name, link_code=None, opened_by=opened_by, opened_at=at))
        self._conn.execute(insert(ticket).values(ticket_hash=ticket_hash, account=name))

    def give_code(self, name: str, link_code: bytes, epoch: int) -> None:
        """The account has its link code, of that epoch: its tickets are forgotten."""
        here = self._present(Code(link_code, epoch))
        self._conn.execute(delete(ticket).where(ticket.c.account == name))
        given = update(account).where(account.c.account == name)
        self._conn.execute(given.values(link_code=here.code, epoch=here.epoch))

    def account_with(self, link_code: bytes, epoch: int) -> str | None:
        """The first account that was opened for this link code of that epoch."""
        here = self._present(Code(link_code, epoch))
        query = select(account.c.account).where(account.c.link_code == here.code).order_by(account.c.opened_at)
        found: str | None = self._conn.scalar(query.limit(1))
        return found

    def await_code(self, name: str, ticket_hash: str) -> None:
        """The code of an account comes under one more ticket."""
        self._conn.execute(insert(ticket).values(ticket_hash=ticket_hash, account=name))

    def remove_account(self, name: str) -> None:
        """An account nothing belongs to any more."""
        self._conn.execute(delete(ticket).where(ticket.c.account == name))
        self._conn.execute(delete(account).where(account.c.account == name))

    def replace_code(self, old: bytes, new: bytes, epoch: int) -> None:
        """After a re-coding, account and records go from one code to another of that epoch; again is as once.

        Where a rotation has moved the old code meanwhile, they come from what it became.
        """
        before, after = self._present(Code(old, epoch)), self._present(Code(new, epoch))
        if before.code == after.code:
            return
        self._go(before, after)

    def rotate_code(self, old: bytes, new: bytes, epoch: int) -> bool:
        """Account and records go from a code to what it is in `epoch`; False where it was replaced otherwise meanwhile."""
        if self._present(Code(old, None)).code != old:
            return False
        self._go(Code(old, epoch - 1), Code(new, epoch))
        return True

    def _go(self, old: Code, new: Code) -> None:
        to = {"link_code": new.code, "epoch": new.epoch}
        for holder in HELD_BY_CODE:
            self._conn.execute(update(holder).where(holder.c.link_code == old.code).values(to))
        earlier = update(replaced_code).where(replaced_code.c.replaced_by == old.code)
        self._conn.execute(earlier.values(replaced_by=new.code, by_epoch=new.epoch))
        row = {"link_code": old.code, "epoch": old.epoch, "replaced_by": new.code, "by_epoch": new.epoch}
        self._conn.execute(insert(replaced_code).values(row))

    def _present(self, held: Code) -> Code:
        """The code that took the place of this one, or itself."""
        row = _REPLACED.row(self._conn, code=held.code)
        return held if row is None else Code(bytes(row.replaced_by), row.by_epoch)

    def open_mailboxes(self, institution: str, opened: Mapping[str, bytes], epoch: int) -> None:
        """Mailboxes of an institution: hash of the handle → link code of that epoch. Once more changes nothing."""
        query = select(mailbox.c.handle_hash).where(among(self._conn, mailbox.c.handle_hash, list(opened)))
        known = set(self._conn.execute(query).scalars())
        for handle_hash, code in opened.items():
            if handle_hash not in known:
                here = self._present(Code(code, epoch))
                row = {
                    "handle_hash": handle_hash,
                    "institution": institution,
                    "link_code": here.code,
                    "epoch": here.epoch,
                }
                self._conn.execute(insert(mailbox).values(row))

    def count(self, name: str) -> None:
        """One more of something that was passed over."""
        if self._conn.execute(update(tally).where(tally.c.name == name).values(count=tally.c.count + 1)).rowcount == 0:
            self._conn.execute(insert(tally).values(name=name, count=1))

    def counted(self, name: str) -> int:
        """How many were passed over."""
        return int(self._conn.scalar(select(tally.c.count).where(tally.c.name == name)) or 0)

    def keep_access(self, kept: KeptRecord, link_code: bytes, epoch: int) -> None:
        """Keep an access record under a link code of that epoch; once more changes nothing."""
        if self._is_new(access, kept):
            refusal = kept.refusal.model_dump_json() if kept.refusal is not None else None
            here = self._present(Code(link_code, epoch))
            row = {"link_code": here.code, "epoch": here.epoch, "refusal": refusal, **_values(kept)}
            _KEEP[access].write(self._conn, row)

    def keep_outcome(self, kept: KeptRecord) -> None:
        """Keep an outcome; once more changes nothing."""
        if self._is_new(outcome, kept):
            _KEEP[outcome].write(self._conn, _values(kept))

    def keep_accesses(self, kept: Sequence[tuple[KeptWritten, bytes]], epoch: int) -> None:
        """Keep many access records with the code of that epoch each is about; once more changes nothing."""
        known = self._known(access, [one.index for one, _ in kept])
        codes = {code for _, code in kept}
        query = select(replaced_code).where(replaced_code.c.link_code.in_(codes))
        present = {
            bytes(row.link_code): Code(bytes(row.replaced_by), row.by_epoch) for row in self._conn.execute(query)
        }
        rows = []
        for one, code in kept:
            if (one.index, one.commitment) not in known:
                here = present.get(code, Code(code, epoch))
                refusal = one.refusal.model_dump_json() if one.refusal is not None else None
                rows.append(
                    (
                        one.index, here.code, one.transaction, one.commitment, one.salt, one.written, refusal,
                        one.received_at, here.epoch,
                    )
                )  # fmt: skip
        insert_rows(self._conn, access, tuple(column.name for column in access.columns), rows)

    def keep_outcomes(self, kept: Sequence[KeptWritten]) -> None:
        """Keep many outcomes; once more changes nothing."""
        known = self._known(outcome, [one.index for one in kept])
        rows = [
            (one.index, one.transaction, one.commitment, one.salt, one.written, one.received_at)
            for one in kept
            if (one.index, one.commitment) not in known
        ]
        insert_rows(self._conn, outcome, tuple(column.name for column in outcome.columns), rows)

    def _known(self, table: Table, indexes: Sequence[int]) -> set[tuple[int, bytes]]:
        query = select(table.c.log_index, table.c.commitment).where(among(self._conn, table.c.log_index, indexes))
        return {(index, bytes(commitment)) for index, commitment in self._conn.execute(query)}

    def accesses(self, name: str, index: int | None = None) -> list[KeptRecord]:
        """The access records about an account's holder, newest first, or those at one index; none without a link code."""
        here = account.c.link_code == access.c.link_code
        query = select(access).join(account, here).where(account.c.account == name)
        if index is not None:
            query = query.where(access.c.log_index == index)
        rows = self._conn.execute(query.order_by(access.c.log_index.desc()))
        return [
            replace(_kept(row), refusal=Refusal.model_validate_json(row.refusal) if row.refusal else None)
            for row in rows
        ]

    def outcomes(self, transactions: Sequence[str]) -> dict[str, list[KeptRecord]]:
        """The outcomes reported for transactions, oldest first."""
        found: dict[str, list[KeptRecord]] = {}
        for start in range(0, len(transactions), _IN):
            chosen = outcome.c.transaction_number.in_(transactions[start : start + _IN])
            for row in self._conn.execute(select(outcome).where(chosen).order_by(outcome.c.log_index)):
                found.setdefault(row.transaction_number, []).append(_kept(row))
        return found

    def _is_new(self, table: Table, kept: KeptRecord) -> bool:
        return _SAME[table].row(self._conn, log_index=kept.index, commitment=kept.commitment) is None


def _values(kept: KeptRecord) -> dict[str, object]:
    return {
        "log_index": kept.index,
        "transaction_number": kept.transaction,
        "commitment": kept.commitment,
        "salt": kept.salt,
        "record": kept.record.to_bytes().decode(),
        "received_at": kept.received_at,
    }


def _kept(row: Row[tuple[object, ...]]) -> KeptRecord:
    return KeptRecord(
        index=row.log_index,
        transaction=row.transaction_number,
        commitment=row.commitment,
        salt=row.salt,
        record=LogRecord.model_validate_json(row.record),
        received_at=row.received_at,
    )
