"""When everything has arrived (残務なし): outboxes empty, feeds read to their ends, every entry under a verified checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kumihimo.country import topology
from kumihimo.country.inspection import read_rows
from kumihimo.country.layout import Country
from kumihimo.country.running import states
from kumihimo.country.scenarios.waiting import until
from kumihimo.domain.kernel import PartyId, Problem

SETTLED_SECONDS: Final = 150.0  # a report that found nobody five times is sent again half a minute later
# What must be empty or equal, by whom it is asked.
_WAITING: Final = (
    ("reports that operator 1 has not logged", None, "SELECT count(*) FROM outbox"),
    ("refusals not relayed", topology.HUB_1, "SELECT count(*) FROM unrelayed_refusal"),
)
_ENDS: Final = "SELECT audience, max(seq) FROM feed GROUP BY audience"
_CURSOR: Final = "SELECT feed, seq FROM feed_cursor"


def settle(country: Country) -> None:
    """Wait until nothing is under way any more and everybody is ready. Raises Problem(drill.failed) saying what is left."""
    try:
        until(lambda: True if next(_left(country), None) is None else None, SETTLED_SECONDS, "the end of all work")
    except Problem as problem:
        left = "; ".join(_left(country))
        raise Problem("drill.failed", f"{problem.detail}: {left}", expected="nothing left to be done") from None


def _left(country: Country) -> Iterator[str]:
    for what, party, query in _WAITING:
        parties = (party,) if party else map(topology.exchange_of, topology.institutions())
        for one in parties:
            count = _number(country, one, query)
            if count:
                yield f"{count} {what} at {one}"
    for source in (topology.HUB_1, topology.HUB_2, topology.REGISTRY):
        for audience, end in read_rows(country, source, _ENDS):
            cursors: dict[str, int] = dict(read_rows(country, PartyId(audience), _CURSOR))
            if cursors.get(source, 0) < end:
                yield f"{audience} has read {source} up to {cursors.get(source, 0)} of {end}"
    entries = _number(country, topology.HUB_1, "SELECT count(*) FROM entry")
    for party, query in (
        (topology.HUB_1, "SELECT max(size) FROM checkpoint"),
        (topology.OVERSIGHT, "SELECT max(size) FROM verified"),
    ):
        if _number(country, party, query) != entries:
            yield f"{party} has not come to {entries} entries of the log"
    for state in states(country):
        if not state.ready:
            yield f"{state.party} is not ready: {', '.join(state.faults) or 'no answer'}"


def _number(country: Country, party: PartyId, query: str) -> int:
    return int(read_rows(country, party, query)[0][0] or 0)
