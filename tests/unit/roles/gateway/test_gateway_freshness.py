"""Alarms of copies: late, stuck and against the register; each begins when it should, is told as a count, and ends by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from gateway_country import (
    ITEM,
    NOON,
    Case,
    Desk,
    GatewayCountry,
    hanako,
    tax_copy,
)

from kumihimo.domain.kernel import AddresseeNumber, PartyId, Problem
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.messages.freshness import (
    CopyAlarmKind,
    CopyAlarms,
    DeclareDelivery,
    DeliveryDeclared,
    RegisteredAs,
    RegisterSays,
    RegisterTold,
    ShowCopyAlarms,
    TellRegister,
)
from kumihimo.plumbing.wire.messages.inquiry import Outcome
from kumihimo.plumbing.wire.messages.ledger import Addressees as AddresseesReply
from kumihimo.plumbing.wire.messages.ledger import ReportEvent
from kumihimo.plumbing.wire.messages.provision import CopiesPlaced, CopyOf, DatedItem, PutCopies
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind
from kumihimo.plumbing.wire.vitals import Readiness
from kumihimo.roles.gateway.service.freshness import Backlog, Delivered, Freshness, Rhythm
from kumihimo.roles.gateway.service.outcomes import Outcomes, tried_since
from kumihimo.roles.gateway.service.register_telling import RegisterTelling
from kumihimo.roles.gateway.store.addressees import LedgerStore
from kumihimo.roles.gateway.store.exchange import registered
from kumihimo.roles.gateway.store.merges import DueStore
from kumihimo.roles.gateway.store.outbox import OutboxStore
from kumihimo.roles.gateway.store.registered import RegisteredStore

K = CopyAlarmKind
RECORD = {
    "relation": "世帯主", "is_head": True, "household_size": 1, "moved_in_from": None, "left_on": None,
    "left_reason": None,
}  # fmt: skip


def alarms(desk: Desk) -> dict[tuple[CopyAlarmKind, str | None], int]:
    """What the exchange says to its own desk: (kind, item) → count; but for its feed, which nobody reads in this country."""
    return {(one.alarm, one.item): one.count for one in looked(desk).alarms if one.alarm is not K.FEED_STUCK}


def looked(desk: Desk, by: PartyId | None = None) -> CopyAlarms:
    edge = desk.edge if by is None else desk.country.edge(by)
    message = edge.message(ShowCopyAlarms, desk.exchange)
    return PeerClient(edge).send("/copy-alarms", message, CopyAlarms).value


def declare(desk: Desk, waiting: int = 0, item: str = ITEM) -> None:
    desk.client.send(
        "/deliveries", desk.message(DeclareDelivery, desk.exchange, item=item, waiting=waiting), DeliveryDeclared
    )


def tell_register(desk: Desk) -> None:
    """The ledger follows the registry and tells its exchange, as its process does by itself."""
    desk.follow_registry()
    edge, engine = desk.country.edge(desk.ledger), desk.country.engine(desk.ledger)
    telling = RegisterTelling(LedgerStore(engine, desk.city), DueStore(engine, desk.city), edge, PeerClient(edge))
    while telling.tell():
        pass


def record_copy(number: str, until: date | None = None) -> CopyOf:
    item = DatedItem(item="resident-record", valid_from=date(2020, 4, 1), valid_until=until, body=RECORD)
    return CopyOf(addressee_number=number, item=item)


@pytest.fixture
def wait(country: GatewayCountry) -> Callable[[timedelta], None]:
    def passes(time: timedelta) -> None:
        country.clock.at += time

    return passes


def test_a_yearly_copy_is_late_after_its_year_and_no_longer_once_it_is_delivered(
    case: Case, wait: Callable[[timedelta], None]
) -> None:
    assert (K.LATE, ITEM) not in alarms(case.y)
    wait(timedelta(days=399))
    assert (K.LATE, ITEM) not in alarms(case.y)
    wait(timedelta(days=2))
    assert alarms(case.y)[K.LATE, ITEM] == 1
    declare(case.y)  # the business system looked, and nothing had changed
    assert (K.LATE, ITEM) not in alarms(case.y)


def test_an_answer_from_a_late_copy_says_so_to_whoever_asked(case: Case, wait: Callable[[timedelta], None]) -> None:
    answered = case.x.inquire(case.at_x)
    assert answered.outcome is Outcome.PROVIDED
    (fresh,) = answered.as_of
    assert (fresh.item, fresh.at, fresh.late) == (ITEM, NOON, False)
    wait(timedelta(days=401))
    (told,) = case.x.inquire(case.at_x).as_of
    assert (told.item, told.at, told.late) == (ITEM, NOON, True)
    declare(case.y)
    (told,) = case.x.inquire(case.at_x).as_of
    assert (told.at, told.late) == (case.country.clock.at, False)


def test_rows_stuck_behind_the_daily_limit_are_an_alarm_until_they_are_through(
    country: GatewayCountry, case: Case, wait: Callable[[timedelta], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The city whose copies stuck behind a send cap: its system goes on, day after day, and something is always left."""
    narrow = country.exchange_settings("y-city").model_copy(update={"copies_per_day": 2})
    monkeypatch.setattr(GatewayCountry, "exchange_settings", lambda _country, _city: narrow)
    country.apps.pop(case.y.exchange, None)
    for day in range(3):
        wait(timedelta(days=1))
        case.y.put(*(tax_copy(case.at_y, year) for year in (2020 + day, 2021 + day)))
        with pytest.raises(Problem, match=r"quota\.exceeded"):
            case.y.put(tax_copy(case.at_y, 2025))
    assert alarms(case.y) == {}  # each day everything but one row came, and the row of the day before did
    declare(case.y, waiting=40)
    wait(timedelta(hours=23))
    assert (K.STUCK, ITEM) not in alarms(case.y)
    case.y.put(tax_copy(case.at_y, 2025))
    wait(timedelta(hours=2))
    declare(case.y, waiting=39)
    assert alarms(case.y)[K.STUCK, ITEM] == 39
    ready = Readiness.model_validate_json(
        country.carry(case.y.edge.party, case.y.exchange, "GET", "/ready", None, None).content
    )
    (copies,) = [one for one in ready.checks if one.name == "copies"]
    assert copies.holds  # the exchange can do its work all the same
    assert f"stuck {ITEM} (39)" in (copies.says or "")
    metrics = country.carry(case.y.edge.party, case.y.exchange, "GET", "/metrics", None, None).text
    assert f'kumihimo_copy_alarms{{item="{ITEM}",kind="stuck"}} 39.0' in metrics
    assert f'kumihimo_copies_waiting{{item="{ITEM}"}} 39.0' in metrics
    declare(case.y)
    assert alarms(case.y) == {}


