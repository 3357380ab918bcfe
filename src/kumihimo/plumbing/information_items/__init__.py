"""Information items (特定個人情報) that gateways hold and the portal shows: a JSON Schema (2020-12) each, and what is a content.

In a schema `title` is the Japanese name of a field and `description` the English one; amounts are whole yen. Refusals name
the field and what was expected there, never the value, which is personal information.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from kumihimo.domain.kernel import Problem

Schema = Mapping[str, Any]
_FOLDER: Final = resources.files("kumihimo.plumbing.information_items") / "schemas"


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a content: the field (`benefits.0.since`), what was found, what was expected."""

    field: str
    what: str
    expected: str


@cache
def item_ids() -> tuple[str, ...]:
    """Ids of all items with a schema, sorted."""
    return tuple(sorted(file.name.removesuffix(".json") for file in _FOLDER.iterdir() if file.name.endswith(".json")))


@cache
def schema_of(item: str) -> Schema:
    """The schema of an item. Raises Problem(item.unknown)."""
    if item not in item_ids():
        raise Problem("item.unknown", repr(item), "item", f"one of {', '.join(item_ids())}")
    text = (_FOLDER / f"{item}.json").read_text(encoding="utf-8")
    schema: Schema = json.loads(text)
    return schema


@cache
def _validator(item: str) -> Draft202012Validator:
    return Draft202012Validator(schema_of(item), format_checker=FormatChecker(["date"]))


def fits(item: str, body: Mapping[str, Any]) -> bool:
    """Whether a content fits its item's schema. Raises Problem(item.unknown)."""
    return bool(_validator(item).is_valid(body))


def faults(item: str, body: Mapping[str, Any]) -> list[Fault]:
    """Everything wrong with a content, by field; empty when it fits. Raises Problem(item.unknown)."""
    found = {fault: None for error in _validator(item).iter_errors(body) for fault in _faults(error)}
    return sorted(found, key=lambda fault: fault.field)


def check_body(item: str, body: Mapping[str, Any]) -> None:
    """Raises Problem(item.unknown, copy.invalid), the latter with the first wrong field and what it should be."""
    if not fits(item, body):
        fault = faults(item, body)[0]
        raise Problem(
            "copy.invalid",
            f"{item}: {fault.what}",
            where=fault.field,
            expected=fault.expected,
            advice="Correct the record in the business system and place the copy again.",
        )


def _faults(error: ValidationError) -> list[Fault]:
    """A schema violation in our words: without the value, which the library's own words quote."""
    place = ".".join(map(str, error.absolute_path))
    wanted: Any = error.validator_value
    instance: Any = error.instance
    schema: Any = error.schema
    prefix = f"{place}." if place else ""
    match error.validator:
        case "required":
            return [Fault(prefix + name, "missing", "a value") for name in wanted if name not in instance]
        case "additionalProperties":
            extra = set(instance) - set(schema["properties"])
            return [Fault(prefix + name[:40], "unknown field", "a field of the item's schema") for name in extra]
        case "type":
            kinds = wanted if isinstance(wanted, list) else [wanted]
            return [Fault(place, f"found {_kind(instance)}", " or ".join(kinds))]
        case "enum":
            allowed = ", ".join("null" if value is None else str(value) for value in wanted)
            return [Fault(place, "not an allowed value", f"one of {allowed}")]
        case "format":
            return [Fault(place, f"not a {wanted}", "a date such as 2026-04-01")]
        case "minimum" | "maximum" as bound:
            side = "at least" if bound == "minimum" else "at most"
            return [Fault(place, "out of range", f"{side} {wanted}")]
        case "pattern":
            return [Fault(place, "not in the expected form", f"text that fits {wanted}")]
        case other:
            return [Fault(place, f"violates {other}", f"{other} {wanted}")]


def _kind(value: object) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
