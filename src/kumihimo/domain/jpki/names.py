"""Names and object identifiers (識別名・OID) of the public personal authentication, as on cards of today.

card.md, "JPKI profile". The extended key usages of offices and cards lie in the same arc but are our own: a stand-in, since
what real cards use among themselves is not published. The joint body's name says that it is a stand-in, too.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

_ARC: Final = "1.2.392.200149.8.5"
SIGNATURE_POLICY: Final = x509.ObjectIdentifier(f"{_ARC}.1.1.20")
AUTHENTICATION_POLICY: Final = x509.ObjectIdentifier(f"{_ARC}.1.3.30")
HOLDER_ARC: Final = f"{_ARC}.5.5"  # .1 name … .6 substitutes in the address
OFFICE_USAGE: Final = x509.ObjectIdentifier(f"{_ARC}.9.1")
CARD_USAGE: Final = x509.ObjectIdentifier(f"{_ARC}.9.2")

ORGANISATION: Final = "JPKI"
JOINT_BODY: Final = "Kumihimo stand-in for the joint body of local governments"


class CaName(StrEnum):
    """The certification authorities of the joint body; the value is their name in files and addresses."""

    ROOT = "root"
    AUTHENTICATION = "authentication"
    SIGNATURE = "signature"
    CARD = "card"

    @property
    def unit(self) -> str:
        """The first organisational unit of its name."""
        return _UNITS[self]

    @property
    def distinguished_name(self) -> x509.Name:
        """C=JP, O=JPKI, OU=what it is for, OU=the joint body."""
        return name(
            (NameOID.ORGANIZATION_NAME, ORGANISATION),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, self.unit),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, JOINT_BODY),
        )


_UNITS: Final = {
    CaName.ROOT: "JPKI root",
    CaName.AUTHENTICATION: "JPKI for user authentication",
    CaName.SIGNATURE: "JPKI for digital signature",
    CaName.CARD: "JPKI for card management",
}


def name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    """A distinguished name in Japan."""
    attributes = [x509.NameAttribute(oid, value) for oid, value in ((NameOID.COUNTRY_NAME, "JP"), *parts)]
    return x509.Name(attributes)


class Places:
    """Where the joint body publishes (公開場所): plain HTTP, since whoever reads it verifies signatures (RFC 5280 §8)."""

    def __init__(self, base: str) -> None:
        """`base` is an address such as http://jpki.example:8080, without a slash at its end."""
        self.base = base.rstrip("/")

    @property
    def ocsp(self) -> str:
        return f"{self.base}/ocsp"

    def certificate(self, ca: CaName) -> str:
        return f"{self.base}/ca/{ca}.cer"

    def full_list(self, ca: CaName) -> str:
        return f"{self.base}/crl/{ca}.crl"

    def delta_list(self, ca: CaName) -> str:
        return f"{self.base}/crl/{ca}-delta.crl"
