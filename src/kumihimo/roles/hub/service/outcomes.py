"""Outcomes (提供結果の記録): what came of a permitted request, told by the provider, or by the requester who got nothing.

protocols.md, "Inquiry", step 7. One outcome counts for each side of a transaction (a provider's "pending" may be followed
by its final one); saying the same again gets the same promise, saying another thing is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, institution_of, party_id
from kumihimo.plumbing.wire.chunks import permit_for_person, person_transaction, positions_in
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Signed, parse_envelope
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.batch import PERSONS, ChunkPermit
from kumihimo.plumbing.wire.messages.inquiry import LogRecord, Outcome, Permit, PortalOutcome
from kumihimo.plumbing.wire.messages.provision import (
    LoggedReport,
    OutcomesRelayed,
    OutcomesTaken,
    OutcomeTaken,
    RelayOutcomes,
    ReportOutcome,
    ReportsOfOutcomes,
)
from kumihimo.plumbing.wire.remote_log import check_logged
from kumihimo.plumbing.wire.requesters import PORTAL, may_request, requesting_party
from kumihimo.roles.hub.service.journal import Journal, Once
from kumihimo.roles.hub.service.parties import is_first_operator
from kumihimo.roles.hub.service.ports import Notify, Outcomes, Passages, Sender, send_to_operator
from kumihimo.roles.hub.service.records import outcome_record
from kumihimo.roles.hub.store import News, Passage, Report, ReportedOutcome

OUTCOME_KIND: Final = "outcome"
OF_PROVIDER: Final = frozenset({Outcome.PROVIDED, Outcome.NONE, Outcome.WITHHELD, Outcome.PENDING})
OF_REQUESTER: Final = frozenset({Outcome.UNDELIVERED})


class OutcomeDesk:
    """Operator 1 takes reports of outcomes."""

    def __init__(self, edge: Edge, journal: Journal, outcomes: Outcomes, sender: Sender) -> None:
        self._edge = edge
        self._journal = journal
        self._outcomes = outcomes
        self._sender = sender

    def take(self, body: bytes, peer: PartyId) -> OutcomesTaken:
        """Log each signed ReportOutcome of a ReportsOfOutcomes once, and see that operator 2 tells the portal.

        A report that cannot be taken is logged as rejected and gets its code: of a signature or age, peer.not_allowed,
        message.replayed (another outcome was reported before). Raises Problem: the same of the message as a whole;
        operator.unreachable, after which the reporter sends them again.
        """
        with self._journal.rejecting(peer):
            message = self._edge.open(parse_envelope(body), ReportsOfOutcomes, peer, may_request).value
        told: list[_Told | str] = []
        for envelope in message.reports:
            try:
                with self._journal.rejecting(peer):
                    told.append(self._opened(envelope, peer))
            except Problem as problem:
                told.append(problem.code)
        logged = self._logged([one for one in told if isinstance(one, _Told)])
        taken = tuple(
            OutcomeTaken(problem=one)
            if isinstance(one, str)
            else OutcomeTaken(promise=found.logged.promise)
            if (found := logged.get(one.mark)) is not None and found.report.same(one.report)
            else OutcomeTaken(problem=self._rejected(peer))
            for one in told
        )
        relayed = {one.mark: found for one in told if isinstance(one, _Told) and (found := logged.get(one.mark))}
        if relayed:
            outcomes = tuple(LoggedReport(report=one.report.envelope, logged=one.logged) for one in relayed.values())
            relay = self._edge.message(RelayOutcomes, OPERATORS[1], outcomes=outcomes)
            send_to_operator(self._sender, "/relayed-outcomes", relay, OutcomesRelayed)
        return OutcomesTaken(in_reply_to=message.message_id, taken=taken)

    def _opened(self, envelope: Envelope, peer: PartyId) -> _Told:
        signed = self._edge.open(envelope, ReportOutcome, peer, may_request)
        permit = check_report(self._edge, signed, peer)
        report = Report(signed.value.outcome, signed.value.payload_hash, signed.envelope)
        return _Told(mark_of(signed.value, peer), report, outcome_record(signed, permit, self._journal.now()))

    def _logged(self, told: Sequence[_Told]) -> dict[str, ReportedOutcome]:
        """What is logged of these now, by mark: written now, or before; nothing of one reported with its chunk."""
        first = {one.mark: one for one in told}
        entries = self._journal.write_all_once([Once(one.record, one.mark, one.report) for one in first.values()])
        written = {
            one.mark: ReportedOutcome(one.report, logged)
            for one, logged in zip(first.values(), entries, strict=True)
            if logged is not None
        }
        before = [mark for mark in first if mark not in written]
        return written | self._outcomes.reported(before) if before else written

    def _rejected(self, peer: PartyId) -> str:
        with suppress(Problem), self._journal.rejecting(peer):
            raise Problem("message.replayed", "another outcome was reported before", expected="the same outcome")
        return "message.replayed"


@dataclass(frozen=True)
class _Told:
    """A report that was opened, and the record it makes."""

    mark: str
    report: Report
    record: LogRecord


class SecondOutcomeDesk:
    """Operator 2 tells the portal."""

    def __init__(self, edge: Edge, passages: Passages, notify: Notify) -> None:
        self._edge = edge
        self._passages = passages
        self._notify = notify

    def pass_on(self, envelope: Envelope, peer: PartyId) -> OutcomesRelayed:
        """Check the outcomes of a RelayOutcomes and put them on the portal's feed, each once; all or none.

        Raises Problem: of a signature, peer.not_allowed, log.proof_invalid. The reports' age does not matter: they may
        have waited for us.
        """
        relay = self._edge.open(envelope, RelayOutcomes, peer, is_first_operator).value
        now = self._edge.clock.now()
        passages = [self._passage(one, now) for one in relay.outcomes]
        if any(self._passages.pass_all(passages)):
            self._notify()
        return OutcomesRelayed(in_reply_to=relay.message_id, count=len(passages))

    def _passage(self, told: LoggedReport, at: datetime) -> Passage:
        signed = self._edge.read(told.report, ReportOutcome)
        reporter = signed.signer
        if not may_request(reporter):
            raise Problem("peer.not_allowed", f"{reporter} reports no outcomes")
        permit = check_report(self._edge, signed, reporter)
        promise = check_logged(self._edge, told.logged).signed
        if told.logged.record != outcome_record(signed, permit, told.logged.record.logged_at):
            raise Problem("log.proof_invalid", "the logged record says something else than the report", where="record")
        item = PortalOutcome(transaction=permit.transaction, logged=told.logged)
        return Passage(mark_of(signed.value, reporter), promise, (News(PORTAL, OUTCOME_KIND, item),), at)


def check_report(edge: Edge, signed: Signed[ReportOutcome], reporter: PartyId) -> Permit:
    """The permit a report is about, signed by both operators. Raises Problem(peer.not_allowed, message.*)."""
    report = signed.value
    if report.audience != OPERATORS[0]:
        raise Problem("message.wrong_signer", f"addressed to {report.audience}", expected=OPERATORS[0])
    permit = permit_of_report(edge, report)
    told = (report.transaction, report.requester, report.provider)
    if told != (permit.transaction, permit.requester, permit.provider):
        raise Problem(
            "message.malformed", "report and permit differ", where="permit", expected="the permit it is about"
        )
    allowed = {
        *(OF_PROVIDER if reporter == party_id(permit.provider, "exchange") else ()),
        *(OF_REQUESTER if reporter == requesting_party(permit.requester) else ()),
    }
    if report.outcome not in allowed:
        raise Problem("peer.not_allowed", f"{reporter} may not report {report.outcome} of this permit")
    return permit


def permit_of_report(edge: Edge, report: ReportOutcome) -> Permit:
    """The permit a report is about; of a chunk's, what it says about the reported person. Raises Problem."""
    if report.permit.payloadType != ChunkPermit.payload_type():
        return edge.read(report.permit, Permit, *OPERATORS).value
    chunk = edge.read(report.permit, ChunkPermit, *OPERATORS).value
    for position in positions_in(chunk.positions, PERSONS):
        if person_transaction(chunk.transaction, position) == report.transaction:
            return permit_for_person(chunk, position, "", 0)  # ciphertext and entry are no matter of a report
    raise Problem("message.malformed", "report and permit differ", where="permit", expected="the permit it is about")


def mark_of(report: ReportOutcome, reporter: PartyId) -> str:
    """What may be reported once: the side's final outcome, and before it one "pending"."""
    return mark_for(report.transaction, report.outcome, reporter)


def mark_for(transaction: str, outcome: Outcome, reporter: PartyId) -> str:
    """The same of an outcome that was reported together with others."""
    stage = "pending" if outcome is Outcome.PENDING else "final"
    return f"outcome/{transaction}/{institution_of(reporter)}/{stage}"
