"""Logging in with the IC card (ICカードによる利用者証明): what a site checks before it believes a Web eID token.

A site gives a challenge (`Challenges`), the card signs hash(origin) ‖ hash(challenge), and `validate` says who it was, or which
`login.*` problem there is. Nothing here opens a connection: a certificate's status comes from a callable.
"""

from kumihimo.domain.web_eid.certificates import (
    TrustedIssuers,
    require_authentication,
    require_signature,
)
from kumihimo.domain.web_eid.challenges import Challenges, MemoryChallenges
from kumihimo.domain.web_eid.ocsp import StatusRequest
from kumihimo.domain.web_eid.status import CertificateStatus, Standing, StatusOf
from kumihimo.domain.web_eid.token import MAX_TOKEN_BYTES, Token, challenge_digest, parse_token
from kumihimo.domain.web_eid.validation import Authenticated, check_site_origin, validate

__all__ = [
    "MAX_TOKEN_BYTES",
    "Authenticated",
    "CertificateStatus",
    "Challenges",
    "MemoryChallenges",
    "Standing",
    "StatusOf",
    "StatusRequest",
    "Token",
    "TrustedIssuers",
    "challenge_digest",
    "check_site_origin",
    "parse_token",
    "require_authentication",
    "require_signature",
    "validate",
]
