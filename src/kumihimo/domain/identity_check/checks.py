"""The decision (本人確認の措置) and its record: what was seen, by whom, when, and on which articles it rests.

What was shown and does not count is left out of the record; when what is left does not suffice, the problem says what is
missing, and why the others did not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from kumihimo.domain.identity_check.documents import KINDS, Printed, Proves, Shown, WhyNoPhoto
from kumihimo.domain.kernel import Problem, legal_day

CARD: Final = "individual-number-card"
CARD_ARTICLE: Final = "番号法第十六条"
MOST_SHOWN: Final = 8
_EVERYTHING: Final = frozenset(Printed)


class Method(StrEnum):
    """How somebody was checked."""

    CHIP = "chip"
    """The card's chip: PIN, the office's proof, and the card's of being no copy."""
    DOCUMENTS = "documents"
    """Documents looked at, the card's own faces among them."""


@dataclass(frozen=True)
class IdentityCheck:
    """A check that held. `documents` are the kinds it rests on, `articles` why they count; `staff` and `at` who and when."""

    method: Method
    documents: tuple[str, ...]
    articles: tuple[str, ...]
    staff: str
    at: datetime
    why_no_photo: WhyNoPhoto | None = None


def by_card(staff: str, at: datetime) -> IdentityCheck:
    """The record of a check by the card's chip. Raises Problem(value.invalid) when nobody made it."""
    return IdentityCheck(Method.CHIP, (CARD,), (CARD_ARTICLE,), _named(staff), at)


def by_documents(
    shown: Sequence[Shown], staff: str, at: datetime, why_no_photo: WhyNoPhoto | None = None
) -> IdentityCheck:
    """The record of a check by documents. `at` is an instant; documents count by its legal day.

    Raises Problem(identity.document_unknown) for a kind that is not in the catalogue, (identity.number_unproven) where none
    proves the number, (identity.person_unproven) where those that count do not prove the person.
    """
    if len(shown) > MOST_SHOWN:
        raise Problem("value.invalid", f"{len(shown)} documents", "documents", f"{MOST_SHOWN} at most")
    day = legal_day(at)
    reasons: list[str] = []
    counting: list[Shown] = []
    for place, one in enumerate(shown):
        reason = _why_not(one, day, f"documents[{place}]")
        if reason is None:
            counting.append(one)
        else:
            reasons.append(f"{KINDS[one.kind].name_ja}: {reason}")
    number = _first(counting, Proves.BOTH) or _first(counting, Proves.NUMBER)
    if number is None:
        raise _unproven(
            "identity.number_unproven",
            reasons,
            "the card, or a resident record or certificate with the number",
            "Ask for one of these, or look the number up in the registry by all four items.",
        )
    person = _person(counting, why_no_photo)
    if not person:
        raise _unproven(
            "identity.person_unproven",
            reasons,
            "one document with a photo, or two others and the reason why there is none with a photo",
            "Ask for another document.",
        )
    kinds = tuple(dict.fromkeys(one.kind for one in (number, *person)))
    articles = tuple(dict.fromkeys(KINDS[kind].article for kind in kinds))
    return IdentityCheck(
        Method.DOCUMENTS, kinds, articles, _named(staff), at, why_no_photo if len(person) > 1 else None
    )


def _person(counting: Sequence[Shown], why_no_photo: WhyNoPhoto | None) -> tuple[Shown, ...]:
    """The documents that prove the person: one with a photo, or two without; empty where there are not enough."""
    for proves in (Proves.BOTH, Proves.PERSON):
        for one in counting:
            if KINDS[one.kind].proves is proves and one.photo:
                return (one,)
    if why_no_photo is None:
        return ()
    # A certificate of the photo kinds that was issued without one is still one of two.
    others = [one for one in counting if KINDS[one.kind].proves in (Proves.PERSON, Proves.PERSON_WITH_ANOTHER)]
    two = tuple({one.kind: one for one in others}.values())[:2]
    return two if len(two) > 1 else ()


def _why_not(one: Shown, day: date, where: str) -> str | None:
    """Why a document does not count on a day, or None. Raises Problem(identity.document_unknown)."""
    kind = KINDS.get(one.kind)
    if kind is None:
        raise Problem(
            "identity.document_unknown",
            f"{one.kind!r}",
            where,
            f"one of {', '.join(KINDS)}",
            "See docs/card/reader.md.",
        )
    reasons = (
        (kind.proves is Proves.NOTHING, f"it does not count ({kind.article})"),
        (Printed.NAME not in one.agrees, "the name does not agree"),
        (not one.agrees & {Printed.BIRTH, Printed.ADDRESS}, "neither birth nor address agrees"),
        (kind.all_current and one.agrees != _EVERYTHING, "it counts only while everything on it is as it is now"),
        (kind.expires and one.expires is None, "its last day was not looked at"),
        (one.expires is not None and one.expires < day, f"it ended on {one.expires}"),
        (one.issued is not None and one.issued > day, f"it is dated {one.issued}, which is still to come"),
        (kind.issued_from is not None and one.issued is None, "its day of issue was not looked at"),
        (_before(one.issued, kind.issued_from), f"only those issued from {kind.issued_from} count"),
        (kind.months is not None and one.issued is None, "its day of issue was not looked at"),
        (_too_old(one.issued, kind.months, day), f"it is older than {kind.months} months"),
    )
    return next((reason for holds, reason in reasons if holds), None)


def _before(issued: date | None, first: date | None) -> bool:
    return issued is not None and first is not None and issued < first


def _too_old(issued: date | None, months: int | None, day: date) -> bool:
    if issued is None or months is None:
        return False
    whole = (day.year - issued.year) * 12 + day.month - issued.month - (day.day < issued.day)
    return whole >= months and (whole > months or day.day != issued.day)


def _first(counting: Sequence[Shown], proves: Proves) -> Shown | None:
    return next((one for one in counting if KINDS[one.kind].proves is proves), None)


def _named(staff: str) -> str:
    if not staff.strip():
        raise Problem("value.invalid", "nobody", "staff", "the member of staff who made the check")
    return staff.strip()


def _unproven(code: str, reasons: Sequence[str], expected: str, advice: str) -> Problem:
    return Problem(code, "; ".join(reasons) or "nothing that counts was shown", "documents", expected, advice)
