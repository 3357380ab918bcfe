"""Ordinance applications end to end: written at the office, read at the library, the seal counter, the clinic, the shelter."""

from __future__ import annotations

import base64
import json
import random
import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from card_country import X_CITY, Y_CITY, Card, authority, issued_card, x_city, y_city

from kumihimo.domain.kernel import FixedClock, Problem, SeededRandomness
from kumihimo.roles.card.chip import ORDINANCE_OVERHEAD, FolderDisk
from kumihimo.roles.card.ordinance import (
    CATALOGUE,
    AccessLedger,
    Counter,
    IssueBook,
    Issuer,
    IssuerEntry,
    OrdinanceOffice,
    RevocationList,
    Revocations,
    TrustedIssuers,
    attributes,
    disclose,
    revocation_list,
)
from kumihimo.roles.card.ordinance.access_keys import AccessKey
from kumihimo.roles.card.terminal import CardTerminal

NOON = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
CLOCK = FixedClock(NOON)
CHANCE = SeededRandomness("ordinances")
PIN = "5678"
X_ISSUER, Y_ISSUER = Issuer.new(X_CITY), Issuer.new(Y_CITY)
YEARS = (date(2026, 1, 1), date(2030, 12, 31))
TRUSTED = TrustedIssuers(
    [IssuerEntry.of(X_ISSUER, x_city(), *YEARS), IssuerEntry.of(Y_ISSUER, y_city(), *YEARS)], authority().public_key()
)
HEALTH: dict[str, Any] = {
    "examined_on": "2026-06-10",
    "examiner": "甲県健診センター",
    "bmi_tenths": 221,
    "systolic": 128,
    "diastolic": 79,
    "ldl": 131,
    "hba1c_tenths": 56,
    "egfr": 82,
    "smokes": False,
}
SHELTER: dict[str, Any] = {
    "name": "総務花子",
    "household": 3,
    "shelter": "中央小学校",
    "needs": "車いす",
    "medicines": "なし",
    "contact": "090-0000-0000",
}


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return issued_card(FolderDisk(tmp_path / "card"))


@pytest.fixture
def office(tmp_path: Path) -> OrdinanceOffice:
    return OrdinanceOffice(x_city(), X_ISSUER, IssueBook(tmp_path / "issued.db"), CLOCK, CHANCE)


@pytest.fixture
def library(tmp_path: Path) -> AccessLedger:
    return AccessLedger(tmp_path / "library.db")


def counter(**changes: Any) -> Counter:
    return replace(Counter(authority().public_key(), TRUSTED, CLOCK, CHANCE), **changes)


def code(problem: pytest.ExceptionInfo[Problem]) -> str:
    return problem.value.code


# method 1


def test_a_library_card_opens_its_entry_in_the_library_s_own_ledger(
    card: Card, office: OrdinanceOffice, library: AccessLedger
) -> None:
    placed = office.add_key(card.transmit, "library-card", library, {"reader": "R-0042"})
    card.reset()
    assert counter().look_up(card.transmit, "library-card", X_CITY, library) == {"reader": "R-0042"}
    assert placed.aid == CATALOGUE["library-card"].aid(X_CITY)


def test_the_library_s_ledger_holds_nothing_out_of_the_card(
    card: Card, office: OrdinanceOffice, library: AccessLedger
) -> None:
    office.add_key(card.transmit, "library-card", library, {"reader": "R-0042"})
    key = counter().read_key(card.transmit, "library-card", X_CITY)
    held = library.path.read_bytes()
    for secret in (key, key.hex().encode(), CardTerminal(card.transmit).card_serial().encode(), "総務".encode()):
        assert secret not in held
    assert library.path.stat().st_mode & 0o777 == 0o600


def test_a_seal_registration_is_read_with_its_own_pin(card: Card, office: OrdinanceOffice, tmp_path: Path) -> None:
    ledger = AccessLedger(tmp_path / "seals.db")
    with pytest.raises(Problem) as caught:
        office.add_key(card.transmit, "seal-registration", ledger, {"registration": "S-7"})
    assert code(caught) == "card.pin_format"
    office.add_key(card.transmit, "seal-registration", ledger, {"registration": "S-7"}, PIN)
    with pytest.raises(Problem) as caught:
        counter().look_up(card.transmit, "seal-registration", X_CITY, ledger, "0000")
    assert code(caught) == "card.pin_wrong"
    assert counter().look_up(card.transmit, "seal-registration", X_CITY, ledger, PIN) == {"registration": "S-7"}


