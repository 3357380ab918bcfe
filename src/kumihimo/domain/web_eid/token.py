"""The token (認証トークン): what a card program hands to a site, in the format `web-eid:1.0` of Web eID.

A token carries neither the site's origin nor the challenge: the site puts in its own, so that a token made for another site, or
for another challenge, is simply not signed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from kumihimo.domain.kernel.errors import Problem

Algorithm = Literal["RS256", "ES384"]
FORMAT: Final = "web-eid:1.0"
_FAMILY: Final = "web-eid:1."  # a minor version only adds fields
MAX_TOKEN_BYTES: Final = 16 * 1024
MAX_CERTIFICATE_BYTES: Final = 6 * 1024
_MAX_SIGNATURE_BYTES: Final = 1024
_MAX_TEXT: Final = 256
HASHES: Final[dict[Algorithm, Callable[[bytes], Any]]] = {"RS256": hashlib.sha256, "ES384": hashlib.sha384}


@dataclass(frozen=True)
class Token:
    """A token as it came: nothing in it has been checked but its form."""

    certificate: bytes  # DER
    algorithm: Algorithm
    signature: bytes  # RS256: as long as the modulus; ES384: r ‖ s, 96 bytes
    app_version: str

    def document(self) -> dict[str, str]:
        """As JSON for the wire, with the format's names."""
        return {
            "unverifiedCertificate": base64.b64encode(self.certificate).decode(),
            "algorithm": self.algorithm,
            "signature": base64.b64encode(self.signature).decode(),
            "format": FORMAT,
            "appVersion": self.app_version,
        }


def signed_data(algorithm: Algorithm, origin: str, nonce: str) -> bytes:
    """hash(origin) ‖ hash(nonce), which the card's signature covers (and hashes once more): 64 or 96 bytes."""
    hashed = HASHES[algorithm]
    digests: list[bytes] = [hashed(origin.encode()).digest(), hashed(nonce.encode()).digest()]
    return b"".join(digests)


def challenge_digest(algorithm: Algorithm, origin: str, nonce: str) -> bytes:
    """What the card is given: the hash of `signed_data`, 32 or 48 bytes."""
    digest: bytes = HASHES[algorithm](signed_data(algorithm, origin, nonce)).digest()
    return digest


def parse_token(raw: bytes) -> Token:
    """Read a token from JSON. Raises Problem(login.too_large, login.token_format, login.algorithm)."""
    if len(raw) > MAX_TOKEN_BYTES:
        raise Problem("login.too_large", f"{len(raw)} bytes", expected=f"at most {MAX_TOKEN_BYTES} bytes")
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        raise Problem("login.token_format", "not JSON in UTF-8") from None
    if not isinstance(fields, dict):
        raise Problem("login.token_format", "not a JSON object")
    version = _text(fields, "format")
    if not (version.startswith(_FAMILY) and version.removeprefix(_FAMILY).isdecimal()):
        raise Problem("login.token_format", "a format that is not known here", "format", FORMAT)
    algorithm = _text(fields, "algorithm")
    if algorithm not in HASHES:
        raise Problem("login.algorithm", "not an algorithm of the cards", "algorithm", " or ".join(HASHES))
    return Token(
        certificate=_bytes(fields, "unverifiedCertificate", MAX_CERTIFICATE_BYTES),
        algorithm=algorithm,
        signature=_bytes(fields, "signature", _MAX_SIGNATURE_BYTES),
        app_version=_text(fields, "appVersion"),
    )


def _text(fields: dict[str, Any], name: str, longest: int = _MAX_TEXT) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise Problem("login.token_format", "missing, empty or not a text", name)
    if len(value) > longest:
        raise Problem("login.too_large", f"{len(value)} characters", name, f"at most {longest}")
    return value


def _bytes(fields: dict[str, Any], name: str, longest: int) -> bytes:
    try:
        value = base64.b64decode(_text(fields, name, longest=4 * longest // 3 + 4), validate=True)
    except (binascii.Error, ValueError):
        raise Problem("login.token_format", "not base64", name) from None
    if not value:
        raise Problem("login.token_format", "empty", name)
    return value
