"""The two kinds of key a card signs documents with (鍵の種類): RSA with SHA-256 now, P-384 with SHA-384 next."""

from __future__ import annotations

from typing import Final

from asn1crypto import algos
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from kumihimo.domain.kernel.errors import Problem

_COORDINATE: Final = 48  # bytes of r and of s on P-384
DIGEST_BYTES: Final = {"sha256": 32, "sha384": 48}


def digest_name(certificate: x509.Certificate) -> str:
    """`sha256` for an RSA key, `sha384` for one on P-384. Raises Problem(document.format) for other keys."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "sha256"
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1):
        return "sha384"
    raise Problem("document.format", "a key of another kind", "certificate", "RSA or P-384")


def signature_algorithm(certificate: x509.Certificate) -> algos.SignedDigestAlgorithm:
    """As the signer's information names it (RFC 5754, RFC 5753)."""
    if digest_name(certificate) == "sha256":
        return algos.SignedDigestAlgorithm({"algorithm": "rsassa_pkcs1v15"})
    return algos.SignedDigestAlgorithm({"algorithm": "sha384_ecdsa"})


def encoded_signature(certificate: x509.Certificate, signature: bytes) -> bytes:
    """A card's signature as CMS wants it: of P-384 a card gives r ‖ s, CMS has a DER sequence of the two."""
    if digest_name(certificate) == "sha256" or len(signature) != 2 * _COORDINATE:
        return signature
    r, s = signature[:_COORDINATE], signature[_COORDINATE:]
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


def require_signature_over(certificate: x509.Certificate, digest: bytes, signature: bytes) -> None:
    """That a signature in CMS's form is the certificate's key's over `digest`. Raises Problem(document.signature)."""
    key = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, digest, ec.ECDSA(Prehashed(hashes.SHA384())))
    except InvalidSignature:
        raise Problem("document.signature", "the key of the certificate did not make it", "signature") from None