def test_an_access_key_in_another_genuine_card_opens_nothing(
    card: Card, office: OrdinanceOffice, library: AccessLedger, tmp_path: Path
) -> None:
    """Somebody who read a key at a reader of theirs plays it back, and lets a card of their own prove that it is genuine."""
    office.add_key(card.transmit, "library-card", library, {"reader": "R-0042"})
    thief = issued_card(FolderDisk(tmp_path / "thief"))
    asked: list[Card] = []

    def played_back(command: bytes) -> bytes:
        if command[1] != 0xC0:  # GET RESPONSE goes where the command went
            asked.append(thief if command[1] == 0x88 else card)
        return asked[-1].transmit(command)

    with pytest.raises(Problem) as caught:
        counter().look_up(played_back, "library-card", X_CITY, library)
    assert code(caught) == "ordinance.untrusted"


def test_an_entry_that_was_closed_is_opened_by_no_card(
    card: Card, office: OrdinanceOffice, library: AccessLedger
) -> None:
    office.add_key(card.transmit, "library-card", library, {"reader": "R-0042"})
    key = counter().read_key(card.transmit, "library-card", X_CITY)
    office.remove(card.transmit, "library-card", library, key)
    assert CardTerminal(card.transmit).ordinance_applications() == []
    with pytest.raises(Problem) as caught:
        library.look_up(key, NOON)
    assert code(caught) == "ordinance.no_entry"


def test_entries_nobody_uses_are_forgotten_when_their_time_is_over(
    card: Card, office: OrdinanceOffice, library: AccessLedger
) -> None:
    office.add_key(card.transmit, "library-card", library, {"reader": "R-0042"})
    kept = CATALOGUE["library-card"].valid
    assert library.forget_unused(NOON + kept - timedelta(days=1) - kept) == 0
    assert library.forget_unused(NOON + timedelta(seconds=1)) == 1


def test_a_ledger_gets_no_entry_for_a_key_the_card_did_not_take(
    card: Card, office: OrdinanceOffice, library: AccessLedger
) -> None:
    office.add_key(card.transmit, "library-card", library, {"reader": "R-0042"})
    with pytest.raises(Problem) as caught:
        office.add_key(card.transmit, "library-card", library, {"reader": "R-0043"})
    assert code(caught) == "card.exists"
    assert library.forget_unused(NOON + timedelta(days=1)) == 1


# method 2


def test_a_clinic_reads_what_it_asks_for_with_the_holder_s_pin_and_no_more(card: Card, office: OrdinanceOffice) -> None:
    placed = office.add_attribute(card.transmit, "health-check-result", HEALTH, PIN)
    card.reset()
    read = counter().read_attribute(card.transmit, "health-check-result", X_CITY, ("systolic", "diastolic"), PIN)
    assert dict(read.attribute.values) == {"systolic": 128, "diastolic": 79}
    assert "smokes" not in read.shown
    assert 1_000 < placed.takes - ORDINANCE_OVERHEAD < 2_000
    with pytest.raises(Problem) as caught:
        counter().read_attribute(card.transmit, "health-check-result", X_CITY, ("income",), PIN)
    assert code(caught) == "value.invalid"


def test_a_shelter_reads_its_card_without_a_pin_and_without_a_network(card: Card, office: OrdinanceOffice) -> None:
    office.add_attribute(card.transmit, "evacuation-shelter-card", SHELTER)
    carried = TrustedIssuers.load(TRUSTED.to_bytes(), authority().public_key())
    shelter = counter(trusted=carried, terminal=x_city())
    read = shelter.read_attribute(card.transmit, "evacuation-shelter-card", X_CITY, ("name", "needs", "household"))
    assert dict(read.attribute.values) == {"name": "総務花子", "needs": "車いす", "household": 3}
    assert "not checked" in read.cautions[0]


@pytest.mark.parametrize("terminal", [None, y_city()])
def test_nobody_but_a_terminal_of_the_municipality_reads_a_shelter_card(
    card: Card, office: OrdinanceOffice, terminal: Any
) -> None:
    office.add_attribute(card.transmit, "evacuation-shelter-card", SHELTER)
    with pytest.raises(Problem) as caught:
        counter(terminal=terminal).read_attribute(card.transmit, "evacuation-shelter-card", X_CITY, ("name",))
    assert code(caught) == "card.not_allowed"


