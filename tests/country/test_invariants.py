"""Invariants I1 to I6 on a finished demo: every store, log file and captured message is searched, not asked."""

from __future__ import annotations

import re
from pathlib import Path

import captures
import pytest

from kumihimo.country import topology
from kumihimo.country.batches import BatchDesk
from kumihimo.country.inspection import cells, read_cell
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.first_case import AFFAIR, STAFF, FirstCase
from kumihimo.domain.kernel import PartyId, fiscal_year
from kumihimo.plumbing.wire.messages.inquiry import Period

TWELVE_DIGITS = re.compile(r"(?<!\d)\d{12}(?!\d)")
ELEVEN_DIGITS = re.compile(r"(?<!\d)\d{11}(?!\d)")
# Identifiers of events, not of persons: they tie the two ends of one access together, as the law wants.
EVENT_COLUMNS = {
    "transaction", "permit", "permit_hash", "payload_hash", "subject_hash", "request_hash", "case_reference_hash",
    "rule_book", "log_index", "envelope", "salt", "promise", "commitment", "entry", "mark", "transaction_number",
    "root", "hashes", "note", "checkpoint",
}  # fmt: skip
# An answer to a chunk is kept sealed at both its ends for a while, and nowhere else.
# Which certificates are good the authority tells everybody, by serial: it stands on lists that anybody may fetch.
PUBLISHED = frozenset(("change.serial", "status.serial"))
SEALED_AT_BOTH_ENDS = frozenset(("batch_chunk.answer", "chunk_answer.sealed"))


def everybody() -> list[PartyId]:
    return [service.party for service in topology.services()]


@pytest.fixture(scope="module")
def batch(country: Country) -> str:
    """A batch of X City to the pension service, finished."""
    desk = BatchDesk.of(country, "x-city")
    held = {
        str(value)
        for place, value in cells(country, topology.exchange_of("x-city"))
        if place == "link_code.addressee_number"
    }
    year = fiscal_year(country.founded)
    entered = desk.enter(
        staff=STAFF, case="一括", addressee_numbers=tuple(sorted(held)), provider="pension-service", affair=AFFAIR,
        items=("pension",), period=Period(since=year.start, until=year.end),
    )  # fmt: skip
    assert entered.batch is not None, entered.rejected
    shown = desk.finished(entered.batch, lambda _shown: None, 120.0)
    assert shown.failed == 0
    return entered.batch


@pytest.fixture(scope="module")
def numbers(country: Country) -> set[str]:
    """Every Individual Number ever drawn in this country."""
    drawn = cells(country, topology.NUMBERING)
    return {f"{value:012d}" for place, value in drawn if place == "used_number.number" and isinstance(value, int)}


@pytest.fixture(scope="module")
def resident_codes(country: Country) -> set[str]:
    return {str(value) for place, value in cells(country, topology.REGISTRY) if place == "resident.resident_code"}


def found_in_files(country: Country, party: str, pattern: re.Pattern[str], known: set[str]) -> set[str]:
    """Known digit strings in any file of a party: raw bytes, and integers in tables."""
    held: set[str] = set()
    for file in country.home(PartyId(party)).rglob("*"):
        if file.is_file() and "keys" not in file.parts:
            held.update(pattern.findall(file.read_bytes().decode("latin-1")))
    integers = [value for _, value in cells(country, PartyId(party)) if isinstance(value, int)]
    held.update(f"{value:0{digits}d}" for value in integers for digits in (11, 12))
    return held & known


def test_i1_numbers_are_stored_only_by_numbering_registry_and_ledgers(
    country: Country, case: FirstCase, numbers: set[str]
) -> None:
    assert len(numbers) >= 60
    holders = {one.party for one in topology.services() if found_in_files(country, one.party, TWELVE_DIGITS, numbers)}
    ledgers = {topology.ledger_of(one) for one in topology.institutions()}
    assert holders - ledgers == {topology.NUMBERING, topology.REGISTRY}
    assert {topology.ledger_of(one) for one in ("x-city", "y-city", "pension-service")} <= holders, "a blind search"


def test_i1_numbers_travel_only_between_an_institution_and_registry_or_numbering(
    country: Country, captured: Path, case: FirstCase, numbers: set[str]
) -> None:
    travelled = 0
    for message in captures.read(captured, country):
        seen = {found for text in message.texts() for found in TWELVE_DIGITS.findall(text)} & numbers
        if seen:
            travelled += 1
            kinds = {party.partition("/")[2] for party in message.between}
            assert kinds in ({"ledger", "network"}, {"desk", "ledger"}, {"network", "authority"}), message.request
            assert not any(number in message.request for number in seen), "a number in a URL"
    assert travelled, "no number was seen at all: the search is blind"


def test_i1_no_log_file_holds_a_number_a_resident_code_or_a_name(
    country: Country, case: FirstCase, numbers: set[str], resident_codes: set[str]
) -> None:
    for service in topology.services():
        text = (country.home(service.party) / "program.log").read_text()
        assert not set(TWELVE_DIGITS.findall(text)) & numbers
        assert not set(ELEVEN_DIGITS.findall(text)) & resident_codes
        assert "総務" not in text


