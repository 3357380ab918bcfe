"""Data objects (データオブジェクト, BER-TLV, ISO/IEC 7816-4 §5.2.2): tag, length, value, as both ends write and read them.

Reading is strict: definite lengths in their shortest form, tags of one or two bytes, nothing left over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_MORE_OF_TAG: Final = 0x1F
_LONG: Final = 0x80
_MOST_LENGTH_BYTES: Final = 3


def tlv(tag: int, value: bytes) -> bytes:
    """One data object."""
    name = tag.to_bytes(2 if tag > 0xFF else 1, "big")
    return name + _length(len(value)) + value


def objects(raw: bytes) -> list[tuple[int, bytes]]:
    """The data objects in `raw`, in order. Raises ValueError where they do not fill it exactly."""
    return list(_walk(raw))


def one_each(raw: bytes) -> dict[int, bytes]:
    """The data objects by tag, each at most once. Raises ValueError."""
    found = objects(raw)
    by_tag = dict(found)
    if len(by_tag) != len(found):
        raise ValueError("a data object stands there twice")
    return by_tag


def only(raw: bytes, tag: int) -> bytes:
    """The value of the one data object `raw` consists of. Raises ValueError where it is another one, or not alone."""
    match objects(raw):
        case [(found, value)] if found == tag:
            return value
    raise ValueError(f"not one data object {tag:02X}")


def _length(count: int) -> bytes:
    if count < _LONG:
        return bytes((count,))
    size = (count.bit_length() + 7) // 8
    return bytes((_LONG | size,)) + count.to_bytes(size, "big")


def _walk(raw: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(raw):
        tag, at = _tag(raw, at)
        length, at = _read_length(raw, at)
        if at + length > len(raw):
            raise ValueError("a data object longer than what holds it")
        yield tag, raw[at : at + length]
        at += length


def _tag(raw: bytes, at: int) -> tuple[int, int]:
    first = raw[at]
    if first & _MORE_OF_TAG != _MORE_OF_TAG:
        return first, at + 1
    if at + 1 >= len(raw) or raw[at + 1] & _LONG:
        raise ValueError("a tag of more than two bytes")
    return first << 8 | raw[at + 1], at + 2


def _read_length(raw: bytes, at: int) -> tuple[int, int]:
    if at >= len(raw):
        raise ValueError("a data object without a length")
    first = raw[at]
    if first < _LONG:
        return first, at + 1
    size = first & ~_LONG
    if not 1 <= size <= _MOST_LENGTH_BYTES or at + 1 + size > len(raw):
        raise ValueError("a length that cannot be")
    length = int.from_bytes(raw[at + 1 : at + 1 + size], "big")
    if _length(length) != raw[at : at + 1 + size]:
        raise ValueError("a length that is not in its shortest form")
    return length, at + 1 + size
