"""A small public personal authentication service for tests: two issuing CAs, persons' certificates, a real OCSP responder.

Certificates have the fields that sites and verifiers look at; keys are made once for a test run.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from kumihimo.domain.jpki import AUTHENTICATION_POLICY, SIGNATURE_POLICY, Holder
from kumihimo.domain.web_eid import TrustedIssuers

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
YEARS = timedelta(days=5 * 365)
UNITS = {
    "authentication": ("JPKI for user authentication", AUTHENTICATION_POLICY),
    "signature": ("JPKI for digital signature", SIGNATURE_POLICY),
}


@cache
def rsa_key(owner: str) -> rsa.RSAPrivateKey:
    """An RSA-2048 key, the same for the same owner during a run."""
    return rsa.generate_private_key(65537, 2048)


@cache
def p384_key(owner: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def name(unit: str, common: str | None = None) -> x509.Name:
    attributes = [(NameOID.COUNTRY_NAME, "JP"), (NameOID.ORGANIZATION_NAME, "JPKI")]
    attributes += [(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)] + ([(NameOID.COMMON_NAME, common)] if common else [])
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


@dataclass(frozen=True)
class Ca:
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey


def make_ca(unit: str, now: datetime = NOW, owner: str | None = None) -> Ca:
    key = rsa_key(owner or f"CA {unit}")
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(unit))
        .issuer_name(name(unit))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=365))
        .not_valid_after(now + 2 * YEARS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
    )
    return Ca(builder.sign(key, hashes.SHA256()), key)


def usage(**of: bool) -> x509.KeyUsage:
    fields = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{one: of.get(one, False) for one in fields})


@dataclass
class SmallJpki:
    """Two issuing CAs and what they revoked. `now` is when certificates are issued and answers made."""

    now: datetime = NOW
    cas: dict[str, Ca] = field(default_factory=dict)
    revoked: dict[int, datetime] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    address: str = "http://127.0.0.1:9/ocsp"

    def __post_init__(self) -> None:
        self.cas = {kind: make_ca(unit, self.now) for kind, (unit, _) in UNITS.items()}

    def trusted(self, kind: str = "authentication") -> TrustedIssuers:
        return TrustedIssuers((self.cas[kind].certificate,))

    def issue(
        self,
        kind: str,
        key: Key | PublicKey,
        *,
        policy: x509.ObjectIdentifier | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        ca: Ca | None = None,
        holder: Holder | None = None,
    ) -> x509.Certificate:
        """A person's certificate. The name is a serial of the kind user authentication certificates have."""
        unit, usual = UNITS[kind]
        ca = ca or self.cas[kind]
        signature = kind == "signature"
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(unit, "20261123120000000A001"))
            .issuer_name(ca.certificate.subject)
            .public_key(key if isinstance(key, PublicKey) else key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start or self.now - timedelta(days=1))
            .not_valid_after(end or self.now + YEARS)
            .add_extension(usage(digital_signature=True, content_commitment=signature), critical=True)
            .add_extension(x509.CertificatePolicies([x509.PolicyInformation(policy or usual, None)]), critical=True)
            .add_extension(
                x509.AuthorityInformationAccess(
                    [
                        x509.AccessDescription(
                            AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(self.address)
                        )
                    ]
                ),
                critical=False,
            )
        )
        if not signature:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        if holder is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName(holder.other_names()), critical=False)
        return builder.sign(ca.key, hashes.SHA256())

    def revoke(self, certificate: x509.Certificate) -> None:
        self.revoked[certificate.serial_number] = self.now

    def answer(
        self, question: bytes, *, now: datetime | None = None, nonce: bytes | None = None, signer: Ca | None = None
    ) -> bytes:
        """The OCSP answer to a question about a certificate of ours, signed by the issuer if by nobody else."""
        request = ocsp.load_der_ocsp_request(question)
        at = now or self.now
        issuers = self.cas.values()
        ca = signer or next(ca for ca in issuers if _key_hash(ca.certificate) == request.issuer_key_hash)
        self.asked.append(request.serial_number)
        revoked_at = self.revoked.get(request.serial_number)
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                request.issuer_name_hash,
                request.issuer_key_hash,
                request.serial_number,
                request.hash_algorithm,
                cert_status=ocsp.OCSPCertStatus.REVOKED if revoked_at else ocsp.OCSPCertStatus.GOOD,
                this_update=at,
                next_update=at + timedelta(minutes=10),
                revocation_time=revoked_at,
                revocation_reason=None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, ca.certificate)
        )
        asked = request.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
        builder = builder.add_extension(x509.OCSPNonce(nonce or asked), critical=False)
        return builder.sign(ca.key, hashes.SHA256()).public_bytes(Encoding.DER)

    @contextmanager
    def responder(self) -> Iterator[str]:
        """A real responder on 127.0.0.1; gives its address, which is in certificates issued from then on."""
        jpki = self

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = jpki.answer(self.rfile.read(int(self.headers["Content-Length"])), now=datetime.now(UTC))
                self.send_response(200)
                self.send_header("Content-Type", "application/ocsp-response")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        self.address = f"http://127.0.0.1:{server.server_port}/ocsp"
        try:
            yield self.address
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _key_hash(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the key's bits, as OCSP names an issuer."""
    info = asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER)).public_key
    return hashlib.sha256(info["public_key"].contents[1:]).digest()


def card_signature(key: Key, digest: bytes) -> bytes:
    """What a card makes of a digest: PKCS#1 v1.5 with RSA, r ‖ s on P-384."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
    r, s = decode_dss_signature(key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA384()))))
    return r.to_bytes(48, "big") + s.to_bytes(48, "big")


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
