"""The group-commit writer: whoever got an answer finds it on disk, and one bad item harms nobody else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Engine, ForeignKey, Integer, MetaData, Table, Text, exc, insert, select

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.storage import GroupCommitWriter, open_engine

metadata = MetaData()
entries = Table(
    "entry",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("line", Text, nullable=False),
)
replies = Table(
    "reply", metadata, Column("entry", ForeignKey("entry.id", deferrable=True, initially="DEFERRED"), nullable=False)
)
ANSWERING = Path(__file__).with_name("answering_until_killed.py")


@pytest.fixture
def log(engine: Engine) -> Engine:
    entries.create(engine)
    return engine


def _append(conn: Connection, items: Sequence[int]) -> list[int]:
    conn.execute(insert(entries), [{"id": item, "line": f"inquiry {item}"} for item in items])
    return [item * 10 for item in items]


def _written(engine: Engine) -> list[int]:
    with engine.connect() as conn:
        return list(conn.execute(select(entries.c.id).order_by(entries.c.id)).scalars())


class Gate:
    """An apply that notes its batches, and stands at the first one until it is opened."""

    def __init__(self, apply: Callable[[Connection, Sequence[int]], Sequence[int]] = _append) -> None:
        self._apply = apply
        self.reached, self.open = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, conn: Connection, items: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(items))
        self.reached.set()
        assert self.open.wait(30)
        return self._apply(conn, items)


def _submit_behind_gate(
    pool: ThreadPoolExecutor, writer: GroupCommitWriter[int, int], gate: Gate, items: Sequence[int]
) -> dict[int, object]:
    """Hand over the first item, wait until it stands at the gate, queue the rest behind it, open; answers or errors."""
    handed_over = {items[0]: pool.submit(writer.submit, items[0])}
    assert gate.reached.wait(30)
    handed_over |= {item: pool.submit(writer.submit, item) for item in items[1:]}
    _until_waiting(writer, len(items) - 1)
    gate.open.set()
    return {item: future.exception(30) or future.result() for item, future in handed_over.items()}


def _until_waiting(writer: GroupCommitWriter[int, int], count: int) -> None:
    deadline = time.monotonic() + 30
    while writer.waiting < count:
        assert time.monotonic() < deadline, f"only {writer.waiting} of {count} items were handed over"
        os.sched_yield()


def test_every_caller_gets_its_own_answer(log: Engine) -> None:
    with GroupCommitWriter(log, _append) as writer, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(writer.submit, range(800)))
    assert answers == [item * 10 for item in range(800)]
    assert _written(log) == list(range(800))


def test_an_answer_means_that_others_can_read_the_entry(log: Engine) -> None:
    def append_and_look(item: int) -> bool:
        writer.submit(item)
        return item in _written(log)

    with GroupCommitWriter(log, _append) as writer, ThreadPoolExecutor(4) as pool:
        assert all(pool.map(append_and_look, range(40)))


def test_items_that_queued_up_share_one_commit_and_batches_stay_within_their_limit(log: Engine) -> None:
    gate = Gate()
    with GroupCommitWriter(log, gate, max_batch=4) as writer, ThreadPoolExecutor(10) as pool:
        answers = _submit_behind_gate(pool, writer, gate, range(10))
    assert answers == {item: item * 10 for item in range(10)}
    assert [len(batch) for batch in gate.batches] == [1, 4, 4, 1]


def test_a_request_about_many_persons_is_answered_in_their_order_with_few_commits(log: Engine) -> None:
    gate = Gate()
    gate.open.set()
    with GroupCommitWriter(log, gate, max_batch=100) as writer:
        assert writer.submit_all(range(1000)) == [item * 10 for item in range(1000)]
        assert writer.submit_all([]) == []
    assert len(gate.batches) < 100
    assert _written(log) == list(range(1000))


def test_a_request_that_fits_into_one_commit_is_never_told_in_two_parts(log: Engine) -> None:
    gate = Gate()
    gate.open.set()

    class Slow(list[int]):
        """Persons between whom the writer's thread has time to begin."""

        def __iter__(self) -> Iterator[int]:
            for position in range(len(self)):
                yield self[position]
                deadline = time.monotonic() + 0.02
                while time.monotonic() < deadline and not gate.batches:
                    os.sched_yield()

    with GroupCommitWriter(log, gate, max_batch=100) as writer:
        assert writer.submit_all(Slow(range(5))) == [0, 10, 20, 30, 40]
    assert [len(batch) for batch in gate.batches] == [5]


