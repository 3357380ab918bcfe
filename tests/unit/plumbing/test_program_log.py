"""Program logs say how the programs fare; no name, number or code reaches them, not even inside an error."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from kumihimo.plumbing import program_log
from kumihimo.plumbing.program_log import ALLOWED, allow_listed

NUMBER = "621498320257"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """A program log of its own; what was configured before comes back afterwards."""
    root, server = logging.getLogger(), logging.getLogger("uvicorn.error")
    handlers, levels, hook = list(root.handlers), (root.level, server.level), threading.excepthook
    stream = io.StringIO()
    program_log.configure("x-city/ledger", stream)
    try:
        yield stream
    finally:
        structlog.reset_defaults()
        root.handlers, threading.excepthook = handlers, hook
        root.setLevel(levels[0])
        server.setLevel(levels[1])


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_when_who_and_what(lines: io.StringIO) -> None:
    structlog.get_logger().info("codes", institution="y-city", count=3)
    (line,) = written(lines)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {"party": "x-city/ledger", "event": "codes", "level": "info", "institution": "y-city", "count": 3}


def test_a_field_that_is_not_allowed_never_reaches_the_file_but_its_loss_is_seen(lines: io.StringIO) -> None:
    structlog.get_logger().info("taken in", individual_number=NUMBER, name="山田花子", ticket="dGlja2V0", count=1)
    (line,) = written(lines)
    assert line["dropped"] == ["individual_number", "name", "ticket"]
    assert line["count"] == 1
    for secret in (NUMBER, "山田花子", "dGlja2V0"):
        assert secret not in lines.getvalue()


def test_fields_bound_to_a_logger_are_held_to_the_same_list(lines: io.StringIO) -> None:
    structlog.get_logger().bind(four_items="山田花子").bind(peer="y-city/exchange").warning("refused")
    (line,) = written(lines)
    assert (line["peer"], line["dropped"]) == ("y-city/exchange", ["four_items"])
    assert "山田花子" not in lines.getvalue()


@given(st.dictionaries(st.text(min_size=1), st.just(NUMBER)))
def test_whatever_the_fields_are_called_only_allowed_ones_keep_their_value(fields: dict[str, str]) -> None:
    kept = allow_listed(None, "info", dict(fields))
    assert {name for name, value in kept.items() if value == NUMBER} <= ALLOWED


def test_the_list_has_no_room_for_a_person() -> None:
    persons = {"name", "number", "individual_number", "resident_code", "four_items", "address", "birth", "ticket"}
    assert not persons & ALLOWED


def test_an_exception_leaves_its_kind_and_place_and_not_its_text(lines: io.StringIO) -> None:
    def look_up() -> None:
        raise ValueError(f"no resident with number {NUMBER}")

    try:
        look_up()
    except ValueError as error:
        structlog.get_logger().exception("internal")
        structlog.get_logger().error("internal", exc_info=error)
    for line in written(lines):
        kind, *places = line["traceback"]
        assert kind == "ValueError"
        assert str(places[-1]).startswith("test_program_log.py:")
        assert str(places[-1]).endswith(" look_up")
    assert len(written(lines)) == 2
    assert NUMBER not in lines.getvalue()


def test_an_error_of_the_server_goes_through_without_its_text(lines: io.StringIO) -> None:
    try:
        raise RuntimeError(f"body with {NUMBER}")
    except RuntimeError as error:
        logging.getLogger("uvicorn.error").error("Exception in ASGI application %s\n", NUMBER, exc_info=error)
    (line,) = written(lines)
    assert (line["event"], line["logger"], line["kind"]) == ("library", "uvicorn.error", "ERROR")
    assert line["traceback"][0] == "RuntimeError"
    assert NUMBER not in lines.getvalue()


def test_a_port_that_is_taken_is_told_by_the_name_of_the_fault(lines: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").error(OSError(98, "error while attempting to bind on address"))
    (line,) = written(lines)
    assert line["traceback"] == ["OSError EADDRINUSE"]


def test_warnings_of_any_library_go_through_and_lesser_things_do_not(lines: io.StringIO) -> None:
    logging.getLogger("sqlalchemy.pool").warning("connection with %s lost", NUMBER)
    logging.getLogger("httpx").info("HTTP Request: POST %s", NUMBER)
    (line,) = written(lines)
    assert (line["logger"], line["kind"]) == ("sqlalchemy.pool", "WARNING")
    assert str(line["place"]).startswith("test_program_log.py:")
    assert NUMBER not in lines.getvalue()


def test_a_thread_that_dies_is_seen_in_the_log(lines: io.StringIO) -> None:
    def work() -> None:
        raise KeyError(NUMBER)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    (line,) = written(lines)
    assert (line["event"], line["level"]) == ("thread died", "error")
    assert line["traceback"][0] == "KeyError"
    assert NUMBER not in lines.getvalue()


def test_japanese_is_written_as_it_is(lines: io.StringIO) -> None:
    structlog.get_logger().info("記録", role="台帳")
    assert '"台帳"' in lines.getvalue()
