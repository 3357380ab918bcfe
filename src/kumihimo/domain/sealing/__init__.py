"""Sealing (封緘・署名): signatures, payloads that only the addressee can open, salted commitments, canonical form."""

from kumihimo.domain.sealing.commitments import SALT_BYTES, canonical_json, commit
from kumihimo.domain.sealing.kept import open_kept, seal_to_keep
from kumihimo.domain.sealing.payloads import PADDING_BLOCK, SealingKey, binding, open_sealed, seal
from kumihimo.domain.sealing.signatures import SIGNATURE_BYTES, SigningKey, VerifyKey, pae, sign, verify

__all__ = [
    "PADDING_BLOCK",
    "SALT_BYTES",
    "SIGNATURE_BYTES",
    "SealingKey",
    "SigningKey",
    "VerifyKey",
    "binding",
    "canonical_json",
    "commit",
    "open_kept",
    "open_sealed",
    "pae",
    "seal",
    "seal_to_keep",
    "sign",
    "verify",
]
