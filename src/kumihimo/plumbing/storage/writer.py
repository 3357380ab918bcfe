"""Group-commit writer (一括確定書込): many callers, one thread, one durable commit for all who waited meanwhile.

Invariant I5 wants every request durably in the log before its answer leaves; a commit of its own for each would cost a
disk flush each. Here a caller hands over an item and gets its answer after the commit that holds it. No delay is added:
whatever has queued up while the last commit ran goes into the next one.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Generic, Self, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.storage.answers import Answer, refuse, settle, take

T = TypeVar("T")
R = TypeVar("R")


class GroupCommitWriter(Generic[T, R]):
    """Runs `apply(connection, items)` in one transaction per batch; it returns one result per item, in order.

    `apply` must touch nothing but the connection: when it raises for a batch, the transaction is rolled back and it is
    called again with each item alone, so that one bad item does not fail the others. Items keep their order.
    """

    def __init__(
        self,
        engine: Engine,
        apply: Callable[[Connection, Sequence[T]], Sequence[R]],
        *,
        max_batch: int = 512,
        name: str = "writer",
    ) -> None:
        if max_batch < 1:
            raise ValueError(f"max_batch is {max_batch}: a batch holds at least one item")
        self._engine = engine
        self._apply = apply
        self._max_batch = max_batch
        self._name = name
        self._queue: queue.SimpleQueue[Answer[R] | None] = queue.SimpleQueue()
        self._door = threading.Lock()
        self._settling = threading.Lock()
        self._closed = False
        self._kept: Connection | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, item: T, timeout: float | None = None) -> R:
        """Hand over `item` and wait until the commit that holds it is durable; `timeout` in seconds.

        Raises what `apply` or the commit raised. Raises TimeoutError when time is up: an item that was still queued is
        withdrawn and not written; the message says when a commit was already under way and the outcome is open.
        Raises Problem `store.closed` after `close`.
        """
        answer = self.hand_over(item)
        try:
            return answer.result(timeout)
        except BaseException as error:
            withdrawn = answer.withdraw()
            if isinstance(error, TimeoutError) and (withdrawn or not answer.done()):
                outcome = "nothing was written" if withdrawn else "its commit is under way, the outcome is open"
                raise TimeoutError(f"{self._name}: no answer within {timeout} s; {outcome}") from None
            raise

    def hand_over(self, item: T) -> Answer[R]:
        """Hand over `item` and go on; the answer is there when the commit that holds it is durable, or has failed.

        Items of one caller keep their order. Raises Problem `store.closed` after `close`.
        """
        return self._hand_over([item])[0]

    def submit_all(self, items: Sequence[T]) -> list[R]:
        """Hand over many items in order and wait for all: the results in the same order.

        They go into as few commits as `max_batch` allows, not into one transaction: each item stands for itself. When
        some fail, the first error is raised after all were dealt with, and the others are written.
        """
        answers = self._hand_over(items)
        errors = [answer.exception() for answer in answers]
        for error in errors:
            if error is not None:
                raise error
        return [answer.result() for answer in answers]

    def _hand_over(self, items: Sequence[T]) -> list[Answer[R]]:
        """All at once: the thread, which gathers behind the same door, does not begin a batch with only some of them."""
        if threading.get_ident() == self._thread.ident:
            raise RuntimeError(f"{self._name}: an item handed over from inside apply would wait for itself")
        answers: list[Answer[R]] = [Answer(item, self._settling) for item in items]
        with self._door:
            if self._closed:
                raise Problem("store.closed", self._name, advice="The service is stopping; ask again later.")
            for answer in answers:
                self._queue.put(answer)
        return answers

    @property
    def waiting(self) -> int:
        """How many items are queued for the next batch: a measure of load."""
        return self._queue.qsize()

    def close(self) -> None:
        """Take no more items, write those already handed over, and wait for the thread; may be called again."""
        with self._door:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        open_for_more = True
        while open_for_more:
            batch, open_for_more = self._next_batch()
            taken = take(batch, self._settling)
            if taken:
                try:
                    self._write(taken)
                except BaseException as error:
                    # Whatever it is, somebody is waiting for it, and the thread must live for the others.
                    refuse(taken, error, self._settling)
        if self._kept is not None:
            self._kept.close()

    def _next_batch(self) -> tuple[list[Answer[R]], bool]:
        """At least one item, then whatever is queued; False once the closing mark was met."""
        batch: list[Answer[R]] = []
        answer = self._queue.get()
        with self._door:
            while answer is not None:
                batch.append(answer)
                if len(batch) == self._max_batch:
                    return batch, True
                try:
                    answer = self._queue.get_nowait()
                except queue.Empty:
                    return batch, True
        return batch, False

    def _write(self, batch: Sequence[Answer[R]]) -> None:
        with self._connection() as conn:
            transaction = conn.begin()
            try:
                results = self._apply(conn, [answer.item for answer in batch])
                if len(results) != len(batch):
                    raise RuntimeError(f"{self._name}: apply gave {len(results)} results for {len(batch)} items")
            except (OperationalError, InterfaceError):
                # The database's fault (gone, locked, full), not an item's: trying each alone would only take longer.
                raise
            except Exception as error:
                transaction.rollback()
                if len(batch) == 1:
                    refuse(batch, error, self._settling)
                    return
                results = None
            else:
                transaction.commit()
        if results is None:
            self._write_one_by_one(batch)
        else:
            settle(batch, results, self._settling)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """A file's connection is kept from batch to batch; a server's comes from the pool, which sees if it was cut."""
        if self._engine.dialect.name != "sqlite":
            with self._engine.connect() as conn:
                yield conn
            return
        conn, self._kept = self._kept or self._engine.connect(), None
        try:
            yield conn
        except BaseException:
            conn.close()
            raise
        self._kept = conn

    def _write_one_by_one(self, batch: Sequence[Answer[R]]) -> None:
        for answer in batch:
            try:
                self._write([answer])
            except Exception as error:
                refuse([answer], error, self._settling)
