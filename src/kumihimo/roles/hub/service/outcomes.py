"""Outcomes (提供結果の記録): what came of a permitted request, told by the provider, or by the requester who got nothing.

protocols.md, "Inquiry", step 7. One outcome counts for each side of a transaction (a provider's "pending" may be followed
by its final one); saying the same again gets the same promise, saying another thing is refused.
"""

from __future__ import annotations

from typing import Final

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, institution_of, party_id
from kumihimo.plumbing.wire.chunks import permit_for_person, person_transaction, positions_in
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Signed, parse_envelope
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.batch import PERSONS, ChunkPermit
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Permit, PortalOutcome
from kumihimo.plumbing.wire.messages.provision import OutcomeLogged, OutcomeRelayed, RelayOutcome, ReportOutcome
from kumihimo.plumbing.wire.remote_log import check_logged
from kumihimo.roles.hub.service.journal import Journal
from kumihimo.roles.hub.service.parties import PORTAL, is_exchange, is_first_operator
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

    def take(self, body: bytes, peer: PartyId) -> OutcomeLogged:
        """Log a signed ReportOutcome once, and see that operator 2 tells the portal.

        Raises Problem: logged as rejected, of a signature or age, peer.not_allowed, message.replayed (another outcome was
        reported before); operator.unreachable, after which the reporter sends it again.
        """
        with self._journal.rejecting(peer):
            signed = self._edge.open(parse_envelope(body), ReportOutcome, peer, is_exchange)
            permit = check_report(self._edge, signed, peer)
            mark = mark_of(signed.value, peer)
            known = self._outcomes.reported(mark) or self._write(signed, permit, mark)
            report = signed.value
            if (known.report.outcome, known.report.payload_hash) != (report.outcome, report.payload_hash):
                raise Problem(
                    "message.replayed", f"{peer} reported {known.report.outcome} before", expected="the same outcome"
                )
        if not known.relayed:
            relay = self._edge.message(RelayOutcome, OPERATORS[1], report=known.report.envelope, logged=known.logged)
            send_to_operator(self._sender, "/relayed-outcomes", relay, OutcomeRelayed)
            self._outcomes.relayed(mark, self._journal.now())
        return OutcomeLogged(in_reply_to=signed.value.message_id, promise=known.logged.promise)

    def _write(self, signed: Signed[ReportOutcome], permit: Permit, mark: str) -> ReportedOutcome:
        kept = Report(signed.value.outcome, signed.value.payload_hash, signed.envelope)
        logged = self._journal.write_once(outcome_record(signed, permit, self._journal.now()), mark, kept)
        if logged is not None:
            return ReportedOutcome(kept, logged, relayed=False)
        known = self._outcomes.reported(mark)
        if known is None:
            # It was reported with others of its chunk.
            raise Problem("message.replayed", "an outcome was reported before", expected="one report of each outcome")
        return known


class SecondOutcomeDesk:
    """Operator 2 tells the portal."""

    def __init__(self, edge: Edge, passages: Passages, notify: Notify) -> None:
        self._edge = edge
        self._passages = passages
        self._notify = notify

    def pass_on(self, envelope: Envelope, peer: PartyId) -> OutcomeRelayed:
        """Check a RelayOutcome and put it on the portal's feed, once.

        Raises Problem: of a signature, peer.not_allowed, log.proof_invalid. The report's age does not matter: it may
        have waited for us.
        """
        relay = self._edge.open(envelope, RelayOutcome, peer, is_first_operator).value
        signed = self._edge.read(relay.report, ReportOutcome)
        reporter = signed.signer
        if not is_exchange(reporter):
            raise Problem("peer.not_allowed", f"{reporter} reports no outcomes")
        permit = check_report(self._edge, signed, reporter)
        promise = check_logged(self._edge, relay.logged).signed
        if relay.logged.record != outcome_record(signed, permit, relay.logged.record.logged_at):
            raise Problem("log.proof_invalid", "the logged record says something else than the report", where="record")
        item = PortalOutcome(transaction=permit.transaction, logged=relay.logged)
        passage = Passage(
            mark_of(signed.value, reporter), promise, (News(PORTAL, OUTCOME_KIND, item),), self._edge.clock.now()
        )
        if self._passages.passes(passage):
            self._notify()
        return OutcomeRelayed(in_reply_to=relay.message_id, transaction=permit.transaction)


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
        *(OF_REQUESTER if reporter == party_id(permit.requester, "exchange") else ()),
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
            return permit_for_person(chunk, position, "", -1)  # ciphertext and entry are no matter of a report
    raise Problem("message.malformed", "report and permit differ", where="permit", expected="the permit it is about")


def mark_of(report: ReportOutcome, reporter: PartyId) -> str:
    """What may be reported once: the side's final outcome, and before it one "pending"."""
    return mark_for(report.transaction, report.outcome, reporter)


def mark_for(transaction: str, outcome: Outcome, reporter: PartyId) -> str:
    """The same of an outcome that was reported together with others."""
    stage = "pending" if outcome is Outcome.PENDING else "final"
    return f"outcome/{transaction}/{institution_of(reporter)}/{stage}"
