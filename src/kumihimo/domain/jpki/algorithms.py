"""Signature algorithms (署名アルゴリズム) of certificates: RSA-2048 with SHA-256 today, P-384 with SHA-384 on the next cards.

Whoever signs is a private key of `cryptography`, or a subclass of its key types whose `sign` asks a hardware module. RFC 8017
(PKCS#1 v1.5, since today's cards know no other padding), RFC 5758 (ECDSA).
"""

from __future__ import annotations

from enum import StrEnum

from asn1crypto import algos
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from kumihimo.domain.kernel.errors import Problem

CaKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
_EXPONENT = 65_537


class Algorithm(StrEnum):
    """A kind of key together with the hash it signs with."""

    RSA_2048 = "rsa-2048"
    P_256 = "p-256"  # offices and cards among themselves, never a resident's key
    P_384 = "p-384"

    @classmethod
    def of(cls, key: object) -> Algorithm:
        """The algorithm of a public or private key. Raises Problem(jpki.key_refused) for one that is none of these."""
        match key:
            case rsa.RSAPublicKey() | rsa.RSAPrivateKey() if key.key_size == 2048:
                public = key.public_key() if isinstance(key, rsa.RSAPrivateKey) else key
                if public.public_numbers().e == _EXPONENT:
                    return cls.RSA_2048
            case ec.EllipticCurvePublicKey() | ec.EllipticCurvePrivateKey():
                for algorithm, curve in _CURVES.items():
                    if isinstance(key.curve, curve):
                        return algorithm
        raise Problem(
            "jpki.key_refused", f"a key of type {type(key).__name__}", where="public key",
            expected=f"{', '.join(cls)}; RSA with the exponent {_EXPONENT}",
        )  # fmt: skip

    @property
    def hash(self) -> hashes.SHA256 | hashes.SHA384:
        return hashes.SHA384() if self is Algorithm.P_384 else hashes.SHA256()

    @property
    def signed_digest(self) -> algos.SignedDigestAlgorithm:
        """The AlgorithmIdentifier of its signatures."""
        kind = "rsa" if self is Algorithm.RSA_2048 else "ecdsa"
        return algos.SignedDigestAlgorithm({"algorithm": f"{self.hash.name}_{kind}"})

    def generate(self) -> CaKey:
        """A new key of the library's own generator, in memory."""
        if self is Algorithm.RSA_2048:
            return rsa.generate_private_key(_EXPONENT, 2048)
        return ec.generate_private_key(_CURVES[self]())


_CURVES = {Algorithm.P_256: ec.SECP256R1, Algorithm.P_384: ec.SECP384R1}
RESIDENTS_ALGORITHMS = (Algorithm.RSA_2048, Algorithm.P_384)


def sign(key: CaKey, data: bytes) -> bytes:
    """Sign by the key's own algorithm: PKCS#1 v1.5, or ECDSA in DER."""
    algorithm = Algorithm.of(key)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), algorithm.hash)
    return key.sign(data, ec.ECDSA(algorithm.hash))


def verify(key: PublicKey, data: bytes, signature: bytes, what: str) -> None:
    """Raises Problem(jpki.untrusted) unless the signature over `what` holds, Problem(jpki.key_refused)."""
    algorithm = Algorithm.of(key)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), algorithm.hash)
        else:
            key.verify(signature, data, ec.ECDSA(algorithm.hash))
    except InvalidSignature:
        raise Problem("jpki.untrusted", f"the signature of {what} does not hold", where=what) from None


def public_bytes(key: PublicKey) -> bytes:
    """A public key as DER SubjectPublicKeyInfo."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def read_public_key(der: bytes, *allowed: Algorithm, where: str = "public key") -> PublicKey:
    """A public key of DER SubjectPublicKeyInfo, of one of these algorithms. Raises Problem(jpki.key_refused)."""
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, TypeError):
        raise Problem("jpki.key_refused", "not a public key", where, "DER SubjectPublicKeyInfo") from None
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) or Algorithm.of(key) not in allowed:
        raise Problem("jpki.key_refused", f"a key of type {type(key).__name__}", where, " or ".join(allowed))
    return key
