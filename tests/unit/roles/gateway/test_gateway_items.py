"""The information items: schemas that explain themselves in two languages, and refusals that name the field only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from gateway_country import TAX_2025
from jsonschema import Draft202012Validator

from kumihimo.country.people.attributes import information_about
from kumihimo.country.people.population import households
from kumihimo.country.topology import institutions, items_provided
from kumihimo.domain.kernel import Problem
from kumihimo.domain.law import RuleBook
from kumihimo.plumbing.information_items import Fault, check_body, faults, fits, item_ids, schema_of

THIRTEEN = {
    "child-allowance", "child-care-fees", "disability-certificate", "employment-insurance", "health-check", "local-tax",
    "medical-insurance", "nursing-insurance", "pension", "public-assistance", "resident-record", "student-aid",
    "vaccination",
}  # fmt: skip


def objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if schema.get("type") == "object":
        yield schema
        for part in schema["properties"].values():
            yield from objects(part)
    if "items" in schema:
        yield from objects(schema["items"])


def test_there_is_a_schema_for_every_item_an_institution_of_the_country_holds() -> None:
    assert set(item_ids()) == THIRTEEN
    assert {item for one in institutions() for item in items_provided(one)} == THIRTEEN
    assert set(RuleBook.load().information_classes) >= THIRTEEN


@pytest.mark.parametrize("item", sorted(THIRTEEN))
def test_a_schema_is_valid_closed_and_names_every_field_in_japanese_and_english(item: str) -> None:
    schema = dict(schema_of(item))
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:kumihimo:item:{item}"
    for part in objects(schema):
        assert part["additionalProperties"] is False
        for field in part["properties"].values():
            assert any(ord(character) > 0x3000 for character in field["title"])
            assert field["description"][0].isascii()
            assert "number" not in (field.get("type"), *field.get("type", ())), "amounts are whole yen"


def test_every_synthetic_record_fits_its_schema() -> None:
    today = date(2026, 11, 2)
    met = set()
    for household in households(400, 11, today=today):
        for record in information_about(household, 11, today=today):
            assert faults(record.item, dict(record.body)) == [], record.item
            met.add(record.item)
    assert met == THIRTEEN


def test_every_fault_is_named_by_field_and_none_quotes_the_value() -> None:
    body = {**TAX_2025, "total_income": "secret-4711", "dependants": -3, "nickname": 1, "assessed_on": "2025-02-30"}
    del body["deductions"]
    assert faults("local-tax", body) == [
        Fault("assessed_on", "not a date", "a date such as 2026-04-01"),
        Fault("deductions", "missing", "a value"),
        Fault("dependants", "out of range", "at least 0"),
        Fault("nickname", "unknown field", "a field of the item's schema"),
        Fault("total_income", "found string", "integer"),
    ]
    with pytest.raises(Problem) as problem:
        check_body("local-tax", body)
    assert problem.value.code == "copy.invalid"
    assert "4711" not in str(problem.value)


def test_a_fault_inside_a_list_is_named_by_its_place() -> None:
    doses = [{"vaccine": "bcg", "dose": 1, "given_on": "2025-05-01"}, {"vaccine": "tea", "dose": 1, "given_on": "x"}]
    assert [fault.field for fault in faults("vaccination", {"doses": doses})] == ["doses.1.given_on", "doses.1.vaccine"]


def test_amounts_are_whole_yen_and_truth_is_no_number() -> None:
    assert fits("local-tax", TAX_2025)
    assert not fits("local-tax", {**TAX_2025, "total_income": 2_920_000.5})
    assert not fits("local-tax", {**TAX_2025, "dependants": True})
    assert not fits("local-tax", {**TAX_2025, "spouse_supported": 1})


def test_an_unknown_item_is_refused_by_name() -> None:
    with pytest.raises(Problem) as problem:
        faults("library-loans", {})
    assert problem.value.code == "item.unknown"
