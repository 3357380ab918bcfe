"""Questions about the status of certificates (OCSP, RFC 6960), read by a responder, and what of them it must echo.

The answer repeats the CertID bytes of the request as they came: an encoder that adds or leaves out NULL parameters would be
refused by strict validators. A nonce (RFC 9654) ties an answer to its question. Whoever asks does so by `domain/web_eid`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from asn1crypto import ocsp as asn1
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from kumihimo.domain.kernel.errors import Problem

MOST_NONCE_BYTES: Final = 128
MOST_ASKED: Final = 20  # certificates in one request
MOST_BYTES: Final = 16_384
HASHES: Final = ("sha1", "sha256", "sha384", "sha512")
_NONCE: Final = "nonce"


@dataclass(frozen=True)
class CertId:
    """A certificate somebody asks about: hashes of its issuer's name and key, its serial; `der` as it came."""

    der: bytes
    hash_name: str
    name_hash: bytes
    key_hash: bytes
    serial: int

    def is_by(self, issuer: x509.Certificate) -> bool:
        """Whether the issuer meant is this one; False for a hash nobody here computes."""
        return self.hash_name in HASHES and issuer_hashes(issuer, self.hash_name) == (self.name_hash, self.key_hash)


@dataclass(frozen=True)
class Query:
    """A request: which certificates, and the nonce's extension value as it came."""

    asked: tuple[CertId, ...]
    nonce: bytes | None


def parse_request(der: bytes) -> Query:
    """Read an OCSPRequest. Raises Problem(jpki.ocsp_request)."""
    if len(der) > MOST_BYTES:
        raise _no_request(f"{len(der)} bytes")
    try:
        request = asn1.OCSPRequest.load(der, strict=True)["tbs_request"]
        asked = tuple(_cert_id(one["req_cert"]) for one in request["request_list"])
        nonce = None
        extensions = [*request["request_extensions"]]
        for extension in extensions:
            if extension["extn_id"].native == _NONCE:
                nonce = extension["extn_value"].contents
        for one in request["request_list"]:
            extensions.extend(one["single_request_extensions"])
        if any(one["critical"].native and one["extn_id"].native != _NONCE for one in extensions):
            raise _no_request("a critical extension that nobody here understands")
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise _no_request("bytes that cannot be read") from None
    if not 1 <= len(asked) <= MOST_ASKED:
        raise _no_request(f"{len(asked)} certificates")
    if nonce is not None and not 1 <= len(nonce) <= MOST_NONCE_BYTES + 2:
        raise _no_request(f"a nonce of {len(nonce)} bytes")
    return Query(asked, nonce)


@lru_cache(maxsize=64)
def issuer_hashes(issuer: x509.Certificate, hash_name: str) -> tuple[bytes, bytes]:
    """The hashes of an issuer's name (DER) and of its key (the bits of SubjectPublicKeyInfo)."""
    read = asn1_x509.Certificate.load(issuer.public_bytes(serialization.Encoding.DER))
    key_bits = bytes(read.public_key["public_key"].contents)[1:]  # without the count of unused bits
    return hashlib.new(hash_name, read.subject.dump()).digest(), hashlib.new(hash_name, key_bits).digest()


def _cert_id(one: asn1.CertId) -> CertId:
    return CertId(
        der=one.dump(),
        hash_name=one["hash_algorithm"]["algorithm"].native,
        name_hash=one["issuer_name_hash"].native,
        key_hash=one["issuer_key_hash"].native,
        serial=one["serial_number"].native,
    )


def _no_request(detail: str) -> Problem:
    return Problem("jpki.ocsp_request", detail, expected="an OCSPRequest (RFC 6960) in DER")
