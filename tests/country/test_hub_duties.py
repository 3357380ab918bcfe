"""The hub's duties on a whole running country: suspensions, the emergency stop and quotas, ordered by the oversight body."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from typer.testing import CliRunner

from kumihimo.cli.main import app
from kumihimo.country import topology
from kumihimo.country.desk import Caller, Desk
from kumihimo.country.inspection import read_cell
from kumihimo.country.layout import Country
from kumihimo.country.log_check import verify_log
from kumihimo.country.officer import Officer
from kumihimo.country.scenarios.first_case import AFFAIR, CASE, STAFF, FirstCase
from kumihimo.country.scenarios.waiting import until
from kumihimo.domain.codes import encrypt, person_point, public_key, random_scalar
from kumihimo.domain.kernel import Problem
from kumihimo.domain.sealing import commit
from kumihimo.plumbing.wire.envelope import Envelope, b64
from kumihimo.plumbing.wire.messages.inquiry import (
    EntryKind,
    InquiryRelayed,
    InquiryRequest,
    LoggedRecord,
    LogPromise,
    LogRecord,
    Period,
    Permit,
    RelayInquiry,
)
from kumihimo.plumbing.wire.messages.oversight import Measure, OrderGiven, Quota
from kumihimo.plumbing.wire.messages.provision import Inquired

BOTH = {topology.HUB_1, topology.HUB_2}
NO_LIMIT = Quota(per_minute=60_000, per_day=1_000_000)


@pytest.fixture(autouse=True)
def left_as_found(country: Country) -> Iterator[None]:
    """Whatever a test ordered is taken back: others play on the same country."""
    yield
    officer = Officer.of(country)
    for about in (None, "x-city", "y-city"):
        officer.order(Measure.LIFT, about, "end of the test")
    officer.order(Measure.QUOTA, "x-city", "end of the test", NO_LIMIT)


def ask(country: Country, case: FirstCase) -> Inquired:
    return Desk.of(country, "x-city").inquire(
        staff=STAFF, case=CASE, addressee_number=case.addressee.addressee_number, provider="y-city", affair=AFFAIR,
        items=("local-tax",), period=Period(),
    )  # fmt: skip


def code_of(answer: Inquired) -> str:
    return "none" if answer.refusal is None else answer.refusal.code


def order(country: Country, measure: Measure, about: str | None, quota: Quota | None = None) -> OrderGiven:
    given = Officer.of(country).order(measure, about, "inspection of the third of June", quota)
    assert set(given.in_force) == BOTH
    return given


def command(country: Country, *words: str) -> str:
    result = CliRunner().invoke(app, ["oversight", *words, "--country", str(country.folder)])
    if isinstance(result.exception, Problem):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_suspension_is_in_force_at_both_operators_within_a_second_and_so_is_its_lifting(
    country: Country, case: FirstCase
) -> None:
    ask(country, case)
    ordered_at = time.monotonic()
    order(country, Measure.SUSPEND, "y-city")
    refused = ask(country, case)
    assert time.monotonic() - ordered_at < 1.0
    assert code_of(refused) == "institution.suspended"
    assert refused.refusal is not None
    assert "inspection" in refused.refusal.reason_en
    query = "SELECT standing FROM standing WHERE institution = ?"
    assert {read_cell(country, hub, query, "y-city") for hub in BOTH} == {"suspended"}
    lifted_at = time.monotonic()
    order(country, Measure.LIFT, "y-city")
    answered = ask(country, case)
    assert time.monotonic() - lifted_at < 1.0
    assert answered.items


def test_the_emergency_stop_stops_everything_until_it_is_resumed(country: Country, case: FirstCase) -> None:
    order(country, Measure.SUSPEND, None)
    refused = ask(country, case)
    assert code_of(refused) == "hub.stopped"
    order(country, Measure.LIFT, None)
    assert ask(country, case).items


def test_more_requests_than_the_quota_are_refused_and_logged(country: Country, case: FirstCase) -> None:
    order(country, Measure.QUOTA, "x-city", Quota(per_minute=1, per_day=1))
    refused = ask(country, case)  # the first case was today
    assert code_of(refused) == "quota.exceeded"
    logged = "SELECT record FROM entry WHERE transaction_number = ?"
    assert "quota.exceeded" in read_cell(country, topology.HUB_1, logged, refused.transaction)
    order(country, Measure.QUOTA, "x-city", NO_LIMIT)
    assert ask(country, case).items


def test_the_officer_orders_from_the_command_line_and_every_order_is_in_the_verified_log(country: Country) -> None:
    printed = command(country, "suspend", "z-town", "--reason", "its staff shared one account")
    assert "in force at hub-1/operator, hub-2/operator" in printed
    command(country, "lift", "z-town", "--reason", "remedied")
    command(country, "stop-all", "--reason", "drill")
    command(country, "resume-all", "--reason", "end of the drill")
    command(country, "quota", "z-town", "--per-minute", "100", "--per-day", "5000", "--reason", "a small town")
    printed = command(country, "orders").splitlines()
    shown = [line for line in printed if "in force at" in line]
    assert "quota z-town to 100 a minute, 5000 a day: a small town" in shown[0]
    assert "suspend z-town: its staff shared one account; in force at hub-1/operator, hub-2/operator" in shown[4]
    given = int(shown[0].split()[0])
    kept = read_cell(country, topology.HUB_1, "SELECT count(*) FROM entry WHERE record LIKE ?", '%"entry":"order"%')
    assert kept == given
    assert verify_log(country).size >= given
    with pytest.raises(Problem, match=r"institution\.unknown"):
        command(country, "suspend", "q-city", "--reason", "a typing mistake")
    with pytest.raises(Problem, match=r"message\.malformed"):
        command(country, "suspend", "z-town", "--reason", "number 123456789018")


def nobody() -> bytes:
    """A ciphertext about nobody, under nobody's key."""
    point = person_point(secrets.token_bytes(32), "12345678901", 0)
    return encrypt(point, public_key(random_scalar()), random_scalar())


