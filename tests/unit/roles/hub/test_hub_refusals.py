"""Refusals operator 2 could not hear of in time: the resident sees them as soon as it is back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from hub_country import HUB_1, HUB_2, NOON, PORTAL, HubCountry, X
from sqlalchemy import func, insert, select

from kumihimo.domain.codes import decrypt
from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.envelope import from_b64
from kumihimo.plumbing.wire.messages.inquiry import (
    InquiryRequest,
    PortalAccess,
    RefusalRelayed,
    RelayRefusal,
)
from kumihimo.roles.hub.service.refusals import RefusalRelay
from kumihimo.roles.hub.store import LogStore, Unrelayed
from kumihimo.roles.hub.store.tables import unrelayed


@pytest.fixture
def codes(country: HubCountry) -> tuple[bytes, bytes]:
    """花子's code at X市 and at the portal."""
    return country.issue("x-city", ["hanako"])[0], country.issue("portal", ["hanako"])[0]


@contextmanager
def stored(country: HubCountry) -> Iterator[LogStore]:
    operator = country.operators[HUB_1]
    country.apps[HUB_1].state.finishing.forget()
    store = LogStore(operator.engine, operator.edge.answer, "oversight/body")
    try:
        yield store
    finally:
        store.close()


def outbox(country: HubCountry) -> list[tuple[int, Unrelayed]]:
    with stored(country) as store:
        return store.unrelayed(-1, 10)


def relay(country: HubCountry) -> int:
    """One round of operator 1's sender; how many still wait."""
    operator = country.operators[HUB_1]
    with stored(country) as store:
        return RefusalRelay(
            operator.edge, store, operator.translator, operator.seeds, operator.client, operator.domains
        ).send_all()


def waiting(country: HubCountry) -> int:
    country.apps[HUB_1].state.finishing.forget()
    with country.engine(HUB_1).connect() as conn:
        return int(conn.execute(select(func.count()).select_from(unrelayed)).scalar_one())


def shown(country: HubCountry) -> list[PortalAccess]:
    items = country.party(PORTAL).feed(HUB_2)
    return [PortalAccess.model_validate(item.body) for item in items if item.kind == "access"]


def fail(country: HubCountry, code: bytes, **changes: Any) -> None:
    country.down.add(HUB_2)
    with pytest.raises(Problem, match=r"operator\.unreachable"):
        country.party(X).inquire(code, **changes)


def test_a_request_that_failed_with_operator_2_reaches_its_resident_later(
    country: HubCountry, codes: tuple[bytes, bytes]
) -> None:
    fail(country, codes[0])
    assert relay(country) == 1
    assert waiting(country) == 1
    country.down.clear()
    assert shown(country) == []
    country.clock.at = NOON + timedelta(days=3)
    assert relay(country) == 0
    (access,) = shown(country)
    assert access.logged.record == country.log()[-1]
    assert access.logged.record.refusal is not None
    assert access.logged.record.refusal.code == "operator.unreachable"
    assert decrypt(from_b64(access.subject, "subject"), country.party(PORTAL).link_key()) == codes[1]


def test_what_the_rules_refused_is_told_with_the_reason_of_the_rules(
    country: HubCountry, codes: tuple[bytes, bytes]
) -> None:
    fail(country, codes[0], items=("pension",))
    country.down.clear()
    relay(country)
    (access,) = shown(country)
    assert access.logged.record.refusal is not None
    assert access.logged.record.refusal.code.startswith("rules.")


def test_a_refusal_is_told_once_and_its_ciphertext_forgotten(country: HubCountry, codes: tuple[bytes, bytes]) -> None:
    fail(country, codes[0])
    assert waiting(country) == 1
    with country.engine(HUB_1).connect() as conn:
        row = conn.execute(select(unrelayed)).one()
    country.down.clear()
    assert relay(country) == 0
    assert waiting(country) == 0
    with country.engine(HUB_1).begin() as conn:  # as if operator 1 had died before it could forget
        conn.execute(insert(unrelayed).values(row._asdict()))
    assert relay(country) == 0
    assert len(shown(country)) == 1


def test_a_granted_request_or_another_ones_refusal_does_not_pass_for_a_refusal(
    country: HubCountry, codes: tuple[bytes, bytes]
) -> None:
    fail(country, codes[0])
    fail(country, codes[0])
    country.down.clear()
    (_, one), (_, other) = outbox(country)
    overseen = [item.logged for item in country.overseen()]
    granted = next(logged for logged in overseen if logged.record.granted)
    asked = InquiryRequest.model_validate_json(one.request.payload_bytes())
    caller = country.party(HUB_1)
    wrong = [(granted, r"log\.proof_invalid"), (other.logged, r"log\.proof_invalid")]
    for logged, code in [*wrong, (one.logged, r"codes\.proof_invalid")]:  # the last: its own refusal, untranslated
        message = caller.message(RelayRefusal, HUB_2, request=one.request, for_portal=asked.subject, logged=logged)
        with pytest.raises(Problem, match=code):
            caller.wire.send("/relayed-refusals", message, RefusalRelayed)
    assert shown(country) == []


def test_one_that_is_not_accepted_does_not_hold_up_the_others(country: HubCountry, codes: tuple[bytes, bytes]) -> None:
    fail(country, codes[0])
    fail(country, codes[0])
    country.down.clear()
    assert waiting(country) == 2
    with country.engine(HUB_1).begin() as conn:
        first, second = conn.execute(select(unrelayed).order_by(unrelayed.c.entry_index)).all()
        spoiled = unrelayed.update().where(unrelayed.c.entry_index == first.entry_index)
        conn.execute(spoiled.values(logged=second.logged))
    assert relay(country) == 1
    assert waiting(country) == 1
    assert len(shown(country)) == 1


def test_what_operator_2_has_heard_is_not_kept(country: HubCountry, codes: tuple[bytes, bytes]) -> None:
    country.party(X).inquire(codes[0])
    country.party(X).inquire(codes[0], items=("pension",))
    assert waiting(country) == 0
