"""Store of the registry; every query runs inside one `transaction()`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from kumihimo.domain.kernel import FourItems, PartyId, party_id
from kumihimo.domain.sealing import canonical_json
from kumihimo.plumbing.storage import among, append_feed, insert_rows
from kumihimo.plumbing.wire.messages.residents import Standing
from kumihimo.roles.registry.schema import (
    announcement,
    code_holder,
    feed,
    history,
    number_history,
    resident,
    subscription,
)


@dataclass(frozen=True)
class Resident:
    """One resident as the registry knows them now. The id is the registry's own and leaves it never."""

    id: int
    resident_code: str
    individual_number: str
    four_items: FourItems
    municipality: str
    died_on: date | None
    version: int
    code_counter: int
    standing: Standing = Standing.ACTIVE
    merged_into: int | None = None


@dataclass(frozen=True)
class Numbers:
    """Numbers a resident has no longer: all of them, oldest first, and those that came with merged registrations."""

    former: tuple[str, ...]
    merged: tuple[str, ...]


@dataclass(frozen=True)
class NewResident:
    """A resident to be stored for the first time."""

    resident_code: str
    individual_number: str
    four_items: FourItems
    municipality: str


@dataclass(frozen=True)
class HistoryEntry:
    """One dated change as it was recorded."""

    version: int
    event: str
    happened_on: date
    recorded_at: datetime
    reported_by: str
    reason: str
    four_items: FourItems
    municipality: str


@dataclass(frozen=True)
class Change:
    """What happened, when, and who reported it."""

    event: str
    happened_on: date
    recorded_at: datetime
    reported_by: str
    reason: str


class Taken(Exception):
    """A resident code or number is already stored, or another writer changed the resident first; rolled back."""


class RegistryStore:
    """The registry's store."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One transaction, all or nothing. Raises Taken when another writer was faster."""
        try:
            with self.engine.begin() as conn:
                yield Transaction(conn)
        except IntegrityError:
            raise Taken from None


