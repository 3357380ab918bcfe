"""Keys of a new country (鍵と証明書): a TLS root, certificates, signing and sealing keys for every party, the directory.

Stands in for the government PKI (LGPKI) and for the ceremonies of a real country, and says so in the certificates: each key
here is made on one machine in one run. The role folders it fills are exactly those that real operators would fill.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import Institution, PartyId
from kumihimo.domain.kernel.randomness import SystemRandomness
from kumihimo.domain.sealing import SealingKey, SigningKey
from kumihimo.plumbing.storage import read_secret, replace_secret, write_public, write_secret
from kumihimo.plumbing.wire.directory import DirectoryDocument, InstitutionEntry, PartyEntry
from kumihimo.plumbing.wire.envelope import b64, seal_envelope
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.tls import host_name

_YEARS = timedelta(days=3 * 365)
_SLACK = timedelta(minutes=5)


@dataclass(frozen=True)
class PartyPlan:
    """A party to be equipped: where its key folder goes and, for a service, its address."""

    party: PartyId
    folder: Path
    url: str | None


class Root:
    """The TLS root (認証局) of one country."""

    def __init__(self, folder: Path, now: datetime) -> None:
        """Make a new one, its key in `folder`."""
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Kumihimo stand-in root, not for operation"),
            ]
        )
        self.certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(cert_sign=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        write_secret(folder / "root.key", _private_pem(self._key))
        write_public(folder / "root.pem", self.pem)

    @classmethod
    def open(cls, folder: Path, now: datetime) -> Root:
        """The root whose key is in `folder`. Raises Problem(key.missing, key.permissions, file.unreadable)."""
        root = cls.__new__(cls)
        root._now = now
        pem = read_secret(folder / "root.key")
        try:
            key = serialization.load_pem_private_key(pem, None)
            root.certificate = x509.load_pem_x509_certificate((folder / "root.pem").read_bytes())
        except (OSError, ValueError):
            raise Problem(
                "file.unreadable", "not a root", where=str(folder), expected="root.key and root.pem"
            ) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Problem("file.unreadable", "another kind of key", where=str(folder), expected="an EC key")
        root._key, root._name = key, root.certificate.subject
        return root

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def equip(self, plan: PartyPlan) -> PartyEntry:
        """Make all keys of one party, write its key folder, and return its directory entry."""
        folder = plan.folder
        folder.mkdir(parents=True, mode=0o700)
        self.certify(plan.party, folder)
        write_public(folder / "root.pem", self.pem)
        write_secret(folder / "sign.key", SigningKey.generate().to_bytes())
        write_secret(folder / "seal.key", SealingKey.generate().to_bytes())
        return entry_of(plan)

    def certify(self, party: PartyId, folder: Path) -> None:
        """Make a new TLS key and certificate for a party, in the place of those it has; a running process takes them."""
        tls = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certificate(party, tls.public_key())
        replace_secret(folder / "tls.key", _private_pem(tls))
        write_public(folder / "tls.pem", certificate)

    def _certificate(self, party: PartyId, key: ec.EllipticCurvePublicKey) -> bytes:
        names = [x509.DNSName(host_name(party)), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, party)])
        certificate = (
            self._builder(subject, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(cert_sign=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - _SLACK)
            .not_valid_after(self._now + _YEARS)
        )


def entry_of(plan: PartyPlan) -> PartyEntry:
    """What the directory says of a party that is equipped: its address and public keys. Raises Problem(key.missing)."""
    identity = Identity(plan.party, plan.folder)
    return PartyEntry(
        party=plan.party,
        url=plan.url,
        verify_key=b64(identity.signing_key.verify_key.to_bytes()),
        seal_key=b64(identity.sealing_key.public_bytes),
    )


def institution_entry(one: Institution) -> InstitutionEntry:
    """What the directory says of a new institution."""
    return InstitutionEntry(id=one.id, name_ja=one.name_ja, name_en=one.name_en, classes=tuple(sorted(one.classes)))


def _usage(*, cert_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=cert_sign,
        crl_sign=cert_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_directory(
    path: Path, institutions: tuple[Institution, ...], parties: tuple[PartyEntry, ...], plans: tuple[PartyPlan, ...]
) -> None:
    """Write the directory, signed by both operators, and the operators' keys into every key folder as trust anchors."""
    folders = {plan.party: plan.folder for plan in plans}
    entries = tuple(institution_entry(one) for one in institutions)
    document = DirectoryDocument(version=1, institutions=entries, parties=parties)
    signers = [Identity(operator, folders[operator]) for operator in OPERATORS]
    write_public(path, seal_envelope(document, *signers).model_dump_json().encode())
    anchors = {entry.party: entry.verify_key for entry in parties if entry.party in OPERATORS}
    for folder in folders.values():
        write_public(folder / "anchors.json", json.dumps(anchors).encode())


def write_random_secret(path: Path) -> None:
    """A new 32-byte secret from the system's randomness."""
    write_secret(path, SystemRandomness().token_bytes(32))
