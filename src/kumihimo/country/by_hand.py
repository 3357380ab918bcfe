"""Officers (担当者): what a desk does by hand around inquiries of others and own ones that did not end at once."""

from __future__ import annotations

from kumihimo.country import topology
from kumihimo.country.desk import Desk
from kumihimo.country.layout import Country
from kumihimo.domain.kernel import PartyId
from kumihimo.plumbing.wire.messages.by_hand import (
    AnswerByHand,
    DecidedByHand,
    FetchAnswer,
    FlagKind,
    LiftProtection,
    PendingInquiries,
    PendingShown,
    Protect,
    Protection,
    Protections,
    ShowPending,
    WithholdByHand,
)
from kumihimo.plumbing.wire.messages.information import (
    AnswerCorrection,
    CorrectionAnswered,
    Corrections,
    CorrectionShown,
    CorrectionState,
    ShowCorrections,
)
from kumihimo.plumbing.wire.messages.inquiry import Outcome
from kumihimo.plumbing.wire.messages.provision import DatedItem, Inquired

EVERY_ITEM = "*"


class OfficersDesk(Desk):
    """The business system of one institution, with an officer before it."""

    @classmethod
    def of(cls, country: Country, institution: str) -> OfficersDesk:
        """Raises Problem(institution.unknown)."""
        return cls(country, topology.desk_of(country.institution(institution).id))

    def protect(self, addressee_number: str, flag: FlagKind, item: str = EVERY_ITEM) -> tuple[Protection, ...]:
        """Put a flag before the release of an item, or of every item; all flags that stand then."""
        return self.ask(
            self._exchange, "/protections", Protect, Protections,
            addressee_number=addressee_number, flag=flag, item=item,
        ).protections  # fmt: skip

    def lift(self, addressee_number: str, flag: FlagKind, item: str = EVERY_ITEM) -> tuple[Protection, ...]:
        """Take a flag away; all flags that still stand."""
        return self.ask(
            self._exchange, "/protections/lifted", LiftProtection, Protections,
            addressee_number=addressee_number, flag=flag, item=item,
        ).protections  # fmt: skip

    def pending(self) -> tuple[PendingShown, ...]:
        """Inquiries of others that wait for a person, the one due first first."""
        return self.ask(self._exchange, "/pending", ShowPending, PendingInquiries).pending

    def answer(self, staff: str, transaction: str, items: tuple[DatedItem, ...] | None = None) -> Outcome:
        """Answer from the copies, or with these items. Raises Problem."""
        return self.ask(
            self._exchange, "/pending/answered", AnswerByHand, DecidedByHand,
            staff=staff, transaction=transaction, items=items,
        ).outcome  # fmt: skip

    def withhold(self, staff: str, transaction: str) -> Outcome:
        """Answer with nothing. Raises Problem."""
        return self.ask(
            self._exchange, "/pending/withheld", WithholdByHand, DecidedByHand, staff=staff, transaction=transaction
        ).outcome

    def fetch(self, staff: str, transaction: str) -> Inquired:
        """Go on with an own inquiry that was pending or cut off. Raises Problem."""
        return self.ask(self._exchange, "/inquiries/later", FetchAnswer, Inquired, staff=staff, transaction=transaction)

    def corrections(self) -> tuple[CorrectionShown, ...]:
        """Corrections people asked for, the unanswered ones first."""
        return self.ask(self._exchange, "/corrections/shown", ShowCorrections, Corrections).corrections

    def answer_correction(self, staff: str, reference: str, corrected: bool, answer: str) -> CorrectionState:
        """Answer one. Raises Problem."""
        return self.ask(
            self._exchange, "/corrections/answered", AnswerCorrection, CorrectionAnswered,
            staff=staff, reference=reference, corrected=corrected, answer=answer,
        ).state  # fmt: skip

    @property
    def _exchange(self) -> PartyId:
        return topology.exchange_of(self.institution)
