"""Certificate revocation lists (失効リスト, CRL): all that is revoked, and between two of those what has changed since.

RFC 5280 §5: CRL number, issuing distribution point, freshest CRL in a full list, delta indicator in a delta. A full and a delta
list made at once carry one number and say the same (§5.2.4).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from kumihimo.domain.jpki.algorithms import Algorithm
from kumihimo.domain.jpki.authorities import CertificationAuthority, link
from kumihimo.domain.jpki.names import Places
from kumihimo.domain.jpki.status import Reason


@dataclass(frozen=True)
class Entry:
    """A certificate on a list: since when, and why; REMOVE_FROM_CRL, in a delta, for one that is no longer suspended."""

    serial: int
    at: datetime
    reason: Reason


@dataclass(frozen=True)
class Period:
    """When a list is made and when the next one will have been."""

    made: datetime
    following: datetime


def full_list(
    ca: CertificationAuthority, entries: Iterable[Entry], number: int, period: Period, places: Places
) -> x509.CertificateRevocationList:
    """Everything that is revoked or suspended and not yet past its end."""
    builder = _begun(ca, entries, number, period)
    builder = builder.add_extension(_point(ca, places), critical=True)
    return _signed(builder.add_extension(x509.FreshestCRL([link(places.delta_list(ca.name))]), critical=False), ca)


def root_list(root: CertificationAuthority, number: int, period: Period) -> x509.CertificateRevocationList:
    """The root's list: no authority is revoked. Made by hand where the root's key is, and so rarely."""
    return _signed(_begun(root, (), number, period), root)


def delta_list(
    ca: CertificationAuthority, entries: Iterable[Entry], number: int, base: int, period: Period, places: Places
) -> x509.CertificateRevocationList:
    """What has changed since the full list with number `base`."""
    builder = _begun(ca, entries, number, period)
    builder = builder.add_extension(_point(ca, places), critical=True)
    return _signed(builder.add_extension(x509.DeltaCRLIndicator(base), critical=True), ca)


def _begun(
    ca: CertificationAuthority, entries: Iterable[Entry], number: int, period: Period
) -> x509.CertificateRevocationListBuilder:
    issuer = ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateRevocationListBuilder(revoked_certificates=[_revoked(entry) for entry in entries])
        .issuer_name(ca.certificate.subject)
        .last_update(_second(period.made))
        .next_update(_second(period.following))
    )
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer)
    return builder.add_extension(authority, critical=False).add_extension(x509.CRLNumber(number), critical=False)


def _point(ca: CertificationAuthority, places: Places) -> x509.IssuingDistributionPoint:
    full_name = [x509.UniformResourceIdentifier(places.full_list(ca.name))]
    return x509.IssuingDistributionPoint(
        full_name=full_name, relative_name=None, only_contains_user_certs=True, only_contains_ca_certs=False,
        only_some_reasons=None, indirect_crl=False, only_contains_attribute_certs=False,
    )  # fmt: skip


def _signed(
    builder: x509.CertificateRevocationListBuilder, ca: CertificationAuthority
) -> x509.CertificateRevocationList:
    return builder.sign(ca.key, Algorithm.of(ca.key).hash)


def _revoked(entry: Entry) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(entry.serial).revocation_date(_second(entry.at))
    if entry.reason is not Reason.UNSPECIFIED:  # RFC 5280 §5.3.1: then the extension is to be absent
        builder = builder.add_extension(x509.CRLReason(entry.reason.flag), critical=False)
    return builder.build()


def _second(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(microsecond=0)
