"""What is sent to the database: how many statements, and how many bound values in one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Engine, event

# SQLite as Debian builds it takes 250,000 in one statement, as its authors ship it 32,766; PostgreSQL takes 65,535.
SMALLEST_LIMIT: Final = 32_766


@dataclass
class Watch:
    """Statements other than those sent row by row, each with its number of bound values."""

    bound: list[int] = field(default_factory=list)
    calls: int = 0


@contextmanager
def watching(engine: Engine) -> Iterator[Watch]:
    watch = Watch()

    def sent(_conn: Any, _cursor: Any, _sql: str, parameters: Any, _context: Any, row_by_row: bool) -> None:
        watch.calls += 1
        if not row_by_row:
            watch.bound.append(len(parameters or ()))

    event.listen(engine, "before_cursor_execute", sent)
    try:
        yield watch
    finally:
        event.remove(engine, "before_cursor_execute", sent)
