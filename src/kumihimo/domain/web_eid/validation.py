"""Validation (検証) of a token: Web eID's steps, in an order in which nothing costs a request before it is trusted.

Form, purpose, issuer and validity, signature over this site's origin and challenge, and last the status at the responder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.web_eid.certificates import TrustedIssuers, read_certificate, require_authentication
from kumihimo.domain.web_eid.status import CertificateStatus, Standing, StatusOf
from kumihimo.domain.web_eid.token import Token, signed_data

_HTTPS: Final = re.compile(r"https://[a-z0-9][a-z0-9.-]{0,252}(:[1-9][0-9]{0,4})?")
_MIN_NONCE, _MAX_NONCE = 44, 128
_MIN_RSA_BITS: Final = 2048
_COORDINATE: Final = 48  # bytes of r and of s on P-384
MAX_STATUS_AGE: Final = timedelta(hours=1)  # as long as the responder says its answers may be used
_SKEW: Final = timedelta(minutes=2)


@dataclass(frozen=True)
class Authenticated:
    """Who logged in: the holder of the key of this certificate. `app_version` is the card program's own word."""

    certificate: x509.Certificate
    serial: int
    status: CertificateStatus
    app_version: str


def check_site_origin(origin: str) -> str:
    """A site's own origin, as browsers write it. Raises Problem(login.origin)."""
    if not _HTTPS.fullmatch(origin):
        raise Problem(
            "login.origin", f"“{origin}” is not the origin of a site", expected="https://host or https://host:port"
        )
    return origin


def validate(
    token: Token, origin: str, nonce: str, trusted: TrustedIssuers, status: StatusOf, now: datetime
) -> Authenticated:
    """Whose card signed the site's challenge.

    `origin` is the site's own, never one from the request; `nonce` comes from `Challenges.use`. Raises Problem(login.certificate,
    login.purpose, login.untrusted, login.not_valid_now, login.algorithm, login.signature, login.revoked, login.status_unknown).
    """
    check_site_origin(origin)
    if not _MIN_NONCE <= len(nonce) <= _MAX_NONCE:
        raise Problem("login.nonce", f"{len(nonce)} characters", expected=f"{_MIN_NONCE} to {_MAX_NONCE}")
    certificate = read_certificate(token.certificate)
    require_authentication(certificate)
    issuer = trusted.issuer_of(certificate, now)
    _verify(token, certificate, signed_data(token.algorithm, origin, nonce))
    return Authenticated(
        certificate, certificate.serial_number, _good(status(certificate, issuer), now), token.app_version
    )


def _verify(token: Token, certificate: x509.Certificate, data: bytes) -> None:
    key = certificate.public_key()
    try:
        if token.algorithm == "RS256" and isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA_BITS:
            key.verify(token.signature, data, padding.PKCS1v15(), hashes.SHA256())
        elif token.algorithm == "ES384" and isinstance(key, ec.EllipticCurvePublicKey) and _is_p384(key):
            key.verify(_der_signature(token.signature), data, ec.ECDSA(hashes.SHA384()))
        else:
            raise Problem("login.algorithm", f"{token.algorithm} with another kind of key", "algorithm")
    except InvalidSignature:
        raise Problem(
            "login.signature",
            "made for another site or another challenge, or altered on the way",
            "signature",
            advice="Start the log-in again; if it happens again, tell the site: somebody may stand between.",
        ) from None


def _is_p384(key: ec.EllipticCurvePublicKey) -> bool:
    return isinstance(key.curve, ec.SECP384R1)


def _der_signature(raw: bytes) -> bytes:
    """r ‖ s as DER. Raises InvalidSignature for another length."""
    if len(raw) != 2 * _COORDINATE:
        raise InvalidSignature
    return encode_dss_signature(int.from_bytes(raw[:_COORDINATE], "big"), int.from_bytes(raw[_COORDINATE:], "big"))


def _good(status: CertificateStatus, now: datetime) -> CertificateStatus:
    if status.standing is Standing.REVOKED:
        since = f" on {status.revoked_at:%Y-%m-%d}" if status.revoked_at else ""
        raise Problem(
            "login.revoked",
            f"the responder says: revoked{since}",
            advice="Ask your municipality for a new certificate.",
        )
    if status.standing is Standing.UNKNOWN:
        raise Problem("login.status_unknown", "the responder does not know the certificate")
    if not now - MAX_STATUS_AGE <= status.as_of <= now + _SKEW:
        raise Problem(
            "login.status_unknown", f"the answer is as of {status.as_of:%Y-%m-%d %H:%M:%S} UTC", expected="now"
        )
    return status
