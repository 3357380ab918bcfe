"""Permit desk (許可の窓口, 運営者1): takes an institution's request, writes it down, and gets the permit signed by both.

番号法 第二十一条; protocols.md, "Inquiry", steps 3 to 5. In this order: authentic and fresh, ruled on, durably logged,
half translated, passed to operator 2, co-signed. Nothing leaves before the log has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from kumihimo.domain.codes import Rerandomised, Translator
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, institution_of
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Signed, add_signature, b64, from_b64
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.inquiry import (
    InquiryDecision,
    InquiryRelayed,
    InquiryRequest,
    LoggedRecord,
    LogPromise,
    Permit,
    Refusal,
    RelayInquiry,
)
from kumihimo.plumbing.wire.requesters import PORTAL, may_request
from kumihimo.plumbing.wire.together import ManySender, all_at_once, each, parse_envelopes
from kumihimo.roles.hub.service.journal import Journal, Once
from kumihimo.roles.hub.service.ports import send_all_to_operator
from kumihimo.roles.hub.service.proofs import Hop, ProofCheck, Seeds
from kumihimo.roles.hub.service.records import PERMIT_LIFE, permit_of, request_record
from kumihimo.roles.hub.service.rulings import Bench, Ruling, refusal_of
from kumihimo.roles.hub.service.second import requested
from kumihimo.roles.hub.service.unfinished import Underway
from kumihimo.roles.hub.store import Domains, Unrelayed

_PORTAL: Final = institution_of(PORTAL)
Domain = tuple[str, int]
"""An institution and the epoch of its link codes."""
log = structlog.get_logger()


@dataclass(frozen=True)
class _Case:
    """A logged request that goes on to operator 2."""

    signed: Signed[InquiryRequest]
    ruling: Ruling
    subject: bytes
    logged: LoggedRecord


@dataclass(frozen=True)
class _Passed:
    """What operator 2 is sent about a case, and the half that is for a provider."""

    case: _Case
    message: RelayInquiry
    provider: Domain | None
    half: str | None


@dataclass(frozen=True)
class _Heard:
    """What operator 2 said to it."""

    passed: _Passed
    relayed: InquiryRelayed


class PermitDesk:
    """Operator 1's desk. Safe for many threads."""

    def __init__(
        self,
        edge: Edge,
        bench: Bench,
        journal: Journal,
        translator: Translator,
        sender: ManySender,
        seeds: Seeds,
        check: ProofCheck,
        domains: Domains,
        underway: Underway | None = None,
    ) -> None:
        self._domains = domains
        self._underway = underway or Underway()
        self._seeds = seeds
        self._check = check
        self._edge = edge
        self._bench = bench
        self._journal = journal
        self._translator = translator
        self._sender = sender

    def decide(self, body: bytes, peer: PartyId) -> list[InquiryDecision | Problem]:
        """The decision on each signed InquiryRequest that came in, one or several together, in their order.

        The very same request again, to the byte and within five minutes of its entry, is no second request: it gets the
        same decision, or goes on where the first attempt broke off, under the entry there is.

        In the place of a decision stands a Problem: whatever makes a message not authentic (logged as rejected),
        operator.unreachable and what else operator 2 found wrong (logged as a refused request). Raises Problem for a body
        that holds no messages at all.
        """
        with self._journal.rejecting(peer):
            envelopes = parse_envelopes(body)
        return all_at_once(self._decided, each(partial(self._opened, peer), envelopes))

    def _opened(self, peer: PartyId, envelope: Envelope) -> Signed[InquiryRequest]:
        with self._journal.rejecting(peer):
            signed = self._edge.open(envelope, InquiryRequest, peer, may_request)
            _require_own_institution(signed.value, peer)
        return signed

    def _decided(self, requests: Sequence[Signed[InquiryRequest]]) -> list[InquiryDecision | Problem]:
        at = self._journal.now()
        rulings = [self._bench.rule_on(signed.value, at) for signed in requests]
        decisions: dict[int, InquiryDecision | Problem] = {}
        going_on: dict[int, _Case] = {}
        written = self._journal.write_all_once(
            [_entry(signed, ruling, at) for signed, ruling in zip(requests, rulings, strict=True)]
        )
        for place, (signed, ruling, entered) in enumerate(zip(requests, rulings, written, strict=True)):
            logged = entered or self._known(signed, ruling, at)
            if logged is None:
                used = Problem("message.replayed", f"transaction {signed.value.transaction} was already used")
                decisions[place] = _decision(signed, self._log_refused(signed, ruling, refusal_of(used)))
            elif ruling.subject is None:
                decisions[place] = _decision(signed, logged)
            else:
                going_on[place] = _Case(signed, ruling, ruling.subject, logged)
        decisions.update(zip(going_on, self._permitted(list(going_on.values())), strict=True))
        return [decisions[place] for place in range(len(requests))]

    def _permitted(self, cases: Sequence[_Case]) -> list[InquiryDecision | Problem]:
        """Go on with logged requests to operator 2; a problem is logged as a refusal that operator 2 must hear of."""
        with ExitStack() as stack:
            indexes = [stack.enter_context(self._underway.of(case.logged)) for case in cases]
            answers = self._with_operator_2(cases)
            for case, answer in zip(cases, answers, strict=True):
                if isinstance(answer, Problem):
                    unrelayed = Unrelayed(case.signed.envelope, None if case.ruling.granted else case.logged)
                    self._log_refused(case.signed, case.ruling, refusal_of(answer), unrelayed)
            for index in indexes:
                self._underway.heard(index)
        return answers

    def finish(self, request: Envelope, logged: LoggedRecord) -> None:
        """Go on with a granted request that was cut off here after its entry, so that its resident is told.

        Operator 2 takes it once, and only what it may still permit. Raises Problem as `decide`; nothing is logged then.
        """
        signed = requested(self._edge, request)
        ruling = self._bench.rule_on(signed.value, self._journal.now())
        if ruling.subject is not None:
            (answer,) = self._with_operator_2([_Case(signed, ruling, ruling.subject, logged)])
            if isinstance(answer, Problem):
                raise answer

    def give_up(self, request: Envelope, problem: Problem) -> None:
        """Write down that nothing came of a granted request, and why; operator 2 hears of it when it can."""
        signed = requested(self._edge, request)
        ruling = self._bench.rule_on(signed.value, self._journal.now())
        self._log_refused(signed, ruling, refusal_of(problem), Unrelayed(request))

    def _known(self, signed: Signed[InquiryRequest], ruling: Ruling, at: datetime) -> LoggedRecord | None:
        """The entry of this very request; None when its number was used by another one, too long ago, or the ruling is
        another today."""
        known = self._journal.first_request(signed.value.transaction)
        if known is None or known.record.request_hash != signed.envelope.digest():
            return None
        if known.record.granted != ruling.granted or at >= known.record.logged_at + PERMIT_LIFE:
            return None
        return known

    def _with_operator_2(self, cases: Sequence[_Case]) -> list[InquiryDecision | Problem]:
        """Half translate, pass on in one request, cosign: the decision on each, or its problem."""
        return each(self._concluded, all_at_once(self._relayed, each(self._relay, cases)))

    def _relay(self, case: _Case) -> _Passed:
        request, at = case.signed.value, case.logged.record.logged_at
        provider = self._present(request.provider) if case.ruling.granted else None
        portal = self._present(_PORTAL)
        fresh: Rerandomised = {}
        half = None if provider is None else self._half(case.subject, request, provider, at, fresh)
        relay = self._edge.message(
            RelayInquiry,
            OPERATORS[1],
            request=case.signed.envelope,
            logged=case.logged,
            for_provider=half,
            for_portal=self._half(case.subject, request, portal, at, fresh),
            provider_epoch=None if provider is None else provider[1],
            portal_epoch=portal[1],
        )
        return _Passed(case, relay, provider, half)

    def _relayed(self, passed: list[_Passed]) -> list[_Heard | Problem]:
        relays = [one.message for one in passed]
        answers = send_all_to_operator(self._sender, "/relayed-inquiries", relays, InquiryRelayed)
        return [
            answer if isinstance(answer, Problem) else _Heard(one, answer)
            for one, answer in zip(passed, answers, strict=True)
        ]

    def _concluded(self, heard: _Heard) -> InquiryDecision:
        passed, relayed, case = heard.passed, heard.relayed, heard.passed.case
        signed, ruling, logged = case.signed, case.ruling, case.logged
        request, half = signed.value, passed.half
        if half is None:
            return _decision(signed, logged)
        if relayed.refusal is not None:
            return _decision(signed, self._log_refused(signed, ruling, relayed.refusal))
        if relayed.permit is None or relayed.subject is None:
            raise Problem("message.malformed", "operator 2 sent neither permit nor refusal", expected="one of them")
        permit, epoch = self._cosigned(relayed.permit, relayed.subject, logged)
        label = self._domains.label
        target = label(request.provider, epoch)
        if epoch is not None and passed.provider is not None and epoch != passed.provider[1]:
            # The permit was given before the provider's codes were swapped: our half of then is computed again.
            half = self._half(case.subject, request, (request.provider, epoch), logged.record.logged_at, {})
        hop = Hop(label(request.requester, request.epoch), target, half, relayed.subject)
        self._check.sample(request.transaction, (hop,), relayed.permit)
        return _decision(signed, logged, permit, relayed.subject)

    def _present(self, institution: str) -> Domain:
        return institution, self._domains.present(institution)

    def _half(self, subject: bytes, request: InquiryRequest, target: Domain, at: datetime, fresh: Rerandomised) -> str:
        label, seed = self._domains.label, self._seeds.seed(request.transaction, at)
        source = label(request.requester, request.epoch)
        return b64(self._translator.hop_each([subject], source, label(*target), [seed], fresh)[0])

    def _cosigned(self, envelope: Envelope, subject: str, logged: LoggedRecord) -> tuple[Envelope, int | None]:
        """Operator 2's permit with our signature, if it says exactly what was logged, and its epoch. Raises Problem."""
        permit = self._edge.read(envelope, Permit, OPERATORS[1]).value
        promise = self._edge.read(logged.promise, LogPromise, OPERATORS[0]).value
        ciphertext = from_b64(subject, "subject")
        dates = permit.issued_at, permit.expires_at
        expected = permit_of(logged.record, promise.index, ciphertext, *dates, permit.epoch)
        lasts = permit.expires_at - permit.issued_at
        if permit != expected or lasts > PERMIT_LIFE or len(envelope.signatures) != 1:
            raise Problem("message.malformed", "operator 2's permit differs from the log", where="permit")
        return add_signature(envelope, self._edge.identity), permit.epoch

    def _log_refused(
        self, signed: Signed[InquiryRequest], ruling: Ruling, refusal: Refusal, unrelayed: Unrelayed | None = None
    ) -> LoggedRecord:
        """A further entry: the request, in the end, was refused, and why; operator 2 hears of it when it can."""
        refused = replace(ruling, rules=(), articles=(), refusal=refusal)
        log.info("refused", transaction=signed.value.transaction, code=refusal.code)
        return self._journal.write(request_record(signed, refused, self._journal.now()), unrelayed)


def _require_own_institution(request: InquiryRequest, peer: PartyId) -> None:
    if request.requester != institution_of(peer):
        raise Problem(
            "message.wrong_signer", f"{peer} asks for another institution", expected=f"requester {institution_of(peer)}"
        )


def _entry(signed: Signed[InquiryRequest], ruling: Ruling, at: datetime) -> Once:
    """The entry of a request; what has a ciphertext is kept until operator 2 has heard of it."""
    kept = None if ruling.subject is None else Unrelayed(signed.envelope)
    return Once(request_record(signed, ruling, at), signed.value.transaction, unrelayed=kept)


def _decision(
    signed: Signed[InquiryRequest], logged: LoggedRecord, permit: Envelope | None = None, subject: str | None = None
) -> InquiryDecision:
    return InquiryDecision(
        in_reply_to=signed.value.message_id,
        transaction=signed.value.transaction,
        promise=logged.promise,
        permit=permit,
        subject=subject,
        refusal=logged.record.refusal,
    )
