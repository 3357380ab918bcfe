"""What was checked at the window (本人確認): which documents were shown, and whether they are enough.

公的個人認証法の施行規則, as at every municipal window: one document with a photograph from a public body (A), or two others that
name the person (B), or an answer to a letter sent to the registered address (照会書) with one of them, or the card itself
whose holder has just entered the PIN.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from kumihimo.domain.identity_check import KINDS, Proves
from kumihimo.domain.kernel.errors import Problem


class Document(StrEnum):
    """A kind of document, named as in `identity_check.KINDS` where it is one of those; its number is not recorded."""

    # with a photograph, from a public body
    DRIVING_LICENCE = "driving-licence"
    PASSPORT = "passport"
    PHYSICAL_DISABILITY = "physical-disability"
    MENTAL_DISABILITY = "mental-disability"
    INTELLECTUAL_DISABILITY = "intellectual-disability"
    RESIDENCE_CARD = "residence-card"
    CARD_WITH_PIN = "card-with-pin"  # the present card, unlocked by its holder
    # others
    INSURANCE_ELIGIBILITY = "insurance-eligibility"
    PENSION_BOOK = "pension-book"
    LETTER_OF_INQUIRY = "letter-of-inquiry"
    STUDENT_CARD = "student-card"
    EMPLOYEE_CARD = "employee-card"
    MATERNITY_HANDBOOK = "maternity-handbook"
    BANK_BOOK = "bank-book"


WITH_PHOTOGRAPH: Final = frozenset(
    one for one in Document if one is Document.CARD_WITH_PIN or (one in KINDS and KINDS[one].proves is Proves.PERSON)
)


def require_enough(documents: Collection[Document]) -> None:
    """Raises Problem(jpki.identity_unproven) unless one document has a photograph or there are two different ones."""
    shown = frozenset(documents)
    if shown & WITH_PHOTOGRAPH or len(shown) >= 2:
        return
    raise Problem(
        "jpki.identity_unproven", ", ".join(sorted(shown)) or "no document", where="identity",
        expected="one document with a photograph, or two others",
        advice="Ask for another document, or send a letter of inquiry to the registered address.",
    )  # fmt: skip
