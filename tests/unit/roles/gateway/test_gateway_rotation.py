"""An institution's link codes are moved to another epoch while it asks and is asked; whatever interrupts it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from gateway_country import HUB_1, HUB_2, Case, Desk, GatewayCountry, hanako, permit_for, show
from sqlalchemy import select
from test_gateway_lives import recode, report

from kumihimo.domain.codes import opens_to
from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.envelope import Envelope, from_b64, parse_envelope
from kumihimo.plumbing.wire.feeds import FeedReader
from kumihimo.plumbing.wire.messages.audits import Audited
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, InquiryRequest, LogRecord, Outcome, Permit
from kumihimo.plumbing.wire.messages.oversight import CarryOutOrder, Measure, Order, OrderCarriedOut, Ordered
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind
from kumihimo.plumbing.wire.messages.rotation import (
    CloseRotation,
    CodesRotated,
    DomainMoved,
    MoveDomain,
    Phase,
    RotationShown,
    ShowRotation,
    StartRotation,
)
from kumihimo.plumbing.wire.rotating import CodeRotation
from kumihimo.roles.gateway.store.exchange import audit_code, feed_cursor, link_code, rotation
from kumihimo.roles.hub.store.tables import entries

REASON = "符号の漏えいのおそれ"


@pytest.fixture(autouse=True)
def looked_up_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are taken here beside the process that answers, which else believes for half a second what it knows."""
    monkeypatch.setattr("kumihimo.plumbing.storage.rotations.REFRESH_SECONDS", -1.0)


def worker(desk: Desk) -> CodeRotation:
    """The rotation as a process that has just begun finds it."""
    services, edge, engine = desk.services(), desk.country.edge(desk.exchange), desk.country.engine(desk.exchange)
    reader = FeedReader(PeerClient(edge), edge, HUB_2, engine, feed_cursor, services.receive_codes)
    services.rotations.carrying.level = reader.is_level
    return services.rotations.carrying


def start(desk: Desk, **fields: object) -> RotationShown:
    message = desk.message(StartRotation, desk.exchange, reason=REASON, **fields)
    return desk.client.send("/rotations", message, RotationShown).value


def close(desk: Desk, at_once: bool = False) -> RotationShown:
    message = desk.message(CloseRotation, desk.exchange, at_once=at_once)
    return desk.client.send("/closed-rotations", message, RotationShown).value


def shown(desk: Desk) -> RotationShown:
    return desk.client.send("/shown-rotations", desk.message(ShowRotation, desk.exchange), RotationShown).value


def carry_on(desk: Desk) -> None:
    """Do all that can be done now; each step in a new process."""
    while worker(desk).advance():
        pass


def codes(desk: Desk) -> dict[tuple[str, int], bytes]:
    query = select(link_code.c.addressee_number, link_code.c.epoch, link_code.c.code)
    with desk.country.engine(desk.exchange).connect() as conn:
        return {(row.addressee_number, row.epoch): bytes(row.code) for row in conn.execute(query)}


def later(case: Case, passed: timedelta) -> None:
    case.country.clock.at += passed


def restarted(country: GatewayCountry) -> None:
    """Every process of the country starts again: nothing is known but what is stored."""
    country.apps.clear()


def test_inquiries_in_both_directions_succeed_at_every_step_of_a_rotation(case: Case) -> None:
    case.y.grant()
    case.x.put_tax(case.at_x)
    before = {**codes(case.x), **codes(case.y)}
    for desk in (case.x, case.y):
        start(desk)
    seen = set()
    for _ in range(8):
        assert case.x.inquire(case.at_x).outcome is Outcome.PROVIDED
        assert case.y.inquire(case.at_y, provider="x-city").outcome is Outcome.PROVIDED
        for desk in (case.x, case.y):
            worker(desk).advance()
        restarted(case.country)
        seen.add((shown(case.x).epoch, shown(case.y).epoch))
    assert seen == {(1, 1), (2, 2)}
    later(case, timedelta(minutes=6))
    for desk in (case.x, case.y):
        close(desk)
        carry_on(desk)
    after = {**codes(case.x), **codes(case.y)}
    assert {epoch for _, epoch in after} == {2}
    assert not set(before.values()) & set(after.values())
    assert case.x.inquire(case.at_x).outcome is Outcome.PROVIDED
    assert case.y.inquire(case.at_y, provider="x-city").outcome is Outcome.PROVIDED


