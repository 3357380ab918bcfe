"""Keys on the card (鍵の生成・署名): RSA-2048 today, P-384 for the next generation, one shape for both.

A signature is verified with the public key before it leaves the card: one wrong bit during the computation of an RSA
signature would give the private key away to whoever sees the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import (
    NoDigestInfo,
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from kumihimo.roles.card.chip.status import Refused, Status

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_RSA_BITS: Final = 2048
_PADDING: Final = 11
_P384_HALF: Final = 48
_PREHASHED: Final = ec.ECDSA(Prehashed(SHA384()))


class Algorithm(Enum):
    """What kind of key the card is to make; the value is its byte in GENERATE ASYMMETRIC KEY PAIR."""

    RSA_2048 = 1
    P_384 = 2


def generate(algorithm: Algorithm) -> bytes:
    """A new private key, PKCS #8 in DER."""
    key: PrivateKey
    if algorithm is Algorithm.RSA_2048:
        key = rsa.generate_private_key(65537, _RSA_BITS)
    else:
        key = ec.generate_private_key(ec.SECP384R1())
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def public_der(key: PublicKey) -> bytes:
    """SubjectPublicKeyInfo in DER."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True)
class SigningKey:
    """A private key ready for use. `compute` may be put in place by a test that breaks the computation."""

    public: PublicKey
    compute: Callable[[bytes], bytes]

    @classmethod
    def load(cls, pkcs8: bytes) -> SigningKey:
        """The key in PKCS #8, which this card wrote itself."""
        # Its primes were checked when it was made; checking them again would cost each first signature 50 ms.
        key = load_der_private_key(pkcs8, None, unsafe_skip_rsa_key_validation=True)
        if isinstance(key, rsa.RSAPrivateKey):
            return cls(key.public_key(), _rsa(key))
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return cls(key.public_key(), _ecdsa(key))
        raise TypeError(f"a key of type {type(key).__name__}")

    def sign(self, to_be_signed: bytes) -> bytes:
        """RSA: PKCS #1 v1.5 over a DigestInfo, 256 bytes. P-384: ECDSA over a digest of 48 bytes, r and s, 96 bytes.

        Raises Refused 6A80 for something of another length, 6F00 where the signature came out wrong.
        """
        if isinstance(self.public, rsa.RSAPublicKey):
            if not 1 <= len(to_be_signed) <= _RSA_BITS // 8 - _PADDING:
                raise Refused(Status.WRONG_DATA)
        elif len(to_be_signed) != _P384_HALF:
            raise Refused(Status.WRONG_DATA)
        signature = self.compute(to_be_signed)
        if not _verifies(self.public, to_be_signed, signature):
            raise Refused(Status.FAILED)
        return signature


def signature_der(key: PublicKey, signature: bytes) -> bytes:
    """A card's signature as certificates and CMS have it: r and s become a DER sequence; RSA stays as it is."""
    if isinstance(key, rsa.RSAPublicKey):
        return signature
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))


def _rsa(key: rsa.RSAPrivateKey) -> Callable[[bytes], bytes]:
    return lambda data: key.sign(data, PKCS1v15(), NoDigestInfo())


def _ecdsa(key: ec.EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    def compute(digest: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(digest, _PREHASHED))
        return r.to_bytes(_P384_HALF, "big") + s.to_bytes(_P384_HALF, "big")

    return compute


def _verifies(key: PublicKey, signed: bytes, signature: bytes) -> bool:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            return key.recover_data_from_signature(signature, PKCS1v15(), None) == signed
        key.verify(signature_der(key, signature), signed, _PREHASHED)
    except InvalidSignature:
        return False
    return True