def relayed(country: Country, case: FirstCase) -> RelayInquiry:
    """What an operator 1 would pass on that logs X市's request as it should, but translates another ciphertext."""
    assert case.granted.permit is not None
    hub, exchange = Caller(country, topology.HUB_1).edge, Caller(country, topology.exchange_of("x-city")).edge
    permit = Permit.model_validate_json(case.granted.permit.payload_bytes())
    subject = nobody()
    asked = {"requester": "x-city", "provider": "y-city", "affair": AFFAIR, "items": ("local-tax",)}
    request = exchange.message(
        InquiryRequest, topology.HUB_1, **asked, transaction=secrets.token_hex(16), case_reference_hash="0" * 64,
        subject=b64(subject),
    )  # fmt: skip
    envelope = exchange.answer(request)
    record = LogRecord(
        entry=EntryKind.REQUEST, logged_at=request.sent_at, requested_at=request.sent_at, **asked, granted=True,
        transaction=request.transaction, case_reference_hash=request.case_reference_hash,
        subject_hash=hashlib.sha256(subject).hexdigest(), request_hash=envelope.digest(), rules=permit.rules,
        articles=permit.articles, rule_book=permit.rule_book,
    )  # fmt: skip
    entry = commit(bytes(32), record.to_bytes())
    promise = hub.answer(LogPromise(index=10**6, entry=b64(entry), logged_at=record.logged_at))
    logged = LoggedRecord(record=record, salt=b64(bytes(32)), promise=promise)
    return hub.message(
        RelayInquiry,
        topology.HUB_2,
        request=envelope,
        logged=logged,
        for_provider=b64(nobody()),
        for_portal=b64(nobody()),
    )


def test_a_tampered_translation_gets_no_permit_and_raises_an_alarm(country: Country, case: FirstCase) -> None:
    """Whoever holds operator 1's keys passes on another ciphertext than X市 sent: operator 2 demands a proof in vain."""
    relay = relayed(country, case)
    with pytest.raises(Problem) as caught:
        Caller(country, topology.HUB_1).client.send("/relayed-inquiries", relay, InquiryRelayed)
    assert caught.value.code == "codes.proof_invalid"
    store = country.home(topology.OVERSIGHT) / "store.db"
    with closing(sqlite3.connect(store, timeout=10, isolation_level=None)) as oversight:
        found = "SELECT what, evidence FROM alarm WHERE kind = 'translation_unproven'"
        what, evidence = until(lambda: oversight.execute(found).fetchone(), 10, "the alarm")
        oversight.execute("DELETE FROM alarm WHERE kind = 'translation_unproven'")  # it has been dealt with
    logged = RelayInquiry.model_validate_json(Envelope.model_validate_json(evidence).payload_bytes()).logged
    assert logged == relay.logged
    assert logged.record.transaction is not None
    assert logged.record.transaction in what
