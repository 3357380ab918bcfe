"""The gateway's two stores keep their promises on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, MetaData, inspect
from sqlalchemy.exc import IntegrityError

from kumihimo.domain.codes import Point, person_point
from kumihimo.domain.kernel import (
    Address,
    AddresseeNumber,
    FourItems,
    IndividualNumber,
    PersonName,
    Problem,
    SeededRandomness,
    Sex,
)
from kumihimo.plumbing.storage import downgrade, migrate
from kumihimo.plumbing.wire.envelope import Envelope, Signature, b64
from kumihimo.plumbing.wire.messages.by_hand import FlagKind
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.plumbing.wire.messages.provision import CopyOf, DatedItem
from kumihimo.roles.gateway.store import exchange, ledger
from kumihimo.roles.gateway.store.addressees import LedgerStore
from kumihimo.roles.gateway.store.commits import OneByOne, Together
from kumihimo.roles.gateway.store.copies import CopyStore
from kumihimo.roles.gateway.store.inquiries import Closing, InquiryStore, OpenInquiry
from kumihimo.roles.gateway.store.link_codes import LinkCodeStore
from kumihimo.roles.gateway.store.outbox import OutboxStore, Report
from kumihimo.roles.gateway.store.persons import Person
from kumihimo.roles.gateway.store.provisions import Claim, Holdings, KeptAnswer, ProvisionStore
from kumihimo.roles.gateway.store.records import AccessRecord, RecordStore, Side

NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
PERMIT = Envelope(payloadType="t", payload=b64(b"{}"), signatures=(Signature(keyid="hub-1/operator", sig="s"),))
TRANSACTION = "0" * 32
NUMBERS = tuple(AddresseeNumber.from_serial(serial).digits for serial in range(1, 10))


def release(provider: ProvisionStore, claim: Claim, decide: Callable[[Holdings], Written]) -> Written:
    """Release one alone. Raises its Problem."""
    (one,) = provider.release([(claim, decide)])
    if isinstance(one, Problem):
        raise one
    return one


@pytest.fixture
def ledger_engine(engine: Engine) -> Engine:
    migrate(engine, ledger.MIGRATIONS)
    return engine


@pytest.fixture
def exchange_engine(engine: Engine) -> Engine:
    migrate(engine, exchange.MIGRATIONS)
    return engine


@pytest.mark.parametrize(
    ("package", "metadata"), [(ledger.MIGRATIONS, ledger.metadata), (exchange.MIGRATIONS, exchange.metadata)]
)
def test_migrations_make_exactly_the_tables_the_program_uses(engine: Engine, package: str, metadata: MetaData) -> None:
    migrate(engine, package)
    with engine.begin() as conn:
        options = {"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}
        assert compare_metadata(MigrationContext.configure(conn, opts=options), metadata) == []
        for table in metadata.tables.values():
            found = inspect(conn).get_pk_constraint(table.name)["constrained_columns"]
            assert found == [column.name for column in table.primary_key]
    downgrade(engine, package, "base")
    assert not set(inspect(engine).get_table_names()) & set(metadata.tables)


def people(count: int, seed: int = 1) -> list[Person]:
    rng = SeededRandomness(seed)
    items = FourItems(
        PersonName("総務", "花子", "ソウム", "ハナコ"),
        Address("甲県", "X市", "中央1丁目2番3号"),
        date(1975, 1, 1),
        Sex.FEMALE,
    )
    return [Person(IndividualNumber.random(rng), items, "x-city") for _ in range(count)]


def at_once(act: Callable[[int], None], count: int) -> None:
    """Run `act` in many threads that start together."""
    gate = threading.Barrier(count)

    def start(index: int) -> None:
        gate.wait()
        act(index)

    threads = [threading.Thread(target=start, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_numbers_are_given_without_gap_or_twin_by_many_clerks_at_once(ledger_engine: Engine) -> None:
    store = LedgerStore(ledger_engine, "x-city")
    everybody = people(41)
    at_once(lambda clerk: [store.enter([one], NOON) for one in everybody[clerk::4]] and None, 4)
    given = sorted(number.serial for batch in store.living(7) for number, _ in batch)
    assert given == list(range(1, 42))


def test_one_person_entered_by_two_clerks_at_once_has_one_number(ledger_engine: Engine) -> None:
    store = LedgerStore(ledger_engine, "x-city")
    (person,) = people(1)
    found: list[str] = []
    at_once(lambda _clerk: found.append(store.enter([person], NOON)[0].addressee_number.digits), 6)
    assert len(found) == 6
    assert len(set(found)) == 1


def test_institutions_in_one_database_count_for_themselves_and_see_themselves_only(ledger_engine: Engine) -> None:
    everybody = people(3)
    for institution in ("x-city", "y-city"):
        entries = LedgerStore(ledger_engine, institution).enter(everybody, NOON)
        assert [entry.addressee_number.serial for entry in entries] == [1, 2, 3]
    store = LedgerStore(ledger_engine, "x-city")
    with ledger_engine.begin() as conn:
        assert store.follow(conn, replace(everybody[0], version=2, alive=False), NOON)
    assert [len(batch) for batch in store.living(10)] == [2]
    assert [len(batch) for batch in LedgerStore(ledger_engine, "y-city").living(2)] == [2, 1]


def test_entering_everybody_again_gives_the_same_numbers(ledger_engine: Engine) -> None:
    everybody = people(25)
    store = LedgerStore(ledger_engine, "x-city")
    first = store.enter(everybody, NOON)
    again = store.enter([*reversed(everybody), everybody[0]], NOON)
    assert again.pop() == first[0]
    assert again == first[::-1]


def points(count: int) -> list[Point]:
    return [person_point(b"r" * 32, f"{number:011d}", 0) for number in range(1, count + 1)]


def place(engine: Engine, codes: dict[bytes, bytes], institution: str = "x-city") -> tuple[int, int, int]:
    with engine.begin() as conn:
        placed = LinkCodeStore(engine, institution).place(conn, codes, 1, NOON)
    return placed.stored, placed.without_ticket, placed.of_another


def test_codes_find_their_addressees_by_ticket_and_tickets_are_gone_afterwards(exchange_engine: Engine) -> None:
    store = LinkCodeStore(exchange_engine, "x-city")
    tickets = {bytes([n]) * 32: number for n, number in enumerate(NUMBERS[:3])}
    store.expect(tickets, NOON)
    assert store.lacking(NUMBERS[:4], 1, NOON) == [NUMBERS[3]]
    assert store.lacking(NUMBERS[:4], 1, NOON + timedelta(seconds=1)) == list(NUMBERS[:4])
    codes = dict(zip(tickets, points(3), strict=True))
    assert place(exchange_engine, {**codes, b"?" * 32: points(4)[3]}) == (3, 1, 0)
    assert [found.code for n in NUMBERS[:3] if (found := store.code_of(AddresseeNumber(n)))] == points(3)
    assert place(exchange_engine, codes) == (0, 3, 0)
    assert store.count() == 3


def test_a_new_epoch_asks_for_all_codes_again_and_replaces_them(exchange_engine: Engine) -> None:
    store, number = LinkCodeStore(exchange_engine, "x-city"), AddresseeNumber(NUMBERS[0])
    old, new = points(2)
    for epoch, code in ((1, old), (2, new)):
        assert store.lacking(NUMBERS[:1], epoch, NOON) == list(NUMBERS[:1])
        store.expect({b"a" * 32: NUMBERS[0]}, NOON)
        with exchange_engine.begin() as conn:
            assert store.place(conn, {b"a" * 32: code}, epoch, NOON).stored == 1
        assert store.lacking(NUMBERS[:1], epoch, NOON) == []
        found = store.code_of(number)
        assert found is not None
        assert (found.code, found.epoch) == (code, epoch)
    assert store.count() == 1


def test_one_code_is_one_addressee_but_other_institutions_may_hold_the_same_bytes(exchange_engine: Engine) -> None:
    (code,) = points(1)
    for institution in ("x-city", "y-city"):
        store = LinkCodeStore(exchange_engine, institution)
        store.expect({b"a" * 32: NUMBERS[0], b"b" * 32: NUMBERS[1]}, NOON)
        assert place(exchange_engine, {b"a" * 32: code, b"b" * 32: code}, institution) == (1, 0, 1)


def copy_of(number: str, year: int, income: int = 1, until: date | None = None) -> CopyOf:
    body = {"note": "総務", "total_income": income}
    item = DatedItem(item="local-tax", valid_from=date(year, 4, 1), valid_until=until, body=body)
    return CopyOf(addressee_number=number, item=item)


def test_a_newer_copy_of_the_same_start_replaces_and_periods_are_days_with_both_ends(exchange_engine: Engine) -> None:
    store = CopyStore(exchange_engine, "x-city")
    number = NUMBERS[0]
    store.put([copy_of(number, 2024, until=date(2025, 3, 31)), copy_of(number, 2025)], NOON)
    assert (
        store.put([copy_of(number, 2024, 5, date(2025, 3, 31)), copy_of(number, 2024, 7, date(2025, 3, 31))], NOON) == 1
    )

    def incomes(since: date | None, until: date | None) -> list[int]:
        with exchange_engine.connect() as conn:
            held = store.held(conn, number, ["local-tax"], Period(since=since, until=until))
        return [one.item.body["total_income"] for one in held if one.item is not None]

    assert incomes(None, None) == [7, 1]
    assert incomes(date(2025, 3, 31), date(2025, 3, 31)) == [7]
    assert incomes(date(2025, 4, 1), None) == [1]
    assert incomes(None, date(2024, 3, 31)) == []
    with exchange_engine.connect() as conn:
        assert store.held(conn, number, ["pension"], Period()) == []
        assert CopyStore(exchange_engine, "y-city").held(conn, number, ["local-tax"], Period()) == []


def test_flags_are_set_once_and_lifted(exchange_engine: Engine) -> None:
    store = CopyStore(exchange_engine, "x-city")
    for _ in range(2):
        store.set_flag(NUMBERS[0], "*", FlagKind.SUPPORT_MEASURE, NOON)
    with exchange_engine.connect() as conn:
        assert [(one.item, one.kind) for one in store.flags(conn, NUMBERS[0])] == [("*", "support_measure")]
        assert store.flags(conn, NUMBERS[1]) == []
    assert store.lift_flag(NUMBERS[0], "*", FlagKind.SUPPORT_MEASURE)
    assert not store.lift_flag(NUMBERS[0], "*", FlagKind.SUPPORT_MEASURE)


def record(side: Side, **changes: object) -> AccessRecord:
    plain = AccessRecord(
        transaction=TRANSACTION,
        side=side,
        requester="y-city",
        provider="x-city",
        affair="child-allowance.payment",
        items=("local-tax",),
        period=Period(since=date(2025, 4, 1)),
        requested_at=NOON,
        recorded_at=NOON,
        outcome=Outcome.PROVIDED,
        addressee_number=NUMBERS[0],
        rules=("act-2016/74/169",),
        log_index=2**40,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Written:
    record: AccessRecord
    report: Report
    permit: Envelope
    kept: KeptAnswer
    due_at: datetime | None = None


REPORTED = Report(TRANSACTION, "y-city", "x-city", Outcome.PROVIDED, None, PERMIT)
KEPT = KeptAnswer(b"sealed", "f" * 64, NOON + timedelta(minutes=5))


def written(holdings: Holdings) -> Written:
    return Written(record(Side.PROVIDER, addressee_number=holdings.addressee_number), REPORTED, PERMIT, KEPT)


CLAIM = Claim(TRANSACTION, points(1)[0], ("local-tax",), Period())


@pytest.fixture
def provider(exchange_engine: Engine) -> ProvisionStore:
    LinkCodeStore(exchange_engine, "x-city").expect({b"a" * 32: NUMBERS[0]}, NOON)
    place(exchange_engine, {b"a" * 32: points(1)[0]})
    CopyStore(exchange_engine, "x-city").put([copy_of(NUMBERS[0], 2025)], NOON)
    return ProvisionStore(exchange_engine, "x-city")


def test_an_answer_its_record_and_its_report_are_written_together_or_not_at_all(
    exchange_engine: Engine, provider: ProvisionStore
) -> None:
    records, outbox = RecordStore(exchange_engine, "x-city"), OutboxStore(exchange_engine, "x-city")

    def failing(_holdings: Holdings) -> Written:
        raise Problem("internal", "the seal broke")

    def half(holdings: Holdings) -> Written:
        answer = written(holdings)
        return replace(answer, report=replace(answer.report, requester=None))  # type: ignore[arg-type]

    for broken, expected in ((failing, Problem), (half, IntegrityError)):
        with pytest.raises(expected):
            release(provider, CLAIM, broken)
        assert (records.everything(), outbox.size(), provider.answered(TRANSACTION)) == ([], 0, False)
    answer = release(provider, CLAIM, written)
    assert records.everything() == [answer.record]
    assert [one.report for one in outbox.due(NOON, 10)] == [answer.report]
    assert provider.answered(TRANSACTION)


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize("kind", [OneByOne, Together])
def test_a_permit_shown_many_times_at_once_is_answered_once(
    exchange_engine: Engine, kind: type[OneByOne | Together]
) -> None:
    results: list[str] = []
    commit = kind(exchange_engine)
    provider = ProvisionStore(exchange_engine, "x-city", commit)

    def ask(_index: int) -> None:
        try:
            release(provider, CLAIM, written)
            results.append("answered")
        except Problem as problem:
            results.append(problem.code)

    at_once(ask, 6)
    if isinstance(commit, Together):
        commit.close()
    assert sorted(results) == ["answered"] + ["permit.used"] * 5
    assert len(RecordStore(exchange_engine, "x-city").everything()) == 1


def test_an_inquiry_is_on_disk_before_it_leaves_and_closed_with_its_record(exchange_engine: Engine) -> None:
    store = InquiryStore(exchange_engine, "x-city")
    asked = OpenInquiry(
        TRANSACTION, AddresseeNumber(NUMBERS[0]), "児手-1", b"s" * 32, "y-city", "child-allowance.payment",
        ("local-tax", "pension"), Period(until=date(2026, 3, 31)), 1, "0" * 64, NOON,
        "tanaka", "子育て支援課",
    )  # fmt: skip
    store.open(asked)
    assert store.find(TRANSACTION) == asked
    assert store.unfinished() == [asked]
    assert store.outcome(TRANSACTION) is None
    mine = record(Side.REQUESTER, outcome=Outcome.UNDELIVERED, problem="provider.unreachable", staff="tanaka")
    report = Report(TRANSACTION, "x-city", "y-city", Outcome.UNDELIVERED, None, PERMIT)
    store.close(Closing(mine, PERMIT, report))
    assert store.outcome(TRANSACTION) is Outcome.UNDELIVERED
    assert store.unfinished() == []
    assert RecordStore(exchange_engine, "x-city").about(NUMBERS[0]) == [mine]
    assert RecordStore(exchange_engine, "x-city").of(TRANSACTION) == [mine]
    assert RecordStore(exchange_engine, "y-city").everything() == []
    assert OutboxStore(exchange_engine, "x-city").size() == 1


def test_a_report_is_due_again_later_and_gone_once_accepted(exchange_engine: Engine, provider: ProvisionStore) -> None:
    outbox = OutboxStore(exchange_engine, "x-city")
    release(provider, CLAIM, written)
    outbox.postpone(REPORTED, 3, NOON + timedelta(minutes=1))
    assert outbox.due(NOON + timedelta(seconds=59), 10) == []
    assert [one.attempts for one in outbox.due(NOON + timedelta(minutes=1), 10)] == [3]
    assert OutboxStore(exchange_engine, "y-city").due(NOON + timedelta(hours=1), 10) == []
    outbox.accepted([REPORTED])
    assert outbox.size() == 0


def test_a_right_for_one_affair_goes_before_the_right_for_all(exchange_engine: Engine) -> None:
    store = InquiryStore(exchange_engine, "x-city")
    store.grant("tanaka", "*", "総務課")
    store.grant("tanaka", "child-allowance.payment", "子育て支援課")
    assert store.department("tanaka", "child-allowance.payment") == "子育て支援課"
    assert store.department("tanaka", "another") == "総務課"
    assert store.department("suzuki", "another") is None
    assert InquiryStore(exchange_engine, "y-city").department("tanaka", "another") is None
    store.revoke("tanaka", "*")
    assert store.department("tanaka", "another") is None
