"""Moving own link codes to the next epoch (符号の更新): what every holder of codes asks of the hub, whatever its store is like.

The codes leave encrypted, in an order drawn for each batch, with a random combination of them hidden among them; what comes
back is held against it before anybody may use it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from kumihimo.domain.codes import (
    PublicKey,
    SecretKey,
    check_moved,
    combine,
    decrypt,
    domain_label,
    encrypt,
    public_key,
    random_scalar,
)
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import institution_of
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Message, Reply, Signed, b64, from_b64
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.rotation import (
    CodesRotated,
    DomainMoved,
    DomainShown,
    MoveDomain,
    Phase,
    RotateCodes,
    ShowDomain,
)

R = TypeVar("R", bound=Reply)
Secret = Callable[[str], bytes]
"""The decryption key of an own domain by its label: `LinkKeys.secret`."""


class Sender(Protocol):
    """Carries a message to its audience and brings the verified answer: `PeerClient`."""

    def send(self, path: str, message: Message, reply: type[R]) -> Signed[R]:
        """Raises Problem: what the audience reported, or peer.unreachable."""
        ...


@dataclass(frozen=True)
class MovingCodes:
    """The holder's end of a rotation."""

    edge: Edge
    sender: Sender
    secret: Secret

    def step(self, phase: Phase, epoch: int, reason: str) -> None:
        """Have both operators let our domain take a step; again is as once. Raises Problem(operator.unreachable, …)."""
        own = institution_of(self.edge.party)
        move = self.edge.message(MoveDomain, OPERATORS[0], institution=own, phase=phase, epoch=epoch, reason=reason)
        self._send("/domain-moves", move, DomainMoved)

    def domain(self) -> DomainShown:
        """Which epochs of our domain are open at the hub. Raises Problem(operator.unreachable)."""
        return self._send("/shown-domains", self.edge.message(ShowDomain, OPERATORS[0]), DomainShown)

    def moved(
        self, codes: Sequence[bytes], epoch: int, reference: tuple[bytes, bytes] | None = None
    ) -> list[tuple[bytes, bytes]]:
        """Pairs of each code and what it is in `epoch`, in a random order. `codes` are of the epoch before.

        `reference` is a pair of an earlier batch, which binds this one to the same factor. Raises
        Problem(codes.proof_invalid) when codes were exchanged or altered on the way; operator.unreachable, and what the
        operators report. Nothing may be kept then.
        """
        own = institution_of(self.edge.party)
        keys = [SecretKey(self.secret(domain_label(own, one))) for one in (epoch - 1, epoch)]
        old, new = ((), ()) if reference is None else ((reference[0],), (reference[1],))
        before, order = public_key(keys[0]), list(codes)
        secrets.SystemRandom().shuffle(order)
        hidden = combine([*order, *old])
        place = secrets.randbelow(len(order) + 1)
        sent = [*order[:place], hidden.point, *order[place:]]
        batch = self.edge.message(
            RotateCodes, OPERATORS[0], transaction=secrets.token_hex(16), institution=own, epoch=epoch,
            codes=tuple(_encrypted(code, before) for code in sent),
        )  # fmt: skip
        answer = self._send("/rotations", batch, CodesRotated).codes
        if len(answer) != len(sent):
            raise Problem("message.malformed", f"{len(answer)} codes", where="codes", expected=f"{len(sent)} codes")
        opened = [decrypt(from_b64(code, "codes"), keys[1]) for code in answer]
        point = opened.pop(place)
        check_moved(hidden, [*opened, *new], point)
        return list(zip(order, opened, strict=True))

    def _send(self, path: str, message: Message, reply: type[R]) -> R:
        try:
            return self.sender.send(path, message, reply).value
        except Problem as problem:
            if problem.code == "peer.unreachable":
                raise Problem("operator.unreachable", problem.detail, advice="It is tried again by itself.") from None
            raise


def _encrypted(code: bytes, key: PublicKey) -> str:
    return b64(encrypt(code, key, random_scalar()))
