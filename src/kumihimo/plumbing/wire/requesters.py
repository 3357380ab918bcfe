"""Who asks for information (照会者): exchanges for their institutions, and the portal for the person whose information it is.

番号法附則第六条第三項: the portal asks for nobody but the holder of the account, under the rules of self-disclosure.
"""

from __future__ import annotations

from typing import Final

from kumihimo.domain.kernel.institutions import PartyId, institution_of, party_id

PORTAL: Final = PartyId("portal/portal")


def requesting_party(institution: str) -> PartyId:
    """The party that asks in the name of an institution, and for which answers to it are sealed."""
    return PORTAL if institution == institution_of(PORTAL) else party_id(institution, "exchange")


def may_request(party: PartyId) -> bool:
    """Whether a party asks in the name of its institution."""
    return party == requesting_party(institution_of(party))
