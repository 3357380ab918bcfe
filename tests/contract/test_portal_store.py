"""The portal's store on both engines: the migrated schema is the declared one, and it keeps what it must, by code."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

import kumihimo.roles.portal.store_information  # noqa: F401 - its tables
from kumihimo.plumbing.storage import downgrade, migrate
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, LogRecord
from kumihimo.roles.portal import api  # noqa: F401 - declares every table of the store
from kumihimo.roles.portal.store import MIGRATIONS, KeptRecord, PortalStore, metadata

NOON = datetime(2026, 6, 3, 3, 0, tzinfo=UTC)
CODE, OTHER = b"\x01" * 32, b"\x02" * 32
TICKET = "ab" * 32


@pytest.fixture
def migrated(engine: Engine) -> Engine:
    migrate(engine, MIGRATIONS)
    return engine


@pytest.fixture
def store(migrated: Engine) -> PortalStore:
    return PortalStore(migrated)


def kept(index: int, transaction: str = "t") -> KeptRecord:
    record = LogRecord(entry=EntryKind.REQUEST, logged_at=NOON, transaction=transaction, granted=True)
    return KeptRecord(index, transaction, bytes([index]) * 32, b"s" * 32, record, NOON)


def test_the_migrated_schema_is_the_declared_one(migrated: Engine) -> None:
    with migrated.connect() as conn:
        differences = compare_metadata(MigrationContext.configure(conn), metadata)
    assert [one for one in differences if not _is_version_table(one)] == []
    downgrade(migrated, MIGRATIONS, "base")


def _is_version_table(difference: object) -> bool:
    return isinstance(difference, tuple) and difference[0] == "remove_table" and "schema_of__" in difference[1].name


def test_an_account_gets_its_code_and_its_ticket_is_forgotten(store: PortalStore) -> None:
    with store.transaction() as transaction:
        transaction.open_account("a", TICKET, "x-city", NOON)
        assert transaction.account_awaiting(TICKET) == "a"
        assert transaction.opened_by("a") == "x-city"
        assert transaction.opened_by("b") is None
        transaction.keep_access(kept(3), CODE, 1)
        assert transaction.accesses("a") == []
        transaction.give_code("a", CODE, 1)
        assert transaction.account_awaiting(TICKET) is None
    with store.reading() as transaction:
        assert transaction.accesses("a") == [kept(3)]


def test_accesses_are_newest_first_and_only_those_of_the_code(store: PortalStore) -> None:
    with store.transaction() as transaction:
        transaction.open_account("a", TICKET, "x-city", NOON)
        transaction.give_code("a", CODE, 1)
        for index, code in ((1, CODE), (2, OTHER), (7, CODE)):
            transaction.keep_access(kept(index), code, 1)
        assert [one.index for one in transaction.accesses("a")] == [7, 1]


def test_a_record_is_kept_once_and_another_at_its_index_beside_it(store: PortalStore) -> None:
    with store.transaction() as transaction:
        transaction.open_account("a", TICKET, "x-city", NOON)
        transaction.give_code("a", CODE, 1)
        other = replace(kept(1), commitment=OTHER)
        for keep in (lambda one: transaction.keep_access(one, CODE, 1), transaction.keep_outcome):
            for one in (kept(1), kept(1), other, other):
                keep(one)
        assert sorted(one.commitment for one in transaction.accesses("a")) == [CODE, OTHER]
        assert sorted(one.commitment for one in transaction.outcomes(["t"])["t"]) == [CODE, OTHER]


def test_outcomes_are_found_by_transaction_oldest_first(store: PortalStore) -> None:
    with store.transaction() as transaction:
        for index, number in ((5, "t"), (2, "t"), (3, "u"), (4, "v")):
            transaction.keep_outcome(kept(index, number))
        found = transaction.outcomes(["t", "u", "w"])
    assert {number: [one.index for one in ones] for number, ones in found.items()} == {"t": [2, 5], "u": [3]}


def test_what_is_passed_over_is_counted(store: PortalStore) -> None:
    with store.transaction() as transaction:
        assert transaction.counted("unknown_tickets") == 0
        transaction.count("unknown_tickets")
        transaction.count("unknown_tickets")
        assert transaction.counted("unknown_tickets") == 2
