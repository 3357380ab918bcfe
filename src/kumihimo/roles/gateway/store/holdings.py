"""Holdings of many persons (多人数の保有情報): what `LinkStore` and `CopyStore` say of one, for a chunk in few statements.

The rules are theirs: who stands for whom, which flags and copies are one person's, which copies contradict each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from kumihimo.plumbing.storage import among
from kumihimo.plumbing.wire.messages.inquiry import Period
from kumihimo.roles.gateway.store.copies import CopyStore, PlacedCopy, StoredFlag
from kumihimo.roles.gateway.store.deliveries import delivered
from kumihimo.roles.gateway.store.exchange import addressee_link, flag, link_code
from kumihimo.roles.gateway.store.link_codes import LinkCode
from kumihimo.roles.gateway.store.links import together
from kumihimo.roles.gateway.store.provisions import Holdings


def survivors(conn: Connection, institution: str, numbers: Collection[str]) -> dict[str, str | None]:
    """Whom each addressee number stands for; None for nobody."""
    rows = conn.execute(
        select(addressee_link.c.addressee_number, addressee_link.c.stands_for).where(
            addressee_link.c.institution == institution, among(conn, addressee_link.c.addressee_number, numbers)
        )
    )
    linked = {row.addressee_number: row.stands_for for row in rows}
    return {number: linked.get(number, number) for number in numbers}


def codes_of(conn: Connection, institution: str, numbers: Collection[str], epoch: int) -> dict[str, LinkCode]:
    """The code of each addressee, or of the one they stand for, in that epoch; those without one are left out."""
    standing = survivors(conn, institution, numbers)
    rows = conn.execute(
        select(link_code.c.addressee_number, link_code.c.code, link_code.c.epoch).where(
            link_code.c.institution == institution,
            link_code.c.epoch == epoch,
            among(conn, link_code.c.addressee_number, {one for one in standing.values() if one is not None}),
        )
    )
    held = {row.addressee_number: LinkCode(bytes(row.code), row.epoch) for row in rows}
    return {number: held[one] for number, one in standing.items() if one is not None and one in held}


def holdings_of(
    conn: Connection, institution: str, copies: CopyStore, codes: Sequence[bytes], items: Sequence[str], period: Period
) -> list[Holdings]:
    """What is held about the holder of each code, in order: nothing at all when no addressee has it."""
    rows = conn.execute(
        select(link_code.c.code, link_code.c.addressee_number).where(
            link_code.c.institution == institution, link_code.c.code.in_(set(codes))
        )
    )
    owners = {bytes(row.code): row.addressee_number for row in rows}
    # The code of an addressee that turned out to be somebody else, or nobody, no longer stands for anyone.
    standing = survivors(conn, institution, set(owners.values()))
    persons = {number for number, one in standing.items() if one == number}
    family, linked_at = _families(conn, institution, persons)
    everybody = [one for members in family.values() for one in members]
    flags: defaultdict[str, list[StoredFlag]] = defaultdict(list)
    for row in conn.execute(
        select(flag.c.addressee_number, flag.c.item, flag.c.kind).where(
            flag.c.institution == institution, among(conn, flag.c.addressee_number, everybody)
        )
    ):
        flags[row.addressee_number].append(StoredFlag(row.item, row.kind))
    placed: defaultdict[str, list[PlacedCopy]] = defaultdict(list)
    for one in copies.placed(conn, everybody, items, period):
        placed[one.addressee_number].append(one)

    whole = tuple(delivered(conn, institution, items))

    def held(number: str) -> Holdings:
        members = family[number]
        theirs = [one for member in members for one in placed[member]]
        at = linked_at.get(number)
        stored = [one.copy for one in theirs] if at is None else together(theirs, at)
        return Holdings(number, tuple(one for member in members for one in flags[member]), tuple(stored), whole)

    nobody = Holdings(None, delivered=whole)
    return [held(number) if (number := owners.get(code)) in persons and number else nobody for code in codes]


def _families(
    conn: Connection, institution: str, persons: Collection[str]
) -> tuple[dict[str, list[str]], dict[str, datetime]]:
    """Each person's addressee numbers, their own first, and when the last one was linked."""
    family = {number: [number] for number in persons}
    linked_at: dict[str, datetime] = {}
    rows = conn.execute(
        select(addressee_link.c.addressee_number, addressee_link.c.stands_for, addressee_link.c.since)
        .where(addressee_link.c.institution == institution, among(conn, addressee_link.c.stands_for, persons))
        .order_by(addressee_link.c.addressee_number)
    )
    for row in rows:
        family[row.stands_for].append(row.addressee_number)
        linked_at[row.stands_for] = max(linked_at.get(row.stands_for, row.since), row.since)
    return family, linked_at
