"""Identity checks at the counter (本人確認, 番号法第十六条): decided by what the desk saw, and written down, also when refused.

A chip's answer was verified at the counter, where the card was; here it is compared with the addressee it is said to be.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kumihimo.domain.identity_check import IdentityCheck, ItemsAsPrinted, Method, Shown, by_card, by_documents
from kumihimo.domain.kernel import Clock, IndividualNumber, Problem, Sex
from kumihimo.plumbing.wire.messages.identity import IdentityCheckShown, ReadFromCard, RecordIdentityCheck
from kumihimo.roles.gateway.service.addressees import Addressees
from kumihimo.roles.gateway.store.identity_checks import IdentityCheckStore, RecordedCheck
from kumihimo.roles.gateway.store.persons import Entry

_ON_RECORD = frozenset({"identity.number_unproven", "identity.person_unproven", "identity.differs"})


@dataclass(frozen=True)
class IdentityChecking:
    """The service around the checks of one ledger."""

    addressees: Addressees
    store: IdentityCheckStore
    clock: Clock

    def record(self, message: RecordIdentityCheck) -> tuple[IdentityCheckShown, ...]:
        """Decide a check and write it down; all checks of the addressee, newest first.

        Raises Problem(addressee.unknown), (value.invalid) unless the card or documents were seen and not both,
        (identity.document_unknown), and after writing it down (identity.number_unproven, identity.person_unproven,
        identity.differs).
        """
        entry, now = self.addressees.entry(message.addressee_number), self.clock.now()
        number = entry.addressee_number.digits
        try:
            check = _decided(message, entry, now)
        except Problem as problem:
            if problem.code in _ON_RECORD:
                seen = _as_seen(message, now)
                self.store.record(message.message_id, RecordedCheck(number, seen, problem.code))
            raise
        self.store.record(message.message_id, RecordedCheck(number, check))
        return self.shown(number)

    def shown(self, addressee_number: str) -> tuple[IdentityCheckShown, ...]:
        """The checks of an addressee, newest first. Raises Problem(addressee.unknown)."""
        number = self.addressees.entry(addressee_number).addressee_number.digits
        return tuple(_shown(one) for one in self.store.of(number))


def _decided(message: RecordIdentityCheck, entry: Entry, now: datetime) -> IdentityCheck:
    if (message.card is None) == (not message.documents):
        raise Problem("value.invalid", "both or neither", "card, documents", "what the card said, or documents")
    if not entry.person.alive:
        raise Problem(
            "identity.differs",
            "the addressee has died, by the registry's word",
            "addressee_number",
            "a living addressee",
            "Find out who is at the counter, and with whose card or documents.",
        )
    if message.card is not None:
        _require_same(message.card, entry)
        return by_card(message.staff, now)
    shown = [Shown(one.kind, frozenset(one.agrees), one.photo, one.expires, one.issued) for one in message.documents]
    return by_documents(shown, message.staff, now, message.why_no_photo)


def _require_same(card: ReadFromCard, entry: Entry) -> None:
    """Raises Problem(identity.differs), naming what differs and saying nothing of it."""
    number = IndividualNumber.parse(card.individual_number, "card.individual_number")
    printed = ItemsAsPrinted(card.name, card.address, card.birth, Sex.parse(card.sex, "card.sex"))
    if number != entry.person.individual_number:
        raise Problem(
            "identity.differs",
            "the number on the card is not the addressee's",
            "card.individual_number",
            str(entry.person.individual_number),
            "Find the addressee by the number on the card.",
        )
    differing = printed.differing_from(entry.person.four_items)
    if differing:
        raise Problem(
            "identity.differs",
            f"the card has another {', another '.join(differing)}",
            "card",
            "the four items of the ledger",
            "Have the card's texts written anew at the office, or check by documents.",
        )


def _as_seen(message: RecordIdentityCheck, now: datetime) -> IdentityCheck:
    """What was seen in a check that did not hold."""
    if message.card is not None:
        return by_card(message.staff, now)
    kinds = tuple(one.kind for one in message.documents)
    return IdentityCheck(Method.DOCUMENTS, kinds, (), message.staff, now, message.why_no_photo)


def _shown(recorded: RecordedCheck) -> IdentityCheckShown:
    check = recorded.check
    return IdentityCheckShown(
        method=check.method,
        documents=check.documents,
        articles=check.articles,
        why_no_photo=check.why_no_photo,
        staff=check.staff,
        checked_at=check.at,
        result=recorded.result,
    )
