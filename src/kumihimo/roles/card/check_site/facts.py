"""What a resident is shown of a certificate (証明書の内容): in words, days in both calendars."""

from __future__ import annotations

from datetime import date

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from kumihimo.domain.kernel import JAPAN, format_both, legal_day
from kumihimo.domain.web_eid import Authenticated


def facts(who: Authenticated, words: dict[str, str], language: str) -> list[tuple[str, str]]:
    """Labels and values, in the order they are read."""
    certificate = who.certificate
    first, last = (legal_day(at) for at in (certificate.not_valid_before_utc, certificate.not_valid_after_utc))
    checked = who.status.as_of.astimezone(JAPAN)
    return [
        (words["fact.kind"], words["fact.kind.authentication"]),
        (words["fact.name"], _part(certificate.subject, NameOID.COMMON_NAME)),
        (words["fact.serial"], _grouped(f"{who.serial:X}")),
        (words["fact.issuer"], _issuer(certificate.issuer)),
        (words["fact.valid"], words["fact.valid.days"].format(first=_day(first, language), last=_day(last, language))),
        (words["fact.key"], _key(certificate)),
        (words["fact.status"], words["fact.status.good"].format(at=f"{checked:%Y-%m-%d %H:%M:%S}")),
        (words["fact.program"], who.app_version),
    ]


def _day(day: date, language: str) -> str:
    return format_both(day) if language == "ja" else f"{day:%-d %B %Y}"


def _part(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    found = name.get_attributes_for_oid(oid)
    return str(found[0].value) if found else "–"


def _issuer(name: x509.Name) -> str:
    units = [str(one.value) for one in name.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)]
    return " / ".join([_part(name, NameOID.ORGANIZATION_NAME), *units])


def _key(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    return f"RSA-{key.key_size}" if isinstance(key, rsa.RSAPublicKey) else "P-384"


def _grouped(digits: str) -> str:
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))
