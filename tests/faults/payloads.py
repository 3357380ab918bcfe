"""Payloads made by chance (hypothesis) for every kind of message: well-formed, nearly so, or not at all.

A field gets, one time in a few, what the country really uses (an institution's id, an affair, a resident's number), so that the
service goes on past its first check; otherwise anything of its type, and now and then something of another type.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any, Final

from annotated_types import MaxLen, MinLen
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from kumihimo.plumbing.wire.envelope import Envelope, Part

Words = Mapping[str, list[str]]

_EDGES: Final = st.sampled_from(
    ["", " ", "0", "-1", "\x00", "a\x00b", "\ud7ff", "é", "𠮷野家", "a" * 300, "=" * 88, "QUJD", "../..", "1' OR '1'='1",
     "999999999999", "0" * 32, "f" * 64, "2026-02-30", "0001-01-01", "9999-12-31", "١٢٣", "%s%s%n"]
)  # fmt: skip
_NUMBERS: Final = st.one_of(
    st.integers(-2, 5), st.sampled_from([2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**30]), st.integers()
)
_JUNK: Final = st.one_of(
    st.none(),
    st.booleans(),
    _NUMBERS,
    _EDGES,
    st.lists(st.none(), max_size=2),
    st.dictionaries(_EDGES, st.none(), max_size=2),
)
_DAYS: Final = st.one_of(
    st.dates().map(str), st.sampled_from(["2026-04-01", "1867-12-31", "0001-01-01", "9999-12-31", "2026-02-29", "+292277026596"])
)  # fmt: skip
_INSTANTS: Final = st.one_of(
    st.datetimes().map(lambda at: f"{at.isoformat()}Z"),
    st.sampled_from(["2026-11-23T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", 0, 1e12, 2**62]),
)
_VALUES: Final = st.recursive(_JUNK, lambda inner: st.dictionaries(_EDGES, inner, max_size=3), max_leaves=6)


class Payloads:
    """Strategies for JSON objects of message kinds. `words` are real values by field name, `envelopes` makes signed documents."""

    def __init__(self, words: Words, envelopes: Callable[[], st.SearchStrategy[Any]]) -> None:
        self._words = words
        self._envelopes = envelopes

    def of(self, kind: type[Part], fixed: Mapping[str, Any] | None = None) -> st.SearchStrategy[dict[str, Any]]:
        """Objects of a kind; `fixed` are fields that must be right, or the message would not be looked at."""
        known = dict(fixed or {})
        wild = {name: self._field(name, info) for name, info in kind.model_fields.items() if name not in known}
        needed = {name: made for name, made in wild.items() if kind.model_fields[name].is_required()}
        left_out = {name: made for name, made in wild.items() if name not in needed}
        return st.fixed_dictionaries(needed, optional=left_out).map(lambda made: {**made, **known})

    def _field(self, name: str, info: FieldInfo) -> st.SearchStrategy[Any]:
        bounds = {type(one): one for one in info.metadata}
        good = self._type(name, info.annotation, bounds)
        return st.integers(0, 39).flatmap(lambda drawn: _JUNK if drawn == 0 else good)

    def _type(self, name: str, kind: Any, bounds: Mapping[type, Any]) -> st.SearchStrategy[Any]:
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin is typing.Annotated:
            return self._type(name, arguments[0], bounds)
        if origin in (types.UnionType, typing.Union):
            return st.one_of(*(self._type(name, one, bounds) for one in arguments))
        if origin is tuple:
            least = typing.cast(int, bounds[MinLen].min_length) if MinLen in bounds else 0
            most = typing.cast(int, bounds[MaxLen].max_length) if MaxLen in bounds else 4
            return st.lists(self._type(name, arguments[0], {}), min_size=least, max_size=min(most, 4))
        if origin is dict:
            return st.dictionaries(_EDGES, _VALUES, max_size=4)
        return self._plain(name, kind)

    def _plain(self, name: str, kind: Any) -> st.SearchStrategy[Any]:
        if kind is type(None):
            return st.none()
        if not isinstance(kind, type):
            return _INSTANTS if "Datetime" in str(kind) else _VALUES
        if issubclass(kind, Envelope):
            return self._envelopes()
        if issubclass(kind, Part):
            return st.deferred(lambda: self.of(kind))
        if issubclass(kind, Enum):
            return st.sampled_from([member.value for member in kind])
        if kind is bool:
            return st.booleans()
        if kind is int:
            return _NUMBERS
        if issubclass(kind, datetime) or kind.__name__ == "AwareDatetime":
            return _INSTANTS
        if issubclass(kind, date):
            return _DAYS
        return self._text(name) if kind is str else _VALUES

    def _text(self, name: str) -> st.SearchStrategy[str]:
        real = self._words.get(name, [])
        anything = st.one_of(
            _EDGES, st.text(max_size=20), st.sampled_from([w for ws in self._words.values() for w in ws])
        )
        return (
            st.one_of(st.sampled_from(real), st.sampled_from(real), st.sampled_from(real), anything)
            if real
            else anything
        )
