"""Institutions (情報保有機関) and the parties that speak for them.

An institution (a city, the pension service, an operator of the hub) has an id such as `x-city`. It may run several
services with own keys: the addressee ledger and the exchange of one city are two parties, `x-city/ledger` and
`x-city/exchange`, because neither may know what the other knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType

from kumihimo.domain.kernel.errors import Problem

InstitutionId = NewType("InstitutionId", str)
PartyId = NewType("PartyId", str)

_INSTITUTION = re.compile(r"[a-z][a-z0-9-]{1,38}[a-z0-9]")
_SERVICE = re.compile(r"[a-z]{2,16}")


@dataclass(frozen=True)
class Institution:
    """One institution: its id, its names, and the classes of the rule book (法別表の主体) it belongs to."""

    id: InstitutionId
    name_ja: str
    name_en: str
    classes: frozenset[str]


def institution_id(text: str) -> InstitutionId:
    """Check an institution id: 3 to 40 lower-case letters, digits and hyphens. Raises Problem(institution.format)."""
    if not _INSTITUTION.fullmatch(text):
        raise Problem("institution.format", f"{text!r}", expected="3 to 40 of a-z, 0-9 and hyphens, such as 'x-city'")
    return InstitutionId(text)


def party_id(institution: str, service: str) -> PartyId:
    """The party that runs `service` for an institution. Raises Problem(institution.format)."""
    if not _SERVICE.fullmatch(service):
        raise Problem("institution.format", f"service {service!r}", expected="2 to 16 lower-case letters")
    return PartyId(f"{institution_id(institution)}/{service}")


def institution_of(party: PartyId) -> InstitutionId:
    """The institution a party speaks for. Raises Problem(institution.format)."""
    return institution_id(party.partition("/")[0])
