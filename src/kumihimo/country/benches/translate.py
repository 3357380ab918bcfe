"""What one operator's hop costs (符号変換): a batch translated and rerandomised, against the bare group operations.

A hop cannot be cheaper than three variable-base multiplications, one base multiplication and two additions of libsodium;
these, called directly as often as there are codes, are the bound. The reach says how much of it our layer leaves.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from functools import partial

import rbcl

from kumihimo.country.benches.figures import Effort, Measured, Reference
from kumihimo.country.benches.timing import paired
from kumihimo.domain.codes import (
    OperatorSecrets,
    Translator,
    assemble_key,
    encrypt,
    person_point,
    public_key,
    random_scalar,
)

_SOURCE, _TARGET = "x-city#1", "y-city#1"


def measure(effort: Effort) -> Iterator[Measured]:
    """Codes a second of one hop on one core."""
    batch = effort.pick(quick=100, full=1_000)
    first, second = OperatorSecrets.generate(), OperatorSecrets.generate()
    translator = Translator(first, 1, second.published)
    key = public_key(assemble_key(first.key_share(_SOURCE), second.key_share(_SOURCE)))
    rho = secrets.token_bytes(32)
    codes = [encrypt(person_point(rho, f"{number:011d}", 0), key, random_scalar()) for number in range(batch)]
    hop = partial(translator.hop, codes, _SOURCE, _TARGET)
    found = paired(hop, partial(_bound, codes, random_scalar()), effort.pick(quick=5, full=31))
    reference = Reference("bare group operations of a hop", batch / found.reference_seconds)
    yield Measured("translate", "hop", batch / found.seconds, "codes/s", reference, found.rate_ratio)


def _bound(codes: Sequence[bytes], scalar: bytes) -> None:
    mul, base = rbcl.crypto_scalarmult_ristretto255, rbcl.crypto_scalarmult_ristretto255_base
    add = rbcl.crypto_core_ristretto255_add
    for code in codes:
        blinding, masked = code[:32], code[32:]
        mul(scalar, add(blinding, base(scalar)))
        mul(scalar, add(masked, mul(scalar, blinding)))