def test_what_was_handed_over_is_answered_when_it_is_on_disk_while_the_caller_goes_on(log: Engine) -> None:
    gate = Gate()
    with GroupCommitWriter(log, gate) as writer:
        answers = [writer.hand_over(item) for item in range(5)]
        assert not any(answer.done() for answer in answers)
        gate.open.set()
        assert [answer.result(30) for answer in answers] == [0, 10, 20, 30, 40]
        assert _written(log) == [0, 1, 2, 3, 4]


def test_of_many_persons_one_that_fails_is_told_and_the_others_are_written(log: Engine) -> None:
    with log.begin() as conn:
        _append(conn, [3])
    with GroupCommitWriter(log, _append) as writer, pytest.raises(exc.IntegrityError):
        writer.submit_all([1, 2, 3, 4])
    assert _written(log) == [1, 2, 3, 4]


def test_one_bad_item_fails_alone(log: Engine) -> None:
    with log.begin() as conn:
        _append(conn, [3])
    gate = Gate()
    with GroupCommitWriter(log, gate) as writer, ThreadPoolExecutor(6) as pool:
        answers = _submit_behind_gate(pool, writer, gate, [0, 1, 2, 3, 4])
    assert isinstance(answers.pop(3), exc.IntegrityError)
    assert answers == {0: 0, 1: 10, 2: 20, 4: 40}
    assert _written(log) == [0, 1, 2, 3, 4]


def test_a_decision_of_apply_reaches_its_caller_as_it_was_raised(log: Engine) -> None:
    def refuse(conn: Connection, items: Sequence[int]) -> Sequence[int]:
        raise Problem("quota.exceeded", "11 of 10 inquiries", advice="Wait a minute.")

    with GroupCommitWriter(log, refuse) as writer, pytest.raises(Problem) as caught:
        writer.submit(1)
    assert caught.value.code == "quota.exceeded"


def test_an_apply_that_forgets_an_answer_writes_nothing(log: Engine) -> None:
    def forget(conn: Connection, items: Sequence[int]) -> Sequence[int]:
        return _append(conn, items)[1:]

    with GroupCommitWriter(log, forget) as writer, pytest.raises(RuntimeError, match="0 results for 1 items"):
        writer.submit(1)
    assert _written(log) == []


def test_a_lost_database_fails_the_whole_batch_at_once_and_the_next_one_works(log: Engine) -> None:
    def lose_the_table(conn: Connection, items: Sequence[int]) -> Sequence[int]:
        if items == [0]:
            return _append(conn, items)
        if not lost:
            lost.append(len(items))
            raise exc.OperationalError("INSERT", {}, Exception("server closed the connection"))
        return _append(conn, items)

    lost: list[int] = []
    gate = Gate(lose_the_table)
    with GroupCommitWriter(log, gate) as writer, ThreadPoolExecutor(4) as pool:
        answers = _submit_behind_gate(pool, writer, gate, [0, 1, 2])
        assert writer.submit(3) == 30
    assert answers.pop(0) == 0
    assert lost == [2]
    assert all(isinstance(answer, exc.OperationalError) for answer in answers.values())
    assert _written(log) == [0, 3]


