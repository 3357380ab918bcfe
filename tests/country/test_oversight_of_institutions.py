"""What the oversight body learns of institutions: whom an inquiry was about, by order only; and how their copies are."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kumihimo.cli.main import app
from kumihimo.country import topology
from kumihimo.country.auditor import Auditor
from kumihimo.country.backup import back_up, back_up_keys, restore
from kumihimo.country.desk import Caller, Desk
from kumihimo.country.inspection import holders, read_cell
from kumihimo.country.layout import Country
from kumihimo.country.moving import move_to_free_ports
from kumihimo.country.scenarios.first_case import CASE, FirstCase, needles
from kumihimo.country.scenarios.waiting import until
from kumihimo.domain.kernel import AddresseeNumber, PartyId, Problem
from kumihimo.domain.transparency.access_proof import verify_proof_file
from kumihimo.domain.transparency.note import VerifierKey
from kumihimo.plumbing.wire.client import CAPTURE
from kumihimo.plumbing.wire.envelope import Envelope, b64
from kumihimo.plumbing.wire.messages.audits import (
    Audited,
    AuditFinding,
    AuditOrdered,
    InquiriesOpened,
    OpenInquiries,
    Verdict,
)
from kumihimo.plumbing.wire.messages.freshness import Condition
from kumihimo.plumbing.wire.messages.inquiry import LoggedRecord, LogRecord
from kumihimo.plumbing.wire.messages.oversight import Measure, Order, OrderCarriedOut, Ordered
from kumihimo.plumbing.wire.messages.provision import CopyOf, DatedItem

HERE = Path(__file__).parent
FINDING_SECONDS = 60.0


def command(country: Country, *words: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, ["oversight", *words, "--country", str(country.folder)])
    if isinstance(result.exception, Problem):
        raise result.exception
    assert result.exit_code == status, result.output
    return result.output


def keys_of_the_log(country: Country) -> tuple[VerifierKey, VerifierKey]:
    log, witness = ((country.folder / f"{name}.vkey").read_text().strip() for name in ("log", "witness"))
    return VerifierKey.parse(log), VerifierKey.parse(witness)


@pytest.fixture(autouse=True, scope="module")
def verified(country: Country, case: FirstCase) -> None:
    """The oversight body has verified what the first case left in the log."""
    state = "SELECT count(*) FROM log_entry WHERE state = 'matched' AND log_index = ?"
    index = case.refused.log_index
    until(lambda: read_cell(country, topology.OVERSIGHT, state, index) or None, 20, "a verified log")


def test_an_officer_sees_from_the_command_line_whom_an_inquiry_was_about(
    country: Country, case: FirstCase, tmp_path: Path
) -> None:
    transaction = case.granted.transaction
    printed = command(
        country, "audit", "x-city", transaction, case.refused.transaction, "--reason", "a complaint", "--disclose",
        "--save", str(tmp_path),
    )  # fmt: skip
    assert "seen by hub-1/operator, hub-2/operator" in printed
    assert printed.count("opened: code and randomness give the logged hash") == 2
    assert printed.count("person 1 of this order; the code is held there today") == 2
    assert printed.count(f"addressee {case.addressee.addressee_number}, case 「{CASE}」") == 2
    signed = Envelope.model_validate_json((tmp_path / f"{order_of(printed)}-{transaction}-0.finding.json").read_text())
    finding = Auditor.of(country).edge.read(signed, AuditFinding, topology.OVERSIGHT).value
    assert (finding.verdict, finding.log_index) == (Verdict.OPENED, case.granted.log_index)
    log_key, witness_key = keys_of_the_log(country)
    proven = verify_proof_file(finding.proof, log_key, [witness_key])
    assert proven.record["subject_hash"] == finding.subject_hash
    kept = holders(country, [one for one in needles(country, case) if one.name in ("code_x", "number", "name")])
    assert topology.OVERSIGHT not in set().union(*kept.values())  # judged, and not kept
    assert "1 audit" in command(country, "audits", "--number", order_of(printed))


def order_of(printed: str) -> str:
    found = re.search(r"Order (\d+)", printed)
    assert found is not None
    return found[1]


def test_the_order_is_in_the_log_and_both_operators_keep_it(country: Country, case: FirstCase) -> None:
    number = int(order_of(command(country, "audit", "x-city", case.granted.transaction, "--reason", "a routine check")))
    matter = "SELECT matter FROM oversight_order WHERE number = ?"
    found = {read_cell(country, hub, matter, number) for hub in (topology.HUB_1, topology.HUB_2)}
    assert found == {f"audit/{number}"}
    logged = "SELECT count(*) FROM entry WHERE record LIKE ?"
    assert read_cell(country, topology.HUB_1, logged, f'{{"affair":"oversight.audit",%"count":{number},%') == 1


def test_only_what_the_institution_asked_itself_and_the_log_has_can_be_ordered(
    country: Country, case: FirstCase
) -> None:
    for institution, transaction in (("y-city", case.granted.transaction), ("x-city", "0" * 32)):
        with pytest.raises(Problem, match=r"audit\.not_logged"):
            command(country, "audit", institution, transaction, "--reason", "a mistake")
    with pytest.raises(Problem, match=r"value\.invalid"):
        command(country, "audit", "x-city", "123456789018", "--reason", "a mistake")


def demand(country: Country, audit: AuditOrdered, number: int, logged: LoggedRecord, seen: Envelope) -> InquiriesOpened:
    """What somebody with the oversight body's keys can ask an exchange by itself."""
    body = Caller(country, topology.OVERSIGHT)
    ordered = Ordered(measure=Measure.AUDIT, institution="x-city", reason="curiosity", audit=audit)
    order = body.edge.answer(Order(number=number, ordered=ordered, ordered_at=body.edge.clock.now()))
    message = body.edge.message(OpenInquiries, topology.exchange_of("x-city"), order=order, logged=logged, seen=seen)
    return body.client.send("/openings", message, InquiriesOpened).value


