"""Opening an answer (提供情報の受領): the requester checks that it is the provider's answer to this very permit.

Signature and reference to our message were verified with the reply; here its transaction, permit and content are. A swapped,
replayed or altered answer fails at one of these, and at the seal's binding in any case (I6).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import ValidationError

from kumihimo.domain.kernel import Problem, party_id
from kumihimo.domain.sealing import binding, open_sealed
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, from_b64, malformed
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Permit
from kumihimo.plumbing.wire.messages.provision import AsOf, DatedItem, ProvisionAnswer, ProvisionRequest, SealedItems
from kumihimo.plumbing.wire.permits import Granted

_POSSIBLE = frozenset((Outcome.PROVIDED, Outcome.NONE, Outcome.WITHHELD, Outcome.PENDING))


@dataclass(frozen=True)
class Answer:
    """What the provider said, and the hash of what it sealed."""

    outcome: Outcome
    items: tuple[DatedItem, ...] = ()
    payload_hash: str | None = None
    as_of: tuple[AsOf, ...] = ()


def open_answer(edge: Edge, granted: Granted, answer: ProvisionAnswer) -> Answer:
    """Verify and open. Raises Problem(sealing.cannot_open, message.replayed, message.malformed)."""
    if answer.transaction != granted.permit.transaction or answer.permit_hash != granted.envelope.digest():
        raise Problem(
            "message.replayed",
            f"an answer to transaction {answer.transaction}",
            where="answer",
            expected=f"the answer to {granted.permit.transaction} under its permit",
            advice="Report this to the oversight body.",
        )
    if answer.outcome not in _POSSIBLE or answer.sealed is None:
        raise _unfitting(answer)
    sealed = from_b64(answer.sealed, "answer.sealed")
    if hashlib.sha256(sealed).hexdigest() != answer.payload_hash:
        raise _cannot_open("the sealed bytes are not those whose hash the provider reports")
    plain = open_sealed(sealed, edge.identity.sealing_key, answer_binding(granted.permit, granted.envelope))
    try:
        content = SealedItems.model_validate_json(plain)
    except ValidationError as error:
        raise malformed(error, "SealedItems") from None
    if content.transaction != granted.permit.transaction:
        raise _cannot_open("the content belongs to another transaction")
    if not {item.item for item in content.items} <= set(granted.permit.items):
        raise _cannot_open("the content has items that the permit does not name")
    if (answer.outcome is Outcome.PROVIDED) != bool(content.items):
        raise _unfitting(answer)
    return Answer(answer.outcome, content.items, answer.payload_hash if content.items else None, content.as_of)


def answer_binding(permit: Permit, envelope: Envelope) -> bytes:
    """What a sealed answer is bound to: transaction number, provider, requester, and the permit's hash."""
    return binding(permit.transaction, permit.provider, permit.requester, bytes.fromhex(envelope.digest()))


def provision_request(granted: Granted) -> ProvisionRequest:
    """The one request that can be made of a permit: computed from it, so that it comes out the same after a restart."""
    permit = granted.permit
    return ProvisionRequest(
        audience=party_id(permit.provider, "exchange"),
        sent_at=permit.issued_at,
        message_id=granted.envelope.digest()[:32],
        permit=granted.envelope,
        subject=granted.subject,
    )


@contextmanager
def unreachable_provider(granted: Granted) -> Iterator[None]:
    """Inside, a peer that cannot be reached is the provider of this permit. Raises Problem(provider.unreachable)."""
    try:
        yield
    except Problem as problem:
        if problem.code != "peer.unreachable":
            raise
        raise Problem(
            "provider.unreachable",
            problem.detail,
            where=granted.permit.provider,
            advice="Fetch the answer under the same transaction number within five minutes, or inquire again later.",
        ) from None


def _unfitting(answer: ProvisionAnswer) -> Problem:
    return Problem("message.malformed", f"outcome {answer.outcome}", "answer", "an outcome that fits its content")


def _cannot_open(detail: str) -> Problem:
    return Problem(
        "sealing.cannot_open",
        detail,
        where="answer.sealed",
        expected="what the provider sealed for this permit",
        advice="Discard it, make a new inquiry, and report this to the oversight body.",
    )
