"""The stores of certification authority and responder on both engines: migrated as declared, and keeping what they must."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, MetaData

from kumihimo.domain.jpki import GOOD, UNKNOWN, CaName, Entry, Profile, Reason, State, Status
from kumihimo.plumbing.storage import downgrade, migrate, read_feed
from kumihimo.plumbing.wire.messages.cards import Cause, CertificateState, Occasion, StatusChange
from kumihimo.roles.jpki.store import (
    MIGRATIONS,
    AuthorityStore,
    Card,
    CardState,
    NewCertificate,
    Taken,
    feed,
    metadata,
)
from kumihimo.roles.jpki.store.lists import DELTA, FULL, MadeList
from kumihimo.roles.jpki.store.responder import (
    RESPONDER_MIGRATIONS,
    Credential,
    ResponderStore,
    responder_metadata,
    take_list,
    take_status,
)

NOON = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)
CARD = Card("KC-1", "12345678901", "x-city", date(2036, 1, 1), CardState.IN_USE, NOON, NOON)
A, S = Profile.AUTHENTICATION, Profile.SIGNATURE
STORES = {MIGRATIONS: metadata, RESPONDER_MIGRATIONS: responder_metadata}


def new(profile: Profile, serial: str, key: str | None = None) -> NewCertificate:
    return NewCertificate(profile, serial, key or f"{profile}{serial}", b"\x30", NOON, NOON + timedelta(days=1800))


@pytest.fixture
def store(engine: Engine) -> AuthorityStore:
    migrate(engine, MIGRATIONS)
    found = AuthorityStore(engine)
    with found.transaction() as transaction:
        transaction.add_card(CARD)
        applied = transaction.add_application(Occasion.FIRST, CARD, "x-city", "{}", NOON)
        for profile, serial in ((A, "0a"), (S, "0a"), (A, "0b")):
            transaction.add_certificate(new(profile, serial), CARD, applied, NOON, "x-city/1")
    return found


@pytest.mark.parametrize("package", list(STORES))
def test_the_migrated_schema_is_the_declared_one(engine: Engine, package: str) -> None:
    migrate(engine, package)
    with engine.connect() as conn:
        differences = compare_metadata(MigrationContext.configure(conn), _declared(package))
    assert [one for one in differences if not _is_version_table(one)] == []
    downgrade(engine, package, "base")


def _declared(package: str) -> MetaData:
    return STORES[package]


def _is_version_table(difference: object) -> bool:
    return isinstance(difference, tuple) and difference[0] == "remove_table" and "schema_of__" in difference[1].name


def test_what_becomes_of_a_certificate_is_kept_and_told_without_a_name(store: AuthorityStore) -> None:
    with store.transaction() as transaction:
        one = transaction.certificate(A, "0a")
        assert one is not None
        assert (one.state, one.cause, one.reason) == (CertificateState.GOOD, Cause.ISSUED, None)
        transaction.set_certificate(one, CertificateState.HELD, Cause.LOST, Reason.CERTIFICATE_HOLD, NOON, "x-city/2")
    with store.reading() as transaction:
        held = transaction.certificate(A, "0a")
        assert held is not None
        assert (held.state, held.reason, held.since) == (CertificateState.HELD, Reason.CERTIFICATE_HOLD, NOON)
        assert transaction.certificate(S, "0a") != held
        assert transaction.certificate_of_key(held.key_hash) == held
        assert [(o.profile, o.serial) for o in transaction.certificates_on("KC-1")] == [(A, "0a"), (A, "0b"), (S, "0a")]
    with store.engine.connect() as conn:
        told = [StatusChange.model_validate(item.body) for item in read_feed(conn, feed, "jpki/responder", 0, 10)]
    assert [(one.serial, one.state, one.reason) for one in told[-1:]] == [("0a", CertificateState.HELD, 6)]
    assert len(told) == 4


def test_a_key_has_one_certificate_and_a_card_one_place(store: AuthorityStore) -> None:
    with pytest.raises(Taken), store.transaction() as transaction:
        transaction.add_card(CARD)
    with pytest.raises(Taken), store.transaction() as transaction:
        transaction.add_certificate(new(A, "0c", "authentication0a"), CARD, 1, NOON, "x-city/1")
    with store.reading() as transaction:
        assert transaction.certificate(A, "0c") is None
        assert transaction.card("KC-1") == CARD


def test_cards_end_and_are_shown_newest_first(store: AuthorityStore) -> None:
    later = NOON + timedelta(days=1)
    with store.transaction() as transaction:
        transaction.add_card(replace(CARD, card_serial="KC-2", issued_at=later, since=later))
        transaction.set_card("KC-1", CardState.ENDED, later)
        transaction.set_card("KC-1", CardState.ENDED, later + timedelta(days=1))
    with store.reading() as transaction:
        found = transaction.cards_of(CARD.resident_code)
    assert [(one.card_serial, one.state, one.since) for one in found] == [
        ("KC-2", CardState.IN_USE, later),
        ("KC-1", CardState.ENDED, later),
    ]


def test_lists_are_made_of_what_is_not_good_and_deltas_of_what_changed(store: AuthorityStore) -> None:
    def turn(serial: str, state: CertificateState, cause: Cause, reason: Reason | None) -> None:
        with store.transaction() as transaction:
            one = transaction.certificate(A, serial)
            assert one is not None
            transaction.set_certificate(one, state, cause, reason, NOON, "x-city/2")

    turn("0a", CertificateState.HELD, Cause.LOST, Reason.CERTIFICATE_HOLD)
    with store.transaction() as transaction:
        assert transaction.not_good(A, NOON) == [Entry(10, NOON, Reason.CERTIFICATE_HOLD)]
        assert transaction.not_good(A, NOON + timedelta(days=1800)) == []
        assert transaction.not_good(S, NOON) == []
        base = transaction.last_change()
    turn("0a", CertificateState.GOOD, Cause.FOUND, None)
    turn("0b", CertificateState.REVOKED, Cause.STOLEN, Reason.KEY_COMPROMISE)
    with store.transaction() as transaction:
        assert transaction.changed_since(A, base, NOON) == [
            Entry(10, NOON, Reason.REMOVE_FROM_CRL),
            Entry(11, NOON, Reason.KEY_COMPROMISE),
        ]
        assert transaction.changed_since(A, transaction.last_change(), NOON) == []
        transaction.keep_list(CaName.AUTHENTICATION, FULL, MadeList(1, base, NOON))
        transaction.keep_list(CaName.AUTHENTICATION, FULL, MadeList(2, base, NOON))
        assert transaction.newest_list(CaName.AUTHENTICATION, FULL) == MadeList(2, base, NOON)
        assert transaction.newest_list(CaName.AUTHENTICATION, DELTA) is None


def test_holders_offices_and_disclosures_are_kept(store: AuthorityStore) -> None:
    with store.transaction() as transaction:
        assert transaction.version_of("12345678901") == 0
        for version, city in ((1, "x-city"), (2, "y-city")):
            transaction.set_holder("12345678901", version, city)
        assert (transaction.version_of("12345678901"), transaction.municipality_of("12345678901")) == (2, "y-city")
        transaction.add_among_cards("office", "x-city", "k", b"\x30", NOON, "x-city/ledger")
        assert transaction.among_cards("office", "x-city") == [("k", b"\x30")]
        assert transaction.among_cards("card", "x-city") == []
        transaction.record_disclosure(A, "0a", "portal/portal", "b", transaction.certificate(A, "0a"), NOON)
        assert transaction.disclosures(A, "0a") == [("portal/portal", "b")]


def test_of_two_writers_of_one_card_one_is_told(store: AuthorityStore) -> None:
    taken, both = [], threading.Barrier(2)

    def issue() -> None:
        both.wait(10)
        try:
            with store.transaction() as transaction:
                transaction.add_card(replace(CARD, card_serial="KC-3"))
        except Taken as error:
            taken.append(error)

    threads = [threading.Thread(target=issue) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(taken) == 1


def test_an_application_and_an_event_of_the_register_do_not_pass_each_other(store: AuthorityStore) -> None:
    seen, about_to = [], threading.Event()

    def apply() -> None:
        about_to.set()
        with store.transaction() as transaction:
            seen.append(transaction.version_of("12345678901"))

    waiting = threading.Thread(target=apply)
    with store.transaction() as transaction:
        assert transaction.version_of("12345678901") == 0
        waiting.start()
        assert about_to.wait(10)
        transaction.set_holder("12345678901", 5, "y-city")
    waiting.join(30)
    assert seen == [5]


def test_the_responder_keeps_the_newest_of_everything(engine: Engine) -> None:
    migrate(engine, RESPONDER_MIGRATIONS)
    store = ResponderStore(engine)
    assert store.status(A, "0a") == UNKNOWN
    good = StatusChange(profile=A, serial="0a", state=CertificateState.GOOD, at=NOON)
    gone = StatusChange(profile=A, serial="0a", state=CertificateState.REVOKED, at=NOON, reason=4)
    for told, expected in ((good, GOOD), (gone, Status(State.REVOKED, NOON, Reason.SUPERSEDED)), (good, GOOD)):
        with engine.begin() as conn:
            take_status(conn, told)
            take_status(conn, told)
        assert store.status(A, "0a") == expected
    assert store.status(S, "0a") == UNKNOWN
    with engine.begin() as conn:
        for number, der in ((2, b"two"), (1, b"one"), (3, b"three")):
            take_list(conn, CaName.SIGNATURE, FULL, number, der)
    assert (store.crl(CaName.SIGNATURE, FULL), store.crl(CaName.SIGNATURE, DELTA)) == (b"three", None)
    assert store.level_with("jpki/authority") is None
    for at in (NOON, NOON + timedelta(minutes=1)):
        store.keep_level("jpki/authority", at)
        assert store.level_with("jpki/authority") == at
    for responder in (b"first", b"second"):
        store.keep_credentials({CaName.ROOT: Credential(b"root", None), CaName.SIGNATURE: Credential(b"ca", responder)})
    assert store.credentials()[CaName.SIGNATURE] == Credential(b"ca", b"second")
    assert (store.authority(CaName.ROOT), store.authority(CaName.CARD)) == (b"root", None)
