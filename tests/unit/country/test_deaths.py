"""A service that dies is started again: at once the first time, then after growing pauses, and at last not any more."""

from __future__ import annotations

from kumihimo.country.supervisor.deaths import Patience, pause_after


def pauses(*ended: float, patience: Patience = Patience()) -> list[float | None]:  # noqa: B008 - frozen
    return [pause_after(ended[: number + 1], patience) for number in range(len(ended))]


def test_a_service_that_dies_now_and_then_is_started_again_at_once() -> None:
    assert pauses(0, 30, 90, 300, 330) == [0, 0, 0, 0, 0]


def test_one_that_dies_in_a_row_waits_longer_each_time_and_is_given_up_at_the_fifth() -> None:
    assert pauses(0, 0.1, 0.7, 1.8, 3.9) == [0, 0.5, 1.0, 2.0, None]


def test_five_deaths_within_a_minute_are_too_many_however_far_apart() -> None:
    assert pauses(0, 14, 28, 42, 56) == [0, 0.5, 0.5, 0.5, None]


def test_no_pause_is_longer_than_eight_seconds() -> None:
    patient = Patience(deaths=1000)
    assert max(pause or 0 for pause in pauses(*range(30), patience=patient)) == 8.0