def test_resident_codes_stay_with_registry_numbering_municipalities_and_the_certification_authority(
    country: Country, case: FirstCase, resident_codes: set[str]
) -> None:
    municipal = {topology.ledger_of(one) for one in topology.municipalities()}
    for service in topology.services():
        held = found_in_files(country, service.party, ELEVEN_DIGITS, resident_codes)
        if service.party not in {topology.NUMBERING, topology.REGISTRY, topology.JPKI, *municipal}:
            assert not held, f"{service.party} holds {len(held)} resident codes"


def test_i2_no_two_institutions_know_anybody_by_the_same_link_code(country: Country, case: FirstCase) -> None:
    codes: dict[str, set[object]] = {}
    for party in everybody():
        codes[party] = {
            v for place, v in cells(country, party) if place in ("link_code.code", "account.link_code") and v
        }
    with_codes = [party for party, held in codes.items() if held]
    assert len(with_codes) >= 9
    for i, one in enumerate(with_codes):
        for other in with_codes[i + 1 :]:
            assert not codes[one] & codes[other], f"{one} and {other} share a link code"


def test_i2_stores_of_different_boundaries_share_no_identifier_of_a_person(
    country: Country, case: FirstCase, batch: str
) -> None:
    """Any random-looking value held on both sides of a boundary must belong to an event both took part in."""
    held: dict[str, dict[object, str]] = {}
    for party in everybody():
        values: dict[object, str] = {}
        for place, value in cells(country, party):
            if place.rpartition(".")[2] in EVENT_COLUMNS or place.startswith("feed."):
                continue
            if (isinstance(value, bytes) and len(value) >= 16) or (
                isinstance(value, str) and re.fullmatch(r"[0-9a-f]{32,}|[A-Za-z0-9+/_-]{40,}={0,2}", value)
            ):
                values[value] = place
        held[party] = values
    parties = list(held)
    ends_of_the_batch = {topology.exchange_of("x-city"), topology.exchange_of("pension-service")}
    number_side = {topology.NUMBERING, topology.REGISTRY, *(p for p in parties if p.endswith("/ledger"))}
    for i, one in enumerate(parties):
        for other in parties[i + 1 :]:
            if {one, other} <= number_side:
                continue  # joined by the Individual Number itself, by law
            shared = {frozenset((held[one][v], held[other][v])) for v in held[one].keys() & held[other].keys()}
            if {one, other} == ends_of_the_batch:
                assert SEALED_AT_BOTH_ENDS in shared, "a blind search"
                shared.remove(SEALED_AT_BOTH_ENDS)
            assert not shared, f"{one} and {other} share values"


def test_i2_running_numbers_of_two_ledgers_tell_nothing_about_one_another(country: Country) -> None:
    """The same people in X市 and in the pension service are not entered in the same order."""

    def order(institution: str) -> list[str]:
        rows: dict[str, str] = {}
        pending: dict[str, str] = {}
        for place, value in cells(country, topology.ledger_of(institution)):
            if place == "addressee.addressee_number":
                pending["number"] = str(value)
            elif place == "addressee.individual_number":
                rows[pending["number"]] = str(value)
        return [rows[key] for key in sorted(rows)]

    x_city, pension = order("x-city"), order("pension-service")
    both = set(x_city) & set(pension)
    assert len(both) >= 8
    assert [one for one in x_city if one in both] != [one for one in pension if one in both]


def test_i3_what_the_operators_see_of_one_person_never_repeats(
    country: Country, captured: Path, case: FirstCase
) -> None:
    """Both inquiries of the case are about 花子; no ciphertext of one is seen in another, or at two places of one."""
    seen: dict[str, set[tuple[str, str]]] = {}  # ciphertext -> (transaction, what it was)
    for message in captures.read(captured, country):
        places = [("asked", message.sent, "subject")] if message.receiver == topology.HUB_1 else []
        if "/relayed-inquiries" in message.request:
            places = [
                ("half for the provider", message.sent, "for_provider"),
                ("half for the portal", message.sent, "for_portal"),
                ("for the provider", message.received, "subject"),
            ]
        elif "/inquiries" not in message.request:
            continue
        transactions = set(captures.values_of(message.sent, "transaction")) - {None}
        for what, part, name in places:
            for ciphertext in captures.values_of(part, name):
                if ciphertext:
                    seen.setdefault(ciphertext, set()).update((one, what) for one in transactions)
    assert len(seen) >= 6
    assert [places for places in seen.values() if len(places) != 1] == []


def test_i5_every_decision_that_left_the_hub_stands_in_the_log(
    country: Country, captured: Path, case: FirstCase
) -> None:
    decided = {
        transaction
        for message in captures.read(captured, country)
        if "/inquiries" in message.request and message.receiver == topology.HUB_1
        for transaction in captures.values_of(message.received, "transaction")
    }
    assert {case.granted.transaction, case.refused.transaction} <= decided
    for transaction in decided:
        query = "SELECT count(*) FROM entry WHERE transaction_number = ?"
        assert read_cell(country, topology.HUB_1, query, transaction) >= 1


def test_i6_what_y_city_knows_crosses_the_wire_only_sealed(country: Country, captured: Path, case: FirstCase) -> None:
    total = str(case.granted.items[0].body["total_income"])
    carriers = {message.between for message in captures.read(captured, country) if total in message.texts()}
    assert carriers == {frozenset(("x-city/desk", "x-city/exchange"))}
