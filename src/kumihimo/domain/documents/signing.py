"""Signing (署名の作成): CMS SignedData, detached (RFC 5652), with the signed attributes of CAdES (ETSI EN 319 122-1 §5.1–5.2).

What the card signs is not the document but the attributes: kind of content, the document's digest, the time the signer's
computer claims, and the digest of the certificate, so that nobody can put another certificate of the same key beside it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kumihimo.domain.documents.keys import (
    digest_name,
    encoded_signature,
    require_signature_over,
    signature_algorithm,
)
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.web_eid.certificates import read_certificate, require_signature

MAX_DOCUMENT_BYTES: Final = 16 * 1024 * 1024

# The digest of the signed attributes → the signature: RSA PKCS#1 v1.5 (SHA-256), or on P-384 r ‖ s or DER (SHA-384).
Signer = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Prepared:
    """A document ready to be signed: what is left is one signature over `digest`."""

    certificate: x509.Certificate
    attributes: bytes  # the signed attributes, DER, SET OF

    @property
    def digest_name(self) -> str:
        """`sha256` or `sha384`."""
        return digest_name(self.certificate)

    @property
    def digest(self) -> bytes:
        """What the card is to sign: 32 or 48 bytes."""
        return hashlib.new(self.digest_name, self.attributes).digest()

    @property
    def to_sign(self) -> dict[str, str]:
        """The same as a page hands it to the card: hash in base64 and its function as Web eID names it."""
        function = {"sha256": "SHA-256", "sha384": "SHA-384"}[self.digest_name]
        return {"hash": base64.b64encode(self.digest).decode(), "hashFunction": function}

    def finish(self, signature: bytes, chain: Iterable[x509.Certificate] = ()) -> bytes:
        """The detached signature as CMS in DER; `chain` is put in beside the signer's certificate.

        A signature is verified before it leaves here: raises Problem(document.signature).
        """
        encoded = encoded_signature(self.certificate, signature)
        require_signature_over(self.certificate, self.digest, encoded)
        signer = _asn1(self.certificate)
        digest = algos.DigestAlgorithm({"algorithm": self.digest_name})
        info = cms.SignerInfo(
            {
                "version": "v1",
                "sid": cms.SignerIdentifier(
                    {
                        "issuer_and_serial_number": cms.IssuerAndSerialNumber(
                            {"issuer": signer.issuer, "serial_number": signer.serial_number}
                        )
                    }
                ),
                "digest_algorithm": digest,
                "signed_attrs": cms.CMSAttributes.load(self.attributes),
                "signature_algorithm": signature_algorithm(self.certificate),
                "signature": encoded,
            }
        )
        signed = cms.SignedData(
            {
                "version": "v1",
                "digest_algorithms": [digest],
                "encap_content_info": {"content_type": "data"},
                "certificates": [signer, *(_asn1(one) for one in chain)],
                "signer_infos": [info],
            }
        )
        whole: bytes = cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump()
        return whole


def prepare(document: bytes, certificate: bytes, now: datetime) -> Prepared:
    """Make the attributes that are to be signed; `certificate` is the card's for digital signatures, in DER.

    Raises Problem(document.too_large, document.purpose, document.format, login.certificate).
    """
    if len(document) > MAX_DOCUMENT_BYTES:
        raise Problem("document.too_large", f"{len(document)} bytes", expected=f"at most {MAX_DOCUMENT_BYTES}")
    signer = read_certificate(certificate)
    require_signature(signer)
    digest = hashlib.new(digest_name(signer), document).digest()
    identified = tsp.SigningCertificateV2({"certs": [{"cert_hash": hashlib.sha256(certificate).digest()}]})
    claimed = now.astimezone(UTC).replace(microsecond=0)
    attributes = cms.CMSAttributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": [cms.ContentType("data")]}),
            cms.CMSAttribute({"type": "signing_time", "values": [cms.Time({"utc_time": core.UTCTime(claimed)})]}),
            cms.CMSAttribute({"type": "message_digest", "values": [digest]}),
            cms.CMSAttribute({"type": "signing_certificate_v2", "values": [identified]}),
        ]
    )
    return Prepared(signer, attributes.dump())


def sign(document: bytes, certificate: bytes, signer: Signer, now: datetime) -> bytes:
    """Sign at one go. Raises what `prepare`, `Prepared.finish` and the signer raise."""
    prepared = prepare(document, certificate, now)
    return prepared.finish(signer(prepared.digest))


def _asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
