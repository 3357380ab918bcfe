"""Column types (列の型): instants that cannot be misread.

An instant is an aware datetime in UTC (`kernel.clock`). PostgreSQL has a type for it; SQLite has none, so there it is
ISO 8601 text of fixed width, which sorts as time does and can be read with any tool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import DateTime, Dialect, String
from sqlalchemy.types import TypeDecorator, TypeEngine

_ISO_WIDTH = len("2026-04-01T00:00:00.000000Z")
_YEAR_2000 = datetime(2000, 1, 1, tzinfo=UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes with microseconds, stored and returned in UTC; a naive one is refused with ValueError."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(_ISO_WIDTH))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        if value is None:
            return None
        return _iso(value) if dialect.name == "sqlite" else _aware(value).astimezone(UTC)

    def bound_all(self, dialect: Dialect) -> Callable[[Iterable[datetime | None]], list[Any]]:
        """What binds many instants at once, each as `process_bind_param` would."""
        if dialect.name == "sqlite":
            return lambda values: [None if value is None else _iso(value) for value in values]
        return lambda values: [None if value is None else _aware(value) for value in values]

    @staticmethod
    def binary(instant: datetime) -> bytes:
        """An instant as the binary COPY of PostgreSQL takes it: microseconds since the beginning of 2000."""
        return ((_aware(instant) - _YEAR_2000) // timedelta(microseconds=1)).to_bytes(8, signed=True)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        instant = datetime.fromisoformat(value) if isinstance(value, str) else value
        return instant.astimezone(UTC)


@lru_cache(maxsize=4_096)
def _iso(instant: datetime) -> str:
    """ISO 8601 of fixed width; one instant often stands in several rows of a transaction."""
    return _aware(instant).astimezone(UTC).isoformat(timespec="microseconds")[: _ISO_WIDTH - 1] + "Z"


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise ValueError(f"{instant.isoformat()} has no time zone: instants are aware datetimes")
    return instant
