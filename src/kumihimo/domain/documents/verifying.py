"""Verifying (署名の検証): that a document is the one signed, by the holder of a certificate that is good.

Strict on purpose: one signer, detached, all four attributes, the certificate named by its digest. What another program wrote more
freely, CMS allows and this refuses.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from asn1crypto import cms, tsp  # tsp registers the attribute that names the certificate
from cryptography import x509

from kumihimo.domain.documents.keys import digest_name, require_signature_over, signature_algorithm
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.web_eid.certificates import TrustedIssuers, read_certificate, require_signature
from kumihimo.domain.web_eid.status import CertificateStatus, Standing, StatusOf

_ATTRIBUTES: Final = ("content_type", "message_digest", "signing_time", "signing_certificate_v2")
_MAX_CMS_BYTES: Final = 256 * 1024


@dataclass(frozen=True)
class SignedDocument:
    """Who signed, and when by the signer's own clock: nobody else attests that time."""

    certificate: x509.Certificate
    claimed_at: datetime
    status: CertificateStatus


def verify(
    document: bytes, signature: bytes, trusted: TrustedIssuers, status: StatusOf, now: datetime
) -> SignedDocument:
    """Who signed a document, from its detached CMS in DER.

    Issuer, validity and status are looked at as of `now`. Raises Problem as `signer_of`, and login.untrusted,
    login.not_valid_now, login.revoked, login.status_unknown.
    """
    signer, signing_time = signer_of(document, signature)
    issuer = trusted.issuer_of(signer, now)
    found = status(signer, issuer)
    if found.standing is Standing.REVOKED:
        raise Problem("login.revoked", "the certificate of the signer", advice="Ask when it was revoked, and why.")
    if found.standing is Standing.UNKNOWN:
        raise Problem("login.status_unknown", "the responder does not know the certificate")
    return SignedDocument(signer, signing_time, found)


def signer_of(document: bytes, signature: bytes) -> tuple[x509.Certificate, datetime]:
    """The certificate whose key signed exactly this document, and the time its signer claimed; whom to trust is not looked at.

    Raises Problem(document.too_large, document.format, document.changed, document.signature, document.purpose).
    """
    if len(signature) > _MAX_CMS_BYTES:
        raise Problem("document.too_large", f"{len(signature)} bytes of CMS", expected=f"at most {_MAX_CMS_BYTES}")
    try:
        info, certificate, attributes = _read(signature)
        values = {name: attributes[name][0].native for name in _ATTRIBUTES}
        named = bytes(values["signing_certificate_v2"]["certs"][0]["cert_hash"])
        named_by = values["signing_certificate_v2"]["certs"][0]["hash_algorithm"]["algorithm"]
        signed_attributes = info["signed_attrs"].untag().dump(force=True)
        encoded = bytes(info["signature"].native)
        algorithm = info["signature_algorithm"]["algorithm"].native
        digest_used = info["digest_algorithm"]["algorithm"].native
    except Problem:
        raise
    except Exception as error:  # the parser's errors are of many kinds; all mean the same here
        raise Problem("document.format", f"not a detached signature as expected ({type(error).__name__})") from None
    der = certificate.dump()
    signer = read_certificate(der)
    require_signature(signer)
    if digest_used != digest_name(signer) or algorithm != signature_algorithm(signer)["algorithm"].native:
        raise Problem("document.format", f"{digest_used} with {algorithm}", "algorithms", digest_name(signer))
    if named_by != "sha256" or not hmac.compare_digest(named, hashlib.sha256(der).digest()):
        raise Problem("document.signature", "made with another certificate", "signingCertificateV2")
    require_signature_over(signer, hashlib.new(digest_used, signed_attributes).digest(), encoded)
    if not hmac.compare_digest(values["message_digest"], hashlib.new(digest_used, document).digest()):
        raise Problem("document.changed", "its digest is another", "messageDigest")
    return signer, values["signing_time"]


def _read(signature: bytes) -> tuple[Any, Any, dict[str, Any]]:
    """The signer's information, certificate and attributes. Raises Problem(document.format)."""
    content = cms.ContentInfo.load(signature, strict=True)
    if content["content_type"].native != "signed_data":
        raise Problem("document.format", "CMS of another kind", expected="signed data")
    signed = content["content"]
    if signed["encap_content_info"]["content"].native is not None:
        raise Problem("document.format", "the document is inside", expected="a signature beside the document")
    if len(signed["signer_infos"]) != 1:
        raise Problem("document.format", f"{len(signed['signer_infos'])} signers", expected="one signer")
    info = signed["signer_infos"][0]
    attributes: dict[str, Any] = {}
    for attribute in info["signed_attrs"]:
        name = attribute["type"].native
        if name in attributes or len(attribute["values"]) != 1:
            raise Problem("document.format", "an attribute more than once", name)
        attributes[name] = attribute["values"]
    missing = [name for name in _ATTRIBUTES if name not in attributes]
    if missing or attributes["content_type"][0].native != "data":
        raise Problem("document.format", f"attributes missing: {', '.join(missing) or 'content type data'}")
    if len(attributes["signing_certificate_v2"][0]["certs"]) != 1:
        raise Problem("document.format", "more than one certificate named", "signingCertificateV2")
    return info, _certificate_of(signed, info["sid"]), attributes


def _certificate_of(signed: Any, sid: Any) -> Any:
    if sid.name != "issuer_and_serial_number":
        raise Problem("document.format", "the signer is named otherwise", "sid", "issuer and serial number")
    for choice in signed["certificates"]:
        certificate = choice.chosen
        if (
            certificate.issuer == sid.chosen["issuer"]
            and certificate.serial_number == sid.chosen["serial_number"].native
        ):
            return certificate
    raise Problem("document.format", "the signer's certificate is not in it", "certificates")


_ = tsp.SigningCertificateV2
