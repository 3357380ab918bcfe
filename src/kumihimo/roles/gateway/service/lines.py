"""The line to other parties (通信路): whatever sends a signed message and verifies the signed reply."""

from __future__ import annotations

from typing import Protocol, TypeVar

from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.wire.envelope import Message, Reply, Signed

R = TypeVar("R", bound=Reply)

REGISTRY = PartyId("registry/network")
CERTIFIER = PartyId("jpki/authority")
HUB_1 = PartyId("hub-1/operator")
HUB_2 = PartyId("hub-2/operator")
OVERSIGHT = PartyId("oversight/body")


class Line(Protocol):
    """Sends a message to its audience. Raises Problem: what the peer reported, or peer.unreachable."""

    def send(self, path: str, message: Message, reply: type[R]) -> Signed[R]: ...