class Transaction:
    """The queries of one transaction."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def add(self, new: Sequence[NewResident], changes: Sequence[Change]) -> list[Resident]:
        """Store new residents with version 1, their number and the first history entry; subscribes the municipality."""
        if not new:
            return []
        unstored = [
            Resident(0, n.resident_code, n.individual_number, n.four_items, n.municipality, None, 1, 0) for n in new
        ]
        rows = [_row(one) for one in unstored]
        self._insert(resident, rows)
        ids = self._ids([one.resident_code for one in new])
        added = [replace(one, id=ids[one.resident_code]) for one in unstored]
        self._insert(history, [_history(*one) for one in zip(added, changes, rows, strict=True)])
        self._insert(
            number_history,
            [
                {"individual_number": one.individual_number, "resident": one.id, "since": change.recorded_at}
                for one, change in zip(added, changes, strict=True)
            ],
        )
        self._insert(subscription, [{"resident": one.id, "institution": one.municipality} for one in added])
        return added

    def update(self, before: Resident, after: Resident, change: Change) -> None:
        """Store a changed resident with its history entry. Raises Taken when `before` is no longer the current state."""
        result = self._conn.execute(
            resident.update()
            .where(resident.c.id == before.id, resident.c.version == before.version)
            .values(_row(after))
        )
        if result.rowcount != 1:
            raise Taken
        self._insert(history, [_history(after, change, _row(after))])

    def codes_in_use(self, resident_codes: Sequence[str]) -> set[str]:
        """Which of these resident codes are somebody's."""
        return set(self._ids(resident_codes))

    def by_number(self, number: str) -> Resident | None:
        """The resident who has this number now, or the one a registration with it was merged into."""
        return self._standing_for(self._one(resident.c.individual_number == number))

    def by_numbers(self, numbers: Sequence[str]) -> dict[str, Resident]:
        """Number → resident, for the numbers that are somebody's now."""
        found: dict[str, Resident] = {}
        rows = self._conn.execute(select(resident).where(among(self._conn, resident.c.individual_number, numbers)))
        for row in list(rows.mappings()):
            one = self._standing_for(_resident(row))
            if one is not None:
                found[row["individual_number"]] = one
        return found

    def by_code(self, resident_code: str) -> Resident | None:
        """The resident with this code, or the one a registration with it was merged into."""
        return self._standing_for(self._one(resident.c.resident_code == resident_code))

    def by_four_items(self, items: FourItems) -> list[Resident]:
        """Everybody whose four items agree after normalisation; merged and cancelled registrations are nobody."""
        name_key, address_key, _, sex = items.key()
        rows = self._conn.execute(
            select(resident).where(
                resident.c.birth == items.birth,
                resident.c.name_key == name_key,
                resident.c.address_key == address_key,
                resident.c.sex == sex,
                resident.c.standing == Standing.ACTIVE.value,
            )
        ).mappings()
        return [_resident(row) for row in rows]

    def numbers_of(self, one: Resident) -> Numbers:
        """The numbers of a resident and of every registration merged into theirs, apart from the present one."""
        family = select(resident.c.id).where(resident.c.id == one.id).cte("family", recursive=True)
        family = family.union(select(resident.c.id).where(resident.c.merged_into == family.c.id))
        rows = self._conn.execute(
            select(number_history.c.individual_number, number_history.c.resident)
            .join(family, family.c.id == number_history.c.resident)
            .where(number_history.c.individual_number != one.individual_number)
            .order_by(number_history.c.since, number_history.c.individual_number)
        ).all()
        former = tuple(row.individual_number for row in rows)
        return Numbers(former, tuple(row.individual_number for row in rows if row.resident != one.id))

    def survivor_number(self, one: Resident) -> str | None:
        """The number of the registration that one is merged into, None for one that is not merged."""
        if one.merged_into is None:
            return None
        found = self._one(resident.c.id == one.merged_into)
        return found.individual_number if found is not None else None

    def survivor_code(self, one: Resident) -> str | None:
        """As `survivor_number`, by resident code."""
        if one.merged_into is None:
            return None
        found = self._one(resident.c.id == one.merged_into)
        return found.resident_code if found is not None else None

    def history(self, resident_id: int) -> list[HistoryEntry]:
        """Every recorded change of a resident, oldest first."""
        rows = self._conn.execute(
            select(history).where(history.c.resident == resident_id).order_by(history.c.version)
        ).mappings()
        return [
            HistoryEntry(
                row["version"], row["event"], row["happened_on"], row["recorded_at"], row["reported_by"],
                row["reason"], FourItems.from_dict(json.loads(row["four_items"])), row["municipality"],
            )
            for row in rows
        ]  # fmt: skip

    def subscribe(self, resident_id: int, institution: str) -> None:
        """From now on the institution hears of the resident's events; again is the same as once."""
        self._insert_missing(subscription, [{"resident": resident_id, "institution": institution}])

    def subscribe_many(self, pairs: Sequence[tuple[int, str]]) -> None:
        """Subscriptions of a new country, as (resident, institution)."""
        self._insert_missing(subscription, [{"resident": r, "institution": i} for r, i in pairs])

    def subscribers(self, resident_id: int) -> list[str]:
        return list(
            self._conn.scalars(
                select(subscription.c.institution)
                .where(subscription.c.resident == resident_id)
                .order_by(subscription.c.institution)
            )
        )

    def hold_codes(self, residents: Sequence[Resident], institution: str, basis: str, at: datetime) -> None:
        """Note that an institution may hold codes of these residents, the first time: who must hear of a re-coding."""
        rows = [
            {"resident": o.id, "institution": institution, "counter": o.code_counter, "basis": basis, "issued_at": at}
            for o in residents
        ]
        self._insert_missing(code_holder, rows)

    def hold_earlier(self, residents: Sequence[Resident], institution: str) -> None:
        """Codes of these residents were sent: where one was re-coded meanwhile, the institution is behind again."""
        for one in residents:
            row = (code_holder.c.resident == one.id) & (code_holder.c.institution == institution)
            newer = code_holder.c.counter > one.code_counter
            self._conn.execute(code_holder.update().where(row, newer).values(counter=one.code_counter))

    def code_holders(self, resident_id: int) -> list[str]:
        holders = select(code_holder.c.institution).where(code_holder.c.resident == resident_id)
        return list(self._conn.scalars(holders.order_by(code_holder.c.institution)))

    def announce(self, one: Resident, change: Change, institution: str, body: dict[str, Any]) -> None:
        """Put a resident's event into the feed of one ledger, and wait for it to be acknowledged."""
        at = change.recorded_at
        seq = append_feed(self._conn, feed, party_id(institution, "ledger"), "resident", body, at)
        self._conn.execute(
            announcement.insert().values(
                seq=seq, resident=one.id, institution=institution, version=one.version, event=change.event,
                happened_on=change.happened_on, reported_by=change.reported_by, announced_at=at, acknowledged_at=None,
            )
        )  # fmt: skip

    def tell(self, party: PartyId, kind: str, body: dict[str, Any], change: Change) -> None:
        """Put an item into the feed of a party that is no ledger, and need not acknowledge it."""
        append_feed(self._conn, feed, party, kind, body, change.recorded_at)

    def count(self) -> int:
        return self._conn.scalar(select(func.count()).select_from(resident)) or 0

    def _ids(self, resident_codes: Sequence[str]) -> dict[str, int]:
        chosen = among(self._conn, resident.c.resident_code, resident_codes)
        rows = self._conn.execute(select(resident.c.resident_code, resident.c.id).where(chosen))
        return {code: given for code, given in rows}  # noqa: C416 - a result is no mapping, though it has keys()

    def _insert(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows, all with the same columns, in the table's order."""
        insert_rows(self._conn, table, tuple(rows[0]), [tuple(row.values()) for row in rows])

    def _insert_missing(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows whose primary key is not there yet, also when another writer is about to insert the same."""
        dialect = postgresql if self._conn.dialect.name == "postgresql" else sqlite
        if rows:
            # In one order for all, or two writers could wait for each other.
            ordered = sorted(rows, key=lambda row: (row["resident"], row["institution"]))
            self._conn.execute(dialect.insert(table).on_conflict_do_nothing(), ordered)

    def _standing_for(self, one: Resident | None) -> Resident | None:
        """The registration that now stands for the person; nobody for a cancelled one."""
        while one is not None and one.merged_into is not None:
            one = self._one(resident.c.id == one.merged_into)
        return one if one is not None and one.standing is Standing.ACTIVE else None

    def _one(self, condition: Any) -> Resident | None:
        row = self._conn.execute(select(resident).where(condition)).mappings().first()
        return _resident(row) if row is not None else None


def _row(one: Resident) -> dict[str, Any]:
    name_key, address_key, _, sex = one.four_items.key()
    return {
        "resident_code": one.resident_code,
        "individual_number": one.individual_number,
        "four_items": canonical_json(one.four_items.to_dict()).decode(),
        "name_key": name_key,
        "address_key": address_key,
        "birth": one.four_items.birth,
        "sex": sex,
        "municipality": one.municipality,
        "died_on": one.died_on,
        "version": one.version,
        "code_counter": one.code_counter,
        "standing": one.standing.value,
        "merged_into": one.merged_into,
    }


def _history(one: Resident, change: Change, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "resident": one.id,
        "version": one.version,
        "event": change.event,
        "happened_on": change.happened_on,
        "recorded_at": change.recorded_at,
        "reported_by": change.reported_by,
        "reason": change.reason,
        "four_items": row["four_items"],
        "municipality": one.municipality,
    }


def _resident(row: RowMapping) -> Resident:
    return Resident(
        row["id"], row["resident_code"], row["individual_number"], FourItems.from_dict(json.loads(row["four_items"])),
        row["municipality"], row["died_on"], row["version"], row["code_counter"],
        Standing(row["standing"]), row["merged_into"],
    )  # fmt: skip
