"""Identity checks in the ledger, and the migration that brings them, on both engines."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, inspect

from kumihimo.domain.identity_check import IdentityCheck, Method, WhyNoPhoto, by_card
from kumihimo.domain.kernel import AddresseeNumber
from kumihimo.plumbing.storage import downgrade, migrate
from kumihimo.roles.gateway.store import ledger
from kumihimo.roles.gateway.store.identity_checks import IdentityCheckStore, RecordedCheck

NOON = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
HANAKO, TARO = (AddresseeNumber.from_serial(serial).digits for serial in (1, 2))
BY_CARD = RecordedCheck(HANAKO, by_card("tanaka", NOON))
BY_DOCUMENTS = RecordedCheck(
    HANAKO,
    IdentityCheck(
        Method.DOCUMENTS,
        ("resident-record", "pension-book", "insurance-eligibility"),
        ("番号法施行規則第二条",),
        "suzuki",
        NOON + timedelta(minutes=1),
        WhyNoPhoto.HAS_NONE,
    ),
)
REFUSED = RecordedCheck(TARO, by_card("tanaka", NOON), "identity.differs")


@pytest.fixture
def store(engine: Engine) -> IdentityCheckStore:
    migrate(engine, ledger.MIGRATIONS)
    return IdentityCheckStore(engine, "x-city")


def test_checks_are_kept_as_they_were_made_newest_first(store: IdentityCheckStore) -> None:
    for request, one in (("a", BY_CARD), ("b", BY_DOCUMENTS), ("c", REFUSED)):
        store.record(request, one)
    assert store.of(HANAKO) == [BY_DOCUMENTS, BY_CARD]
    assert store.of(TARO) == [REFUSED]


def test_the_first_of_the_same_request_stays(store: IdentityCheckStore) -> None:
    store.record("a", BY_CARD)
    store.record("a", replace(BY_CARD, result="identity.differs"))
    assert store.of(HANAKO) == [BY_CARD]


def test_institutions_keep_their_checks_apart(engine: Engine, store: IdentityCheckStore) -> None:
    store.record("a", BY_CARD)
    other = IdentityCheckStore(engine, "y-city")
    other.record("a", REFUSED)
    assert (store.of(TARO), other.of(HANAKO), other.of(TARO)) == ([], [], [REFUSED])


def test_the_step_down_takes_the_table_and_nothing_else(engine: Engine, store: IdentityCheckStore) -> None:
    downgrade(engine, ledger.MIGRATIONS, "0003_register")
    tables = set(inspect(engine).get_table_names())
    assert "identity_check" not in tables
    assert {"addressee", "register_due"} <= tables
    migrate(engine, ledger.MIGRATIONS)
    assert store.of(HANAKO) == []
