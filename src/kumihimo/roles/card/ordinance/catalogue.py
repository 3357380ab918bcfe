"""The catalogue of ordinance applications (条例利用の目録, 番号法第十八条第一号): what may stand on a card, and why.

Method 1 (アクセスキー方式) puts nothing but a key to another database on the card; method 2 (属性方式) the attribute itself,
signed by the municipality. The articles are those of a model ordinance of ours (X市個人番号カードの利用に関する条例): a real
municipality declares its own. What is not declared here is not written, and no field beyond those declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final

from kumihimo.domain.kernel import Problem
from kumihimo.roles.card.terminal import Access, ordinance_aid

Value = str | int | bool
_KINDS: Final[dict[str, type]] = {"text": str, "whole": int, "yes-no": bool}
_LONGEST: Final = 200


class Method(Enum):
    """Which of the two ways an application goes."""

    KEY = 1
    ATTRIBUTE = 2


@dataclass(frozen=True)
class Field:
    """A field of an attribute: its name, its Japanese name, and what it holds: `text`, `whole` number or `yes-no`."""

    name: str
    name_ja: str
    holds: str = "text"


@dataclass(frozen=True)
class OrdinanceApplication:
    """One application. `number` is its place in the AID; `readers` say who may ask the holder for it.

    `valid` is how long what is written counts; for a key, how long the other database keeps an entry nobody uses.
    """

    id: str
    name_ja: str
    number: int
    method: Method
    access: Access
    article: str
    readers: str
    valid: timedelta
    fields: tuple[Field, ...] = ()

    def aid(self, municipality: str) -> bytes:
        """The AID of this application of a municipality (six-digit code)."""
        return ordinance_aid(municipality, self.number)

    @property
    def needs_pin(self) -> bool:
        """Whether the holder chooses a PIN for it."""
        return self.access is Access.PIN

    def require(self, values: Mapping[str, Value]) -> None:
        """Raises Problem(value.invalid) unless `values` are all the fields, and each of its kind."""
        names = [one.name for one in self.fields]
        if sorted(values) != sorted(names):
            raise Problem(
                "value.invalid", ", ".join(sorted(values)) or "nothing", self.id, ", ".join(names) or "nothing"
            )
        for field in self.fields:
            value = values[field.name]
            if type(value) is not _KINDS[field.holds]:
                raise Problem("value.invalid", type(value).__name__, f"{self.id}.{field.name}", field.holds)
            if isinstance(value, str) and len(value) > _LONGEST:
                raise Problem("value.invalid", f"{len(value)} characters", f"{self.id}.{field.name}", f"{_LONGEST}")


_DAYS_OF_A_YEAR: Final = 365

CATALOGUE: Final[dict[str, OrdinanceApplication]] = {
    one.id: one
    for one in (
        OrdinanceApplication(
            id="library-card",
            name_ja="図書館カード",
            number=1,
            method=Method.KEY,
            access=Access.FREE,
            article="X市個人番号カードの利用に関する条例第三条第一号",
            readers="counters of the municipal libraries",
            valid=timedelta(days=3 * _DAYS_OF_A_YEAR),
        ),
        OrdinanceApplication(
            id="seal-registration",
            name_ja="印鑑登録証",
            number=2,
            method=Method.KEY,
            access=Access.PIN,  # a certificate of one's seal binds one: whoever finds the card must not get it
            article="X市個人番号カードの利用に関する条例第三条第二号、X市印鑑条例第六条",
            readers="counters that issue seal-registration certificates",
            valid=timedelta(days=10 * _DAYS_OF_A_YEAR),
        ),
        OrdinanceApplication(
            id="health-check-result",
            name_ja="健診結果",
            number=11,
            method=Method.ATTRIBUTE,
            access=Access.PIN,
            article="X市個人番号カードの利用に関する条例第三条第三号",
            readers="clinics and pharmacies the holder shows it to",
            valid=timedelta(days=5 * _DAYS_OF_A_YEAR),
            fields=(
                Field("examined_on", "健診日"),
                Field("examiner", "健診機関"),
                Field("bmi_tenths", "BMI(十分の一)", "whole"),
                Field("systolic", "収縮期血圧", "whole"),
                Field("diastolic", "拡張期血圧", "whole"),
                Field("ldl", "LDLコレステロール", "whole"),
                Field("hba1c_tenths", "HbA1c(十分の一)", "whole"),
                Field("egfr", "eGFR", "whole"),
                Field("smokes", "喫煙", "yes-no"),
            ),
        ),
        OrdinanceApplication(
            id="evacuation-shelter-card",
            name_ja="避難所カード",
            number=12,
            method=Method.ATTRIBUTE,
            access=Access.TERMINAL,  # no PIN: it must be readable of somebody who cannot remember one
            article="X市個人番号カードの利用に関する条例第三条第四号、災害対策基本法第四十九条の十一",
            readers="shelter terminals of the municipality, without a network",
            valid=timedelta(days=3 * _DAYS_OF_A_YEAR),
            fields=(
                Field("name", "氏名"),
                Field("household", "世帯人数", "whole"),
                Field("shelter", "指定避難所"),
                Field("needs", "配慮事項"),
                Field("medicines", "常用薬"),
                Field("contact", "緊急連絡先"),
            ),
        ),
    )
}


def application(name: str) -> OrdinanceApplication:
    """The application with this id. Raises Problem(ordinance.unknown)."""
    found = CATALOGUE.get(name)
    if found is None:
        raise Problem("ordinance.unknown", repr(name), expected=f"one of {', '.join(CATALOGUE)}")
    return found
