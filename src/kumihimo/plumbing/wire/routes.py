"""What an endpoint declares that it takes from a request: the peer (相手), the bytes of its message, a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from starlette.types import Scope

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.wire.tls import CERTIFICATE, LINE, PEER

T = TypeVar("T")


async def peer_of(request: Request) -> PartyId:
    """The party at the other end of the connection. Raises Problem(peer.unknown, peer.certificate_ended).

    Not in a thread, as a plain function would be: all threads may be waiting for a party that waits for an answer of ours.
    """
    return peer_in(request.scope)


def peer_in(scope: Scope) -> PartyId:
    """As `peer_of`, for those who have no request."""
    extensions = scope.get("extensions", {})
    party: PartyId | None = extensions.get(PEER)
    if party is None:
        raise Problem("peer.unknown", "no certificate of a party", expected="mutual TLS with a party's certificate")
    edge = scope["app"].state.edge
    ends = edge.directory.certificate_ends(party, extensions.get(CERTIFICATE, "")) if edge is not None else None
    if ends is not None:
        if LINE in extensions:
            extensions[LINE].last()
        if ends <= edge.clock.now():
            raise Problem(
                "peer.certificate_ended", party, expected="the certificate that replaced it",
                advice="Put the party's new certificate and key into its key folder.",
            )  # fmt: skip
    return party


async def _whole_body(request: Request) -> bytes:
    return await request.body()


Peer = Annotated[PartyId, Depends(peer_of)]
# For messages whose rejection must be logged: the desk parses them itself, so that nothing is refused before it.
Body = Annotated[bytes, Depends(_whole_body)]


async def in_thread(work: Callable[[], T], pool: Executor | None = None) -> T:
    """Do something in a thread: one of `pool`, or of those that all plain requests of the application share."""
    return await asyncio.get_running_loop().run_in_executor(pool, work)
