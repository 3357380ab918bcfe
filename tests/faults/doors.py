"""The doors of a country: every route of every role, who may knock there, and with which kind of message."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute

from kumihimo.country import programs, topology
from kumihimo.country.boundaries import Role
from kumihimo.country.layout import OFFICER, RESIDENT, Country
from kumihimo.domain.kernel import PartyId
from kumihimo.plumbing.wire import messages
from kumihimo.plumbing.wire.envelope import Document, Message
from kumihimo.plumbing.wire.tls import PEER

ONE_OF_EACH = {
    Role.NUMBERING: topology.NUMBERING,
    Role.REGISTRY: topology.REGISTRY,
    Role.OVERSIGHT: topology.OVERSIGHT,
    Role.PORTAL: topology.PORTAL,
    Role.JPKI: topology.JPKI,
    Role.LEDGER: topology.ledger_of("x-city"),
    Role.EXCHANGE: topology.exchange_of("x-city"),
}
SERVICES = (*ONE_OF_EACH.values(), topology.HUB_1, topology.HUB_2)  # one of every role, and both operators


@dataclass(frozen=True)
class Door:
    """A route that takes a signed message: whose, where, and of which kind."""

    service: PartyId
    path: str
    kind: type[Message]

    def __str__(self) -> str:
        return f"{self.service}{self.path} {self.kind.KIND}"


def documents() -> dict[str, type[Document]]:
    """Every kind of document and message by the name of its class."""
    for module in pkgutil.iter_modules(messages.__path__):
        importlib.import_module(f"{messages.__name__}.{module.name}")
    return {kind.__name__: kind for kind in _below(Document) if kind.KIND}


def _below(kind: type[Document]) -> Iterator[type[Document]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def app_of(country: Country, party: PartyId) -> FastAPI:
    """The application of a service, in this process; its background does not run."""
    role = topology.service(party).role
    return programs.build(role, programs.load_settings(role, country.settings(party)))


def doors(app: FastAPI, party: PartyId) -> list[Door]:
    """The routes that take a message: the kind stands in their description, or in what they do with it."""
    kinds = documents()
    found = []
    for route in app.routes:
        if isinstance(route, APIRoute) and "POST" in route.methods:
            named = re.findall(r"[A-Z]\w+", inspect.getsource(route.endpoint))
            taken = [kind for name in named if issubclass(kind := kinds.get(name, Document), Message)]
            if taken:
                found.append(Door(party, route.path, taken[0]))
            elif route.path != "/witness/add-checkpoint":  # the C2SP protocol: plain text
                raise AssertionError(f"{party} {route.path}: which kind of message it takes is not to be seen")
    return found


def posts(app: FastAPI) -> list[str]:
    """The paths of all routes that take a body."""
    return [route.path for route in app.routes if isinstance(route, APIRoute) and "POST" in route.methods]


def knocking(party: PartyId) -> list[PartyId]:
    """Everybody who may call a service, and those who are no service."""
    return sorted({*topology.callers_of(party), OFFICER, RESIDENT})


class Asked:
    """The application as a party sees it."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self.peer: PartyId | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":  # what would run beside the requests stays still
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        scope.setdefault("extensions", {})[PEER] = self.peer
        await self._app(scope, receive, send)

    def post(self, path: str, body: str) -> httpx.Response:
        """Send a body as the present peer."""

        async def exchange() -> httpx.Response:
            transport = httpx.ASGITransport(self, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="https://service") as client:
                return await client.post(path, content=body, headers={"content-type": "application/json"})

        return asyncio.run(exchange())
