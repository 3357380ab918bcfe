"""Issuing link codes: own codes only, blind and shuffled to the hub, holders remembered, tickets forgotten."""

from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path

import pytest
from registry_office import DOMAIN_SECRET, NOW, PERSON_SECRET, TODAY, Office, event, hanako
from sqlalchemy import Engine

from kumihimo.domain.codes import decrypt, person_point
from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.envelope import b64, from_b64
from kumihimo.plumbing.wire.messages.codes import RefusedTicket, TicketOf
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind as Kind
from kumihimo.plumbing.wire.messages.residents import ResidentSnapshot
from kumihimo.roles.registry.schema import code_holder

BASIS = "番号法第二十一条第二項"


def tickets_for(*numbers: str) -> list[TicketOf]:
    return [TicketOf(ticket=b64(secrets.token_bytes(32)), individual_number=number) for number in numbers]


def town(office: Office, size: int) -> list[ResidentSnapshot]:
    return [office.born(hanako(given=f"{n}子")) for n in range(size)]


def holders(office: Office, resident: ResidentSnapshot) -> list[str]:
    with office.store.transaction() as transaction:
        found = transaction.by_number(resident.individual_number)
        assert found is not None
        return transaction.code_holders(found.id)


def test_every_ticket_carries_the_point_of_its_person_that_only_the_registry_can_make(office: Office) -> None:
    people = town(office, 5)
    tickets = tickets_for(*(one.individual_number for one in people))
    assert office.issuing.issue("pension", "pension", BASIS, tickets) == ()
    ((institution, batch),) = office.hub.batches
    assert institution == "pension"
    carried = {one.ticket: decrypt(from_b64(one.ciphertext, "c"), DOMAIN_SECRET) for one in batch}
    assert carried == {
        ticket.ticket: person_point(PERSON_SECRET, one.resident_code or "", 0)
        for ticket, one in zip(tickets, people, strict=True)
    }


def test_a_person_s_ciphertexts_are_never_alike(office: Office) -> None:
    resident = office.born()
    for _ in range(2):
        office.issuing.issue("pension", "pension", BASIS, tickets_for(*[resident.individual_number] * 2))
    seen = {one.ciphertext for _, batch in office.hub.batches for one in batch}
    halves = {from_b64(text, "c")[start : start + 32] for text in seen for start in (0, 32)}
    assert (len(seen), len(halves)) == (4, 8)


def test_the_batch_is_shuffled(office: Office) -> None:
    people = town(office, 12)
    tickets = tickets_for(*(one.individual_number for one in people))
    for _ in range(2):
        office.issuing.issue("x-city", "x-city", BASIS, tickets)
    asked = [one.ticket for one in tickets]
    first, second = ([one.ticket for one in batch] for _, batch in office.hub.batches)
    assert sorted(first) == sorted(second) == sorted(asked)
    assert first != asked
    assert second not in (asked, first)


def test_an_institution_gets_its_own_codes_only(office: Office) -> None:
    tickets = tickets_for(office.born().individual_number)
    for asker, institution in (("pension", "x-city"), ("x-city", "pension"), ("x-city", "y-city"), ("x-city", "hub-1")):
        with pytest.raises(Problem) as caught:
            office.issuing.issue(asker, institution, BASIS, tickets)
        assert (caught.value.code, caught.value.expected) == ("peer.not_allowed", "its own codes")
    assert office.hub.batches == []


def test_a_municipality_may_open_the_portal_for_somebody_and_others_may_not(office: Office) -> None:
    resident = office.born()
    tickets = tickets_for(resident.individual_number)
    with pytest.raises(Problem) as caught:
        office.issuing.issue("pension", "portal", BASIS, tickets)
    assert caught.value.code == "peer.not_allowed"
    assert office.issuing.issue("y-city", "portal", BASIS, tickets) == ()
    assert office.hub.batches[0][0] == "portal"
    assert holders(office, resident) == ["portal"]


def test_a_number_nobody_has_is_refused_by_its_ticket_and_the_others_go_on(office: Office) -> None:
    resident = office.born()
    right, unknown, typo = tickets_for(resident.individual_number, "621498320257", "621498320258")
    refused = office.issuing.issue("pension", "pension", BASIS, [unknown, typo, right])
    assert set(refused) == {
        RefusedTicket(ticket=unknown.ticket, code="number.unknown"),
        RefusedTicket(ticket=typo.ticket, code="number.check_digit"),
    }
    assert [one.ticket for one in office.hub.batches[0][1]] == [right.ticket]