@pytest.fixture
def rotated(case: Case) -> Case:
    """Y市, which is asked, has swapped; its old epoch is still open."""
    start(case.y)
    carry_on(case.y)
    assert shown(case.y).epoch == 2
    return case


def test_a_permit_of_before_the_swap_is_answered_after_it(case: Case) -> None:
    early = permit_for(case.x, case.at_x)
    start(case.y)
    carry_on(case.y)
    late = permit_for(case.x, case.at_x)
    said = [case.x.edge.read(one.permit, Permit).value.epoch for one in (early, late)]
    assert said == [1, 2]
    for one in (early, late):
        assert show(case.country, one).outcome is Outcome.PROVIDED


def test_a_request_cut_off_before_the_swap_gets_the_permit_it_had(case: Case) -> None:
    edge = case.country.edge(case.x.exchange)
    case.x.inquire(case.at_x)
    sent = next(sent for _, to, path, sent, _ in reversed(case.country.carried) if (to, path) == (HUB_1, "/inquiries"))
    start(case.y)
    carry_on(case.y)
    again = case.country.carry(edge.party, HUB_1, "POST", "/inquiries", sent, None)
    assert again.status_code == 200, again.content


def test_after_the_close_nothing_of_the_old_epoch_is_left_and_a_stolen_table_matches_nothing(rotated: Case) -> None:
    y, country = rotated.y, rotated.country
    stolen = codes(y)[rotated.at_y, 1]
    early = permit_for(rotated.x, rotated.at_x)
    with pytest.raises(Problem) as too_early:
        close(y)
    assert too_early.value.code == "rotation.too_early"
    close(y, at_once=True)
    carry_on(y)
    state = shown(y).rotation
    assert state is not None
    assert state.closed_at is not None
    assert stolen not in codes(y).values()
    assert not (country.keys / y.exchange / "link-y-city#1.key").exists()
    assert show(country, early).outcome is Outcome.PROVIDED  # a permit for the new epoch


def test_the_hub_refuses_requests_with_codes_of_a_closed_epoch(rotated: Case) -> None:
    x, y = rotated.x, rotated.y
    close(y, at_once=True)
    carry_on(y)
    edge = rotated.country.edge(y.exchange)
    request = edge.message(
        InquiryRequest, HUB_1, transaction="0" * 32, requester="y-city", provider=x.city, affair="a", items=("b",),
        case_reference_hash="0" * 64, subject=permit_for(x, rotated.at_x).subject, epoch=1,
    )  # fmt: skip
    body = edge.answer(request).model_dump_json()
    answer = rotated.country.carry(y.exchange, HUB_1, "POST", "/inquiries", body, None)
    assert b"codes.epoch_closed" in from_b64(Envelope.model_validate_json(answer.content).payload, "payload")


def test_who_gets_a_code_meanwhile_is_moved_too(case: Case) -> None:
    start(case.y)
    worker(case.y).advance()
    late = case.y.with_code(case.y.register(hanako("港町9番", "次子")))
    carry_on(case.y)
    later = case.y.with_code(case.y.register(hanako("港町10番", "末子")))
    held = codes(case.y)
    assert {(late, 1), (late, 2), (later, 2)} <= held.keys()
    assert (later, 1) not in held


def test_a_person_who_is_recoded_during_a_rotation_keeps_the_link(case: Case) -> None:
    start(case.y)
    worker(case.y).advance()  # opened
    worker(case.y).advance()  # moved, not swapped
    moved = codes(case.y)[case.at_y, 2]
    recoded(case)
    assert (case.at_y, 2) not in codes(case.y)
    carry_on(case.y)
    assert codes(case.y)[case.at_y, 2] != moved
    assert case.x.inquire(case.at_x).outcome is Outcome.PROVIDED
    recoded(case)
    carry_on(case.y)
    assert case.x.inquire(case.at_x).outcome is Outcome.PROVIDED


