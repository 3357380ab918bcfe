"""Who may ask an operator for what (通信の相手方)."""

from __future__ import annotations

from typing import Final

from kumihimo.domain.kernel.institutions import PartyId, institution_of, party_id
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.requesters import PORTAL

REGISTRY: Final = PartyId("registry/network")
OVERSIGHT: Final = PartyId("oversight/body")

# Nobody waits for what these two are told; a page for each item would cost them more than the items do.
GATHER: Final = {PORTAL: 0.25, OVERSIGHT: 0.25}  # seconds

_HOLDERS: Final = {institution_of(PORTAL): PORTAL, institution_of(REGISTRY): REGISTRY}


def is_exchange(party: PartyId) -> bool:
    """Whether a party is the exchange of some institution."""
    return party == party_id(institution_of(party), "exchange")


def holder_of_codes(institution: str) -> PartyId:
    """The party that holds the link codes of an institution's domain. Raises Problem(institution.format)."""
    found = _HOLDERS.get(institution_of(PartyId(institution)))
    return found or party_id(institution, "exchange")


def holds_codes(party: PartyId) -> bool:
    """Whether a party has a domain of link codes of its own."""
    return party == holder_of_codes(institution_of(party))


def may_see_points(party: PartyId) -> bool:
    """Published points go to the operators and the oversight body."""
    return party in (*OPERATORS, OVERSIGHT)


def is_first_operator(party: PartyId) -> bool:
    return party == OPERATORS[0]


def is_oversight(party: PartyId) -> bool:
    return party == OVERSIGHT


def is_registry(party: PartyId) -> bool:
    return party == REGISTRY
