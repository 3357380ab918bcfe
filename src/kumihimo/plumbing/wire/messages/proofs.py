"""Proofs of translation (変換の正当性証明) on the wire: operator ↔ operator, oversight body → operator, and what failed."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from kumihimo.plumbing.wire.envelope import Envelope, Message, Part, Reply

MOST = 100
_Ciphertexts = Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST)]


class ProveHops(Message):
    """Prove that for this transaction you turned `inputs` into `outputs` (64 bytes each, base64), domain to domain.

    Answered for about an hour after the translation; then the secret it needs is gone.
    """

    KIND: ClassVar[str] = "prove-hops.v1"
    transaction: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    source: str
    target: str
    inputs: _Ciphertexts
    outputs: _Ciphertexts


class HopsProven(Reply):
    """Three DLEQ proofs and the ciphertexts between rerandomisation and reshuffle (192 bytes and 64 each, base64)."""

    KIND: ClassVar[str] = "hops-proven.v1"
    proof: str


class UnprovenHop(Part):
    """An item of an operator's feed to the oversight body (kind `unproven`): the other one could not prove a translation.

    `signed` is what the other operator signed of it: operator 1's relayed inquiry, or operator 2's permit.
    """

    transaction: str
    operator: str
    source: str
    target: str
    code: str
    signed: Envelope
