"""Ordinance applications (条例による利用, 番号法第十八条第一号): what municipalities put on residents' cards, and who reads it.

`OrdinanceOffice` writes, changes and removes; `Counter` reads, offline; `CATALOGUE` declares what there may be. A municipality
keeps all of it in one folder: `Municipality`.
"""

from kumihimo.roles.card.ordinance.attributes import Attribute, disclose
from kumihimo.roles.card.ordinance.books import AccessLedger, IssueBook
from kumihimo.roles.card.ordinance.catalogue import CATALOGUE, Field, Method, OrdinanceApplication, application
from kumihimo.roles.card.ordinance.issuers import Issuer, IssuerEntry, TrustedIssuers
from kumihimo.roles.card.ordinance.municipality import Municipality, Reading
from kumihimo.roles.card.ordinance.office import OrdinanceOffice, Placed
from kumihimo.roles.card.ordinance.readers import Counter, ReadAttribute
from kumihimo.roles.card.ordinance.revocations import RevocationList, Revocations, revocation_list

__all__ = [
    "CATALOGUE",
    "AccessLedger",
    "Attribute",
    "Counter",
    "Field",
    "IssueBook",
    "Issuer",
    "IssuerEntry",
    "Method",
    "Municipality",
    "OrdinanceApplication",
    "OrdinanceOffice",
    "Placed",
    "ReadAttribute",
    "Reading",
    "RevocationList",
    "Revocations",
    "TrustedIssuers",
    "application",
    "disclose",
    "revocation_list",
]
