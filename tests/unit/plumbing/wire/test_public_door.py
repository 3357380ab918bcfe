"""A public door is open while its role runs, refuses a port that is taken, and gives it back."""

from __future__ import annotations

import urllib.request

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from free_ports import free_port
from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.public_door import PublicDoor


async def hello(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


PAGES = Starlette(routes=[Route("/hello", hello)])


@pytest.fixture
def port() -> int:
    return free_port()


def asked(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/hello", timeout=10) as response:
        assert "server" not in response.headers
        said: str = response.read().decode()
    return said


def test_it_answers_by_plain_http_until_it_is_closed_and_opens_again(port: int) -> None:
    for _ in range(2):
        door = PublicDoor(PAGES, "127.0.0.1", port)
        door.start()
        assert asked(port) == "hello"
        door.stop()
        with pytest.raises(OSError, match="refused"):
            asked(port)


def test_a_port_that_is_taken_is_refused_at_the_start(port: int) -> None:
    door = PublicDoor(PAGES, "127.0.0.1", port)
    door.start()
    try:
        with pytest.raises(Problem) as refused:
            PublicDoor(PAGES, "127.0.0.1", port).start()
        assert refused.value.code == "port.taken"
        assert asked(port) == "hello"
    finally:
        door.stop()
