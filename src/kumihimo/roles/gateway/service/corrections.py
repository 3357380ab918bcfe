"""Corrections (訂正の申出): a person says through the portal that an item is wrong; the institution answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.messages.information import (
    OWN,
    REPRESENTED,
    AnswerCorrection,
    AskCorrection,
    CorrectionShown,
    CorrectionStands,
    CorrectionState,
    correction_binding,
)
from kumihimo.plumbing.wire.messages.inquiry import Outcome
from kumihimo.plumbing.wire.requesters import PORTAL
from kumihimo.plumbing.wire.said import open_said, seal_said
from kumihimo.roles.gateway.store.corrections import Correction, CorrectionStore
from kumihimo.roles.gateway.store.inquiries import InquiryStore


@dataclass(frozen=True)
class CorrectionDesk:
    """One institution's corrections."""

    store: CorrectionStore
    staff: InquiryStore
    edge: Edge

    def take(self, asked: AskCorrection) -> None:
        """Write a correction down for the addressee whom the transaction was about.

        Raises Problem: transaction.unknown (nothing of it was shown to the portal), sealing.cannot_open,
        message.malformed.
        """
        record = self.store.shown(asked.transaction)
        shown = (
            record is not None
            and record.affair in (OWN, REPRESENTED)
            and record.outcome is Outcome.PROVIDED
            and asked.item in record.items
        )
        if record is None or not shown or record.addressee_number is None:
            raise Problem(
                "transaction.unknown", asked.transaction, "transaction", "a look-up by which the item was shown"
            )
        says = open_said(self.edge, asked.sealed, correction_binding(asked.reference, "asked"))
        now = self.edge.clock.now()
        self.store.take(
            Correction(asked.reference, asked.transaction, record.addressee_number, asked.item, says, now)
        )  # fmt: skip

    def stand(self, references: tuple[str, ...]) -> tuple[CorrectionStands, ...]:
        """How these stand, with the answers sealed for the portal."""
        return tuple(
            CorrectionStands(
                reference=one.reference,
                state=one.state,
                answered_at=one.answered_at,
                sealed=None if one.answer is None else self._sealed(one.reference, one.answer),
            )
            for one in self.store.find(references)
        )

    def queue(self) -> tuple[CorrectionShown, ...]:
        """All of them for the desk, the unanswered ones first."""
        return tuple(CorrectionShown.model_validate(asdict(one)) for one in self.store.queue())

    def answer(self, message: AnswerCorrection) -> CorrectionState:
        """Answer one. Raises Problem: correction.unknown, staff.not_entitled, answer.decided."""
        if not self.store.find([message.reference]):
            raise Problem("correction.unknown", message.reference, "reference", "a correction that was asked for")
        if self.staff.department(message.staff, OWN) is None:
            raise Problem(
                "staff.not_entitled",
                f"staff member {message.staff!r} for affair {OWN!r}",
                where="staff",
                expected="a staff member whose rights cover the affair",
            )
        state = CorrectionState.CORRECTED if message.corrected else CorrectionState.NOT_CORRECTED
        self.store.answer(message.reference, state, message.answer, message.staff, self.edge.clock.now())
        return state

    def _sealed(self, reference: str, answer: str) -> str:
        return seal_said(self.edge, answer, PORTAL, correction_binding(reference, "answered"))