def test_when_the_commit_itself_fails_everybody_in_the_batch_hears_of_it(log: Engine) -> None:
    """A deferred constraint is checked at the commit: the moment after apply, when no item can be blamed any more."""
    replies.create(log)

    def reply(conn: Connection, items: Sequence[int]) -> Sequence[int]:
        conn.execute(insert(replies), [{"entry": item} for item in items])
        return items

    with log.begin() as conn:
        _append(conn, [0, 1])
    gate = Gate(reply)
    with GroupCommitWriter(log, gate) as writer, ThreadPoolExecutor(3) as pool:
        answers = _submit_behind_gate(pool, writer, gate, [0, 1, 99])
        assert writer.submit(1) == 1
    assert answers.pop(0) == 0
    assert all(isinstance(answer, exc.IntegrityError) for answer in answers.values())
    with log.connect() as conn:
        assert conn.execute(select(replies.c.entry).order_by(replies.c.entry)).scalars().all() == [0, 1]


def test_an_impatient_caller_withdraws_an_item_that_was_still_queued(log: Engine) -> None:
    gate = Gate()
    with GroupCommitWriter(log, gate) as writer, ThreadPoolExecutor(1) as pool:
        first = pool.submit(writer.submit, 0)
        assert gate.reached.wait(30)
        with pytest.raises(TimeoutError, match="nothing was written"):
            writer.submit(1, timeout=0.01)
        gate.open.set()
        assert first.result(30) == 0
    assert _written(log) == [0]


def test_an_impatient_caller_is_told_when_the_outcome_is_open(log: Engine) -> None:
    gate = Gate()
    with GroupCommitWriter(log, gate) as writer:
        with pytest.raises(TimeoutError, match="the outcome is open"):
            writer.submit(0, timeout=0.5)
        gate.open.set()
    assert gate.batches == [[0]]
    assert _written(log) == [0]


def test_a_caller_who_is_interrupted_withdraws_its_queued_item_and_the_writer_goes_on(
    log: Engine, request: pytest.FixtureRequest
) -> None:
    gate, raised = Gate(), threading.Event()

    def interrupt_once(_number: int, _frame: object) -> None:
        if not raised.is_set():
            raised.set()
            raise KeyboardInterrupt

    def interrupt_the_main_thread() -> None:
        _until_waiting(writer, 1)
        # A signal that comes a moment before a thread blocks does not wake it: knock until it is heard.
        while not raised.wait(0.02):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    before = signal.signal(signal.SIGINT, interrupt_once)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with GroupCommitWriter(log, gate) as writer, ThreadPoolExecutor(2) as pool:
        first = pool.submit(writer.submit, 0)
        assert gate.reached.wait(30)
        interrupting = pool.submit(interrupt_the_main_thread)
        with pytest.raises(KeyboardInterrupt):
            writer.submit(1)
        interrupting.result(30)
        gate.open.set()
        assert first.result(30) == 0
        assert writer.submit(2) == 20
    assert _written(log) == [0, 2]


def test_closing_writes_what_was_handed_over_and_takes_no_more(log: Engine) -> None:
    gate = Gate()
    writer = GroupCommitWriter(log, gate, name="hub log")
    with ThreadPoolExecutor(6) as pool:
        answers = _submit_behind_gate(pool, writer, gate, range(5))
        writer.close()
        writer.close()
    assert answers == {item: item * 10 for item in range(5)}
    with pytest.raises(Problem, match=r"hub log.*\[store.closed\]"):
        writer.submit(6)
    assert _written(log) == list(range(5))


def test_an_item_handed_over_from_inside_apply_is_refused_instead_of_waiting_for_itself(log: Engine) -> None:
    def recurse(conn: Connection, items: Sequence[int]) -> Sequence[int]:
        return [writer.submit(items[0] + 1)]

    with GroupCommitWriter(log, recurse) as writer, pytest.raises(RuntimeError, match="would wait for itself"):
        writer.submit(0)


def test_everything_that_was_answered_survives_the_killing_of_the_process(log: Engine, store_url: str) -> None:
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, str(ANSWERING), store_url], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        answered = [int(process.stdout.readline()) for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        answered += [int(line) for line in process.stdout.read().splitlines()]
    assert process.returncode == -signal.SIGKILL
    after = open_engine(store_url)
    written = set(_written(after))
    after.dispose()
    assert len(answered) >= 200
    assert set(answered) <= written
