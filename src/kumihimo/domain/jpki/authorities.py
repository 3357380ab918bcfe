"""Certification authorities (認証局): a root, one for each kind of certificate, one for cards, and their OCSP responders.

RFC 5280 §4.2, RFC 6960 §4.2.2.2 (a responder that an authority has delegated to). Every authority below the root may issue
only to ends (path length 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from kumihimo.domain.jpki.algorithms import Algorithm, CaKey, PublicKey
from kumihimo.domain.jpki.names import CaName, Places, name

SERIAL_BYTES: Final = 16
ROOT_LIFE: Final = timedelta(days=20 * 365)
ISSUING_LIFE: Final = timedelta(days=10 * 365)
RESPONDER_LIFE: Final = timedelta(days=30)
_ANY_POLICY: Final = x509.PolicyInformation(x509.ObjectIdentifier("2.5.29.32.0"), None)
_SLACK: Final = timedelta(minutes=5)  # clocks of those who verify may be behind


@dataclass(frozen=True)
class CertificationAuthority:
    """An authority at work: its certificate and the key that signs, in memory or in a token."""

    name: CaName
    certificate: x509.Certificate
    key: CaKey


def serial_from(random: bytes) -> int:
    """A certificate serial number out of `SERIAL_BYTES` random bytes: positive, of one length, says nothing else."""
    return int.from_bytes(random[:SERIAL_BYTES]) >> 1 | 1 << (8 * SERIAL_BYTES - 2)


def make_root(key: CaKey, serial: int, now: datetime) -> CertificationAuthority:
    """The root, which certifies itself."""
    subject = CaName.ROOT.distinguished_name
    public = key.public_key()
    builder = _authority(started(subject, subject, public, serial, now, _later(now, ROOT_LIFE)), path_length=1)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    return CertificationAuthority(CaName.ROOT, signed(builder, key), key)


def make_issuing(
    root: CertificationAuthority, ca: CaName, key: CaKey, serial: int, now: datetime, places: Places
) -> CertificationAuthority:
    """An authority below the root; it lasts ten years, and never longer than the root."""
    until = min(_later(now, ISSUING_LIFE), root.certificate.not_valid_after_utc)
    builder = begun(root, ca.distinguished_name, key.public_key(), serial, now, until)
    builder = _published(_authority(builder, path_length=0), root.name, places, ocsp=False)
    builder = builder.add_extension(x509.CertificatePolicies([_ANY_POLICY]), critical=False)
    return CertificationAuthority(ca, signed(builder, root.key), key)


def certify_responder(
    ca: CertificationAuthority, public_key: PublicKey, serial: int, now: datetime
) -> x509.Certificate:
    """The certificate of a delegated OCSP responder. Nobody checks its status, so that it lasts only thirty days."""
    subject = name(
        (NameOID.ORGANIZATION_NAME, "JPKI"), (NameOID.COMMON_NAME, f"OCSP responder of {ca.name.unit}")
    )  # fmt: skip
    builder = begun(ca, subject, public_key, serial, now, _later(now, RESPONDER_LIFE))
    builder = builder.add_extension(key_usage("digital_signature"), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=True)
    return signed(builder.add_extension(x509.OCSPNoCheck(), critical=False), ca.key)


def begun(
    ca: CertificationAuthority, subject: x509.Name, public_key: PublicKey, serial: int, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    """What every certificate of an authority has, with both key identifiers."""
    builder = started(ca.certificate.subject, subject, public_key, serial, now, until)
    issuer = ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer)
    return builder.add_extension(authority, critical=False).add_extension(
        x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False
    )


def started(
    issuer: x509.Name, subject: x509.Name, public_key: PublicKey, serial: int, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    """A certificate valid from a moment ago to `until`."""
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before((now - _SLACK).astimezone(UTC).replace(microsecond=0))
        .not_valid_after(until.astimezone(UTC).replace(microsecond=0))
    )


def with_places(builder: x509.CertificateBuilder, ca: CaName, places: Places) -> x509.CertificateBuilder:
    """Where status, list and issuer of a certificate are found."""
    return _published(builder, ca, places, ocsp=True)


def signed(builder: x509.CertificateBuilder, key: CaKey) -> x509.Certificate:
    """Sign by the key's own algorithm."""
    return builder.sign(key, Algorithm.of(key).hash)


def key_usage(*uses: str) -> x509.KeyUsage:
    """A KeyUsage with these uses and no others."""
    known = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{use: use in uses for use in known})


def link(url: str) -> x509.DistributionPoint:
    """A distribution point at an address."""
    return x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)


def _authority(builder: x509.CertificateBuilder, path_length: int) -> x509.CertificateBuilder:
    limits = x509.BasicConstraints(ca=True, path_length=path_length)
    return builder.add_extension(limits, critical=True).add_extension(
        key_usage("key_cert_sign", "crl_sign"), critical=True
    )


def _published(builder: x509.CertificateBuilder, ca: CaName, places: Places, *, ocsp: bool) -> x509.CertificateBuilder:
    access = [(AuthorityInformationAccessOID.OCSP, places.ocsp)] if ocsp else []
    access.append((AuthorityInformationAccessOID.CA_ISSUERS, places.certificate(ca)))
    descriptions = [x509.AccessDescription(method, x509.UniformResourceIdentifier(url)) for method, url in access]
    return builder.add_extension(x509.AuthorityInformationAccess(descriptions), critical=False).add_extension(
        x509.CRLDistributionPoints([link(places.full_list(ca))]), critical=False
    )


def _later(now: datetime, life: timedelta) -> datetime:
    return now + life
