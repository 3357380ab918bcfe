"""Reading the platform's decision (許可の確認): the requester trusts neither operator alone.

A permit must carry both operators' signatures and say what was asked for; the ciphertext for the provider must be the one
it binds.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, from_b64
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.inquiry import InquiryDecision, InquiryRequest, LogPromise, Permit, Refusal


@dataclass(frozen=True)
class Granted:
    """A verified permit with the ciphertext it binds, base64."""

    permit: Permit
    envelope: Envelope
    subject: str


@dataclass(frozen=True)
class Refused:
    """The platform's no, and where the log has it."""

    refusal: Refusal
    log_index: int


def read_decision(edge: Edge, request: InquiryRequest, decision: InquiryDecision) -> Granted | Refused:
    """Verify operator 1's answer to a request.

    Raises Problem (message.wrong_signer, message.signature_invalid, message.malformed, permit.subject_mismatch) for an
    answer that is not what both operators may give to this request.
    """
    promise = edge.read(decision.promise, LogPromise, OPERATORS[0]).value
    if decision.transaction != request.transaction:
        raise _not_ours("transaction", decision.transaction, request.transaction)
    if decision.refusal is not None:
        return Refused(decision.refusal, promise.index)
    if decision.permit is None or decision.subject is None:
        raise Problem("message.malformed", "neither a permit nor a refusal", "decision", "one of the two")
    permit = edge.read(decision.permit, Permit, *OPERATORS).value
    for name in ("transaction", "requester", "provider", "affair", "items", "period"):
        found, asked = getattr(permit, name), getattr(request, name)
        if found != asked:
            raise _not_ours(f"permit.{name}", found, asked)
    if hashlib.sha256(from_b64(decision.subject, "subject")).hexdigest() != permit.subject_hash:
        raise Problem("permit.subject_mismatch", "a ciphertext that the permit was not made for", "decision.subject")
    return Granted(permit, decision.permit, decision.subject)


def decision_in(edge: Edge, decision: Envelope) -> InquiryDecision:
    """A decision that was stored as it came. Raises Problem(message.*)."""
    return edge.read(decision, InquiryDecision, OPERATORS[0]).value


def granted_in(edge: Edge, decision: Envelope) -> Granted | None:
    """The permit of a decision that was verified and stored; None for a refusal. Raises Problem as `read_decision`."""
    decided = decision_in(edge, decision)
    if decided.permit is None or decided.subject is None:
        return None
    return Granted(edge.read(decided.permit, Permit, *OPERATORS).value, decided.permit, decided.subject)


def _not_ours(where: str, found: object, asked: object) -> Problem:
    return Problem("message.malformed", str(found), where, str(asked), "Report this to the oversight body.")
