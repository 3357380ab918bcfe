"""Intake (配信の受入れ): link codes, access records and outcomes from operator 2, each checked before it is kept.

The portal takes no one's word alone: a record is kept only when operator 1 has promised to log exactly it, so that neither
operator can show a resident what the log does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import structlog
from pydantic import ValidationError

from kumihimo.domain.codes import CIPHERTEXT_BYTES, decrypt
from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.storage import FeedItem
from kumihimo.plumbing.wire.chunks import (
    HASH_BYTES,
    PersonOf,
    check_logged_records,
    person_transaction,
    positions_in,
    refusals_by_position,
    unpacked,
)
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Part, from_b64, malformed
from kumihimo.plumbing.wire.messages.batch import PERSONS, LoggedRecords, PortalAccesses, PortalOutcomes
from kumihimo.plumbing.wire.messages.codes import CodesIssued
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, LoggedRecord, PortalAccess, PortalOutcome
from kumihimo.plumbing.wire.messages.notices import MailboxesOpened
from kumihimo.plumbing.wire.remote_log import check_logged
from kumihimo.roles.portal.service.accounts import give_code, ticket_hash
from kumihimo.roles.portal.store import NOBODYS_CODE, UNKNOWN_TICKETS, KeptRecord, KeptWritten, Transaction

P = TypeVar("P", bound=Part)
log = structlog.get_logger()


class Intake:
    """Applies the items of operator 2's feed.

    `secret(epoch)` gives the decryption key of the portal's link codes, `present()` the epoch meant where none is named, and
    `order` takes an order to rotate them. `handle_hash` is what a mailbox's handle is kept as.
    """

    def __init__(
        self,
        edge: Edge,
        secret: Callable[[int], bytes],
        handle_hash: Callable[[str], str],
        present: Callable[[], int] = lambda: 1,
        order: Callable[[Transaction, FeedItem], None] = lambda _transaction, _item: None,
    ) -> None:
        self._handle_hash = handle_hash
        self._edge = edge
        self._secret = secret
        self._present = present
        self._order = order

    def apply(self, transaction: Transaction, item: FeedItem) -> None:
        """Take in one item inside the feed's transaction; an item taken in before changes nothing.

        Raises Problem for an item that does not hold: the feed must stop at it rather than lose a record.
        """
        match item.kind:
            case "codes":
                self._take_codes(transaction, _read(item, CodesIssued))
            case "access":
                self._take_access(transaction, _read(item, PortalAccess))
            case "outcome":
                told = _read(item, PortalOutcome)
                transaction.keep_outcome(self._kept(told.logged, told.transaction, EntryKind.OUTCOME))
            case "accesses":
                self._take_accesses(transaction, _read(item, PortalAccesses))
            case "outcomes":
                self._take_outcomes(transaction, _read(item, PortalOutcomes))
            case "mailboxes":
                self._take_mailboxes(transaction, _read(item, MailboxesOpened))
            case "rotate":
                self._order(transaction, item)
            case other:
                raise Problem("message.malformed", f"an item of kind {other[:40]!r}", expected="codes, access, outcome")

    def _take_codes(self, transaction: Transaction, issued: CodesIssued) -> None:
        unknown, epoch = 0, issued.epoch or self._present()
        for code in issued.codes:
            if code.replaces is not None:
                self._replace_code(transaction, code.replaces, code.ciphertext, epoch)
                continue
            account = transaction.account_awaiting(ticket_hash(code.ticket))
            if account is None:
                transaction.count(UNKNOWN_TICKETS)
                unknown += 1
                continue
            link_code = self._opened(transaction, code.ciphertext, epoch)
            if link_code is not None:
                give_code(transaction, account, link_code, epoch)
        if unknown:
            log.warning("codes.unknown_tickets", count=unknown)

    def _take_mailboxes(self, transaction: Transaction, opened: MailboxesOpened) -> None:
        epoch = opened.epoch or self._present()
        codes = {one.ticket: self._opened(transaction, one.ciphertext, epoch) for one in opened.codes}
        known = {self._handle_hash(handle): code for handle, code in codes.items() if code is not None}
        transaction.open_mailboxes(opened.institution, known, epoch)

    def _replace_code(self, transaction: Transaction, old: str, new: str, epoch: int) -> None:
        """After a re-coding: the account and its records go on under the new code."""
        before, after = self._opened(transaction, old, epoch), self._opened(transaction, new, epoch)
        if before is not None and after is not None:
            transaction.replace_code(before, after, epoch)

    def _take_access(self, transaction: Transaction, access: PortalAccess) -> None:
        kept = replace(self._kept(access.logged, access.transaction, EntryKind.REQUEST), refusal=access.refusal)
        epoch = access.epoch or self._present()
        link_code = self._opened(transaction, access.subject, epoch)
        if link_code is not None:
            transaction.keep_access(kept, link_code, epoch)

    def _take_accesses(self, transaction: Transaction, told: PortalAccesses) -> None:
        """The requests of a chunk: each is kept as it would be if it had been told alone."""
        positions = positions_in(told.logged.positions, PERSONS)
        hashes = unpacked(told.subject_hashes, HASH_BYTES, "subject_hashes", len(positions))
        subjects = unpacked(told.subjects, CIPHERTEXT_BYTES, "subjects", len(positions))
        persons = [
            PersonOf(person_transaction(told.transaction, at), one.hex())
            for at, one in zip(positions, hashes, strict=True)
        ]
        kept = self._kept_all(told.logged, persons, EntryKind.REQUEST)
        refused = refusals_by_position(told.refused, PERSONS)
        epoch = told.epoch or self._present()
        transaction.keep_accesses(
            [
                (replace(one, refusal=refused.get(at)) if at in refused else one, link_code)
                for at, one, subject in zip(positions, kept, subjects, strict=True)
                if (link_code := self._opened_bytes(transaction, subject, epoch)) is not None
            ],
            epoch,
        )

    def _take_outcomes(self, transaction: Transaction, told: PortalOutcomes) -> None:
        """The outcomes of a chunk."""
        positions = positions_in(told.logged.positions, PERSONS)
        persons = [PersonOf(person_transaction(told.transaction, at)) for at in positions]
        transaction.keep_outcomes(self._kept_all(told.logged, persons, EntryKind.OUTCOME))

    def _kept_all(self, logged: LoggedRecords, persons: Sequence[PersonOf], kind: EntryKind) -> list[KeptWritten]:
        promised = check_logged_records(self._edge, logged, persons)
        if any(record.entry is not kind for record in logged.records):
            raise Problem("log.proof_invalid", "the records are about something else", where="record", expected=kind)
        now = self._edge.clock.now()
        return [
            KeptWritten(one.index, person.transaction, one.commitment, one.salt, one.written.decode(), now)
            for person, one in zip(persons, promised.entries, strict=True)
        ]

    def _opened(self, transaction: Transaction, ciphertext: str, epoch: int) -> bytes | None:
        return self._opened_bytes(transaction, from_b64(ciphertext, "ciphertext"), epoch)

    def _opened_bytes(self, transaction: Transaction, ciphertext: bytes, epoch: int) -> bytes | None:
        """The link code inside; None for an encryption of the identity point, which is nobody's code.

        Neither operator can tell such a ciphertext from another, and any exchange can make one: it must not stop the
        feed, or one request would hide everybody's records.
        """
        try:
            return decrypt(ciphertext, self._secret(epoch))
        except Problem as problem:
            if problem.code != "codes.identity_point":
                raise
            transaction.count(NOBODYS_CODE)
            log.error("codes.of_nobody", code=problem.code)
            return None

    def _kept(self, logged: LoggedRecord, transaction: str, kind: EntryKind) -> KeptRecord:
        promised = check_logged(self._edge, logged)
        record = logged.record
        if record.entry is not kind or record.transaction != transaction:
            raise Problem("log.proof_invalid", "the record is about something else", where="record", expected=kind)
        return KeptRecord(
            index=promised.index,
            transaction=transaction,
            commitment=promised.commitment,
            salt=from_b64(logged.salt, "salt"),
            record=record,
            received_at=self._edge.clock.now(),
        )


def _read(item: FeedItem, kind: type[P]) -> P:
    try:
        return kind.model_validate(item.body)
    except ValidationError as error:
        raise malformed(error, f"item {item.seq} of kind {item.kind}") from None
