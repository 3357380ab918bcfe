"""A municipality's counters out of one folder: what commands of a window and of a service do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from card_country import X_CITY, Y_CITY, Card, issued_card, x_city, y_city
from power_disk import PowerDisk

from kumihimo.domain.kernel import FixedClock, Problem, SystemRandomness
from kumihimo.roles.card.ordinance import Municipality

NOON = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
PIN = "5678"
HEALTH = {
    "examined_on": "2026-06-10", "examiner": "甲県健診センター", "bmi_tenths": "221", "systolic": "128", "diastolic": "79",
    "ldl": "131", "hba1c_tenths": "56", "egfr": "82", "smokes": "no",
}  # fmt: skip


@pytest.fixture
def card() -> Card:
    return issued_card(PowerDisk())


@pytest.fixture
def x(tmp_path: Path) -> Municipality:
    return opened(tmp_path / "x", X_CITY)


def opened(folder: Path, code: str) -> Municipality:
    office = x_city() if code == X_CITY else y_city()
    return Municipality.open(folder, code, office, FixedClock(NOON), SystemRandomness())


def code(problem: pytest.ExceptionInfo[Problem]) -> str:
    return problem.value.code


def test_a_library_card_and_a_health_check_live_on_one_card(x: Municipality, card: Card) -> None:
    x.add(card.transmit, "library-card", {"reader": "R-0042"})
    x.add(card.transmit, "health-check-result", HEALTH, PIN)
    assert x.listed(card.transmit) == ((X_CITY, "library-card"), (X_CITY, "health-check-result"))
    assert x.read(card.transmit, "library-card").values == {"reader": "R-0042"}
    read = x.read(card.transmit, "health-check-result", ("systolic", "smokes"), PIN)
    assert (dict(read.values), read.cautions) == ({"systolic": 128, "smokes": False}, ())
    assert len(x.read(card.transmit, "health-check-result", pin=PIN).values) == len(HEALTH)
    x.remove(card.transmit, "library-card")
    x.remove(card.transmit, "health-check-result")
    assert x.listed(card.transmit) == ()


def test_the_same_key_signs_the_next_day(x: Municipality, card: Card, tmp_path: Path) -> None:
    x.add(card.transmit, "health-check-result", HEALTH, PIN)
    again = opened(tmp_path / "x", X_CITY)
    assert again.writing.issuer.kid == x.writing.issuer.kid
    again.update(card.transmit, "health-check-result", {**HEALTH, "systolic": "117"})
    assert dict(again.read(card.transmit, "health-check-result", ("systolic",), PIN).values) == {"systolic": 117}


def test_a_new_issuing_key_leaves_what_the_old_one_signed(x: Municipality, card: Card) -> None:
    x.add(card.transmit, "health-check-result", HEALTH, PIN)
    renewed = x.renew_key()
    assert renewed.writing.issuer.kid != x.writing.issuer.kid
    assert dict(renewed.read(card.transmit, "health-check-result", ("ldl",), PIN).values) == {"ldl": 131}
    renewed.update(card.transmit, "health-check-result", {**HEALTH, "ldl": "99"})
    assert dict(renewed.read(card.transmit, "health-check-result", ("ldl",), PIN).values) == {"ldl": 99}


def test_a_removed_library_card_s_entry_is_closed(x: Municipality, card: Card) -> None:
    x.add(card.transmit, "library-card", {"reader": "R-0042"})
    key = x.reading.read_key(card.transmit, "library-card", X_CITY)
    x.remove(card.transmit, "library-card")
    assert not x.ledger("library-card").close(key)


def test_a_forgotten_pin_does_not_keep_an_application_on_the_card(x: Municipality, card: Card) -> None:
    x.add(card.transmit, "seal-registration", {"registration": "S-7"}, PIN)
    x.remove(card.transmit, "seal-registration")
    assert x.listed(card.transmit) == ()
    assert x.ledger("seal-registration").forget_unused(NOON + timedelta(days=1)) == 1


def test_another_municipality_reads_a_health_check_once_it_trusts_the_issuer(
    x: Municipality, card: Card, tmp_path: Path
) -> None:
    x.add(card.transmit, "health-check-result", HEALTH, PIN)
    y = opened(tmp_path / "y", Y_CITY)
    with pytest.raises(Problem) as caught:
        y.read(card.transmit, "health-check-result", ("ldl",), PIN, of=X_CITY)
    assert code(caught) == "ordinance.untrusted"
    y = y.trust((tmp_path / "x" / "trusted.json").read_bytes())
    found = y.read(card.transmit, "health-check-result", ("ldl",), PIN, of=X_CITY)
    assert dict(found.values) == {"ldl": 131}
    assert "not checked" in found.cautions[0]
    assert opened(tmp_path / "y", Y_CITY).read(card.transmit, "health-check-result", ("ldl",), PIN, of=X_CITY) == found


def test_another_municipality_s_revocations_are_taken_in(x: Municipality, card: Card, tmp_path: Path) -> None:
    x.add(card.transmit, "health-check-result", HEALTH, PIN)
    y = opened(tmp_path / "y", Y_CITY).trust((tmp_path / "x" / "trusted.json").read_bytes())
    y = y.take_revocations(x.revocation_list())
    assert y.read(card.transmit, "health-check-result", ("ldl",), PIN, of=X_CITY).cautions == ()
    shown = y.reading.read_attribute(card.transmit, "health-check-result", X_CITY, ("ldl",), PIN).shown
    x.remove(card.transmit, "health-check-result")
    y = y.take_revocations(x.revocation_list())
    with pytest.raises(Problem) as caught:
        y.reading.check(shown, "health-check-result")
    assert code(caught) == "ordinance.revoked"
    with pytest.raises(Problem) as caught:
        y.take_revocations("no.such.list")
    assert code(caught) == "ordinance.malformed"


@pytest.mark.parametrize(
    "wrong", [{"systolic": "high"}, {"smokes": "perhaps"}, {"income": "1"}, {"bmi_tenths": "２２"}]
)
def test_what_is_typed_wrongly_is_told_by_field(x: Municipality, card: Card, wrong: dict[str, str]) -> None:
    with pytest.raises(Problem) as caught:
        x.add(card.transmit, "health-check-result", {**HEALTH, **wrong}, PIN)
    assert code(caught) == "value.invalid"
    assert x.listed(card.transmit) == ()


def test_what_is_not_declared_is_not_written(x: Municipality, card: Card) -> None:
    with pytest.raises(Problem) as caught:
        x.add(card.transmit, "loyalty-card", {})
    assert code(caught) == "ordinance.unknown"
