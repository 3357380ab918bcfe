"""What a machine lacks is skipped, counted and said aloud at the end of the run."""

from __future__ import annotations

from types import SimpleNamespace

from card_programs import NOT_RUN, missing, needs, pytest_terminal_summary


def test_what_is_missing_is_named() -> None:
    assert missing("no-such-program", "python:no_such_module", "python:json", "sh") == (
        "no-such-program", "python:no_such_module",
    )  # fmt: skip
    assert needs("no-such-program").mark.kwargs["reason"] == "NOT RUN for want of no-such-program"


def test_the_end_of_a_run_counts_what_was_not_run() -> None:
    said: list[str] = []
    reports = [
        SimpleNamespace(longrepr=("file.py", 1, f"Skipped: {NOT_RUN}opensc")),
        SimpleNamespace(longrepr=("file.py", 9, f"Skipped: {NOT_RUN}opensc")),
        SimpleNamespace(longrepr=("file.py", 5, "Skipped: another reason")),
    ]
    reporter = SimpleNamespace(stats={"skipped": reports}, write_line=lambda line, **_: said.append(line))
    pytest_terminal_summary(reporter)  # type: ignore[arg-type]
    assert said == ["NOT RUN for want of opensc: 2 tests"]


def test_nothing_is_said_when_everything_was_run() -> None:
    said: list[str] = []
    reporter = SimpleNamespace(stats={}, write_line=lambda line, **_: said.append(line))
    pytest_terminal_summary(reporter)  # type: ignore[arg-type]
    assert said == []
    assert missing("sh") == ()
    assert needs("sh").mark.args == (False,)
