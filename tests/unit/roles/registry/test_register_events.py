"""The resident register: births, moves, deaths, names and corrections, dated, by whom they may be, told to whom they must."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_office import BORN, NOW, TODAY, Office, event, hanako

from kumihimo.domain.kernel import FourItems, IndividualNumber, Problem, ResidentCode, SeededRandomness, Sex
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind as Kind
from kumihimo.plumbing.wire.messages.residents import ResidentEvent, ResidentSnapshot
from kumihimo.roles.registry.service.residents import Reported, changed
from kumihimo.roles.registry.store import Resident

MOVED = hanako(municipality="Y市", lines="本町4番5号")
MARRIED = hanako(family="佐藤")


def refused(office: Office, city: str, reported: Reported, code: str = "resident.event_invalid") -> Problem:
    before = office.count()
    with pytest.raises(Problem) as caught:
        office.residents.report(city, reported)
    assert caught.value.code == code
    assert office.count() == before
    return caught.value


def change(
    office: Office, city: str, kind: Kind, of: ResidentSnapshot, items: FourItems | None = None, on: date = TODAY
) -> ResidentSnapshot:
    return office.residents.report(city, event(kind, on, of.resident_code, items))


def test_a_child_that_is_born_gets_a_number_a_code_and_a_municipality(office: Office) -> None:
    child = office.residents.report("x-city", event(Kind.BIRTH, TODAY, items=hanako(birth=TODAY)))
    assert IndividualNumber.parse(child.individual_number)
    assert ResidentCode.parse(child.resident_code or "")
    assert (child.municipality, child.alive, child.died_on, child.version) == ("x-city", True, None, 1)
    assert child.four_items.read() == hanako(birth=TODAY)
    assert child.former_numbers == ()


def test_who_comes_from_abroad_is_registered_where_they_live(office: Office) -> None:
    arrived = office.residents.report("y-city", event(Kind.MOVE_IN, items=MOVED))
    assert (arrived.municipality, arrived.version) == ("y-city", 1)


def test_two_children_never_share_a_number_or_a_code(office: Office) -> None:
    twins = [office.born(hanako(given=given)) for given in ("一子", "二子")]
    assert len({one.individual_number for one in twins}) == len({one.resident_code for one in twins}) == 2


def test_who_moves_takes_the_number_along_and_the_new_city_reports_it(office: Office) -> None:
    before = office.born()
    after = change(office, "y-city", Kind.MOVE, before, MOVED)
    assert after.individual_number == before.individual_number
    assert after.resident_code == before.resident_code
    assert (after.municipality, after.version) == ("y-city", 2)
    assert after.four_items.read() == MOVED


def test_who_moves_inside_the_city_stays_its_resident(office: Office) -> None:
    after = change(office, "x-city", Kind.MOVE, office.born(), hanako(lines="北町9番"))
    assert (after.municipality, after.four_items.address.lines) == ("x-city", "北町9番")


def test_the_city_left_behind_can_report_nothing_but_a_move_back(office: Office) -> None:
    resident = change(office, "y-city", Kind.MOVE, office.born(), MOVED)
    for kind, items in ((Kind.DEATH, None), (Kind.NAME_CHANGE, MOVED), (Kind.CORRECTION, MOVED)):
        problem = refused(office, "x-city", event(kind, code=resident.resident_code, items=items))
        assert problem.expected == "a report by the municipality of residence"
    assert change(office, "x-city", Kind.MOVE, resident, hanako()).municipality == "x-city"


def test_who_dies_keeps_number_and_address(office: Office) -> None:
    before = office.born()
    after = change(office, "x-city", Kind.DEATH, before, on=date(2026, 5, 30))
    assert (after.alive, after.died_on, after.version) == (False, date(2026, 5, 30), 2)
    assert (after.individual_number, after.four_items) == (before.individual_number, before.four_items)


def test_nothing_happens_to_the_dead_but_a_correction(office: Office) -> None:
    dead = change(office, "x-city", Kind.DEATH, office.born())
    for kind, items in ((Kind.DEATH, None), (Kind.MOVE, MOVED), (Kind.NAME_CHANGE, MARRIED)):
        problem = refused(office, "x-city", event(kind, code=dead.resident_code, items=items))
        assert "has died" in problem.detail
    corrected = change(office, "x-city", Kind.CORRECTION, dead, hanako(given="華子"))
    assert (corrected.four_items.name.given, corrected.alive, corrected.version) == ("華子", False, 3)


def test_a_name_changes_and_nothing_else(office: Office) -> None:
    after = change(office, "x-city", Kind.NAME_CHANGE, office.born(), MARRIED)
    assert (after.four_items.name.family, after.version) == ("佐藤", 2)


@pytest.mark.parametrize(
    ("kind", "city", "items"),
    [
        (Kind.MOVE, "y-city", replace(MOVED, name=MARRIED.name)),
        (Kind.MOVE, "y-city", replace(MOVED, birth=BORN + timedelta(days=1))),
        (Kind.MOVE, "y-city", replace(MOVED, sex=Sex.MALE)),
        (Kind.NAME_CHANGE, "x-city", replace(MARRIED, address=MOVED.address)),
        (Kind.NAME_CHANGE, "x-city", replace(MARRIED, birth=BORN - timedelta(days=1))),
        (Kind.NAME_CHANGE, "x-city", replace(MARRIED, sex=Sex.MALE)),
    ],
)
def test_one_event_is_one_kind_of_change(office: Office, kind: Kind, city: str, items: FourItems) -> None:
    resident = office.born()
    problem = refused(office, city, event(kind, code=resident.resident_code, items=items))
    assert "other items" in problem.detail
    assert len(office.history(resident)) == 1


def test_a_correction_may_set_everything_right(office: Office) -> None:
    right = hanako(family="山本", given="華", lines="中央1丁目2番4号", birth=date(1984, 3, 16), sex=Sex.MALE)
    assert change(office, "x-city", Kind.CORRECTION, office.born(), right).four_items.read() == right


@pytest.mark.parametrize("kind", list(Kind))
def test_nothing_is_recorded_before_it_happened(office: Office, kind: Kind) -> None:
    tomorrow = TODAY + timedelta(days=1)
    assert "in the future" in str(refused(office, "x-city", event(kind, tomorrow, items=hanako())).expected)


def test_the_day_is_the_day_in_japan(office: Office) -> None:
    office.clock.at = datetime(2026, 6, 1, 15, 0, tzinfo=UTC)  # 2 June, midnight in Japan
    assert office.residents.report("x-city", event(Kind.BIRTH, date(2026, 6, 2), items=hanako())).version == 1


@pytest.mark.parametrize("kind", [Kind.BIRTH, Kind.MOVE_IN])
def test_nobody_is_registered_before_birth(office: Office, kind: Kind) -> None:
    refused(office, "x-city", event(kind, TODAY - timedelta(days=1), items=hanako(birth=TODAY)))


@pytest.mark.parametrize(
    ("kind", "items"),
    [(Kind.DEATH, None), (Kind.DEATH, hanako(birth=date(1900, 1, 1))), (Kind.MOVE, hanako(lines="北町9番"))],
)
def test_nothing_happens_before_birth(office: Office, kind: Kind, items: FourItems | None) -> None:
    resident = office.born()
    day_before = BORN - timedelta(days=1)
    refused(office, "x-city", event(kind, day_before, resident.resident_code, items))


def test_a_correction_cannot_let_somebody_be_born_after_their_death_or_after_today(office: Office) -> None:
    resident = office.born()
    later = hanako(birth=TODAY + timedelta(days=1))
    refused(office, "x-city", event(Kind.CORRECTION, code=resident.resident_code, items=later))
    change(office, "x-city", Kind.DEATH, resident, on=date(2000, 1, 1))
    after_death = hanako(birth=date(2000, 1, 2))
    refused(office, "x-city", event(Kind.CORRECTION, code=resident.resident_code, items=after_death))


@pytest.mark.parametrize("kind", [Kind.BIRTH, Kind.MOVE_IN])
def test_a_first_event_needs_four_items_and_no_code(office: Office, kind: Kind) -> None:
    assert "without four items" in refused(office, "x-city", event(kind)).detail
    known = office.born()
    assert "with a resident code" in refused(office, "x-city", event(kind, TODAY, known.resident_code, hanako())).detail


@pytest.mark.parametrize("kind", [Kind.MOVE, Kind.DEATH, Kind.NAME_CHANGE, Kind.CORRECTION])
def test_a_later_event_needs_the_code_of_a_resident(office: Office, kind: Kind) -> None:
    assert "of nobody, or of two" in refused(office, "x-city", event(kind, items=hanako())).detail
    unknown = ResidentCode.from_body("1234567890").digits
    assert refused(office, "x-city", event(kind, TODAY, unknown, hanako()), "resident.unknown").where == "resident_code"


def test_a_later_event_may_name_the_resident_by_number_but_not_by_both(office: Office) -> None:
    resident = office.born()
    by_number = replace(event(Kind.DEATH, TODAY), individual_number=resident.individual_number)
    both = replace(by_number, resident_code=resident.resident_code)
    assert "of nobody, or of two" in refused(office, "x-city", both).detail
    assert office.residents.report("x-city", by_number).died_on == TODAY


def test_a_birth_reported_twice_makes_one_resident(office: Office) -> None:
    office.born()
    problem = refused(office, "x-city", event(Kind.BIRTH, items=hanako()), "resident.already_registered")
    assert "花" not in problem.detail


def test_many_arrivals_are_registered_and_each_bad_one_is_named(office: Office) -> None:
    good, other = event(Kind.MOVE_IN, items=hanako()), event(Kind.BIRTH, items=hanako(municipality="Y市"))
    bad = event(Kind.DEATH, items=hanako())
    registered, rejected = office.residents.arrive("x-city", [good, bad, good, other])
    assert len({one.individual_number for one in registered}) == 2
    assert {position: problem.code for position, problem in rejected.items()} == {
        1: "resident.event_invalid",
        2: "resident.already_registered",
    }
    assert len(office.heard("x-city/ledger")) == 2


@pytest.mark.parametrize("kind", [Kind.MOVE, Kind.NAME_CHANGE, Kind.CORRECTION])
def test_a_change_needs_the_four_items_after_it(office: Office, kind: Kind) -> None:
    resident = office.born()
    assert "without four items" in refused(office, "x-city", event(kind, code=resident.resident_code)).detail


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda right: right[:-1], "resident_code.format"),
        (lambda right: right + "0", "resident_code.format"),
        (lambda right: "x" * len(right), "resident_code.format"),
        (lambda right: right[:-1] + str((int(right[-1]) + 1) % 10), "resident_code.check_digit"),
    ],
)
def test_a_code_that_is_none_is_refused_and_not_repeated(
    office: Office, spoil: Callable[[str], str], code: str
) -> None:
    resident = office.born()
    wrong = spoil(resident.resident_code or "")
    problem = refused(office, "x-city", event(Kind.DEATH, code=wrong), code)
    assert problem.where == "resident_code"
    assert wrong not in str(problem)


def test_only_municipalities_keep_the_register(office: Office) -> None:
    for kind in Kind:
        refused(office, "pension", event(kind, items=hanako()), "peer.not_allowed")
    refused(office, "z-town", event(Kind.BIRTH, items=hanako()), "institution.unknown")


def test_a_numbering_authority_that_does_not_answer_leaves_nobody_half_registered(office: Office) -> None:
    def away(_city: str, _codes: object) -> dict[str, str]:
        raise Problem("peer.unreachable", "numbering/authority")

    with pytest.raises(Problem) as caught:
        office.clerk(numbers=away).report("x-city", event(Kind.BIRTH, items=hanako()))
    assert caught.value.code == "peer.unreachable"
    assert office.count() == 0
    assert office.heard("x-city/ledger") == []


def test_every_event_leaves_a_dated_entry_and_none_is_overwritten(office: Office) -> None:
    resident = office.born()
    office.clock.at = NOW + timedelta(days=10)
    office.residents.report(
        "y-city", event(Kind.MOVE, date(2026, 6, 5), resident.resident_code, MOVED, reason="転入届")
    )
    office.clock.at = NOW + timedelta(days=20)
    change(office, "y-city", Kind.DEATH, resident, on=date(2026, 6, 15))
    first, second, third = office.history(resident)
    assert [one.version for one in (first, second, third)] == [1, 2, 3]
    assert (first.event, first.four_items, first.municipality) == ("birth", hanako(), "x-city")
    assert (second.event, second.happened_on, second.recorded_at) == (
        "move",
        date(2026, 6, 5),
        NOW + timedelta(days=10),
    )
    assert (second.reported_by, second.reason, second.municipality) == ("y-city", "転入届", "y-city")
    assert (third.event, third.happened_on, third.four_items) == ("death", date(2026, 6, 15), MOVED)


def heard(office: Office, party: str) -> list[ResidentEvent]:
    items = office.heard(party)
    assert all(item.kind == "resident" and item.at == office.clock.now() for item in items)
    return [ResidentEvent.model_validate(item.body) for item in items]


def test_every_subscribed_ledger_hears_of_every_event_once(office: Office) -> None:
    resident = office.born()
    office.look_ups.find("pension", number=resident.individual_number)
    moved = change(office, "y-city", Kind.MOVE, resident, MOVED)
    died = change(office, "y-city", Kind.DEATH, resident)
    born = heard(office, "x-city/ledger")[0].resident
    assert born == resident
    assert [one.resident for one in heard(office, "x-city/ledger")] == [resident, moved, died]
    assert [one.event for one in heard(office, "y-city/ledger")] == [Kind.MOVE, Kind.DEATH]
    assert [one.resident for one in heard(office, "y-city/ledger")] == [moved, died]
    assert [(one.event, one.resident.version) for one in heard(office, "pension/ledger")] == [
        (Kind.MOVE, 2),
        (Kind.DEATH, 3),
    ]


def test_the_resident_code_goes_to_municipalities_only(office: Office) -> None:
    resident = office.born()
    office.look_ups.find("pension", number=resident.individual_number)
    change(office, "y-city", Kind.MOVE, resident, MOVED)
    (told,) = heard(office, "pension/ledger")
    assert told.resident.resident_code is None
    assert told.resident.individual_number == resident.individual_number
    assert str(resident.resident_code) not in str(office.heard("pension/ledger"))
    assert heard(office, "y-city/ledger")[0].resident.resident_code == resident.resident_code


def test_who_is_not_subscribed_hears_nothing(office: Office) -> None:
    office.born()
    assert office.heard("y-city/ledger") == office.heard("pension/ledger") == office.heard("x-city/exchange") == []


def test_a_refused_event_is_told_to_nobody(office: Office) -> None:
    resident = office.born()
    refused(office, "x-city", event(Kind.DEATH, BORN - timedelta(days=1), resident.resident_code))
    assert len(office.heard("x-city/ledger")) == 1


def test_a_whole_town_is_registered_at_once_with_a_code_and_number_each(office: Office) -> None:
    people = [(hanako(given=f"{n}子"), event(Kind.MOVE_IN)) for n in range(300)]
    added = office.residents.register_many("x-city", people)
    assert [one.four_items for one in added] == [items for items, _ in people]
    assert len({one.resident_code for one in added}) == len({one.individual_number for one in added}) == 300
    with office.store.transaction() as transaction:
        assert [transaction.by_code(one.resident_code) for one in added] == added
    assert office.residents.register_many("x-city", []) == []


class Repeating(SeededRandomness):
    """A generator that repeats itself for a while."""

    def __init__(self, *draws: int) -> None:
        super().__init__("repeating")
        self._draws = list(draws)

    def token_bytes(self, n: int) -> bytes:
        # 34 bits in five bytes: the body of a code is drawn as 1 + a number below 10^10 - 1
        return b"".join((self._draws.pop(0) << 6).to_bytes(5) for _ in range(n // 5))


def test_a_code_that_is_taken_is_drawn_again_and_costs_no_number(office: Office) -> None:
    pair = [(hanako(given=given), event(Kind.MOVE_IN)) for given in ("一子", "二子")]
    (first,) = office.clerk(Repeating(41)).register_many("x-city", pair[:1])
    second, third = office.clerk(Repeating(41, 42, 42, 43)).register_many("x-city", pair)
    assert len({first.resident_code, second.resident_code, third.resident_code}) == 3
    assert office.numbering.counts() == (3, 3)


def test_a_generator_that_only_repeats_itself_stops_registration(office: Office) -> None:
    clerk = office.clerk(Repeating(*[41] * 100))
    clerk.report("x-city", event(Kind.BIRTH, items=hanako()))
    with pytest.raises(Problem) as caught:
        clerk.report("x-city", event(Kind.BIRTH, items=hanako(given="二子")))
    assert caught.value.code == "number.none_left"
    assert office.numbering.counts() == (1, 1)


def event_invalid(problem: Problem) -> None:
    assert problem.code == "resident.event_invalid"
    assert problem.advice == "Nothing was recorded; report it again."


days = st.dates(date(1900, 1, 1), TODAY)


@given(
    kind=st.sampled_from([Kind.MOVE, Kind.DEATH, Kind.NAME_CHANGE, Kind.CORRECTION]),
    on=days,
    died=st.none() | days,
    items=st.none() | st.builds(hanako, family=st.sampled_from(["山田", "佐藤"]), birth=days),
    city=st.sampled_from(["x-city", "y-city"]),
)
def test_whatever_is_reported_the_code_and_number_stay_and_the_version_grows_by_one(
    kind: Kind, on: date, died: date | None, items: FourItems | None, city: str
) -> None:
    before = Resident(1, "12345678901", "621498320257", hanako(), "x-city", died, 5, 0)
    try:
        after = changed(before, city, Reported(kind, on, before.resident_code, items, ""))
    except Problem as problem:
        event_invalid(problem)
        return
    assert (after.id, after.resident_code, after.individual_number) == (1, "12345678901", "621498320257")
    assert after.version == 6
    assert after.died_on is None or after.four_items.birth <= after.died_on
    assert after.municipality == city
