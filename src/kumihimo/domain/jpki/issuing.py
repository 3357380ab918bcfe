"""Issuing (発行): the two certificates of a resident, and what an office and a card show each other.

公的個人認証法 第三条 (署名用), 第二十二条 (利用者証明用). The authentication certificate says nothing about its holder; its
serial number is also its subject, so that whoever sees it learns no second identifier. The signature certificate names the
four items.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kumihimo.domain.jpki.algorithms import RESIDENTS_ALGORITHMS, Algorithm, PublicKey
from kumihimo.domain.jpki.authorities import CertificationAuthority, begun, key_usage, signed, with_places
from kumihimo.domain.jpki.holder import Holder
from kumihimo.domain.jpki.names import (
    AUTHENTICATION_POLICY,
    CARD_USAGE,
    OFFICE_USAGE,
    SIGNATURE_POLICY,
    CaName,
    Places,
    name,
)
from kumihimo.domain.jpki.validity import SIGNING_AGE, certificate_end, end_of_day, may_sign
from kumihimo.domain.kernel.addresses import LocalGovernmentCode
from kumihimo.domain.kernel.clock import legal_day
from kumihimo.domain.kernel.errors import Problem

OFFICE_LIFE: Final = timedelta(days=2 * 365)
CARD_LIFE: Final = timedelta(days=11 * 365)  # a card lasts to the tenth birthday after issue


class Profile(StrEnum):
    """A resident's certificate: for user authentication (利用者証明用) or for digital signature (署名用)."""

    AUTHENTICATION = "authentication"
    SIGNATURE = "signature"

    @property
    def ca(self) -> CaName:
        """Who issues it."""
        return CaName(self.value)

    @property
    def policy(self) -> x509.ObjectIdentifier:
        return SIGNATURE_POLICY if self is Profile.SIGNATURE else AUTHENTICATION_POLICY


@dataclass(frozen=True)
class Wanted:
    """What somebody identified at a window wants: a certificate for a key on a card that lasts until `card_until`."""

    profile: Profile
    holder: Holder
    public_key: PublicKey = field(repr=False)
    card_until: date


def require_old_enough(profile: Profile, birth: date, day: date) -> None:
    """Raises Problem(jpki.underage) for a signature certificate of somebody under fifteen."""
    if profile is Profile.SIGNATURE and not may_sign(birth, day):
        raise Problem(
            "jpki.underage", "a signature certificate", where="profile", expected=f"a holder of {SIGNING_AGE} or more",
            advice="Apply for the authentication certificate alone.",
        )  # fmt: skip


def issue(ca: CertificationAuthority, wanted: Wanted, serial: int, now: datetime, places: Places) -> x509.Certificate:
    """A resident's certificate, valid from now to the day that `validity.certificate_end` says.

    Raises Problem(jpki.underage), jpki.key_refused for a key no card of ours has, jpki.card_ended, value.invalid for the wrong
    authority.
    """
    profile, today = wanted.profile, legal_day(now)
    if ca.name is not profile.ca:
        raise Problem("value.invalid", f"authority {ca.name}", where="profile", expected=profile.ca)
    require_old_enough(profile, wanted.holder.birth, today)
    if Algorithm.of(wanted.public_key) not in RESIDENTS_ALGORITHMS:
        raise Problem("jpki.key_refused", Algorithm.of(wanted.public_key), expected=" or ".join(RESIDENTS_ALGORITHMS))
    if wanted.card_until < today:
        raise Problem("jpki.card_ended", f"it ended on {wanted.card_until}", expected="a card that is valid today")
    until = end_of_day(certificate_end(wanted.holder.birth, today, wanted.card_until))
    until = min(until, ca.certificate.not_valid_after_utc)
    subject = name((NameOID.COMMON_NAME, serial_text(serial)))
    builder = begun(ca, subject, wanted.public_key, serial, now, until)
    if profile is Profile.SIGNATURE:
        usage = key_usage("digital_signature", "content_commitment")
        names = x509.SubjectAlternativeName(wanted.holder.other_names())
        builder = builder.add_extension(names, critical=False)
    else:
        usage = key_usage("digital_signature")
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(purpose, critical=False)
    builder = builder.add_extension(usage, critical=True).add_extension(
        x509.CertificatePolicies([x509.PolicyInformation(profile.policy, None)]), critical=True
    )
    return signed(with_places(builder, ca.name, places), ca.key)


def serial_text(serial: int) -> str:
    """A serial number as it is written, stored and asked for: lower-case hex, an even number of digits."""
    text = f"{serial:x}"
    return text if len(text) % 2 == 0 else f"0{text}"


def issue_office_certificate(
    ca: CertificationAuthority,
    public_key: PublicKey,
    code: LocalGovernmentCode,
    office: str,
    serial: int,
    now: datetime,
) -> x509.Certificate:
    """The certificate by which a municipality's office shows a card who it is: subject serialNumber is the six-digit code.

    The key is P-256. Raises Problem(jpki.key_refused, value.invalid).
    """
    subject = name((NameOID.SERIAL_NUMBER, code), (NameOID.COMMON_NAME, f"Office of {office}"))
    return _among_cards(ca, subject, public_key, OFFICE_USAGE, serial, now, OFFICE_LIFE)


def issue_card_certificate(
    ca: CertificationAuthority, public_key: PublicKey, card_serial: str, serial: int, now: datetime
) -> x509.Certificate:
    """The certificate by which a card shows that it is genuine: subject serialNumber is the card's serial.

    The key is P-256. Raises Problem(jpki.key_refused, value.invalid).
    """
    subject = name((NameOID.SERIAL_NUMBER, card_serial))
    return _among_cards(ca, subject, public_key, CARD_USAGE, serial, now, CARD_LIFE)


def _among_cards(
    ca: CertificationAuthority,
    subject: x509.Name,
    public_key: PublicKey,
    usage: x509.ObjectIdentifier,
    serial: int,
    now: datetime,
    life: timedelta,
) -> x509.Certificate:
    if ca.name is not CaName.CARD:
        raise Problem("value.invalid", f"authority {ca.name}", expected=CaName.CARD)
    if Algorithm.of(public_key) is not Algorithm.P_256:
        raise Problem("jpki.key_refused", Algorithm.of(public_key), where="public key", expected=Algorithm.P_256)
    until = min(now + life, ca.certificate.not_valid_after_utc)
    builder = begun(ca, subject, public_key, serial, now, until)
    builder = builder.add_extension(key_usage("digital_signature"), critical=True)
    return signed(builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True), ca.key)
