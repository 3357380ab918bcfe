"""The topology says who calls whom; what was captured on the wire says who really did."""

from __future__ import annotations

from pathlib import Path

import captures

from kumihimo.country import topology
from kumihimo.country.layout import OFFICER, RESIDENT
from kumihimo.country.scenarios.first_case import FirstCase


def test_nobody_calls_anybody_whom_the_topology_does_not_name(captured: Path, case: FirstCase) -> None:
    drawn = {(line.caller, line.callee) for line in topology.connections()}
    clients = {(RESIDENT, service.party) for service in topology.services()}
    clients.add((OFFICER, topology.OVERSIGHT))
    called = {(message.sender, message.receiver) for message in captures.read(captured)}
    assert called, "nothing was captured"
    assert sorted(called - drawn - clients) == []
