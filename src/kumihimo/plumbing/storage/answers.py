"""Answers (回答): what each caller of a group-commit writer waits for, one for each item, settled a whole batch at a time.

`concurrent.futures.Future` makes three objects for each item and takes three locks to settle it, which together cost more
than storing a row. Here all answers of a writer share one lock, and only who really waits makes something to wait for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, Generic, TypeVar

R = TypeVar("R")


class _State(IntEnum):
    QUEUED = 0
    TAKEN = 1
    WITHDRAWN = 2
    ANSWERED = 3
    REFUSED = 4


class Answer(Generic[R]):
    """The answer to one item, now or later. Safe for many threads; only the writer settles it."""

    __slots__ = ("_came", "_lock", "_state", "_waiting", "item")

    def __init__(self, item: Any, lock: threading.Lock) -> None:
        self.item = item
        self._lock = lock
        self._state = _State.QUEUED
        self._came: Any = None
        self._waiting: list[threading.Lock] | None = None

    def done(self) -> bool:
        """Whether the item was dealt with, one way or the other."""
        return self._state >= _State.ANSWERED

    def result(self, timeout: float | None = None) -> R:
        """Wait for the durable commit, at most `timeout` seconds, and give what `apply` gave for the item.

        Raises what `apply` or the commit raised, and TimeoutError.
        """
        if not self.done():
            self._wait(timeout)
        if self._state is _State.REFUSED:
            raise self._came
        result: R = self._came
        return result

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait as `result` does; what it would raise, None when it would not. Raises TimeoutError."""
        if not self.done():
            self._wait(timeout)
        error: BaseException | None = self._came if self._state is _State.REFUSED else None
        return error

    def withdraw(self) -> bool:
        """Take the item back: True when it was still queued, and then nothing is ever written."""
        with self._lock:
            if self._state is _State.QUEUED:
                self._state = _State.WITHDRAWN
            return self._state is _State.WITHDRAWN

    def _wait(self, timeout: float | None) -> None:
        with self._lock:
            if self.done():
                return
            waiting = threading.Lock()
            waiting.acquire()
            self._waiting = [*(self._waiting or ()), waiting]
        if not waiting.acquire(timeout=-1 if timeout is None else timeout):
            raise TimeoutError(f"no answer within {timeout} s")


def take(answers: Iterable[Answer[R]], lock: threading.Lock) -> list[Answer[R]]:
    """Those of the answers whose items were not withdrawn; from now on they cannot be."""
    taken = []
    with lock:
        for answer in answers:
            if answer._state is _State.QUEUED:
                answer._state = _State.TAKEN
                taken.append(answer)
    return taken


def settle(answers: Sequence[Answer[R]], results: Sequence[R], lock: threading.Lock) -> None:
    """Give each answer its result and wake who waits for it."""
    _settle(answers, results, _State.ANSWERED, lock)


def refuse(answers: Sequence[Answer[R]], error: BaseException, lock: threading.Lock) -> None:
    """Give the error to each answer that is not settled yet."""
    _settle(answers, [error] * len(answers), _State.REFUSED, lock)


def _settle(answers: Sequence[Answer[R]], came: Sequence[Any], state: _State, lock: threading.Lock) -> None:
    woken: list[threading.Lock] = []
    with lock:
        for answer, one in zip(answers, came, strict=True):
            if answer._state is _State.TAKEN:
                answer._came = one
                answer._state = state
                if answer._waiting is not None:
                    woken += answer._waiting
    for waiting in woken:
        waiting.release()