def test_what_a_cut_off_import_left_behind_waits_until_it_is_sent(
    case: Case, wait: Callable[[timedelta], None]
) -> None:
    def send(waiting: int) -> None:
        message = case.y.message(PutCopies, case.y.exchange, copies=(tax_copy(case.at_y),), waiting=waiting)
        case.y.client.send("/copies", message, CopiesPlaced)

    send(waiting=7)
    wait(timedelta(days=2))
    assert alarms(case.y)[K.STUCK, ITEM] == 7
    case.y.put_tax(case.at_y)  # a system that says nothing of what waits has sent one of the seven
    assert alarms(case.y)[K.STUCK, ITEM] == 6
    send(waiting=0)
    assert alarms(case.y) == {}


def test_an_item_that_is_declared_and_never_came_is_an_alarm_from_the_first_day(
    country: GatewayCountry, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    promised = country.exchange_settings("y-city").model_copy(update={"copies": {"pension": Rhythm.DAILY}})
    monkeypatch.setattr(GatewayCountry, "exchange_settings", lambda _country, _city: promised)
    country.apps.pop(case.y.exchange, None)
    assert alarms(case.y) == {(K.NEVER_DELIVERED, "pension"): 1}
    declare(case.y, item="pension", waiting=3)  # begun, and not whole
    assert alarms(case.y) == {(K.NEVER_DELIVERED, "pension"): 1}
    declare(case.y, item="pension")
    assert alarms(case.y) == {}
    with pytest.raises(Problem, match=r"item\.unknown"):
        declare(case.y, item="pensions")


def test_a_copy_for_a_number_nobody_has_is_rejected_once_the_register_is_known(case: Case) -> None:
    nobody = AddresseeNumber.from_serial(999).digits
    assert case.y.put_tax(nobody).placed == 1  # the ledger has told nothing yet
    tell_register(case.y)
    placed = case.y.put(tax_copy(case.at_y), tax_copy(nobody, 2024))
    assert placed.placed == 1
    assert [(one.position, one.code) for one in placed.rejected] == [(1, "addressee.unknown")]
    assert alarms(case.y) == {(K.COPIES_OF_NOBODY, ITEM): 1}  # the one from before


def test_copies_of_the_dead_and_the_moved_are_counted_after_some_patience_until_they_end(
    case: Case, wait: Callable[[timedelta], None]
) -> None:
    for desk, number in ((case.x, case.at_x), (case.y, case.at_y)):
        desk.put(record_copy(number))
    case.x.put_tax(case.at_x)
    tell_register(case.x)
    tell_register(case.y)
    wait(timedelta(days=1))
    assert (alarms(case.x), alarms(case.y)) == ({}, {})  # to Y市 she has moved, but the copy may need some days
    wait(timedelta(days=14))
    for desk in (case.x, case.y):
        declare(desk, item="resident-record")
    assert (alarms(case.x), alarms(case.y)) == ({}, {(K.COPIES_OF_THE_MOVED, "resident-record"): 1})
    died(case.x)
    tell_register(case.x)
    tell_register(case.y)
    wait(timedelta(days=15))
    for desk in (case.x, case.y):
        declare(desk, item="resident-record")
    expected = {(K.COPIES_OF_THE_DEAD, "resident-record"): 1}
    assert (alarms(case.x), alarms(case.y)) == (expected, expected)  # and not her tax, which was levied all the same
    case.x.put(record_copy(case.at_x, until=date(2026, 11, 1)))
    assert alarms(case.x) == {}


def died(desk: Desk) -> None:
    """X市 reports the death of whom it has entered."""
    engine = desk.country.engine(desk.ledger)
    (entry,) = LedgerStore(engine, desk.city).entries([AddresseeNumber.from_serial(1).digits])
    message = desk.message(
        ReportEvent, desk.ledger, event=RegisterEventKind.DEATH, on="2026-11-01",
        addressee_number=entry.addressee_number.digits, reason="死亡届",
    )  # fmt: skip
    desk.client.send("/events", message, AddresseesReply)


def test_residents_without_code_or_copy_are_counted_until_they_have_them(
    country: GatewayCountry, case: Case, wait: Callable[[timedelta], None]
) -> None:
    z = country.desk("z-town")
    resident = case.x.register(hanako("北町9番9号", "月子"))
    case.x.take_in(resident)
    case.x.put(record_copy(case.at_x))
    tell_register(case.x)
    wait(timedelta(days=15))
    declare(case.x, item="resident-record")
    assert alarms(case.x) == {(K.RESIDENTS_WITHOUT_COPY, "resident-record"): 1, (K.RESIDENTS_WITHOUT_CODE, None): 1}
    case.x.with_code(resident)
    case.x.put(record_copy(AddresseeNumber.from_serial(2).digits))
    assert alarms(case.x) == {}
    assert alarms(z) == {}


def test_a_ledger_tells_an_exchange_that_lost_its_store_everything_again(country: GatewayCountry, case: Case) -> None:
    tell_register(case.y)
    with country.engine(case.y.exchange).begin() as conn:
        conn.execute(registered.delete())
    tell_register(case.y)  # a ledger that was started anew compares once
    assert RegisteredStore(country.engine(case.y.exchange), "y-city").unknown({case.at_y, "0"}) == {"0"}


def test_only_the_own_desk_and_the_oversight_body_are_told_and_only_counts(case: Case) -> None:
    declare(case.y, waiting=1)
    told = looked(case.y, by=PartyId("oversight/body"))
    assert case.at_y not in told.model_dump_json()
    for other in ("x-city/desk", "x-city/exchange", "y-city/ledger"):
        with pytest.raises(Problem, match=r"peer\.not_allowed"):
            looked(case.y, by=PartyId(other))
    edge = case.country.edge(PartyId("x-city/desk"))
    dead = RegisteredAs(addressee_number=case.at_y, says=RegisterSays.DEAD)
    telling = edge.message(TellRegister, case.y.exchange, registered=(dead,))
    with pytest.raises(Problem, match=r"peer\.not_allowed"):
        PeerClient(edge).send("/register", telling, RegisterTold)


def test_reports_and_a_feed_that_stand_still_are_alarms(case: Case) -> None:
    now = case.country.clock.at
    fresh = Freshness()
    waiting = Backlog(3, now - timedelta(minutes=31), now)
    assert [(one.alarm, one.count) for one in fresh.alarms([], waiting, [], now)] == [(K.OUTBOX_STUCK, 3)]
    assert not fresh.alarms([], Backlog(3, now - timedelta(minutes=29), now - timedelta(minutes=9)), [], now)
    (stuck,) = fresh.alarms([], Backlog(0, None, now - timedelta(minutes=11)), [], now)
    assert stuck.alarm is K.FEED_STUCK
    # 1 + 2 + 4 + … + 256 s, then five minutes each
    assert now - tried_since(12, now) == timedelta(seconds=511 + 3 * 300)


def test_the_log_that_accepts_no_report_is_an_alarm_at_the_exchange(
    case: Case, wait: Callable[[timedelta], None]
) -> None:
    case.x.inquire(case.at_x)
    outcomes = Outcomes(
        OutboxStore(case.country.engine(case.y.exchange), "y-city"), case.country.edge(case.y.exchange),
        PeerClient(case.country.edge(case.y.exchange)),
    )  # fmt: skip
    case.country.down.add(PartyId("hub-1/operator"))
    for _ in range(20):
        wait(timedelta(minutes=5))
        outcomes.send_due()
    found = alarms(case.y)
    assert found[K.OUTBOX_STUCK, None] == 1
    case.country.down.clear()
    wait(timedelta(minutes=5))
    outcomes.send_due()
    assert (K.OUTBOX_STUCK, None) not in alarms(case.y)


def test_what_an_institution_declares_goes_before_what_is_usual(case: Case) -> None:
    now = case.country.clock.at
    delivered = Delivered(ITEM, now, now - timedelta(days=3), now - timedelta(days=3))
    assert not Freshness().late(delivered, now)
    assert Freshness({ITEM: Rhythm.DAILY}).late(delivered, now)
    assert not Freshness({ITEM: timedelta(days=4)}).late(delivered, now)
    with pytest.raises(ValueError, match="no such item: local-taxes"):
        case.country.exchange_settings("y-city").model_validate(
            case.country.exchange_settings("y-city").model_dump() | {"copies": {"local-taxes": "daily"}}
        )
