"""Canonical form and commitments (正規形・コミットメント): one spelling for all that is hashed or signed.

The log holds commitments only: a salted hash says nothing to who lacks the salt, and everything to the resident who has
it. The canonical JSON is the common subset of what every JSON library agrees on, so that others can recompute it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from kumihimo.domain.kernel.errors import Problem

SALT_BYTES: Final = 32
_COMMITMENT: Final = b"kumihimo/commitment/v1\0"
# Beyond this, JSON readers that hold numbers as doubles would hash another number.
_LARGEST_INTEGER: Final = 2**53 - 1
_DEEPEST: Final = 64
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
    if not _is_plain(value, _DEEPEST):
        _check(value, "$", 0)
    try:
        return _ENCODER.encode(value).encode()
    except UnicodeEncodeError:
        raise _refused("$", "a string with half of a surrogate pair") from None


def _is_plain(value: Any, levels: int) -> bool:
    """Whether all is surely allowed, with at most `levels` levels; else `_check` looks again and says what is wrong.

    Every message is written through here, so that the places it would take to say where are not even put together.
    """
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is int:
        return bool(-_LARGEST_INTEGER <= value <= _LARGEST_INTEGER)
    if levels == 0:
        return False
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or not (type(item) in _SCALARS or _is_plain(item, levels - 1)):
                return False
        return True
    if kind is list or kind is tuple:
        return all(type(item) in _SCALARS or _is_plain(item, levels - 1) for item in value)
    return False


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