def test_what_a_shelter_passes_on_is_checked_by_who_gets_it(card: Card, office: OrdinanceOffice) -> None:
    office.add_attribute(card.transmit, "evacuation-shelter-card", SHELTER)
    shelter = counter(terminal=x_city())
    read = shelter.read_attribute(card.transmit, "evacuation-shelter-card", X_CITY, ("needs", "medicines"))
    passed_on = disclose(read.shown, ("medicines",))
    assert dict(counter().check(passed_on, "evacuation-shelter-card").attribute.values) == {"medicines": "なし"}
    for forged in (passed_on[:-40] + "A" + passed_on[-39:], passed_on.replace(".", ".A", 1), passed_on + "WyJhIl0~"):
        with pytest.raises(Problem) as caught:
            counter().check(forged, "evacuation-shelter-card")
        assert code(caught) == "ordinance.malformed"


def test_an_attribute_counts_for_the_card_it_was_written_to(
    card: Card, office: OrdinanceOffice, tmp_path: Path
) -> None:
    office.add_attribute(card.transmit, "health-check-result", HEALTH, PIN)
    thief = issued_card(FolderDisk(tmp_path / "thief"))
    asked: list[Card] = []

    def played_back(command: bytes) -> bytes:
        if command[1] != 0xC0:
            asked.append(thief if command[1] == 0x88 else card)
        return asked[-1].transmit(command)

    with pytest.raises(Problem) as caught:
        counter().read_attribute(played_back, "health-check-result", X_CITY, ("ldl",), PIN)
    assert (code(caught), "another card" in caught.value.detail) == ("ordinance.untrusted", True)


def test_an_updated_attribute_takes_the_place_of_the_one_before(card: Card, office: OrdinanceOffice) -> None:
    office.add_attribute(card.transmit, "health-check-result", HEALTH, PIN)
    before = counter().read_attribute(card.transmit, "health-check-result", X_CITY, ("systolic",), PIN)
    office.update_attribute(card.transmit, "health-check-result", {**HEALTH, "systolic": 117})
    after = counter().read_attribute(card.transmit, "health-check-result", X_CITY, ("systolic",), PIN)
    assert dict(after.attribute.values) == {"systolic": 117}
    assert office.book.revoked(NOON) == [before.attribute.id]


def test_a_revoked_attribute_is_refused_and_an_old_list_says_how_old_it_is(card: Card, office: OrdinanceOffice) -> None:
    office.add_attribute(card.transmit, "health-check-result", HEALTH, PIN)
    fresh = RevocationList.read(revocation_list(X_ISSUER, office.book.revoked(NOON), NOON), TRUSTED)
    held = counter(revocations=Revocations((fresh,)))
    shown = held.read_attribute(card.transmit, "health-check-result", X_CITY, ("ldl",), PIN)
    assert shown.cautions == ()
    later = NOON + timedelta(days=5, hours=2)
    old = replace(held, clock=FixedClock(later)).check(shown.shown, "health-check-result")
    assert old.cautions == ("the revocation list is 5 days and 2 hours old",)
    office.remove(card.transmit, "health-check-result")
    newer = RevocationList.read(revocation_list(X_ISSUER, office.book.revoked(NOON), NOON), TRUSTED)
    with pytest.raises(Problem) as caught:
        counter(revocations=Revocations((fresh, newer))).check(shown.shown, "health-check-result")
    assert code(caught) == "ordinance.revoked"


def test_an_attribute_ends_with_the_time_its_rule_gives(card: Card, office: OrdinanceOffice) -> None:
    office.add_attribute(card.transmit, "health-check-result", HEALTH, PIN)
    shown = counter().read_attribute(card.transmit, "health-check-result", X_CITY, ("ldl",), PIN).shown
    ends = NOON + CATALOGUE["health-check-result"].valid
    assert counter(clock=FixedClock(ends - timedelta(seconds=1))).check(shown, "health-check-result")
    for then in (ends, NOON - timedelta(hours=1)):
        with pytest.raises(Problem) as caught:
            counter(clock=FixedClock(then)).check(shown, "health-check-result")
        assert code(caught) == "ordinance.expired"


def test_one_municipality_cannot_speak_for_another(card: Card, office: OrdinanceOffice, tmp_path: Path) -> None:
    stranger = TrustedIssuers([IssuerEntry.of(Y_ISSUER, y_city(), *YEARS)], authority().public_key())
    office.add_attribute(card.transmit, "health-check-result", HEALTH, PIN)
    with pytest.raises(Problem) as caught:
        counter(trusted=stranger).read_attribute(card.transmit, "health-check-result", X_CITY, ("ldl",), PIN)
    assert code(caught) == "ordinance.untrusted"
    with pytest.raises(Problem) as caught:
        TrustedIssuers([IssuerEntry.of(X_ISSUER, y_city(), *YEARS)], authority().public_key())
    assert code(caught) == "ordinance.untrusted"
    y_office = OrdinanceOffice(y_city(), Y_ISSUER, IssueBook(tmp_path / "y.db"), CLOCK, CHANCE)
    with pytest.raises(Problem) as caught:
        y_office.add_attribute(card.transmit, "health-check-result", HEALTH, PIN)
    assert code(caught) == "card.not_allowed"
    with pytest.raises(Problem) as caught:
        y_office.remove(card.transmit, "health-check-result")
    assert code(caught) == "card.unknown"


