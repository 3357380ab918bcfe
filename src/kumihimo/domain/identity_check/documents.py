"""Documents (番号確認書類・身元確認書類): which kinds count, for what, by which article, and how long one of them does.

番号法施行令第十二条第一項, 番号法施行規則第一条 (with a photo) and 第二条 (without). Kinds that name a class of documents, as
`official-with-photo` does, are what the regulation leaves to the institution: it says which it accepts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum, StrEnum
from typing import Final


class Proves(Enum):
    """What a document proves."""

    NUMBER = "number"
    """番号確認."""
    PERSON = "person"
    """身元確認: alone, since it has a photo."""
    PERSON_WITH_ANOTHER = "person-with-another"
    """身元確認: two of them where none with a photo can be had."""
    BOTH = "both"
    """The card itself, looked at."""
    NOTHING = "nothing"
    """A document that people bring, and that does not count."""


class Printed(StrEnum):
    """What stands on a document and was compared with the person or the application; 個人識別事項 are name and one more."""

    NAME = "name"
    BIRTH = "birth"
    ADDRESS = "address"


class WhyNoPhoto(StrEnum):
    """Why no document with a photo could be shown (提示を受けることが困難): without a reason two others do not count."""

    HAS_NONE = "has-none"
    LOST = "lost"
    NOT_AT_HAND = "not-at-hand"


@dataclass(frozen=True)
class DocumentKind:
    """One kind of document. `article` is what makes it count, or says that it does not.

    `expires`: it carries a last day. `issued_from`: those issued before do not count. `all_current`: it counts only while
    name, birth and address on it are all as they are now. `months`: how old a copy may be, by the counter's practice.
    """

    name_ja: str
    proves: Proves
    article: str
    expires: bool = False
    issued_from: date | None = None
    all_current: bool = False
    months: int | None = None


@dataclass(frozen=True)
class Shown:
    """A document laid on the counter: its kind and what was looked at. Its number is not asked for.

    `agrees`: what on it agrees with the person. `photo`: whether this one bears a photo of the holder (some certificates
    are issued without). `expires` and `issued` are legal days as printed; None where there is none.
    """

    kind: str
    agrees: frozenset[Printed]
    photo: bool = True
    expires: date | None = None
    issued: date | None = None


_PHOTO: Final = "番号法施行規則第一条第一号"
_OTHER_PHOTO: Final = "番号法施行規則第一条第二号"
_TWO: Final = "番号法施行規則第二条"
_NUMBER: Final = "番号法施行令第十二条第一項第一号"

KINDS: Final[dict[str, DocumentKind]] = {
    "individual-number-card": DocumentKind("個人番号カード", Proves.BOTH, "番号法第十六条", expires=True),
    "resident-record": DocumentKind("住民票の写し(個人番号記載)", Proves.NUMBER, _NUMBER, months=6),
    "resident-record-certificate": DocumentKind("住民票記載事項証明書(個人番号記載)", Proves.NUMBER, _NUMBER, months=6),
    "notification-card": DocumentKind("通知カード", Proves.NUMBER, "令和元年法律第十六号附則第六条", all_current=True),
    "number-notice": DocumentKind("個人番号通知書", Proves.NOTHING, "個人番号を証明する書類でない"),
    "driving-licence": DocumentKind("運転免許証", Proves.PERSON, _PHOTO, expires=True),
    "driving-history": DocumentKind("運転経歴証明書", Proves.PERSON, _PHOTO, issued_from=date(2012, 4, 1)),
    "passport": DocumentKind("旅券", Proves.PERSON, _PHOTO, expires=True),
    "physical-disability": DocumentKind("身体障害者手帳", Proves.PERSON, _PHOTO),
    "mental-disability": DocumentKind("精神障害者保健福祉手帳", Proves.PERSON, _PHOTO, expires=True),
    "intellectual-disability": DocumentKind("療育手帳", Proves.PERSON, _PHOTO),
    "residence-card": DocumentKind("在留カード", Proves.PERSON, _PHOTO, expires=True),
    "special-permanent-resident": DocumentKind("特別永住者証明書", Proves.PERSON, _PHOTO, expires=True),
    "official-with-photo": DocumentKind("官公署発行の写真付き身分証", Proves.PERSON, _OTHER_PHOTO),
    "insurance-eligibility": DocumentKind("資格確認書", Proves.PERSON_WITH_ANOTHER, _TWO, expires=True),
    "pension-book": DocumentKind("年金手帳・基礎年金番号通知書", Proves.PERSON_WITH_ANOTHER, _TWO),
    "child-rearing-allowance": DocumentKind("児童扶養手当証書", Proves.PERSON_WITH_ANOTHER, _TWO),
    "special-child-rearing-allowance": DocumentKind("特別児童扶養手当証書", Proves.PERSON_WITH_ANOTHER, _TWO),
    "official-without-photo": DocumentKind("官公署発行の書類(写真なし)", Proves.PERSON_WITH_ANOTHER, _TWO),
}