def test_without_an_order_that_is_logged_and_seen_nothing_is_opened_even_to_the_body_itself(
    country: Country, case: FirstCase
) -> None:
    number = int(order_of(command(country, "audit", "x-city", case.granted.transaction, "--reason", "a routine check")))
    about = f"order/{Auditor.of(country).audits(number)[0].order_hash}"
    record, salt, promise = (
        read_cell(country, topology.OVERSIGHT, query, about)
        for query in (
            "SELECT record FROM record WHERE about = ?",
            "SELECT salt FROM record WHERE about = ?",
            "SELECT promise FROM record WHERE about = ?",
        )
    )
    logged = LoggedRecord(
        record=LogRecord.model_validate_json(record), salt=b64(salt), promise=Envelope.model_validate_json(promise)
    )
    reply = "SELECT reply FROM order_in_force WHERE operator = 'hub-2/operator' AND number = ?"
    seen = Envelope.model_validate_json(read_cell(country, topology.OVERSIGHT, reply, number))
    now = Caller(country, topology.OVERSIGHT).edge.clock.now()
    wanted = AuditOrdered(
        inquiries=(Audited(transaction=case.granted.transaction),), disclose=True, due_at=now + timedelta(days=1)
    )
    with pytest.raises(Problem, match=r"audit\.not_ordered"):  # the log has another order
        demand(country, wanted, number, logged, seen)
    forged = Caller(country, topology.OVERSIGHT).edge.answer(
        OrderCarriedOut(in_reply_to="0", number=number, order_hash="0" * 64)
    )
    with pytest.raises(Problem, match=r"audit\.not_ordered|message\.wrong_signer"):
        demand(country, wanted, number, logged, forged)
    message = Caller(country, topology.exchange_of("y-city")).edge.message(
        OpenInquiries, topology.exchange_of("x-city"), order=seen, logged=logged, seen=seen
    )
    with pytest.raises(Problem, match=r"peer\.not_allowed"):
        Caller(country, topology.exchange_of("y-city")).client.send("/openings", message, InquiriesOpened)


