"""The operators' secrets (変換事業者の秘密): two seeds each, from which every factor of every institution follows.

An institution's codes live in a domain, written `{institution}#{epoch}`; rotation opens the next epoch. Operator i has
for domain X a reshuffle factor s_i(X), which makes codes differ between domains, and a rekey factor u_i(X), which is
its share of X's decryption key. No dealer and no global secret: what is lost with one operator's seeds is one of two locks.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from kumihimo.domain.codes.group import (
    Scalar,
    as_point,
    as_scalar,
    base_mul,
    scalar_from_wide,
    scalar_invert,
    scalar_mul,
)
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import institution_id

SEED_BYTES: Final = 32
_EPOCH: Final = re.compile(r"[1-9][0-9]{0,8}")


def domain_label(institution: str, epoch: int) -> str:
    """The label `{institution}#{epoch}` of a domain, epoch from 1. Raises Problem(institution.format)."""
    return check_label(f"{institution}#{epoch}")


def check_label(label: str) -> str:
    """Check a domain label. Raises Problem(institution.format)."""
    institution, _, epoch = label.partition("#")
    institution_id(institution)
    if not _EPOCH.fullmatch(epoch):
        raise Problem("institution.format", f"domain label {label!r}", expected="institution#epoch, such as 'x-city#1'")
    return label


@dataclass(frozen=True)
class PublishedPoints:
    """What an operator publishes about one domain: U = u*G, S = s*G, T = (s/u)*G, 32 bytes each.

    U lets the other operator compute public keys; S and T let anybody check proofs of translation.
    Raises Problem(codes.not_a_point, codes.identity_point).
    """

    U: bytes
    S: bytes
    T: bytes

    def __post_init__(self) -> None:
        for name, point in (("U", self.U), ("S", self.S), ("T", self.T)):
            as_point(point, f"published point {name}")


class DomainFactors(Protocol):
    """Whatever has one operator's factors of every domain: `OperatorSecrets`, or `SeedGenerations` over several of them."""

    def reshuffle_factor(self, label: str) -> Scalar:
        """s(X)."""
        ...

    def key_share(self, label: str) -> Scalar:
        """u(X)."""
        ...

    def published(self, label: str) -> PublishedPoints:
        """u*G, s*G, (s/u)*G."""
        ...


@dataclass(frozen=True)
class OperatorSecrets:
    """One operator's two seeds of 32 bytes. Raises Problem(value.invalid) for another length."""

    reshuffle_seed: bytes = field(repr=False)
    rekey_seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        for name, seed in (("reshuffle seed", self.reshuffle_seed), ("rekey seed", self.rekey_seed)):
            if len(seed) != SEED_BYTES:
                raise Problem("value.invalid", f"{len(seed)} bytes", where=name, expected=f"{SEED_BYTES} bytes")

    @classmethod
    def generate(cls, rng: Callable[[int], bytes] = secrets.token_bytes) -> OperatorSecrets:
        """Draw both seeds from `rng(n) -> n random bytes`."""
        return cls(rng(SEED_BYTES), rng(SEED_BYTES))

    @classmethod
    def from_bytes(cls, stored: bytes) -> OperatorSecrets:
        """Read what `to_bytes` wrote. Raises Problem(value.invalid)."""
        return cls(stored[:SEED_BYTES], stored[SEED_BYTES:])

    def to_bytes(self) -> bytes:
        """Both seeds, 64 bytes, for a key file."""
        return self.reshuffle_seed + self.rekey_seed

    def reshuffle_factor(self, label: str) -> Scalar:
        """s(X) = HMAC-SHA512(reshuffle seed, "reshuffle" || X) mod L. Raises Problem(institution.format)."""
        return _derived(self.reshuffle_seed, b"reshuffle", label)

    def key_share(self, label: str) -> Scalar:
        """u(X) = HMAC-SHA512(rekey seed, "rekey" || X) mod L: goes to institution X alone, and to nobody else.

        Raises Problem(institution.format).
        """
        return _derived(self.rekey_seed, b"rekey", label)

    def published(self, label: str) -> PublishedPoints:
        """The points this operator publishes for X. Raises Problem(institution.format)."""
        return published_points(self.reshuffle_factor(label), self.key_share(label))


def published_points(reshuffle: Scalar, rekey: Scalar) -> PublishedPoints:
    """The points of a domain with these factors s and u."""
    quotient = scalar_mul(reshuffle, scalar_invert(rekey))
    return PublishedPoints(U=base_mul(rekey), S=base_mul(reshuffle), T=base_mul(quotient))


def check_share(share: bytes, points: PublishedPoints) -> None:
    """An institution checks that the key share it was sent is the one published. Raises Problem(value.invalid)."""
    if not hmac.compare_digest(base_mul(as_scalar(share, "key share")), points.U):
        raise Problem(
            "value.invalid",
            "a key share that is not the published one",
            where="key share",
            expected="a scalar u with u*G equal to the operator's published point U",
            advice="Ask the operator for the share again and report the mismatch to the oversight body.",
        )


def _derived(seed: bytes, purpose: bytes, label: str) -> Scalar:
    return scalar_from_wide(hmac.digest(seed, purpose + check_label(label).encode("ascii"), "sha512"))
