"""What the host answers (応答): results and errors in the shapes of Web eID, read from the card's certificate and signature."""

from __future__ import annotations

import base64
from typing import Any, Final

from kumihimo.domain.kernel.errors import Problem

# Web eID's version that is spoken; our extension and pages of web-eid.js compare its first number.
VERSION: Final = "2.7.0"
PROGRAM: Final = f"kumihimo-card-host/{VERSION}"
STANDS_IN: Final = "+stand-in-for-the-person"

_CODES: Final = {
    "host.cancelled": "ERR_WEBEID_USER_CANCELLED",
    "host.request": "ERR_WEBEID_NATIVE_INVALID_ARGUMENT",
    "host.origin": "ERR_WEBEID_CONTEXT_INSECURE",
    "host.certificate_differs": "ERR_WEBEID_NATIVE_INVALID_ARGUMENT",
}
_FATAL: Final = "ERR_WEBEID_NATIVE_FATAL"
_RSA: Final = {"cryptoAlgorithm": "RSA", "paddingScheme": "PKCS1.5"}
_ECC: Final = {"cryptoAlgorithm": "ECC", "paddingScheme": "NONE"}
_HASHES: Final = {"RSA": ("SHA-256", "SHA-384", "SHA-512"), "ECC": ("SHA-384",)}


def version() -> dict[str, str]:
    """What the host says first."""
    return {"version": VERSION}


def failure(problem: Problem) -> dict[str, Any]:
    """A problem as Web eID's error, with our own code beside it."""
    return {
        "error": {"code": _CODES.get(problem.code, _FATAL), "message": str(problem), "problem": problem.code},
    }


def signing_certificate(certificate: bytes, crypto_algorithm: str) -> dict[str, Any]:
    """The certificate for digital signatures (DER), with what its key can sign."""
    supported = [_algorithm(crypto_algorithm, name) for name in _HASHES[crypto_algorithm]]
    return {"certificate": base64.b64encode(certificate).decode(), "supportedSignatureAlgorithms": supported}


def document_signature(signature: bytes, crypto_algorithm: str, hash_function: str) -> dict[str, Any]:
    """A signature over a page's digest."""
    return {
        "signature": base64.b64encode(signature).decode(),
        "signatureAlgorithm": _algorithm(crypto_algorithm, hash_function),
    }


def _algorithm(crypto_algorithm: str, hash_function: str) -> dict[str, str]:
    return {**(_RSA if crypto_algorithm == "RSA" else _ECC), "hashFunction": hash_function}
