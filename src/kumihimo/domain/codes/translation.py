"""Blind translation (符号変換): one operator of the hub turns codes of one institution into codes of another.

Operator 1 works first, then operator 2; only after both can the target decrypt, and what it finds is its own code. An
operator sees two institutions and ciphertexts, never a person, and cannot tell whether two requests concern the same one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets as randomness_source
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import lru_cache, partial
from typing import Final

from kumihimo.domain.codes.ciphertext import Ciphertext, PublicKey, split_ciphertext
from kumihimo.domain.codes.group import Point, Scalar, framed, mul, scalar_from_wide, scalar_invert, scalar_mul
from kumihimo.domain.codes.hop import HopFactors, hop, rerandomise, reshuffle
from kumihimo.domain.codes.operators import DomainFactors, PublishedPoints
from kumihimo.domain.codes.proofs import HopProof, HopStatement, OperatorNumber, prove_hops, verify_hops
from kumihimo.domain.kernel.errors import Problem

HOP_SEED_BYTES: Final = 32
# Items a worker takes at a time: large enough that handing over costs nothing beside 0.2 ms an item.
_CHUNK: Final = 32
_CACHED_DOMAINS: Final = 8_192
_CACHED_PAIRS: Final = 65_536
Rerandomised = dict[tuple[Point, Scalar, bytes], Ciphertext]
"""Ciphertexts that are rerandomised already, by key, scalar and what came in: for the time of one request, and secret."""
_HOP_RANDOMNESS: Final = b"kumihimo/hop-randomness/v2"


class Translator:
    """One operator at work. Safe to share between threads.

    `peer_points(label)` gives the other operator's published points of a domain, already checked against a directory;
    they are remembered, since a domain's points never change. `rng(n)` gives n random bytes.
    """

    def __init__(
        self,
        secrets: DomainFactors,
        operator: OperatorNumber,
        peer_points: Callable[[str], PublishedPoints],
        rng: Callable[[int], bytes] = randomness_source.token_bytes,
    ) -> None:
        self._secrets = secrets
        self._operator: OperatorNumber = operator
        self._rng = rng
        self._peer_points = lru_cache(_CACHED_DOMAINS)(peer_points)
        self._own_points = lru_cache(_CACHED_DOMAINS)(secrets.published)
        self._factors = lru_cache(_CACHED_PAIRS)(self._derive_factors)
        self._prefixes = lru_cache(_CACHED_DOMAINS)(self._derive_prefix)
        self._keys_of_peer = lru_cache(_CACHED_PAIRS)(self._key_before_peer)

    def hop(
        self,
        ciphertexts: Sequence[bytes],
        source: str,
        target: str,
        *,
        seed: bytes | None = None,
        pool: Executor | None = None,
    ) -> list[bytes]:
        """Translate a batch of ciphertexts of 64 bytes from domain `source` to `target`, in order.

        Every rerandomisation scalar follows from `seed` (32 bytes, drawn when not given), the source, the place and the
        ciphertext: an operator that keeps the seed of a batch can prove the batch later, on demand (`prove`). A seed
        serves one batch and is as secret as the operator's own knowledge of who went in and who came out.
        `pool` is an executor of threads for large batches; libsodium runs outside the interpreter lock.
        Raises Problem(codes.not_a_point, codes.identity_point) naming the place, Problem(institution.format); nothing is
        translated unless all is.
        """
        factors = self._factors(source, target)
        scalars = self._scalars(ciphertexts, source, self.new_seed() if seed is None else seed)
        jobs = [(index, item, scalar) for index, (item, scalar) in enumerate(zip(ciphertexts, scalars, strict=True))]
        work = partial(_hop_chunk, factors)
        if pool is None or len(jobs) <= _CHUNK:
            return work(jobs)
        chunks = [jobs[start : start + _CHUNK] for start in range(0, len(jobs), _CHUNK)]
        return [item for done in pool.map(work, chunks) for item in done]

    def hop_each(
        self,
        ciphertexts: Sequence[bytes],
        source: str,
        target: str,
        seeds: Sequence[bytes],
        fresh: Rerandomised | None = None,
    ) -> list[bytes]:
        """Translate ciphertexts each as a batch of its own, with a seed of its own: the same as `hop` for each alone.

        What operator 1 sends to several targets is rerandomised alike for all, since key and scalar depend on the source
        only: with the same `fresh` given each time, it is done once. Raises Problem as `hop`.
        """
        prefix = self._prefixes(source)
        jobs = [(0, one, _scalar(prefix, 0, one, seed)) for one, seed in zip(ciphertexts, seeds, strict=True)]
        return _hop_chunk(self._factors(source, target), jobs, fresh)

    def new_seed(self) -> bytes:
        """A seed for one batch, 32 bytes."""
        return self._rng(HOP_SEED_BYTES)

    def prove(
        self, inputs: Sequence[bytes], outputs: Sequence[bytes], source: str, target: str, seed: bytes
    ) -> HopProof:
        """Prove a batch that this operator translated with `seed`.

        Raises Problem(codes.proof_invalid) for an empty batch or outputs that this seed did not give.
        """
        factors = self._factors(source, target)
        scalars = self._scalars(inputs, source, seed)
        own = self._own_points(source), self._own_points(target)
        statement = HopStatement(self._operator, source, target, *own, factors.key_before, inputs, outputs)
        return prove_hops(statement, scalars, factors)

    def prove_each(
        self, inputs: Sequence[bytes], outputs: Sequence[bytes], source: str, target: str, seeds: Sequence[bytes]
    ) -> HopProof:
        """One proof about ciphertexts that were each translated alone, with a seed each. Raises Problem as `prove`."""
        factors = self._factors(source, target)
        scalars = [self._scalars([one], source, seed)[0] for one, seed in zip(inputs, seeds, strict=True)]
        own = self._own_points(source), self._own_points(target)
        statement = HopStatement(self._operator, source, target, *own, factors.key_before, inputs, outputs)
        return prove_hops(statement, scalars, factors)

    def verify_peer(
        self, inputs: Sequence[bytes], outputs: Sequence[bytes], source: str, target: str, proof: HopProof
    ) -> None:
        """Check the other operator's proof about a batch. Raises Problem(codes.proof_invalid)."""
        peer: OperatorNumber = 2 if self._operator == 1 else 1
        points = self._peer_points(source), self._peer_points(target)
        key = self._keys_of_peer(source, target)
        verify_hops(HopStatement(peer, source, target, *points, key, inputs, outputs), proof)

    def public_key_of(self, label: str) -> PublicKey:
        """The public key u_1(X)u_2(X)*G of a domain, without asking its institution. Raises Problem(institution.format)."""
        return PublicKey(mul(self._secrets.key_share(label), Point(self._peer_points(label).U)))

    def _derive_factors(self, source: str, target: str) -> HopFactors:
        old_share, new_share = self._secrets.key_share(source), self._secrets.key_share(target)
        old_reshuffle = self._secrets.reshuffle_factor(source)
        reshuffle = scalar_mul(self._secrets.reshuffle_factor(target), scalar_invert(old_reshuffle))
        rekey_inverse = scalar_mul(old_share, scalar_invert(new_share))
        peer_key = self._peer_points(source if self._operator == 1 else target).U
        return HopFactors(mul(old_share, Point(peer_key)), reshuffle, scalar_mul(reshuffle, rekey_inverse))

    def _key_before_peer(self, source: str, target: str) -> Point:
        """The public key of what the other operator translates.

        Before operator 1 the key is u_1(A)u_2(A)*G; before operator 2 it is u_1(B)u_2(A)*G. This operator's share is the one
        of the source when it comes second, and the one of the target when it came first.
        """
        own_label = source if self._operator == 2 else target
        return mul(self._secrets.key_share(own_label), Point(self._peer_points(source).U))

    def _derive_prefix(self, source: str) -> bytes:
        context = framed(_HOP_RANDOMNESS, bytes([self._operator]), source.encode())
        return hashlib.sha512(context).digest()

    def _scalars(self, ciphertexts: Sequence[bytes], source: str, seed: bytes) -> list[Scalar]:
        if len(seed) != HOP_SEED_BYTES:
            raise Problem("value.invalid", f"a hop seed of {len(seed)} bytes", expected=f"{HOP_SEED_BYTES} bytes")
        prefix = self._prefixes(source)
        return [_scalar(prefix, index, ciphertext, seed) for index, ciphertext in enumerate(ciphertexts)]


def _scalar(prefix: bytes, index: int, ciphertext: bytes, seed: bytes) -> Scalar:
    return scalar_from_wide(hmac.digest(seed, prefix + index.to_bytes(4, "big") + ciphertext, "sha512"))


def _hop_chunk(
    factors: HopFactors, jobs: Sequence[tuple[int, bytes, Scalar]], fresh: Rerandomised | None = None
) -> list[bytes]:
    translated = []
    for index, ciphertext, scalar in jobs:
        try:
            if fresh is None:
                translated.append(hop(ciphertext, scalar, factors))
                continue
            known = factors.key_before, scalar, ciphertext
            if known not in fresh:
                fresh[known] = rerandomise(split_ciphertext(ciphertext), scalar, factors.key_before)
            translated.append(reshuffle(fresh[known], factors))
        except Problem as problem:
            problem.where = f"ciphertext {index}"
            raise
    return translated
