"""What a certificate is for and who issued it (証明書の用途と発行者): RFC 5280, and the policies of JPKI.

Two kinds of certificate are on a card. The one for user authentication (利用者証明用) says nothing about the person; the one for
digital signatures (署名用) carries the four items. A site that logs people in must not take the second: it would learn what it
does not need, and a signature meant as consent could be made of a log-in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from kumihimo.domain.jpki import AUTHENTICATION_POLICY, SIGNATURE_POLICY
from kumihimo.domain.kernel.errors import Problem

T = TypeVar("T", bound=x509.ExtensionType)


@dataclass(frozen=True)
class TrustedIssuers:
    """Certificates of the issuing CAs a site trusts, as it was configured; nothing a token brings along is added."""

    certificates: tuple[x509.Certificate, ...]

    @classmethod
    def from_pem(cls, pem: bytes) -> TrustedIssuers:
        """Read one or more certificates. Raises Problem(value.invalid)."""
        try:
            return cls(tuple(x509.load_pem_x509_certificates(pem)))
        except ValueError:
            raise Problem("value.invalid", "not certificates in PEM", "trusted issuers") from None

    def pem(self) -> bytes:
        """All of them, one after the other."""
        return b"".join(one.public_bytes(Encoding.PEM) for one in self.certificates)

    def issuer_of(self, certificate: x509.Certificate, now: datetime) -> x509.Certificate:
        """The trusted issuer whose signature the certificate bears; both valid now.

        Raises Problem(login.untrusted, login.not_valid_now).
        """
        for issuer in self.certificates:
            if issuer.subject == certificate.issuer and _may_issue(issuer) and _issued(issuer, certificate):
                _require_valid(issuer, now, "issuer")
                _require_valid(certificate, now, "certificate")
                return issuer
        raise Problem(
            "login.untrusted",
            "no trusted issuer signed it",
            "certificate",
            f"one of {len(self.certificates)} issuers this site trusts",
        )


def read_certificate(der: bytes) -> x509.Certificate:
    """Read a certificate in DER. Raises Problem(login.certificate)."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        _ = (certificate.subject, certificate.issuer, certificate.extensions, certificate.public_key())
    except Exception as error:  # the parser's errors are of many kinds; all mean the same here
        raise Problem("login.certificate", f"not a certificate in DER ({type(error).__name__})") from None
    return certificate


def require_authentication(certificate: x509.Certificate) -> None:
    """That a certificate is JPKI's for user authentication. Raises Problem(login.purpose)."""
    _require_purpose(certificate, AUTHENTICATION_POLICY, "login.purpose", "user authentication")
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None or not usage.digital_signature or usage.content_commitment:
        raise Problem("login.purpose", "another key usage", "keyUsage", "digitalSignature without nonRepudiation")
    extended = _extension(certificate, x509.ExtendedKeyUsage)
    if extended is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in extended:
        raise Problem("login.purpose", "another extended key usage", "extKeyUsage", "clientAuth")


def require_signature(certificate: x509.Certificate) -> None:
    """That a certificate is JPKI's for digital signatures. Raises Problem(document.purpose)."""
    _require_purpose(certificate, SIGNATURE_POLICY, "document.purpose", "digital signatures")
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None or not (usage.digital_signature or usage.content_commitment):
        raise Problem("document.purpose", "another key usage", "keyUsage", "digitalSignature or nonRepudiation")


def _require_purpose(certificate: x509.Certificate, policy: x509.ObjectIdentifier, code: str, purpose: str) -> None:
    policies = _extension(certificate, x509.CertificatePolicies) or ()
    if policy not in [found.policy_identifier for found in policies]:
        named = ", ".join(found.policy_identifier.dotted_string for found in policies) or "none"
        raise Problem(code, f"policies: {named}", "certificatePolicies", f"{policy.dotted_string} ({purpose})")
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise Problem(code, "the certificate of a CA", "basicConstraints", "the certificate of a person")


def _extension(certificate: x509.Certificate, kind: type[T]) -> T | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _may_issue(issuer: x509.Certificate) -> bool:
    constraints = _extension(issuer, x509.BasicConstraints)
    usage = _extension(issuer, x509.KeyUsage)
    return constraints is not None and constraints.ca and (usage is None or usage.key_cert_sign)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _require_valid(certificate: x509.Certificate, now: datetime, where: str) -> None:
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not first <= now <= last:
        raise Problem(
            "login.not_valid_now", f"at {now:%Y-%m-%d}", where, f"valid from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
        )
