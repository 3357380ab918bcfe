"""Ports that are listened on only later: of the worker's own range, and not of those given to outgoing connections."""

from __future__ import annotations

from kumihimo.country import founding
from kumihimo.domain.kernel import PartyId

_LATER = PartyId("test/listener")


def free_port() -> int:
    """A port that nobody listens on."""
    return founding.free_ports((), _LATER)[_LATER]
