"""Outcomes of a chunk (一括照会の結果の記録): one report about many permitted persons, one log entry for each of them.

As `outcomes`: one outcome counts for each side of a person's transaction, saying the same again gets a promise about the
same entries, saying another thing is refused. A person whose outcome was pending is reported singly in the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, institution_of, party_id
from kumihimo.plumbing.wire.chunks import (
    PersonOf,
    check_logged_records,
    outcomes_of,
    person_transaction,
    positions_in,
)
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Signed, parse_envelope
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.batch import (
    PERSONS,
    ChunkPassed,
    ChunkPermit,
    OutcomesLogged,
    PortalOutcomes,
    RelayChunkOutcomes,
    ReportOutcomes,
)
from kumihimo.plumbing.wire.messages.inquiry import Outcome
from kumihimo.plumbing.wire.requesters import PORTAL
from kumihimo.roles.hub.service.batch_second import ChunkPassages
from kumihimo.roles.hub.service.chunk_journal import ChunkJournal, Entry
from kumihimo.roles.hub.service.journal import Journal
from kumihimo.roles.hub.service.outcomes import OF_PROVIDER, OF_REQUESTER, mark_for
from kumihimo.roles.hub.service.parties import is_exchange, is_first_operator
from kumihimo.roles.hub.service.ports import Notify, Outcomes, Sender, send_to_operator
from kumihimo.roles.hub.service.records import outcomes_record
from kumihimo.roles.hub.store import Entered, News, Report
from kumihimo.roles.hub.store.batch import ChunkPassage

OUTCOMES_KIND: Final = "outcomes"


@dataclass(frozen=True)
class Reported:
    """A report that was checked: the permitted persons' transaction numbers, with the outcome of each."""

    signed: Signed[ReportOutcomes]
    permit: ChunkPermit
    transactions: list[str]
    outcomes: list[Outcome]


class ChunkOutcomeDesk:
    """Operator 1 takes reports about chunks."""

    def __init__(self, edge: Edge, journal: Journal, entries: ChunkJournal, outcomes: Outcomes, sender: Sender) -> None:
        self._outcomes = outcomes
        self._edge = edge
        self._journal = journal
        self._entries = entries
        self._sender = sender

    def take(self, body: bytes, peer: PartyId) -> OutcomesLogged:
        """Log every outcome of a signed ReportOutcomes once, and see that operator 2 tells the portal.

        Raises Problem: logged as rejected, of a signature or age, peer.not_allowed, message.malformed, message.replayed
        (another outcome was reported before); operator.unreachable, after which the reporter sends it again.
        """
        with self._journal.rejecting(peer):
            signed = self._edge.open(parse_envelope(body), ReportOutcomes, peer, is_exchange)
            reported = self._first_said(check_reports(self._edge, signed, peer), peer)
            entered = self._written(reported, peer)
        relay = self._edge.message(
            RelayChunkOutcomes,
            OPERATORS[1],
            report=reported.signed.envelope,
            logged=self._entries.passed_on(dict(enumerate(entered))),
        )
        # Sent again with a report that comes again: operator 2 tells the portal once.
        send_to_operator(self._sender, "/relayed-outcomes-of-chunks", relay, ChunkPassed)
        return OutcomesLogged(in_reply_to=signed.value.message_id, promise=self._entries.promise(entered))

    def _first_said(self, reported: Reported, peer: PartyId) -> Reported:
        """The report that said these outcomes first, which is what the log refers to."""
        mark = mark_for(reported.transactions[0], reported.outcomes[0], peer)
        known = self._outcomes.reported((mark,)).get(mark)
        if known is None:
            return reported
        if known.report.envelope.payloadType == ReportOutcomes.payload_type():
            first = check_reports(self._edge, self._edge.read(known.report.envelope, ReportOutcomes), peer)
            said = first.signed.value
            if (first.transactions, first.outcomes) == (reported.transactions, reported.outcomes) and (
                said.payload_hash == reported.signed.value.payload_hash
            ):
                return first
        raise Problem("message.replayed", f"{peer} reported another outcome before", expected="the same outcome")

    def _written(self, reported: Reported, peer: PartyId) -> list[Entered]:
        at = self._journal.now()
        common = {one: outcomes_record(reported.signed, reported.permit, one, at) for one in set(reported.outcomes)}
        entries = [
            Entry(PersonOf(transaction), common[outcome], mark_for(transaction, outcome, peer))
            for transaction, outcome in zip(reported.transactions, reported.outcomes, strict=True)
        ]
        first = common[reported.outcomes[0]]
        report = Report(reported.outcomes[0], first.payload_hash, reported.signed.envelope)
        written = self._entries.write(reported.permit.transaction, entries, report=report)
        known = self._entries.under([one.mark or "" for one, at in zip(entries, written, strict=True) if at is None])
        entered = []
        for place, one in enumerate(written):
            outcome, payload_hash = (
                common[reported.outcomes[place]].outcome,
                common[reported.outcomes[place]].payload_hash,
            )
            entry = one or known.get(entries[place].mark or "")
            if entry is None or (entry.record.outcome, entry.record.payload_hash) != (outcome, payload_hash):
                raise Problem(
                    "message.replayed", f"{peer} reported another outcome before", expected="the same outcome"
                )
            entered.append(entry)
        return entered


