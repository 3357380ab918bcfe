"""A station (持場): the place of one service, with its socket, whatever process is there now."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from enum import Enum

from kumihimo.country.supervisor.service import Child
from kumihimo.country.topology import Service
from kumihimo.domain.kernel.institutions import PartyId


class State(Enum):
    """How a service stands."""

    STARTING = "starting"
    READY = "ready"
    LEAVING = "leaving"  # asked to end; its successor waits
    PAUSED = "paused"  # died, and will be started again


@dataclass(eq=False)
class Station:
    """`since` is when it came into its state, `due` when it is to be started again, both in monotonic seconds."""

    service: Service
    listener: socket.socket
    child: Child | None = None
    successor: Child | None = None
    state: State = State.PAUSED
    since: float = 0.0
    due: float = 0.0
    said: str | None = None
    new: bool = False  # of an institution that joined while the country ran, and has not been ready yet

    @property
    def party(self) -> PartyId:
        return self.service.party

    def children(self) -> tuple[Child, ...]:
        """All its processes."""
        return tuple(child for child in (self.child, self.successor) if child is not None)

    def enter(self, state: State, now: float) -> None:
        self.state, self.since = state, now