@pytest.fixture(scope="module")
def lying(country: Country, case: FirstCase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    """A copy of the country in which the operators and the oversight body are themselves, and X市's exchange lies."""
    assert case.verified
    folder = tmp_path_factory.mktemp("lying")
    back_up(country.folder, folder / "archive", _silent)
    back_up_keys(country.folder, folder / "keys")
    restore(folder / "archive", folder / "country", _silent, folder / "keys")
    here = move_to_free_ports(Country.open(folder / "country"))
    _add(here, topology.exchange_of("x-city"), 'backlog_patience = "PT0S"\n')
    _add(here, topology.OVERSIGHT, "conditions_seconds = 0.5\n")
    captured = os.environ.pop(CAPTURE, None)  # what passes here is not of the country that others look at
    started = []
    try:
        for role, party in (("hub", topology.HUB_1), ("hub", topology.HUB_2), ("oversight", topology.OVERSIGHT)):
            words = [
                "-c",
                "from kumihimo.cli.main import main; main()",
                "serve",
                role,
                "--settings",
                str(here.settings(party)),
            ]
            started.append(subprocess.Popen([sys.executable, *words]))
        liar = topology.exchange_of("x-city")
        started.append(subprocess.Popen([sys.executable, str(HERE / "lying_exchange.py"), str(here.settings(liar))]))
        for party in (topology.HUB_1, topology.HUB_2, topology.OVERSIGHT, liar):
            until(lambda party=party: _answers(here, party), 120, f"{party} up")
        yield here
    finally:
        if captured is not None:
            os.environ[CAPTURE] = captured
        for process in started:
            process.terminate()
        for process in started:
            process.wait(20)


def _add(country: Country, party: PartyId, setting: str) -> None:
    with country.settings(party).open("a") as file:
        file.write(setting)


def _silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


def _answers(country: Country, party: str) -> bool | None:
    caller = Caller(country, topology.OVERSIGHT)
    try:
        return caller.client.look(party, "/health").status_code == 200 or None
    except Problem:
        return None
    finally:
        caller.client.close()


@pytest.mark.parametrize(
    ("reason", "within", "verdict", "alarm"),
    [
        ("another", timedelta(days=1), Verdict.CONTRADICTED, "audit_contradicted"),
        ("refuse", timedelta(days=1), Verdict.REFUSED, "audit_refused"),
        ("stall", timedelta(seconds=3), Verdict.LATE, "audit_late"),
    ],
)
def test_an_institution_that_lies_refuses_or_stalls_is_found_out_and_shown(
    lying: Country, case: FirstCase, reason: str, within: timedelta, verdict: Verdict, alarm: str
) -> None:
    auditor = Auditor.of(lying)
    inquiry = Audited(transaction=case.granted.transaction)
    given = auditor.audit("x-city", (inquiry,), reason, within, disclose=True)
    shown = auditor.concluded(given.number, FINDING_SECONDS)
    assert shown is not None
    (found,) = auditor.read(shown)
    assert found.finding.verdict is verdict
    assert found.finding.log_index == case.granted.log_index
    assert auditor.status()["alarms_by_kind"][alarm] == 1
    answer = read_cell(lying, topology.OVERSIGHT, "SELECT answer FROM audit WHERE number = ?", given.number)
    if verdict is not Verdict.LATE:  # what the liar signed is kept, and can be held against it
        signed = auditor.edge.read(
            Envelope.model_validate_json(answer), InquiriesOpened, topology.exchange_of("x-city")
        )
        assert signed.envelope.digest() == found.finding.answer_hash
    printed = command(lying, "audits", "--number", str(given.number), status=1)
    assert f"{verdict.value}: " in printed
    assert json.loads(found.finding.proof)["record"]["requester"] == "x-city"


def test_a_backlog_of_copies_reaches_the_oversight_body_as_a_count_and_ends_by_itself(
    lying: Country, case: FirstCase
) -> None:
    desk, officer = Desk.of(lying, "x-city"), Auditor.of(lying)
    assert desk.copy_alarms().alarms == ()
    desk.declare_delivery("local-tax", 12)

    def heard() -> Condition | None:
        found = [one for one in officer.conditions().conditions if one.institution == "x-city"]
        return found[0] if found else None

    condition = until(heard, 60, "a condition")
    assert (condition.kind, condition.item, condition.count) == ("stuck", "local-tax", 12)
    assert officer.status()["conditions"] >= 1
    assert "x-city              ALARM stuck local-tax: 12" in command(lying, "copies", status=1)
    shown = CliRunner().invoke(app, ["copies", "status", "--institution", "x-city", "--country", str(lying.folder)])
    assert shown.exit_code == 1
    assert "ALARM stuck local-tax: 12" in shown.output
    words = ["copies", "declare", "--institution", "x-city", "--item", "local-tax", "--country", str(lying.folder)]
    assert CliRunner().invoke(app, words).exit_code == 0
    until(lambda: True if heard() is None else None, 60, "the end of the condition")


def test_a_running_ledger_has_told_its_exchange_whom_it_knows(country: Country, case: FirstCase) -> None:
    """In every institution, by itself: and so a copy for nobody is refused with what to do."""
    for institution in topology.institutions():
        until(lambda one=institution: _all_told(country, one), 60, f"the register at {institution}")
    nobody = AddresseeNumber.from_serial(999_999).digits
    desk = Desk.of(country, "y-city")
    aid = {"kind": "grant", "monthly_amount": 20_000, "outstanding": 0}
    item = DatedItem(item="student-aid", valid_from=country.founded, body=aid)
    placed = desk.place_copies((CopyOf(addressee_number=nobody, item=item),))
    assert (placed.placed, [one.code for one in placed.rejected]) == (0, ["addressee.unknown"])
    assert desk.copy_alarms().alarms == ()
    assert [(one.item, one.late) for one in case.granted.as_of] == [("local-tax", False)]


def _all_told(country: Country, institution: str) -> bool | None:
    known = read_cell(country, topology.ledger_of(institution), "SELECT count(*) FROM addressee WHERE 1 = ?", 1)
    told = read_cell(country, topology.exchange_of(institution), "SELECT count(*) FROM registered WHERE 1 = ?", 1)
    return told == known or None
