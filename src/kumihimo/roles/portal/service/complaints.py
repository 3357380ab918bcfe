"""Complaints (苦情・申出): an access somebody does not recognise goes to the oversight body with its proof.

What was written is not kept here; what the oversight body answers is fetched whenever it is looked at. The note of a complaint is
written before it is sent, and goes when it turns out that it was not taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kumihimo.domain.kernel import PartyId, Problem, RandomSource
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.messages.complaints import (
    Complain,
    ComplaintsStand,
    ComplaintState,
    ComplaintTaken,
    LookAtComplaints,
    complaint_binding,
)
from kumihimo.plumbing.wire.said import open_said, seal_said
from kumihimo.roles.portal.service.corrections import Line, checked_words
from kumihimo.roles.portal.service.record_list import RecordList
from kumihimo.roles.portal.store import PortalStore
from kumihimo.roles.portal.store_complaints import Complained, ComplaintRows

OVERSIGHT: Final = PartyId("oversight/body")
MOST: Final = 100  # of one account: as many as can be asked about at once


@dataclass(frozen=True)
class StandingComplaint:
    """A complaint as its resident sees it; `state` is None where the oversight body is out of reach."""

    kept: Complained
    state: ComplaintState | None = None
    changed_at: datetime | None = None
    answer: str | None = None


class ComplaintsOf:
    """Makes complaints and looks how they stand."""

    def __init__(
        self, store: PortalStore, records: RecordList, edge: Edge, line: Line, randomness: RandomSource
    ) -> None:
        self._store = store
        self._records = records
        self._edge = edge
        self._line = line
        self._randomness = randomness

    def complain(self, account: str, index: int, says: str) -> str:
        """Tell the oversight body about an access; the reference.

        Raises Problem: log.unknown_entry (no such record, or no proof of it yet), correction.number, value.invalid,
        complaint.too_many, and peer.unreachable: then it may be made again.
        """
        says = checked_words(says)
        record = self._records.one(account, index)
        proof = self._records.prover().prove(record.kept)
        if proof.file is None:
            raise Problem("log.unknown_entry", "the proof is not there yet", advice="Try again in a minute.")
        reference = self._randomness.token_bytes(16).hex()
        sealed = seal_said(self._edge, says, OVERSIGHT, complaint_binding(reference, "complained"))
        with self._store.transaction() as transaction:
            rows = ComplaintRows(transaction.conn)
            if len(rows.all(account)) >= MOST:
                raise Problem("complaint.too_many", f"{MOST} complaints", advice="Write to the oversight body.")
            rows.keep(Complained(reference, account, index, self._edge.clock.now()))
        message = self._edge.message(Complain, OVERSIGHT, reference=reference, proof=proof.file, sealed=sealed)
        try:
            self._line.send("/complaints", message, ComplaintTaken)
        except Problem as problem:
            if problem.code != "peer.unreachable":  # else it may have been taken, which the next look shows
                self._forget([reference])
            raise
        return reference

    def stand(self, account: str) -> list[StandingComplaint]:
        """An account's complaints, newest first, as the oversight body says now."""
        with self._store.reading() as reading:
            kept = ComplaintRows(reading.conn).all(account)
        if not kept:
            return []
        message = self._edge.message(
            LookAtComplaints, OVERSIGHT, references=tuple(one.reference for one in kept[:MOST])
        )
        try:
            told = self._line.send("/complaints/stand", message, ComplaintsStand).value.complaints
        except Problem:
            return [StandingComplaint(one) for one in kept]
        by_reference = {one.reference: one for one in told}
        self._forget([one.reference for one in kept[:MOST] if one.reference not in by_reference])
        found = []
        for one in kept:
            stands = by_reference.get(one.reference)
            if stands is None:
                continue
            answer = None
            if stands.sealed is not None:
                answer = open_said(self._edge, stands.sealed, complaint_binding(one.reference, "answered"))
            found.append(StandingComplaint(one, stands.state, stands.changed_at, answer))
        return found

    def _forget(self, references: list[str]) -> None:
        """They were not taken."""
        if references:
            with self._store.transaction() as transaction:
                for reference in references:
                    ComplaintRows(transaction.conn).remove(reference)
