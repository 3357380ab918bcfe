"""The ledger keeps who was checked, by what and by whom; it keeps no document's number, and refusals too."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from gateway_country import NOON, Desk, GatewayCountry, hanako

from kumihimo.domain.identity_check import Method, Printed, WhyNoPhoto
from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.messages.identity import (
    DocumentShown,
    IdentityChecks,
    IdentityCheckShown,
    ReadFromCard,
    RecordIdentityCheck,
    ShowIdentityChecks,
)
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind, ResidentSnapshot

ALL = tuple(Printed)
RECORD = DocumentShown(kind="resident-record", agrees=ALL, photo=False, issued=date(2026, 10, 30))
LICENCE = DocumentShown(kind="driving-licence", agrees=ALL, expires=date(2028, 6, 6))


@pytest.fixture
def x(country: GatewayCountry) -> Desk:
    return country.desk("x-city")


@pytest.fixture
def resident(x: Desk) -> ResidentSnapshot:
    return x.register(hanako())


@pytest.fixture
def number(x: Desk, resident: ResidentSnapshot) -> str:
    return x.take_in(resident).addressee_number


def record(x: Desk, number: str, **seen: Any) -> tuple[IdentityCheckShown, ...]:
    message = x.message(RecordIdentityCheck, x.ledger, addressee_number=number, staff="tanaka", **seen)
    return x.client.send("/identity-checks", message, IdentityChecks).value.checks


def shown(x: Desk, number: str) -> tuple[IdentityCheckShown, ...]:
    message = x.message(ShowIdentityChecks, x.ledger, addressee_number=number)
    return x.client.send("/identity-checks/shown", message, IdentityChecks).value.checks


def refused(act: Callable[[], object]) -> Problem:
    with pytest.raises(Problem) as problem:
        act()
    return problem.value


def card(resident: ResidentSnapshot, **changes: Any) -> ReadFromCard:
    items = hanako()
    read: dict[str, Any] = {
        "individual_number": resident.individual_number,
        "name": items.name.display,
        "address": items.address.display,
        "birth": items.birth,
        "sex": "2",
    }
    return ReadFromCard(**{**read, **changes})


def test_a_check_by_documents_is_decided_and_kept(x: Desk, number: str) -> None:
    (kept,) = record(x, number, documents=(RECORD, LICENCE))
    assert kept == IdentityCheckShown(
        method=Method.DOCUMENTS,
        documents=("resident-record", "driving-licence"),
        articles=("番号法施行令第十二条第一項第一号", "番号法施行規則第一条第一号"),
        why_no_photo=None,
        staff="tanaka",
        checked_at=NOON,
        result="verified",
    )


def test_a_check_by_the_chip_is_kept_when_it_is_this_addressee_s_card(
    x: Desk, number: str, resident: ResidentSnapshot
) -> None:
    (kept,) = record(x, number, card=card(resident, address="甲県Ｘ市中央一丁目２番３号"))
    assert (kept.method, kept.documents, kept.result) == (Method.CHIP, ("individual-number-card",), "verified")


def test_somebody_else_s_card_is_refused_and_the_attempt_is_kept(x: Desk, number: str) -> None:
    other = x.register(hanako("東町1", "一子"))
    problem = refused(lambda: record(x, number, card=card(other)))
    assert (problem.code, problem.where) == ("identity.differs", "card.individual_number")
    assert other.individual_number not in str(problem)
    (kept,) = shown(x, number)
    assert (kept.method, kept.result) == (Method.CHIP, "identity.differs")


def test_a_card_with_an_old_address_says_what_differs_and_not_how(
    x: Desk, number: str, resident: ResidentSnapshot
) -> None:
    problem = refused(lambda: record(x, number, card=card(resident, address="甲県X市東町1")))
    assert (problem.code, problem.detail) == ("identity.differs", "the card has another address")


def test_documents_that_do_not_suffice_are_refused_and_the_attempt_is_kept(x: Desk, number: str) -> None:
    assert refused(lambda: record(x, number, documents=(LICENCE,))).code == "identity.number_unproven"
    pension = DocumentShown(kind="pension-book", agrees=ALL, photo=False)
    seen = {"documents": (RECORD, pension), "why_no_photo": WhyNoPhoto.LOST}
    assert refused(lambda: record(x, number, **seen)).code == "identity.person_unproven"
    kept = shown(x, number)
    assert {one.result for one in kept} == {"identity.number_unproven", "identity.person_unproven"}
    assert not any(one.articles for one in kept)


def test_nobody_is_verified_as_somebody_who_has_died(x: Desk, number: str, resident: ResidentSnapshot) -> None:
    x.event(RegisterEventKind.DEATH, resident)
    x.follow_registry()
    for seen in ({"card": card(resident)}, {"documents": (RECORD, LICENCE)}):
        assert "has died" in refused(lambda s=seen: record(x, number, **s)).detail  # type: ignore[misc]
    assert [one.result for one in shown(x, number)] == ["identity.differs"] * 2


def test_newer_checks_come_first(x: Desk, number: str, resident: ResidentSnapshot, country: GatewayCountry) -> None:
    record(x, number, documents=(RECORD, LICENCE))
    country.clock.at = NOON + timedelta(days=1)
    kept = record(x, number, card=card(resident))
    assert [one.method for one in kept] == [Method.CHIP, Method.DOCUMENTS]
    assert shown(x, number) == kept


def test_a_check_sent_twice_is_one_check(x: Desk, number: str) -> None:
    message = x.message(
        RecordIdentityCheck, x.ledger, addressee_number=number, staff="tanaka", documents=(RECORD, LICENCE)
    )
    for _ in range(2):
        checks = x.client.send("/identity-checks", message, IdentityChecks).value.checks
    assert len(checks) == 1


def test_a_check_is_of_the_card_or_of_documents(x: Desk, number: str, resident: ResidentSnapshot) -> None:
    assert refused(lambda: record(x, number)).code == "value.invalid"
    both = {"card": card(resident), "documents": (LICENCE,)}
    assert refused(lambda: record(x, number, **both)).code == "value.invalid"
    unknown = DocumentShown(kind="library-card", agrees=ALL)
    assert refused(lambda: record(x, number, documents=(unknown,))).code == "identity.document_unknown"
    assert shown(x, number) == ()


def test_only_the_own_desk_records_and_sees_checks(x: Desk, number: str, country: GatewayCountry) -> None:
    for intruder in ("y-city/desk", "x-city/exchange"):
        edge = country.edge(PartyId(intruder))
        message = edge.message(ShowIdentityChecks, x.ledger, addressee_number=number)
        assert (
            refused(lambda e=edge, m=message: PeerClient(e).send("/identity-checks/shown", m, IdentityChecks)).code  # type: ignore[misc]
            == "peer.not_allowed"
        )


def test_no_number_stands_beside_a_check(
    x: Desk, number: str, resident: ResidentSnapshot, country: GatewayCountry
) -> None:
    record(x, number, card=card(resident))
    with sqlite3.connect(country.stores / "x-city-ledger.db") as store:
        (row,) = store.execute("SELECT * FROM identity_check").fetchall()
    assert resident.individual_number not in str(row)
    assert "花子" not in str(row)
