"""The topology says who calls whom; what was captured on the wire says who really did."""

from __future__ import annotations

from pathlib import Path

import captures

from kumihimo.country import topology
from kumihimo.country.layout import MONITOR, OFFICER, RESIDENT, Country
from kumihimo.country.scenarios.first_case import FirstCase


def test_nobody_calls_anybody_whom_the_topology_does_not_name(
    country: Country, captured: Path, case: FirstCase
) -> None:
    drawn = {(line.caller, line.callee) for line in topology.connections()}
    clients = {(client, service.party) for service in topology.services() for client in (RESIDENT, MONITOR)}
    clients.add((OFFICER, topology.OVERSIGHT))
    called = {(message.sender, message.receiver) for message in captures.read(captured, country)}
    assert called, "nothing was captured"
    assert sorted(called - drawn - clients) == []
