"""Canonical form and commitments (正規形・コミットメント): one spelling for all that is hashed or signed.

The log holds commitments only: a salted hash says nothing to who lacks the salt, and everything to the resident who has
it. The canonical JSON is the common subset of what every JSON library agrees on, so that others can recompute it.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any, Final

from pydantic_core import PydanticSerializationError, to_json

from kumihimo.domain.kernel.errors import Problem

SALT_BYTES: Final = 32
_COMMITMENT: Final = b"kumihimo/commitment/v1\0"
# Beyond this, JSON readers that hold numbers as doubles would hash another number.
_LARGEST_INTEGER: Final = 2**53 - 1
_DEEPEST: Final = 64
_FEW_KEYS: Final = 32
_UNKNOWN: Final = object()
_SCALARS: Final = frozenset({str, bool, type(None)})
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def commit(salt: bytes, data: bytes) -> bytes:
    """SHA-256("kumihimo/commitment/v1" || 0 || salt || data), 32 bytes, for a random salt of 32 bytes.

    Raises Problem(value.invalid) for a salt of another length.
    """
    if len(salt) != SALT_BYTES:
        raise Problem("value.invalid", f"a salt of {len(salt)} bytes", expected=f"{SALT_BYTES} random bytes")
    return hashlib.sha256(_COMMITMENT + salt + data).digest()


def canonical_json(value: object) -> bytes:
    """UTF-8 JSON with keys sorted by code point, no spaces, and no escapes but those JSON demands.

    Takes dicts with string keys, lists, tuples, strings, booleans, None and integers of at most 53 bits. Raises
    Problem(value.invalid), naming the place but not the value, for anything else: floats and NaN have several spellings.
    """
    plain = _in_order(value, _DEEPEST)
    try:
        if plain is not _UNKNOWN:
            # The same bytes as the encoder's, in a fifth of the time (tests hold the two together).
            return to_json(plain)
        _check(value, "$", 0)
        return _ENCODER.encode(value).encode()
    except (UnicodeEncodeError, PydanticSerializationError):
        raise _refused("$", "a string with half of a surrogate pair") from None


def _sorted(keys: tuple[object, ...]) -> tuple[str, ...] | None:
    """The keys in order; None unless all are strings. Messages of one kind have the same ones each time."""
    names = [key for key in keys if type(key) is str]
    return tuple(sorted(names)) if len(names) == len(keys) else None


_known: Final = lru_cache(maxsize=4_096)(_sorted)


def _in_order(value: Any, levels: int) -> Any:
    """The value with the keys of every dict in order; `_UNKNOWN` unless all of it is surely allowed, `levels` deep.

    Every message is written through here, so that the places it would take to say where are not even put together:
    `_check` looks again at what is not surely allowed, and says what is wrong.
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is int:
        return value if -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER else _UNKNOWN
    if levels == 0:
        return _UNKNOWN
    if kind is dict:
        ordered = {}
        keys = (_known if len(value) <= _FEW_KEYS else _sorted)(tuple(value))
        if keys is None:
            return _UNKNOWN
        for key in keys:
            item = value[key]
            if type(item) not in _SCALARS and (item := _in_order(item, levels - 1)) is _UNKNOWN:
                return _UNKNOWN
            ordered[key] = item
        return ordered
    if kind is list or kind is tuple:
        kinds = set(map(type, value))
        if kinds <= _SCALARS:
            return value
        if kinds == {int}:  # indexes of a whole chunk
            return value if min(value) >= -_LARGEST_INTEGER and max(value) <= _LARGEST_INTEGER else _UNKNOWN
        items = [item if type(item) in _SCALARS else _in_order(item, levels - 1) for item in value]
        return _UNKNOWN if any(item is _UNKNOWN for item in items) else items
    return _UNKNOWN


def _check(value: object, where: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise _refused(where, f"more than {_DEEPEST} levels")
    match value:
        case None | bool() | str():
            pass
        case int():
            if abs(value) > _LARGEST_INTEGER:
                raise _refused(where, "an integer of more than 53 bits")
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise _refused(where, f"a key of type {type(key).__name__}")
                # A key that is no name may be somebody's number: it is not repeated in an error.
                _check(item, f"{where}.{key if key.isidentifier() else '*'}", depth + 1)
        case list() | tuple():
            for index, item in enumerate(value):
                _check(item, f"{where}[{index}]", depth + 1)
        case _:
            raise _refused(where, f"a value of type {type(value).__name__}")


def _refused(where: str, detail: str) -> Problem:
    return Problem(
        "value.invalid",
        detail,
        where=where,
        expected="objects with string keys, lists, strings, integers of at most 53 bits, true, false or null",
        advice="Write amounts as whole yen and instants as text.",
    )
