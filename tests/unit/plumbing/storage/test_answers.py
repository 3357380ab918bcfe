"""Answers of the group-commit writer: each is settled once, and wakes everybody who waits for it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kumihimo.plumbing.storage.answers import Answer, refuse, settle, take


@pytest.fixture
def lock() -> threading.Lock:
    return threading.Lock()


def test_all_who_wait_for_one_answer_get_it(lock: threading.Lock) -> None:
    answer: Answer[int] = Answer("item", lock)
    begun = threading.Barrier(5)

    def ask() -> int:
        begun.wait(30)
        return answer.result(30)

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        begun.wait(30)
        settle(take([answer], lock), [7], lock)
        assert [one.result(30) for one in asking] == [7] * 4
    assert (answer.done(), answer.result(), answer.exception()) == (True, 7, None)


def test_who_waits_too_long_is_told_so_and_may_ask_again(lock: threading.Lock) -> None:
    answer: Answer[int] = Answer("item", lock)
    for ask in (answer.result, answer.exception):
        with pytest.raises(TimeoutError, match="no answer within"):
            ask(0.01)
    settle(take([answer], lock), [7], lock)
    assert answer.result(0) == 7


def test_an_answer_is_settled_once(lock: threading.Lock) -> None:
    first, second = Answer[int]("a", lock), Answer[int]("b", lock)
    taken = take([first, second], lock)
    refuse(taken[:1], ValueError("not stored"), lock)
    settle(taken, [1, 2], lock)
    refuse(taken, ValueError("too late"), lock)
    with pytest.raises(ValueError, match="not stored"):
        first.result()
    assert str(first.exception()) == "not stored"
    assert second.result() == 2


def test_what_was_withdrawn_is_not_taken_and_what_was_taken_cannot_be_withdrawn(lock: threading.Lock) -> None:
    first, second = Answer[int]("a", lock), Answer[int]("b", lock)
    assert first.withdraw()
    assert first.withdraw()
    assert take([first, second], lock) == [second]
    assert not second.withdraw()
    settle([second], [2], lock)
    assert not second.withdraw()
    assert not first.done()
