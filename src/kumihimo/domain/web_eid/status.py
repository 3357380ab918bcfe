"""A certificate's standing (失効情報) at the responder of the public personal authentication service, as a site needs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from cryptography import x509


class Standing(Enum):
    """What the responder says of a certificate."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class CertificateStatus:
    """The answer, and as of when it is true. `revoked_at` only where revoked."""

    standing: Standing
    as_of: datetime
    revoked_at: datetime | None = None


# (certificate, its issuer) → its status; raises Problem(login.status_unknown) when no answer can be had or believed.
StatusOf = Callable[[x509.Certificate, x509.Certificate], CertificateStatus]
