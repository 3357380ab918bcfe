"""A hub of two operators, a registry and a few institutions, each with the keys it would really hold."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from kumihimo.domain.codes import (
    OperatorSecrets,
    Point,
    Translator,
    assemble_key,
    decrypt,
    encrypt,
    person_point,
    public_key,
    random_scalar,
)

REGISTRY = "registry#1"


@dataclass(frozen=True)
class Hub:
    """Both operators as one test sees them; no real party holds all of this."""

    secrets1: OperatorSecrets
    secrets2: OperatorSecrets
    operator1: Translator
    operator2: Translator
    rho: bytes

    def key(self, label: str) -> bytes:
        return assemble_key(self.secrets1.key_share(label), self.secrets2.key_share(label))

    def encrypt(self, code: bytes, label: str) -> bytes:
        return encrypt(code, public_key(self.key(label)), random_scalar())

    def translate(self, ciphertexts: list[bytes], source: str, target: str) -> list[bytes]:
        return self.operator2.hop(self.operator1.hop(ciphertexts, source, target), source, target)

    def carry(self, code: bytes, source: str, target: str) -> Point:
        """What the target finds when it decrypts the translation of a code of the source."""
        translated = self.translate([self.encrypt(code, source)], source, target)
        return decrypt(translated[0], self.key(target))

    def person(self, number: int, counter: int = 0) -> Point:
        return person_point(self.rho, f"{number:011d}", counter)

    def code(self, number: int, label: str) -> Point:
        """The code an institution is issued for a person: translated from the registry."""
        return self.carry(self.person(number), REGISTRY, label)


def make_hub(name: bytes) -> Hub:
    def seed(purpose: bytes) -> bytes:
        return hashlib.sha256(name + purpose).digest()

    secrets1 = OperatorSecrets(seed(b"1 reshuffle"), seed(b"1 rekey"))
    secrets2 = OperatorSecrets(seed(b"2 reshuffle"), seed(b"2 rekey"))
    return Hub(
        secrets1=secrets1,
        secrets2=secrets2,
        operator1=Translator(secrets1, 1, secrets2.published),
        operator2=Translator(secrets2, 2, secrets1.published),
        rho=seed(b"rho"),
    )
