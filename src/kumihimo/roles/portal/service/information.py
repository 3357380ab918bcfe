"""Own information (自己情報の閲覧, 番号法附則第六条第三項): asked of the providers at the person's word, stored nowhere.

Each item of each provider is an inquiry of its own, for withholding covers a whole answer. The portal asks about nobody but
the holder of an account: what it encrypts is the account's own link code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final, Protocol, TypeVar

import structlog

from kumihimo.domain.codes import encrypt_own, random_scalar
from kumihimo.domain.kernel import Problem, RandomSource, institution_of, party_id
from kumihimo.domain.kernel.clock import legal_day
from kumihimo.domain.law import RuleBook
from kumihimo.plumbing.wire.answers import open_answer, provision_request
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Message, Reply, Signed, b64
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.by_hand import LaterProvisionRequest
from kumihimo.plumbing.wire.messages.information import OWN, REPRESENTED
from kumihimo.plumbing.wire.messages.inquiry import InquiryDecision, InquiryRequest, Outcome, Permit
from kumihimo.plumbing.wire.messages.provision import (
    AsOf,
    DatedItem,
    OutcomesTaken,
    ProvisionAnswer,
    ReportOutcome,
    ReportsOfOutcomes,
)
from kumihimo.plumbing.wire.permits import Granted, Refused, read_decision
from kumihimo.roles.portal.service.look_ups import Answered, Looked, Question, State
from kumihimo.roles.portal.store import Code, PortalStore
from kumihimo.roles.portal.store_information import InformationQueries

R = TypeVar("R", bound=Reply)
PATIENCE: Final = 9.0  # seconds until a provider that has not answered is said to be out of reach
_AT_ONCE: Final = 32
log = structlog.get_logger()


class ManyLine(Protocol):
    """What sends messages: `PeerClient`."""

    def send(self, path: str, message: Message, reply: type[R]) -> Signed[R]: ...
    def send_all(self, path: str, messages: Sequence[Message], reply: type[R]) -> list[Signed[R] | Problem]: ...


class Information:
    """Asks providers in the name of the person. Safe for many threads; `close` ends its own."""

    def __init__(
        self,
        store: PortalStore,
        edge: Edge,
        line: ManyLine,
        book: RuleBook,
        secret: Callable[[int], bytes],
        randomness: RandomSource,
        patience: float = PATIENCE,
    ) -> None:
        self._store = store
        self._edge = edge
        self._line = line
        self._book = book
        self._secret = secret
        self._randomness = randomness
        self._patience = patience
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="own-information")

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def questions(self, affair: str = OWN) -> tuple[Question, ...]:
        """What may be asked of whom today, by the rules of self-disclosure; in the order of the directory and the book."""
        today = legal_day(self._edge.clock.now())
        rules = [rule for rule in self._book.rules_for(affair) if rule.in_force(today)]
        order = {item: place for place, item in enumerate(self._book.information_classes)}
        found: list[Question] = []
        for one in self._edge.directory.institutions():
            if not self._has_exchange(one.id):
                continue
            classes = self._book.classes_of(one)
            items = {item for rule in rules if not rule.providers.isdisjoint(classes) for item in rule.items}
            found += [Question(one.id, item) for item in sorted(items, key=order.__getitem__)]
        return tuple(found)

    def ask(self, account: str, own: bool = True, wanted: Iterable[Question] | None = None) -> Looked:
        """Ask every provider at once, or only what is wanted; `own`: the holder asks, nobody who acts for them.

        Raises Problem(information.no_code) while the account has no link code.
        """
        affair = OWN if own else REPRESENTED
        with self._store.reading() as transaction:
            queries = InformationQueries(transaction.conn)
            code, waiting = transaction.code_of(account), queries.waiting(account, affair)
        if code is None:
            raise Problem(
                "information.no_code", "the link code is under way", expected="an account with its link code",
                advice="Try again in a minute.",
            )  # fmt: skip
        asked = self.questions(affair)
        if wanted is not None:
            chosen = set(wanted)
            asked = tuple(one for one in asked if one in chosen)
        at = self._edge.clock.now()
        requests = {one: self._request(one, affair, code) for one in asked}
        work = {}
        for provider in dict.fromkeys(one.provider for one in asked):
            theirs = [requests[one] for one in asked if one.provider == provider]
            permits = [waiting.get((provider, one.items[0])) for one in theirs]
            work[self._pool.submit(self._ask_provider, theirs, permits)] = theirs
        wait(work, timeout=self._patience)
        answers: dict[Question, Answered] = {}
        for job, theirs in work.items():
            done = job.result() if job.done() and not job.cancelled() else [_out_of_reach(one) for one in theirs]
            job.cancel()
            answers.update((one.question, one) for one in done)
        self._remember(account, affair, list(answers.values()), waiting, at)
        return Looked(at, tuple(answers[one] for one in asked))

    def _remember(
        self,
        account: str,
        affair: str,
        answers: Sequence[Answered],
        waiting: Mapping[tuple[str, str], str],
        at: datetime,
    ) -> None:
        """Keep the permits of what waits for a person, so that nobody there is asked twice; forget what was answered."""
        new = [one for one in answers if one.state is State.PENDING and one.permit is not None]
        over = [
            one.question
            for one in answers
            if (one.question.provider, one.question.item) in waiting
            and one.state not in (State.PENDING, State.UNREACHABLE)
        ]
        if not new and not over:
            return
        with self._store.transaction() as transaction:
            queries = InformationQueries(transaction.conn)
            for one in new:
                assert one.permit is not None  # noqa: S101 - chosen so
                queries.wait(
                    account, affair, one.question.provider, one.question.item, one.permit.model_dump_json(), at
                )
            for question in over:
                queries.wait_no_more(account, affair, question.provider, question.item)

    def _has_exchange(self, institution: str) -> bool:
        with suppress(Problem):
            return self._edge.directory.party(party_id(institution, "exchange")).url is not None
        return False

    def _request(self, question: Question, affair: str, code: Code) -> InquiryRequest:
        requester = institution_of(self._edge.party)
        epoch = code.epoch or self._edge.directory.epoch(requester)
        return self._edge.message(
            InquiryRequest,
            OPERATORS[0],
            transaction=self._randomness.token_bytes(16).hex(),
            requester=requester,
            provider=question.provider,
            affair=affair,
            items=(question.item,),
            case_reference_hash=hashlib.sha256(self._randomness.token_bytes(32)).hexdigest(),
            subject=b64(encrypt_own(code.code, self._secret(epoch), random_scalar())),
            epoch=epoch,
        )

    def _ask_provider(self, requests: Sequence[InquiryRequest], permits: Sequence[str | None]) -> list[Answered]:
        """One provider's items. What waits for a person there is fetched under its permit; the rest is asked anew."""
        later = [
            None if permit is None else self._later(request, Envelope.model_validate_json(permit))
            for request, permit in zip(requests, permits, strict=True)
        ]
        anew = [request for request, found in zip(requests, later, strict=True) if found is None]
        found = [one for one in later if one is not None]
        return found + (self._ask_anew(anew) if anew else [])

    def _later(self, request: InquiryRequest, envelope: Envelope) -> Answered | None:
        """What a person there has answered meanwhile; None where it can be fetched no more."""
        try:
            permit = self._edge.read(envelope, Permit, *OPERATORS).value
            provider = party_id(request.provider, "exchange")
            message = self._edge.message(
                LaterProvisionRequest, provider, permit=envelope, transaction=permit.transaction
            )
            reply = self._line.send("/provisions/later", message, ProvisionAnswer)
            opened = open_answer(self._edge, Granted(permit, envelope, ""), reply.value)
        except Problem as problem:
            return _out_of_reach(request) if problem.code == "peer.unreachable" else None
        answered = _answered(request, State(opened.outcome.value), items=opened.items, as_of=opened.as_of)
        return replace(answered, transaction=permit.transaction)

    def _ask_anew(self, requests: Sequence[InquiryRequest]) -> list[Answered]:
        """The permits in one request, the answers in another."""
        decisions = self._line.send_all("/inquiries", requests, InquiryDecision)
        answered: list[Answered] = []
        granted: list[tuple[InquiryRequest, Granted]] = []
        for request, decision in zip(requests, decisions, strict=True):
            try:
                if isinstance(decision, Problem):
                    raise decision
                decided = read_decision(self._edge, request, decision.value)
            except Problem as problem:
                log.warning("information.undecided", code=problem.code)
                answered.append(_out_of_reach(request, problem.code))
                continue
            if isinstance(decided, Refused):
                answered.append(_answered(request, State.REFUSED, problem=decided.refusal.code))
            else:
                granted.append((request, decided))
        if not granted:
            return answered
        shown = [provision_request(one) for _, one in granted]
        replies = self._line.send_all("/provisions", shown, ProvisionAnswer)
        undelivered = []
        for (request, permitted), reply in zip(granted, replies, strict=True):
            try:
                if isinstance(reply, Problem):
                    raise reply
                opened = open_answer(self._edge, permitted, reply.value)
            except Problem as problem:
                log.warning("information.undelivered", provider=request.provider, code=problem.code)
                undelivered.append(permitted)
                answered.append(_out_of_reach(request, problem.code))
                continue
            given = _answered(request, State(opened.outcome.value), items=opened.items, as_of=opened.as_of)
            answered.append(replace(given, permit=permitted.envelope) if given.state is State.PENDING else given)
        if undelivered:
            self._pool.submit(self._tell, undelivered)
        return answered

    def _tell(self, undelivered: Sequence[Granted]) -> None:
        """Tell the platform what was permitted and did not come, so that the resident's record says so."""
        reports = tuple(
            self._edge.answer(
                self._edge.message(
                    ReportOutcome,
                    OPERATORS[0],
                    transaction=one.permit.transaction,
                    requester=one.permit.requester,
                    provider=one.permit.provider,
                    outcome=Outcome.UNDELIVERED,
                    permit=one.envelope,
                )
            )
            for one in undelivered
        )
        try:
            self._line.send(
                "/outcomes", self._edge.message(ReportsOfOutcomes, OPERATORS[0], reports=reports), OutcomesTaken
            )
        except Problem as problem:
            log.warning("information.not_reported", count=len(reports), code=problem.code)


def _answered(
    request: InquiryRequest,
    state: State,
    *,
    items: tuple[DatedItem, ...] = (),
    as_of: tuple[AsOf, ...] = (),
    problem: str | None = None,
) -> Answered:
    return Answered(Question(request.provider, request.items[0]), state, request.transaction, items, as_of, problem)


def _out_of_reach(request: InquiryRequest, code: str = "peer.unreachable") -> Answered:
    return _answered(request, State.UNREACHABLE, problem=code)