def test_what_is_no_ticket_never_reaches_the_hub(office: Office) -> None:
    number = office.born().individual_number
    (right,) = tickets_for(number)
    wrong = [TicketOf(ticket=text, individual_number=number) for text in (number, "切符", "", right.ticket)]
    refused = office.issuing.issue("pension", "pension", BASIS, [right, *wrong])
    assert [one.ticket for one in refused] == [one.ticket for one in wrong]
    assert {one.code for one in refused} == {"message.malformed", "value.invalid"}
    assert [one.ticket for one in office.hub.batches[0][1]] == [right.ticket]


def test_nothing_is_sent_when_nobody_is_known(office: Office) -> None:
    refused = office.issuing.issue("pension", "pension", BASIS, tickets_for("621498320257"))
    assert [one.code for one in refused] == ["number.unknown"]
    assert office.hub.batches == []


def holder_rows(engine: Engine) -> list[tuple[str, int, str, object]]:
    columns = code_holder.c.institution, code_holder.c.counter, code_holder.c.basis, code_holder.c.issued_at
    with engine.connect() as conn:
        return [
            (row[0], row[1], row[2], row[3]) for row in conn.execute(code_holder.select().with_only_columns(*columns))
        ]


def test_who_obtained_a_code_is_remembered_once_with_the_first_basis_and_day(office: Office) -> None:
    resident = office.born()
    office.issuing.issue("pension", "pension", BASIS, tickets_for(*[resident.individual_number] * 2))
    office.clock.at = NOW + timedelta(days=1)
    office.issuing.issue("pension", "pension", "another basis", tickets_for(resident.individual_number))
    assert holder_rows(office.store.engine) == [("pension", 0, BASIS, NOW)]
    office.issuing.issue("x-city", "x-city", BASIS, tickets_for(resident.individual_number))
    assert holders(office, resident) == ["pension", "x-city"]


def test_who_may_have_obtained_a_code_is_remembered_though_the_hub_did_not_answer(office: Office) -> None:
    """The batch may have gone on its way: a holder that the registry did not know would miss a re-coding."""
    resident = office.born()
    office.hub.away = True
    with pytest.raises(Problem) as caught:
        office.issuing.issue("pension", "pension", BASIS, tickets_for(resident.individual_number))
    assert caught.value.code == "operator.unreachable"
    assert holders(office, resident) == ["pension"]


def test_no_ticket_is_left_in_the_store_nor_anything_that_was_sent(office: Office, tmp_path: Path) -> None:
    people = town(office, 3)
    tickets = tickets_for(*(one.individual_number for one in people), "621498320257")
    office.issuing.issue("pension", "pension", BASIS, tickets)
    files = [file for file in tmp_path.iterdir() if file.name.startswith("registry.db")]
    stored = b"".join(file.read_bytes() for file in files)
    assert people[0].individual_number.encode() in stored  # the scan does see what is there
    sent = [one.ciphertext for one in office.hub.batches[0][1]]
    for text in [one.ticket for one in tickets] + sent:
        assert text.encode() not in stored
        assert from_b64(text, "t") not in stored
    points = [person_point(PERSON_SECRET, one.resident_code or "", 0) for one in people]
    assert not [point for point in points if bytes(point) in stored or b64(point).encode() in stored]


def test_the_dead_keep_their_codes_and_may_get_new_ones(office: Office) -> None:
    """A pension for the bereaved is asked for after the death."""
    resident = office.born()
    office.residents.report("x-city", event(Kind.DEATH, TODAY, resident.resident_code))
    assert office.issuing.issue("pension", "pension", BASIS, tickets_for(resident.individual_number)) == ()


def test_the_holder_of_a_certificate_gets_the_portal_s_code(office: Office) -> None:
    resident = office.born()
    ticket = b64(secrets.token_bytes(32))
    office.issuing.issue_to_holder(resident.resident_code or "", ticket, BASIS)
    ((institution, (carried,)),) = office.hub.batches
    assert (institution, carried.ticket) == ("portal", ticket)
    point = person_point(PERSON_SECRET, resident.resident_code or "", 0)
    assert decrypt(from_b64(carried.ciphertext, "c"), DOMAIN_SECRET) == point
    assert holders(office, resident) == ["portal"]


def test_of_a_holder_nobody_knows_no_code_is_issued(office: Office) -> None:
    with pytest.raises(Problem, match="the holder of a certificate"):
        office.issuing.issue_to_holder("00000000000", b64(secrets.token_bytes(32)), BASIS)
    assert not office.hub.batches