def test_a_list_of_trusted_municipalities_that_was_changed_is_refused() -> None:
    listed = json.loads(TRUSTED.to_bytes())
    listed["issuers"][0]["until"] = "2099-12-31"
    with pytest.raises(Problem) as caught:
        TrustedIssuers.load(json.dumps(listed).encode(), authority().public_key())
    assert code(caught) == "ordinance.untrusted"
    with pytest.raises(Problem) as caught:
        TrustedIssuers.load(b"{}", authority().public_key())
    assert code(caught) == "file.unreadable"


@pytest.mark.parametrize(
    "values", [{}, {**HEALTH, "income": 1}, {**HEALTH, "systolic": "128"}, {**HEALTH, "examiner": "x" * 201}]
)
def test_only_what_the_ordinance_declares_is_written(
    card: Card, office: OrdinanceOffice, values: dict[str, Any]
) -> None:
    with pytest.raises(Problem) as caught:
        office.add_attribute(card.transmit, "health-check-result", values, PIN)
    assert code(caught) == "value.invalid"


def test_a_card_without_space_is_told_before_anything_is_written(office: OrdinanceOffice, tmp_path: Path) -> None:
    small = issued_card(FolderDisk(tmp_path / "small"), capacity=600)
    with pytest.raises(Problem) as caught:
        office.add_attribute(small.transmit, "health-check-result", HEALTH, PIN)
    assert (code(caught), "600 are free" in caught.value.detail) == ("card.full", True)
    assert CardTerminal(small.transmit).ordinance_applications() == []
    placed = office.add_key(small.transmit, "library-card", AccessLedger(tmp_path / "l.db"), {"reader": "1"})
    assert placed.free == 600 - placed.takes == office.free_space(small.transmit)
    assert office.remove(small.transmit, "library-card") == 600


def test_an_issuer_s_key_is_kept_in_a_file_of_its_own(tmp_path: Path) -> None:
    X_ISSUER.save(tmp_path / "issuer.key")
    assert Issuer.load(X_CITY, tmp_path / "issuer.key").kid == X_ISSUER.kid
    with pytest.raises(Problem) as caught:
        X_ISSUER.save(tmp_path / "issuer.key")
    assert code(caught) == "key.exists"


ODD = ("null", "[]", "{}", '"x"', '{"iat":1e400}', '{"iat":NaN}', '["a",{"_sd":["x"]},"c"]', '{"_sd":[[1]]}', "[" * 2_000,
       '{"alg":"none"}', '{"alg":"HS256","typ":"dc+sd-jwt"}', '{"iat":99999999999999,"iss":"x"}')  # fmt: skip


def test_whatever_stands_on_a_card_a_counter_answers_with_a_problem() -> None:
    application, chance = CATALOGUE["health-check-result"], random.Random(1)
    token, _ = attributes.issue(X_ISSUER, application, HEALTH, "a card", NOON, CHANCE)
    odd = [base64.urlsafe_b64encode(one.encode()).decode().rstrip("=") for one in ODD]
    for _ in range(400):
        parts = re.split("([.~])", token)
        for _ in range(chance.randint(1, 2)):
            place = chance.randrange(0, len(parts), 2)
            parts[place] = chance.choice((*odd, parts[place][:-9], "あ" + parts[place], ""))
        changed = "".join(parts)
        with suppress(Problem):
            attributes.disclose(changed, ("ldl",))
        with suppress(Problem):
            assert attributes.check(changed, application, TRUSTED, NOON).values.items() <= HEALTH.items()
        with suppress(Problem):
            RevocationList.read(changed, TRUSTED)
        with suppress(Problem):
            AccessKey.read(chance.randbytes(40), X_CITY, b"aid", "a card", TRUSTED)


def test_every_application_says_by_which_article_and_for_whom_it_is() -> None:
    for one in CATALOGUE.values():
        assert one.article
        assert one.readers
        assert one.valid
        assert bool(one.fields) == (one.method.value == 2)
    assert len({one.number for one in CATALOGUE.values()}) == len(CATALOGUE)
