"""Public personal authentication learns who has a resident code and what becomes of them, and never a number."""

from __future__ import annotations

import json

import pytest
from registry_office import TODAY, Office, event, hanako

from kumihimo.domain.kernel import Problem, ResidentCode
from kumihimo.plumbing.wire.messages.cards import HolderEvent
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind as Kind
from kumihimo.plumbing.wire.messages.residents import Standing
from kumihimo.roles.registry.service.holders import AUTHORITY, Holders


def told(office: Office) -> list[HolderEvent]:
    return [HolderEvent.model_validate(item.body) for item in office.heard(AUTHORITY)]


def test_a_resident_code_finds_its_holder_without_the_number(office: Office) -> None:
    resident = office.born()
    found = Holders(office.store).find(resident.resident_code or "")
    assert found is not None
    assert found.four_items == resident.four_items
    assert (found.alive, found.standing, found.municipality) == (True, Standing.ACTIVE, "x-city")
    assert resident.individual_number not in found.model_dump_json()


def test_a_code_nobody_has_finds_nobody_and_one_that_is_none_is_refused(office: Office) -> None:
    assert Holders(office.store).find(ResidentCode.from_body("1234567890").digits) is None
    with pytest.raises(Problem) as refused:
        Holders(office.store).find("12345")
    assert refused.value.code == "resident_code.format"


def test_from_the_look_up_on_every_event_is_told_and_none_has_a_number(office: Office) -> None:
    resident, other = office.born(), office.born(hanako(given="月子"))
    code = resident.resident_code or ""
    assert told(office) == []
    Holders(office.store).find(code)
    Holders(office.store).find(code)
    changes = [
        event(Kind.NAME_CHANGE, code=code, items=hanako(family="田中")),
        event(Kind.MOVE, code=code, items=hanako(family="田中", lines="東2番")),
        event(Kind.DEATH, code=code),
    ]
    for change in changes:
        office.residents.report("x-city", change)
    office.residents.report("x-city", event(Kind.DEATH, code=other.resident_code))
    heard = told(office)
    assert [one.event for one in heard] == [Kind.NAME_CHANGE, Kind.MOVE, Kind.DEATH]
    assert [one.holder.version for one in heard] == [2, 3, 4]
    assert {one.holder.resident_code for one in heard} == {code}
    assert heard[0].holder.four_items.name.family == "田中"
    assert (heard[-1].holder.alive, heard[-1].holder.died_on) == (False, TODAY)
    assert resident.individual_number not in json.dumps([item.body for item in office.heard(AUTHORITY)])
    assert {item.kind for item in office.heard(AUTHORITY)} == {"holder"}
