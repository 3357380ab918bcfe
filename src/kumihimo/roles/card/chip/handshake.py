"""Mutual authentication (相互認証) of a municipality's office and a card: what is signed, and which keys come out.

Both draw a new P-256 key for each session and sign it, with everything said before, with the key their certificate names.
The session keys come from both new keys and the whole of what was said, both certificates included: whoever puts
another certificate in between has other keys. Nothing recorded today opens with keys stolen tomorrow.

    card   → office: new key of the card
    office → card:   new key of the office, its certificate, signature over label, both new keys and the certificate
    card   → office: its certificate, signature over all of the above and its certificate
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kumihimo.roles.card.chip.messaging import KEY_BYTES, Channel

_OFFICE: Final = b"kumihimo/card/office-signs/v1"
_CARD: Final = b"kumihimo/card/card-signs/v1"
_KEYS: Final = b"kumihimo/card/session-keys/v1"
_INTERNAL: Final = b"kumihimo/card/internal-authenticate/v1"
_HALF: Final = 32
SIGNATURE_BYTES: Final = 2 * _HALF
_P256: Final = ECDSA(SHA256())


@dataclass(frozen=True)
class Transcript:
    """What was said in one mutual authentication, as far as it went."""

    card_point: bytes
    office_point: bytes
    office_certificate: bytes
    office_signature: bytes = b""
    card_certificate: bytes = b""
    card_signature: bytes = b""

    @property
    def for_office(self) -> bytes:
        """What the office signs."""
        return framed(_OFFICE, self.card_point, self.office_point, self.office_certificate)

    @property
    def for_card(self) -> bytes:
        """What the card signs."""
        return framed(
            _CARD,
            self.card_point,
            self.office_point,
            self.office_certificate,
            self.office_signature,
            self.card_certificate,
        )

    def channel(self, own: EllipticCurvePrivateKey, other_point: bytes) -> Channel:
        """The session out of one's own new key and the other's point. Raises ValueError for bytes that are no point."""
        everything = Hash(SHA256())
        everything.update(self.for_card + framed(self.card_signature))
        secret = own.exchange(ECDH(), point(other_point))
        keys = HKDF(SHA256(), 2 * KEY_BYTES, salt=everything.finalize(), info=_KEYS).derive(secret)
        return Channel(keys[:KEY_BYTES], keys[KEY_BYTES:])


def internal_statement(serial: str, challenge: bytes) -> bytes:
    """What a card signs with its own key to show that it is no copy (INTERNAL AUTHENTICATE)."""
    return framed(_INTERNAL, serial.encode(), challenge)


def framed(*fields: bytes) -> bytes:
    """Fields with their lengths (u32 big endian) in front, so that none can be moved into another."""
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def point(raw: bytes) -> EllipticCurvePublicKey:
    """A point of P-256, uncompressed. Raises ValueError."""
    return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), raw)


def point_bytes(key: EllipticCurvePrivateKey) -> bytes:
    """The public point of a key, uncompressed: 65 bytes for P-256."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def sign(key: EllipticCurvePrivateKey, statement: bytes) -> bytes:
    """ECDSA with SHA-256: r and s, 32 bytes each."""
    r, s = decode_dss_signature(key.sign(statement, _P256))
    return r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")


def holds(key: EllipticCurvePublicKey, statement: bytes, signature: bytes) -> bool:
    """Whether a signature made by `sign` is right."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    r, s = int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big")
    try:
        key.verify(encode_dss_signature(r, s), statement, _P256)
    except InvalidSignature:
        return False
    return True
