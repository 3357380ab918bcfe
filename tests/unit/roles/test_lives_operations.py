"""Operations on registrations: what may be done, what is refused, and what the numbering authority remembers."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from registry_country import RegistryCountry, items_of, prepare

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind as Kind
from kumihimo.plumbing.wire.messages.residents import ResidentSnapshot, Standing
from kumihimo.roles.registry.service.residents import Reported

TODAY = date(2026, 6, 1)


@pytest.fixture
def country(tmp_path: Path) -> RegistryCountry:
    prepare(tmp_path, ())
    return RegistryCountry(tmp_path)


def born(country: RegistryCountry, n: int, city: str = "x-city") -> ResidentSnapshot:
    return country.residents.report(city, Reported(Kind.BIRTH, TODAY, None, items_of(n), "出生届"))


def done(
    country: RegistryCountry, kind: Kind, about: str, other: str | None = None, city: str = "x-city"
) -> list[ResidentSnapshot]:
    return country.lives.report(city, Reported(kind, TODAY, None, None, "理由", about, other))


def refused(country: RegistryCountry, kind: Kind, about: str, other: str | None = None, city: str = "x-city") -> str:
    before = country.dump()
    with pytest.raises(Problem) as caught:
        done(country, kind, about, other, city)
    assert country.dump() == before
    return caught.value.code


def test_a_replaced_number_is_a_former_one_and_finds_nobody_in_the_registry(country: RegistryCountry) -> None:
    old = born(country, 1).individual_number
    (now,) = done(country, Kind.NUMBER_CHANGE, old)
    assert now.individual_number != old
    assert (now.former_numbers, now.version) == ((old,), 2)
    assert country.look_ups.find("pension", number=old) == ()
    assert refused(country, Kind.NUMBER_CHANGE, old) == "resident.unknown"


def test_numbering_asked_again_after_a_lost_answer_gives_the_same_new_number(country: RegistryCountry) -> None:
    child = born(country, 1)
    held = child.resident_code or "", child.individual_number
    first = country.authority.replaced("x-city", held, "漏えい")
    assert country.authority.replaced("x-city", held, "漏えい") == first
    assert len(country.assignments()) == 2


def test_both_codes_and_numbers_of_a_merged_person_lead_to_the_survivor(country: RegistryCountry) -> None:
    one, two = born(country, 1), born(country, 2, "y-city")
    survivor, gone = done(country, Kind.MERGE, one.individual_number, two.individual_number)
    assert survivor.former_numbers == survivor.merged_numbers == (two.individual_number,)
    assert (gone.standing, gone.merged_into) == (Standing.MERGED, one.individual_number)
    for code in (one.resident_code, two.resident_code):
        assert country.look_ups.find("y-city", resident_code=code)[0].individual_number == one.individual_number
    assert country.look_ups.find("pension", number=two.individual_number)[0].version == survivor.version


def test_an_undo_gives_back_exactly_what_was(country: RegistryCountry) -> None:
    one, two = born(country, 1), born(country, 2, "y-city")
    done(country, Kind.MERGE, one.individual_number, two.individual_number)
    again = done(country, Kind.UNDO, two.individual_number, city="y-city")
    back = {found.individual_number: found for found in again}
    for before in (one, two):
        after = back[before.individual_number]
        assert after.model_copy(update={"version": before.version}) == before
        assert after.version == before.version + 2


def test_what_happened_since_must_be_undone_first(country: RegistryCountry) -> None:
    one, two = born(country, 1), born(country, 2)
    done(country, Kind.MERGE, one.individual_number, two.individual_number)
    moved = Reported(Kind.CORRECTION, TODAY, None, items_of(9), "職権", one.individual_number)
    country.residents.report("x-city", moved)
    assert refused(country, Kind.UNDO, one.individual_number) == "resident.event_invalid"
    assert refused(country, Kind.UNDO, two.individual_number) == "resident.event_invalid"


def test_a_re_coding_is_never_undone(country: RegistryCountry) -> None:
    one = born(country, 1)
    done(country, Kind.RECODE, one.individual_number)
    assert refused(country, Kind.UNDO, one.individual_number) == "resident.event_invalid"


def test_only_the_municipality_of_residence_reports_what_fits(country: RegistryCountry) -> None:
    one, two = born(country, 1), born(country, 2)
    number = one.individual_number
    assert refused(country, Kind.NUMBER_CHANGE, number, city="y-city") == "resident.event_invalid"
    assert refused(country, Kind.NUMBER_CHANGE, number, city="pension") == "peer.not_allowed"
    assert refused(country, Kind.REVIVAL, number) == "resident.event_invalid"
    assert refused(country, Kind.MERGE, number, number) == "resident.event_invalid"
    assert refused(country, Kind.SPLIT, number) == "resident.event_invalid"
    country.residents.report("x-city", Reported(Kind.DEATH, TODAY, two.resident_code, None, "死亡届"))
    assert refused(country, Kind.MERGE, number, two.individual_number) == "resident.event_invalid"
