"""Answers about the status of certificates (OCSP, RFC 6960 §4.2): made by a responder.

A responder signs with its own key, which the issuing authority has certified for that alone (id-kp-OCSPSigning). Whoever asked
reads them with `domain/web_eid`, which is written apart from this, with another library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from asn1crypto import core
from asn1crypto import ocsp as asn1
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from kumihimo.domain.jpki.algorithms import Algorithm, CaKey, sign
from kumihimo.domain.jpki.ocsp import Query
from kumihimo.domain.jpki.status import UNKNOWN, State, Status

ANSWER_LIFE: Final = timedelta(hours=1)
_DER: Final = serialization.Encoding.DER
_REASONS: Final = {
    0: "unspecified", 1: "key_compromise", 2: "ca_compromise", 3: "affiliation_changed", 4: "superseded",
    5: "cessation_of_operation", 6: "certificate_hold", 8: "remove_from_crl", 9: "privilege_withdrawn", 10: "aa_compromise",
}  # fmt: skip


class Refusal(StrEnum):
    """An answer that says nothing about a certificate (OCSPResponseStatus)."""

    MALFORMED = "malformed_request"
    INTERNAL = "internal_error"
    TRY_LATER = "try_later"
    UNAUTHORISED = "unauthorized"


@dataclass(frozen=True)
class Responder:
    """Whoever answers for one issuer: that issuer's certificate, the responder's own by it, and the key to that."""

    issuer: x509.Certificate
    certificate: x509.Certificate
    key: CaKey


@dataclass(frozen=True)
class Times:
    """When an answer was made, and as of when what it says is known to be right."""

    produced: datetime
    known: datetime


def refuse(refusal: Refusal) -> bytes:
    """An OCSPResponse without content."""
    der: bytes = asn1.OCSPResponse({"response_status": refusal.value}).dump()
    return der


def answer(responder: Responder, query: Query, status_of: Callable[[int], Status], times: Times) -> bytes:
    """An OCSPResponse about everything that is asked; certificates of another issuer are unknown to it."""
    known = _second(times.known)
    responses = []
    for asked in query.asked:
        status = status_of(asked.serial) if asked.is_by(responder.issuer) else UNKNOWN
        single = {
            "cert_id": asn1.CertId.load(asked.der),
            "cert_status": _cert_status(status),
            "this_update": known,
            "next_update": known + ANSWER_LIFE,
        }
        responses.append(asn1.SingleResponse(single))
    data: dict[str, Any] = {
        "responder_id": asn1.ResponderId(name="by_key", value=core.OctetString(_key_id(responder.certificate))),
        "produced_at": _second(times.produced),
        "responses": responses,
    }
    if query.nonce is not None:
        data["response_extensions"] = [{"extn_id": "nonce", "extn_value": core.ParsableOctetString(query.nonce)}]
    tbs = asn1.ResponseData(data)
    basic = asn1.BasicOCSPResponse(
        {
            "tbs_response_data": tbs,
            "signature_algorithm": Algorithm.of(responder.key).signed_digest,
            "signature": core.OctetBitString(sign(responder.key, tbs.dump())),
            "certs": [asn1_x509.Certificate.load(responder.certificate.public_bytes(_DER))],
        }
    )
    content = {"response_type": "basic_ocsp_response", "response": core.ParsableOctetString(basic.dump())}
    der: bytes = asn1.OCSPResponse({"response_status": "successful", "response_bytes": content}).dump()
    return der


def _cert_status(status: Status) -> Any:
    if status.state is State.GOOD:
        return asn1.CertStatus(name="good", value=core.Null())
    if status.state is State.UNKNOWN or status.at is None:
        return asn1.CertStatus(name="unknown", value=core.Null())
    info: dict[str, Any] = {"revocation_time": _second(status.at)}
    if status.reason is not None:
        info["revocation_reason"] = _REASONS[status.reason]
    return asn1.CertStatus(name="revoked", value=asn1.RevokedInfo(info))


@lru_cache(maxsize=64)
def _key_id(certificate: x509.Certificate) -> bytes:
    """SHA-1 of the public key's bits, as RFC 6960 §4.2.1 names a responder; nothing rests on its strength."""
    read = asn1_x509.Certificate.load(certificate.public_bytes(_DER))
    digest = hashes.Hash(hashes.SHA1())  # noqa: S303
    digest.update(bytes(read.public_key["public_key"].contents)[1:])
    return digest.finalize()


def _second(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(microsecond=0)
