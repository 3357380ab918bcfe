"""Identity checks (本人確認, 番号法第十六条): what must be seen before a number is taken from somebody, and the record of it.

With the card, its chip says everything (`roles/card/number_verification.py` reads it). Without it, one document must prove the
number and one or two others the person. Here is what counts, as data, and the decision; nobody's document number is kept.
"""

from kumihimo.domain.identity_check.checks import IdentityCheck, Method, by_card, by_documents
from kumihimo.domain.identity_check.comparison import ItemsAsPrinted
from kumihimo.domain.identity_check.documents import (
    KINDS,
    DocumentKind,
    Printed,
    Proves,
    Shown,
    WhyNoPhoto,
)

__all__ = [
    "KINDS",
    "DocumentKind",
    "IdentityCheck",
    "ItemsAsPrinted",
    "Method",
    "Printed",
    "Proves",
    "Shown",
    "WhyNoPhoto",
    "by_card",
    "by_documents",
]
