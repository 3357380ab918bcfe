"""How a store commits (確定): one transaction for each piece of work, or one for all that waited meanwhile.

An inquiry writes several times and each write must be durable before the next step. With many at once, SQLite lets writers
queue by polling, which starves some of them for seconds; the group-commit writer takes them in order, many to a disk flush.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine

from kumihimo.plumbing.storage import GroupCommitWriter

T = TypeVar("T")
Work = Callable[[Connection], Any]


class Commit(Protocol):
    """Runs work in a transaction; durable when it returns, undone when it raises.

    The work touches nothing but its connection: it may be undone and run again.
    """

    def __call__(self, work: Callable[[Connection], T]) -> T: ...

    def each(self, works: Sequence[Callable[[Connection], T]]) -> list[T | Exception]:
        """Many pieces of work, each for itself: what it gave or raised, in their order."""
        ...


class OneByOne:
    """A transaction for each: for tools and tests."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, work: Callable[[Connection], T]) -> T:
        with self._engine.begin() as conn:
            return work(conn)

    def each(self, works: Sequence[Callable[[Connection], T]]) -> list[T | Exception]:
        return [_done(partial(self, work)) for work in works]


class Together:
    """One thread, many callers, one durable commit for all who waited: for a service."""

    def __init__(self, engine: Engine) -> None:
        self._writer: GroupCommitWriter[Work, Any] = GroupCommitWriter(engine, _all, name="exchange commits")

    def __call__(self, work: Callable[[Connection], T]) -> T:
        result: T = self._writer.submit(work)
        return result

    def each(self, works: Sequence[Callable[[Connection], T]]) -> list[T | Exception]:
        answers = [self._writer.hand_over(work) for work in works]
        return [_done(answer.result) for answer in answers]

    def close(self) -> None:
        """Write what was handed over, then take no more."""
        self._writer.close()


def _done(work: Callable[[], T]) -> T | Exception:
    try:
        return work()
    except Exception as error:  # it is for whoever waits for this piece of work
        return error


def _all(conn: Connection, works: Sequence[Work]) -> list[Any]:
    return [work(conn) for work in works]
