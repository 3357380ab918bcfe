"""Link codes of one institution (符号) and the tickets under which they are still to come.

A ticket is kept as its SHA-256 and only until its code has arrived: what ties a code to the moment of its issue is forgotten.
Batches are as large as a message allows (5,000), which one statement takes on both engines.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, bindparam, func, select

from kumihimo.domain.kernel.numbers import AddresseeNumber
from kumihimo.plumbing.storage import Statement
from kumihimo.roles.gateway.store.exchange import expected_ticket, link_code
from kumihimo.roles.gateway.store.links import LinkStore
from kumihimo.roles.gateway.store.upserts import upsert

_CODE = Statement(
    select(link_code.c.code, link_code.c.epoch)
    .where(
        link_code.c.institution == bindparam("institution"),
        link_code.c.addressee_number == bindparam("number"),
        link_code.c.epoch.between(bindparam("oldest"), bindparam("newest")),
    )
    .order_by(link_code.c.epoch.desc())
    .limit(1)
)
_LAST_EPOCH: Final = 999_999_999


@dataclass(frozen=True)
class LinkCode:
    """What the platform knows an addressee by here: 32 bytes, valid in the domain of this epoch."""

    code: bytes = field(repr=False)
    epoch: int


@dataclass(frozen=True)
class Placed:
    """What became of a batch: stored; arrived without a ticket that waits for it; already somebody else's code."""

    stored: int
    without_ticket: int
    of_another: int


class LinkCodeStore:
    """One institution's link codes in a database."""

    def __init__(self, engine: Engine, institution: str) -> None:
        self._engine = engine
        self._institution = institution
        self._links = LinkStore(engine, institution)
        self._code_here = link_code.c.institution == institution
        self._ticket_here = expected_ticket.c.institution == institution

    def lacking(self, numbers: Sequence[str], epoch: int, under_way_since: datetime) -> list[str]:
        """Which of these addressees have neither a code of this epoch nor a ticket made at or after that instant, in order."""
        waiting = select(expected_ticket.c.addressee_number).where(
            self._ticket_here,
            expected_ticket.c.addressee_number.in_(numbers),
            expected_ticket.c.expected_at >= under_way_since,
        )
        with self._engine.connect() as conn:
            have = self._coded(conn, numbers, epoch).union(conn.execute(waiting).scalars())
        return [number for number in numbers if number not in have]

    def expect(self, tickets: Mapping[bytes, str], at: datetime) -> None:
        """Remember ticket hashes with the addressees they are for."""
        rows = [
            {"institution": self._institution, "ticket_hash": digest, "addressee_number": number, "expected_at": at}
            for digest, number in tickets.items()
        ]
        with self._engine.begin() as conn:
            conn.execute(expected_ticket.insert(), rows)

    def place(self, conn: Connection, codes: Mapping[bytes, bytes], epoch: int, at: datetime) -> Placed:
        """Store codes by ticket hash inside the feed reader's transaction, and forget the tickets.

        An addressee that has a code of this epoch keeps it: another ticket of theirs brings the same one; a code of another
        epoch stays beside it. A code that another addressee has already is not stored again, since one code means one
        person.
        """
        owners = self._owners(conn, codes.keys())
        have = self._coded(conn, owners.values(), epoch)
        holders = self._holders(conn, [codes[digest] for digest in owners])
        rows: dict[str, bytes] = {}
        of_another = 0
        for digest, number in owners.items():
            code = codes[digest]
            if number in have:
                continue
            if holders.setdefault(code, number) != number:
                of_another += 1
                continue
            rows[number] = code
        common = {"institution": self._institution, "epoch": epoch, "placed_at": at}
        upsert(conn, link_code, [{"addressee_number": number, "code": code, **common} for number, code in rows.items()])
        if owners:
            all_theirs = expected_ticket.c.addressee_number.in_(set(owners.values()))
            conn.execute(expected_ticket.delete().where(self._ticket_here, all_theirs))
        return Placed(len(rows), len(codes) - len(owners), of_another)

    def replace(self, conn: Connection, pairs: Sequence[tuple[bytes, bytes]], at: datetime) -> int:
        """Put new codes in the place of old ones after a re-coding, given as (old, new); how many old ones were here.

        A code of the same person in another epoch was made from the old one, and goes: a rotation makes it anew.
        """
        replaced = 0
        for old, new in pairs:
            held = self._code_here & (link_code.c.code == old)
            changed = link_code.update().where(held).values(code=new, placed_at=at)
            row = conn.execute(changed.returning(link_code.c.addressee_number, link_code.c.epoch)).one_or_none()
            if row is not None:
                other = (link_code.c.addressee_number == row.addressee_number) & (link_code.c.epoch != row.epoch)
                conn.execute(link_code.delete().where(self._code_here, other))
                replaced += 1
        return replaced

    def code_of(self, number: AddresseeNumber, newest: int = _LAST_EPOCH, oldest: int = 0) -> LinkCode | None:
        """The code of an addressee, or of the one they stand for, in the newest of these epochs in which there is one."""
        with self._engine.connect() as conn:
            survivor = self._links.survivor(conn, number.digits)
            asked = {"institution": self._institution, "number": survivor}
            row = _CODE.row(conn, **asked, oldest=oldest, newest=newest)
        return None if row is None else LinkCode(bytes(row.code), row.epoch)

    def stands_for(self, number: AddresseeNumber) -> str | None:
        """Whose code an addressee is asked about with: their own, or the one's they stand for."""
        with self._engine.connect() as conn:
            return self._links.survivor(conn, number.digits)

    def count(self) -> int:
        """How many addressees have a code."""
        with self._engine.connect() as conn:
            numbers = func.count(link_code.c.addressee_number.distinct())
            return conn.execute(select(numbers).where(self._code_here)).scalar_one()

    def _owners(self, conn: Connection, digests: Collection[bytes]) -> dict[bytes, str]:
        query = select(expected_ticket.c.ticket_hash, expected_ticket.c.addressee_number).where(
            self._ticket_here, expected_ticket.c.ticket_hash.in_(digests)
        )
        return {bytes(row.ticket_hash): row.addressee_number for row in conn.execute(query)}

    def _coded(self, conn: Connection, numbers: Collection[str], epoch: int) -> set[str]:
        query = select(link_code.c.addressee_number).where(
            self._code_here, link_code.c.epoch == epoch, link_code.c.addressee_number.in_(numbers)
        )
        return set(conn.execute(query).scalars())

    def _holders(self, conn: Connection, codes: Collection[bytes]) -> dict[bytes, str]:
        query = select(link_code.c.code, link_code.c.addressee_number).where(
            self._code_here, link_code.c.code.in_(codes)
        )
        return {bytes(row.code): row.addressee_number for row in conn.execute(query)}
