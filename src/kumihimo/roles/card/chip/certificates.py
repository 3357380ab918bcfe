"""Certificates of the card-management CA (カード管理 CA): who is a municipality's office, and which key is a genuine card's.

Extended key usages of ours (`domain/jpki/names.py`, a stand-in) mark an office (subject serialNumber: its six-digit code) and
a card (subject serialNumber: the card's serial). Only the CA's key is known to
the card; names are not compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID, ObjectIdentifier

from kumihimo.domain.jpki import CARD_USAGE, OFFICE_USAGE
from kumihimo.domain.kernel import legal_day

_HASHES: Final = (SHA256, SHA384, SHA512)


@dataclass(frozen=True)
class Certified:
    """Whom a certificate names, with which key, from which legal day to which."""

    name: str
    key: EllipticCurvePublicKey
    first_day: date
    last_day: date

    def valid_on(self, day: date) -> bool:
        """Whether `day` lies within its validity."""
        return self.first_day <= day <= self.last_day


def office_of(certificate: bytes, authority: EllipticCurvePublicKey) -> Certified:
    """The office a certificate (DER) names; its name is the municipality's code. Raises ValueError."""
    found = _certified(certificate, authority, OFFICE_USAGE)
    if not re.fullmatch("[0-9]{6}", found.name):
        raise ValueError("the office is not named by a code of six digits")
    return found


def card_of(certificate: bytes, authority: EllipticCurvePublicKey) -> Certified:
    """The card a certificate (DER) names; its name is the card's serial. Raises ValueError."""
    return _certified(certificate, authority, CARD_USAGE)


def key_in(certificate: bytes) -> bytes:
    """The public key in a certificate (DER), as SubjectPublicKeyInfo in DER; nothing is checked. Raises ValueError."""
    with _hostile():
        key = x509.load_der_x509_certificate(certificate).public_key()
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@contextmanager
def _hostile() -> Iterator[None]:
    """Bytes from outside: the parser reads lazily and has many ways to complain; here they are one, ValueError."""
    try:
        yield
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"it cannot be read ({type(error).__name__})") from error


def _certified(raw: bytes, authority: EllipticCurvePublicKey, usage: ObjectIdentifier) -> Certified:
    with _hostile():
        return _read(raw, authority, usage)


def _read(raw: bytes, authority: EllipticCurvePublicKey, usage: ObjectIdentifier) -> Certified:
    certificate = x509.load_der_x509_certificate(raw)
    digest = certificate.signature_hash_algorithm
    if not isinstance(digest, _HASHES):
        raise ValueError("not signed with ECDSA and SHA-2")
    try:
        authority.verify(certificate.signature, certificate.tbs_certificate_bytes, ECDSA(digest))
    except InvalidSignature as error:
        raise ValueError("not signed by the card-management CA") from error
    if usage not in certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value:
        raise ValueError("issued for another use")
    names = certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    key = certificate.public_key()
    if len(names) != 1 or not isinstance(names[0].value, str):
        raise ValueError("it names nobody")
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("its key is not of P-256")
    first, last = legal_day(certificate.not_valid_before_utc), legal_day(certificate.not_valid_after_utc)
    return Certified(names[0].value, key, first, last)
