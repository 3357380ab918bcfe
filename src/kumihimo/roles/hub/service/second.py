"""Second desk (運営者2の窓口): checks independently what operator 1 passes on, and finishes what only both can do.

It believes nothing but signatures: the requester's own on the request, operator 1's promise on the log entry. It also
makes the portal's copy from the same ciphertext, so that nobody can hide an access from the resident it is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from kumihimo.domain.codes import Translator
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, institution_of
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Signed, b64, check_fresh, from_b64
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.inquiry import (
    InquiryRelayed,
    InquiryRequest,
    LogRecord,
    PortalAccess,
    RelayInquiry,
)
from kumihimo.plumbing.wire.remote_log import check_logged
from kumihimo.plumbing.wire.requesters import PORTAL, requesting_party
from kumihimo.plumbing.wire.together import all_at_once, each
from kumihimo.roles.hub.service.parties import is_first_operator
from kumihimo.roles.hub.service.ports import Notify, Passages
from kumihimo.roles.hub.service.proofs import Hop, ProofCheck, Seeds
from kumihimo.roles.hub.service.records import PERMIT_LIFE, permit_of, request_record
from kumihimo.roles.hub.service.rulings import Bench
from kumihimo.roles.hub.store import Domains, KeptAnswer, News, Passage

ACCESS_KIND: Final = "access"
_PORTAL: Final = institution_of(PORTAL)


@dataclass(frozen=True)
class _Passing:
    """A request that may pass, what operator 1 is told of it, and whether it has passed now, for the first time."""

    passage: Passage
    relayed: InquiryRelayed
    request_hash: str
    passed: bool = False


class SecondDesk:
    """Operator 2's desk for inquiries. Safe for many threads."""

    def __init__(
        self,
        edge: Edge,
        bench: Bench,
        passages: Passages,
        translator: Translator,
        notify: Notify,
        seeds: Seeds,
        check: ProofCheck,
        domains: Domains,
    ) -> None:
        self._domains = domains
        self._seeds = seeds
        self._check = check
        self._edge = edge
        self._bench = bench
        self._passages = passages
        self._translator = translator
        self._notify = notify

    def pass_on(self, envelopes: Sequence[Envelope], peer: PartyId) -> list[InquiryRelayed | Problem]:
        """Check each RelayInquiry, tell the portal, and permit what both operators find permitted, in their order.

        The same request again, while its permit lives, gets the same permit, and the portal is not told again.

        In the place of an answer stands a Problem: of a signature or age, message.replayed, log.proof_invalid (promise, or
        a record that says something else than the request), rules.books_differ, codes.identity_point, and
        codes.proof_invalid (operator 1 was asked for a proof and did not give one that holds; the oversight body is told).
        """
        return each(self._answer, all_at_once(self._passed, each(partial(self._passing, peer), envelopes)))

    def _passed(self, passing: list[_Passing]) -> list[_Passing]:
        """Write down all that may pass, at once."""
        passed = self._passages.pass_all([one.passage for one in passing])
        if any(passed):
            self._notify()
        return [replace(one, passed=first) for one, first in zip(passing, passed, strict=True)]

    def _passing(self, peer: PartyId, envelope: Envelope) -> _Passing:
        relay = self._edge.open(envelope, RelayInquiry, peer, is_first_operator).value
        signed = requested(self._edge, relay.request)
        check_fresh(signed.value.sent_at, self._edge.clock.now())
        promised = check_logged(self._edge, relay.logged)
        record = relay.logged.record
        now = self._edge.clock.now()
        check_fresh(record.logged_at, now)
        ruling = self._bench.rule_on(signed.value, record.logged_at)
        check_record(record, request_record(signed, ruling, record.logged_at))
        self._check.sample(signed.value.transaction, self._hops(relay, signed.value), envelope)
        permit, subject = None, None
        if record.granted and ruling.granted:
            if relay.for_provider is None:
                raise Problem("message.malformed", "a granted request without ciphertext", where="for_provider")
            target = signed.value.provider, relay.provider_epoch
            subject = self._finish(relay.for_provider, signed.value, target, now)
            dates = now, now + PERMIT_LIFE
            permit = self._edge.answer(permit_of(record, promised.index, subject, *dates, relay.provider_epoch))
        access = PortalAccess(
            transaction=signed.value.transaction,
            subject=b64(self._finish(relay.for_portal, signed.value, (_PORTAL, relay.portal_epoch), now)),
            logged=relay.logged,
            refusal=ruling.refusal if record.granted else None,
            epoch=relay.portal_epoch,
        )
        relayed = InquiryRelayed(
            in_reply_to=relay.message_id,
            transaction=signed.value.transaction,
            permit=permit,
            subject=None if subject is None else b64(subject),
            refusal=ruling.refusal,
        )
        request_hash = relay.request.digest()
        counted = ruling.refusal is None or ruling.refusal.code != "quota.exceeded"
        passage = Passage(
            signed.value.transaction,
            promised.signed,
            (News(PORTAL, ACCESS_KIND, access),),
            now,
            KeptAnswer(request_hash, relayed, now + PERMIT_LIFE),
            requester=signed.value.requester if counted else None,
        )
        return _Passing(passage, relayed, request_hash)

    def _answer(self, passing: _Passing) -> InquiryRelayed:
        """What operator 1 is told: now, when it passed for the first time, or what it was told then."""
        passage, relayed = passing.passage, passing.relayed
        if passing.passed:
            return relayed
        kept = self._passages.kept(passage.mark, passing.request_hash, passage.at)
        if kept is None:
            raise Problem("message.replayed", f"transaction {passage.mark} was already used")
        if relayed.refusal is not None:
            return relayed  # suspended meanwhile: what was permitted then is not given out now
        return InquiryRelayed.model_validate_json(kept).model_copy(update={"in_reply_to": relayed.in_reply_to})

    def _hops(self, relay: RelayInquiry, request: InquiryRequest) -> list[Hop]:
        """What operator 1 says it translated."""
        label = self._domains.label
        to_portal, to_provider = (_PORTAL, relay.portal_epoch), (request.provider, relay.provider_epoch)
        source = label(request.requester, request.epoch)
        made = [(relay.for_portal, to_portal), (relay.for_provider, to_provider)]
        return [Hop(source, label(*target), request.subject, half) for half, target in made if half is not None]

    def _finish(self, half: str, request: InquiryRequest, target: tuple[str, int | None], at: datetime) -> bytes:
        label, seed = self._domains.label, self._seeds.seed(request.transaction, at)
        source = label(request.requester, request.epoch)
        return self._translator.hop([from_b64(half, "ciphertext")], source, label(*target), seed=seed)[0]


def requested(edge: Edge, envelope: Envelope) -> Signed[InquiryRequest]:
    """The request as its requester signed it for operator 1. Raises Problem."""
    signed = edge.read(envelope, InquiryRequest)
    request = signed.value
    asker = requesting_party(request.requester)
    if set(envelope.signers()) != {asker} or request.audience != OPERATORS[0]:
        signers = ", ".join(envelope.signers())
        raise Problem("message.wrong_signer", f"signed by {signers}", expected=f"{asker} to {OPERATORS[0]}")
    return signed


def check_record(record: LogRecord, own: LogRecord) -> None:
    """Whether operator 1 wrote down what was asked. It may refuse what we would permit, but not under other rules."""
    if record.rule_book != own.rule_book:
        raise Problem("rules.books_differ", f"operator 1 applies {record.rule_book}", expected=f"{own.rule_book}")
    ruled = {"granted": None, "rules": (), "articles": (), "refusal": None}
    agreed = record.model_copy(update=ruled) == own.model_copy(update=ruled)
    if record.granted and own.granted:
        agreed = record == own
    if not agreed or record.granted != (record.refusal is None):
        raise Problem("log.proof_invalid", "the logged record says something else than the request", where="record")
