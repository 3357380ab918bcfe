"""Randomness (乱数): passed in, never taken, so that a country can be drawn again and a number cannot be guessed.

Numbers and codes of a real country come from `SystemRandomness`. `SeededRandomness` gives the same draws for the same seed
and is therefore guessable: it is for synthetic countries and tests only.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Protocol


class RandomSource(Protocol):
    """Whatever can give random bytes and uniform integers."""

    def token_bytes(self, n: int) -> bytes:
        """`n` random bytes."""
        ...

    def randbelow(self, n: int) -> int:
        """A uniform integer in 0 ≤ x < n; n ≥ 1."""
        ...


def uniform_many(rng: RandomSource, n: int, count: int) -> list[int]:
    """`count` uniform integers in 0 ≤ x < n, out of as few random bytes as go; n ≥ 1.

    For drawing in bulk: asking the system for each integer by itself takes longer than all else about it.
    """
    bits = (n - 1).bit_length() or 1
    size = (bits + 7) // 8
    shift = 8 * size - bits
    drawn: list[int] = []
    while len(drawn) < count:
        data = rng.token_bytes(size * (count - len(drawn)))
        values = [int.from_bytes(data[at : at + size]) >> shift for at in range(0, len(data), size)]
        # Values of n or more are drawn again: taking them modulo n would favour small results.
        drawn.extend(value for value in values if value < n)
    return drawn


class SystemRandomness:
    """The operating system's cryptographic generator."""

    def token_bytes(self, n: int) -> bytes:
        return secrets.token_bytes(n)

    def randbelow(self, n: int) -> int:
        return secrets.randbelow(n)


class SeededRandomness:
    """NOT SECRET: the same draws for the same seed, on every machine and Python version. For synthetic countries and tests.

    The stream is BLAKE2b in counter mode keyed with the seed. Not for sharing between threads.
    """

    def __init__(self, seed: int | str) -> None:
        self._seed = str(seed)
        self._key = hashlib.blake2b(self._seed.encode(), digest_size=64).digest()
        self._blocks = 0
        self._buffer = b""

    def __repr__(self) -> str:
        return f"SeededRandomness({self._seed!r}, guessable)"

    def token_bytes(self, n: int) -> bytes:
        while len(self._buffer) < n:
            self._buffer += hashlib.blake2b(self._blocks.to_bytes(8, "big"), key=self._key).digest()
            self._blocks += 1
        drawn, self._buffer = self._buffer[:n], self._buffer[n:]
        return drawn

    def randbelow(self, n: int) -> int:
        if n < 1:
            raise ValueError(f"randbelow needs at least 1, got {n}")
        bits = (n - 1).bit_length()
        size = (bits + 7) // 8
        # Values of n or more are drawn again: taking them modulo n would favour small results.
        while (drawn := int.from_bytes(self.token_bytes(size), "big") >> (8 * size - bits)) >= n:
            pass
        return drawn

    def stream(self, label: str) -> SeededRandomness:
        """An independent stream for one purpose, so that one more draw here does not change everything drawn there."""
        return SeededRandomness(f"{self._seed}/{label}")