def recoded(case: Case) -> None:
    """The registry re-codes 総務花子, and both cities take the pairs."""
    report(case.x, RegisterEventKind.RECODE, case.at_x)
    assert recode(case.country) == 2
    for desk in (case.x, case.y):
        desk.receive_codes()


def test_an_operator_that_is_away_costs_nothing_but_time(case: Case) -> None:
    start(case.y)
    for operator in (HUB_2, HUB_1):
        case.country.down = {operator}
        with pytest.raises(Problem, match="operator"):
            worker(case.y).advance()
    case.country.down = set()
    worker(case.y).advance()
    case.country.down = {HUB_2}
    with pytest.raises(Problem, match="operator"):
        worker(case.y).advance()
    case.country.down = set()
    carry_on(case.y)
    assert case.x.inquire(case.at_x).outcome is Outcome.PROVIDED


def test_an_operator_that_exchanges_two_codes_is_found_and_nothing_is_stored(case: Case) -> None:
    case.y.with_code(case.y.register(hanako("港町9番", "次子")))
    start(case.y)
    worker(case.y).advance()
    edge = case.country.edge(HUB_1)

    def exchanged(body: bytes) -> bytes:
        envelope = parse_envelope(body)
        said = CodesRotated.model_validate_json(envelope.payload_bytes())
        first, second, *others = said.codes
        swapped = said.model_copy(update={"codes": (second, first, *others)})
        return edge.answer(swapped).model_dump_json().encode()

    case.country.altered[f"{HUB_1}/rotations"] = exchanged
    with pytest.raises(Problem) as found:
        worker(case.y).advance()
    assert found.value.code == "codes.proof_invalid"
    assert {epoch for _, epoch in codes(case.y)} == {1}
    case.country.altered.clear()
    carry_on(case.y)
    assert case.x.inquire(case.at_x).outcome is Outcome.PROVIDED


def test_old_inquiries_can_still_be_opened_to_an_auditor(case: Case) -> None:
    transaction = case.x.inquire(case.at_x).transaction
    (sent,) = [sent for _, to, path, sent, _ in case.country.carried if (to, path) == (HUB_1, "/inquiries")]
    request = InquiryRequest.model_validate_json(parse_envelope(sent).payload_bytes())
    public = case.x.services().codes.domain.of_epoch(1).public
    start(case.x)
    carry_on(case.x)
    close(case.x, at_once=True)
    carry_on(case.x)
    services = case.x.services()
    opening = services.audit.open(Audited(transaction=transaction))
    assert services.rotations.store.old_public_key(1) == public
    assert opens_to(from_b64(request.subject, "subject"), opening.code, public, opening.randomness)
    with case.country.engine(case.x.exchange).connect() as conn:
        (kept,) = conn.execute(select(audit_code.c.sealed)).scalars()
    assert opening.code not in bytes(kept)


def test_a_date_closes_the_old_epoch_and_a_past_one_is_refused(case: Case) -> None:
    now = case.country.clock.now()
    with pytest.raises(Problem) as past:
        start(case.y, close_at=now)
    assert past.value.code == "value.invalid"
    start(case.y, close_at=now + timedelta(hours=1))
    carry_on(case.y)
    assert {epoch for _, epoch in codes(case.y)} == {1, 2}
    later(case, timedelta(hours=1))
    carry_on(case.y)
    assert {epoch for _, epoch in codes(case.y)} == {2}
    with pytest.raises(Problem) as none:
        close(case.y)
    assert none.value.code == "rotation.none"


def test_the_oversight_body_orders_a_rotation_and_it_is_carried_out_once(case: Case) -> None:
    order = oversight_order(case.country, 1, "y-city")
    for operator in (HUB_2, HUB_2):
        carry_out(case.country, order, operator)
    case.y.receive_codes()
    state = shown(case.y).rotation
    assert state is not None
    assert (state.order, state.reason, state.epoch) == (1, REASON, 2)
    assert shown(case.x).rotation is None
    carry_on(case.y)
    later(case, timedelta(days=2))
    carry_on(case.y)
    carry_out(case.country, order, HUB_2)
    case.y.receive_codes()
    again = shown(case.y).rotation
    assert again is not None
    assert again.epoch == 2


