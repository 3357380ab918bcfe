"""From a file's text to typed values (型の読替え), led by the item's JSON Schema.

Business systems write numbers in full width and with separators, dates in either calendar, yes and no as 1 and 0 or 有 and 無,
and leave empty what they do not know. What cannot be read is left as it is: the schema then says what is wrong with it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from kumihimo.domain.kernel import Problem, parse_date

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+|[+-]?[0-9]+")
_TRUE: Final = frozenset({"1", "true", "yes", "有", "あり", "該当", "○", "はい"})
_FALSE: Final = frozenset({"0", "false", "no", "無", "なし", "非該当", "×", "いいえ"})


def coerced(row: Mapping[str, object], schema: Mapping[str, Any]) -> dict[str, object]:
    """The fields of a content out of a row's. Texts are read as the schema's types; empty ones are null or left out."""
    content: dict[str, object] = {}
    for name, value in row.items():
        wanted = schema["properties"].get(name)
        if wanted is None or not isinstance(value, str):
            content[name] = value
            continue
        if value.strip():
            content[name] = _read(value, wanted)
        elif _nullable(wanted):
            content[name] = None
        elif wanted.get("minLength", 1) == 0 and "string" in _kinds(wanted):
            content[name] = ""
    return content


def _read(text: str, wanted: Mapping[str, Any]) -> object:
    plain = unicodedata.normalize("NFKC", text).strip()
    kinds = _kinds(wanted)
    if "integer" in kinds and _INTEGER.fullmatch(plain):
        return int(plain.replace(",", ""))
    if "boolean" in kinds:
        return True if plain.lower() in _TRUE else False if plain.lower() in _FALSE else text
    if "array" in kinds or "object" in kinds:
        return _json(text)
    if wanted.get("format") == "date":
        return _date(plain)
    # Codes and choices are plain characters; names and other free text stay as they were written.
    return plain if "enum" in wanted or "pattern" in wanted else text.strip()


def _json(text: str) -> object:
    try:
        return json.loads(text, parse_float=str)
    except (ValueError, RecursionError):
        return text


def _date(text: str) -> str:
    try:
        return parse_date(text).isoformat()
    except Problem:
        return text


def _kinds(wanted: Mapping[str, Any]) -> frozenset[str]:
    """The JSON types a field may have; those of its allowed values where it lists them."""
    if "enum" in wanted:
        return frozenset(_kind(value) for value in wanted["enum"])
    kinds = wanted.get("type", ())
    return frozenset((kinds,) if isinstance(kinds, str) else kinds)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    return "boolean" if isinstance(value, bool) else "integer" if isinstance(value, int) else "string"


def _nullable(wanted: Mapping[str, Any]) -> bool:
    return "null" in _kinds(wanted)