class SecondChunkOutcomeDesk:
    """Operator 2 tells the portal."""

    def __init__(self, edge: Edge, passages: ChunkPassages, notify: Notify) -> None:
        self._edge = edge
        self._passages = passages
        self._notify = notify

    def pass_on(self, envelope: Envelope, peer: PartyId) -> ChunkPassed:
        """Check a RelayChunkOutcomes and put it on the portal's feed, once; as `SecondOutcomeDesk.pass_on`."""
        relay = self._edge.open(envelope, RelayChunkOutcomes, peer, is_first_operator).value
        signed = self._edge.read(relay.report, ReportOutcomes)
        reporter = signed.signer
        if not is_exchange(reporter):
            raise Problem("peer.not_allowed", f"{reporter} reports no outcomes")
        reported = check_reports(self._edge, signed, reporter)
        count = len(reported.transactions)
        if positions_in(relay.logged.positions, count, "logged.positions") != list(range(count)):
            raise Problem("message.malformed", "outcomes of some persons only", where="logged")
        promised = check_logged_records(self._edge, relay.logged, [PersonOf(one) for one in reported.transactions])
        for kind, outcome in {(kind, reported.outcomes[place]) for place, kind in enumerate(relay.logged.kinds)}:
            record = relay.logged.records[kind]
            own = outcomes_record(signed, reported.permit, outcome, record.logged_at)
            if record != own:
                raise Problem("log.proof_invalid", "the logged record says something else than the report", "record")
        mark = f"outcomes/{reported.permit.transaction}/{institution_of(reporter)}"
        marks = [
            mark_for(transaction, outcome, reporter)
            for transaction, outcome in zip(reported.transactions, reported.outcomes, strict=True)
        ]
        # The positions of this item are those of the permit: the portal must find the same transaction numbers.
        positions = relay.logged.model_copy(update={"positions": reported.permit.positions})
        told = PortalOutcomes(transaction=reported.permit.transaction, logged=positions)
        passage = ChunkPassage(
            mark,
            tuple((one, None) for one in marks),
            promised,
            (News(PORTAL, OUTCOMES_KIND, told),),
            self._edge.clock.now(),
        )
        if self._passages.passes(passage):
            self._notify()
        return ChunkPassed(in_reply_to=relay.message_id, transaction=reported.permit.transaction)


def check_reports(edge: Edge, signed: Signed[ReportOutcomes], reporter: PartyId) -> Reported:
    """What a report says of whom, under a permit signed by both operators. Raises Problem(peer.not_allowed, message.*)."""
    report = signed.value
    if report.audience != OPERATORS[0]:
        raise Problem("message.wrong_signer", f"addressed to {report.audience}", expected=OPERATORS[0])
    permit = edge.read(report.permit, ChunkPermit, *OPERATORS).value
    told = (report.transaction, report.requester, report.provider)
    positions = positions_in(permit.positions, PERSONS)
    if told != (permit.transaction, permit.requester, permit.provider) or len(report.outcomes) != len(positions):
        raise Problem("message.malformed", "report and permit differ", "permit", "the permit it is about")
    allowed = {
        *(OF_PROVIDER if reporter == party_id(permit.provider, "exchange") else ()),
        *(OF_REQUESTER if reporter == party_id(permit.requester, "exchange") else ()),
    }
    outcomes = outcomes_of(report.outcomes)
    for outcome in set(outcomes) - allowed:
        raise Problem("peer.not_allowed", f"{reporter} may not report {outcome} of this permit")
    return Reported(signed, permit, [person_transaction(permit.transaction, at) for at in positions], outcomes)