def oversight_order(country: GatewayCountry, number: int, institution: str | None) -> Envelope:
    edge = country.edge(PartyId("oversight/body"))
    ordered = Ordered(measure=Measure.ROTATE, institution=institution, reason=REASON)
    return edge.answer(Order(number=number, ordered=ordered, ordered_at=country.clock.now()))


def carry_out(country: GatewayCountry, order: Envelope, operator: PartyId) -> None:
    edge = country.edge(PartyId("oversight/body"))
    PeerClient(edge).send("/orders", edge.message(CarryOutOrder, operator, order=order), OrderCarriedOut)


def test_an_exchange_restored_to_before_a_rotation_gets_its_codes_anew(case: Case) -> None:
    tables = link_code, rotation, audit_code
    with case.country.engine(case.y.exchange).connect() as conn:
        backup = {table: [dict(row._mapping) for row in conn.execute(select(table))] for table in tables}
    for _ in range(2):
        start(case.y)
        carry_on(case.y)
        close(case.y, at_once=True)
        carry_on(case.y)
    with case.country.engine(case.y.exchange).begin() as conn:
        for table, rows in backup.items():
            conn.execute(table.delete())
            if rows:
                conn.execute(table.insert(), rows)
    restarted(case.country)
    assert {epoch for _, epoch in codes(case.y)} == {1}
    carry_on(case.y)
    assert shown(case.y).epoch == 3
    assert not codes(case.y)
    assert case.y.ask_for_codes().requested == 1
    case.y.receive_codes()
    assert {epoch for _, epoch in codes(case.y)} == {3}
    assert case.x.inquire(case.at_x).outcome is Outcome.PROVIDED


def test_every_step_and_batch_is_in_the_log_and_names_nobody(rotated: Case) -> None:
    close(rotated.y, at_once=True)
    carry_on(rotated.y)
    with rotated.country.engine(HUB_1).connect() as conn:
        records = [LogRecord.model_validate_json(one) for one in conn.execute(select(entries.c.record)).scalars()]
    told = [(one.affair, one.institution, one.count) for one in records if one.entry is EntryKind.ROTATION]
    assert told == [
        ("rotation.open", "y-city", 2),
        ("rotation.codes", "y-city", 2),  # one code, and the one that checks it
        ("rotation.swap", "y-city", 2),
        ("rotation.close", "y-city", 1),
    ]


def test_nobody_rotates_the_codes_of_another_or_out_of_turn(case: Case) -> None:
    edge = case.country.edge(case.x.exchange)

    def step(institution: str, phase: Phase, epoch: int) -> str:
        move = edge.message(MoveDomain, HUB_1, institution=institution, phase=phase, epoch=epoch, reason=REASON)
        with pytest.raises(Problem) as refused:
            PeerClient(edge).send("/domain-moves", move, DomainMoved)
        return refused.value.code

    assert step("y-city", Phase.OPEN, 2) == "peer.not_allowed"
    assert step("x-city", Phase.OPEN, 3) == "rotation.conflict"
    assert step("x-city", Phase.SWAP, 2) == "rotation.conflict"
    assert step("x-city", Phase.CLOSE, 1) == "rotation.conflict"


def test_one_rotation_follows_another(case: Case) -> None:
    for epoch in (2, 3, 4):
        start(case.y)
        carry_on(case.y)
        close(case.y, at_once=True)
        carry_on(case.y)
        assert shown(case.y).epoch == epoch
        assert case.x.inquire(case.at_x).outcome is Outcome.PROVIDED
    assert {epoch for _, epoch in codes(case.y)} == {4}


@pytest.fixture(autouse=True)
def keys_as_they_were(country: GatewayCountry) -> Iterator[None]:
    """Keys of later epochs belong to the stores of one test."""
    yield
    for path in country.keys.glob("*/exchange/link-*.key"):
        path.unlink()
