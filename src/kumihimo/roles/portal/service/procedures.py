"""Life events (ライフイベント) and their procedures, from `life_events/*.toml`: what is asked, and who gets what.

A paper is not needed where the rule book lets the receiving body ask for that item itself, for the affair of the procedure.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kumihimo.domain.kernel import Institution, Problem
from kumihimo.domain.kernel.calendar import parse_date
from kumihimo.domain.law import RuleBook
from kumihimo.plumbing.wire.messages.applications import PROCEDURE
from kumihimo.roles.portal.service.corrections import checked_words

FOLDER: Final = Path(__file__).parent.parent / "life_events"
MUNICIPALITY: Final = "municipality"
MOST_TEXT: Final = 200
_BANK: Final = re.compile(r"\d{4}-\d{3}-\d{7}")


class Kind(StrEnum):
    """How a question is answered."""

    TEXT = "text"
    DATE = "date"
    NUMBER = "number"
    YES_NO = "yes_no"
    CHOICE = "choice"
    BANK = "bank"  # bank-branch-account, digits


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    ja: str
    en: str

    def said(self, lang: str) -> str:
        """In a language."""
        return self.ja if lang == "ja" else self.en


class Choice(_Model):
    """One answer of a choice."""

    id: str


class Asked(_Model):
    """A question, and under which answers to others it is asked."""

    id: Annotated[str, Field(pattern=r"^[a-z_]{2,40}$")]
    kind: Kind
    choices: tuple[Choice, ...] = ()
    when: dict[str, str] = Field(default_factory=dict)

    def checked(self, given: str) -> str:
        """An answer as it is kept. Raises Problem(value.invalid, correction.number)."""
        given = given.strip()
        match self.kind:
            case Kind.DATE:
                return parse_date(given, self.id).isoformat()
            case Kind.NUMBER if given.isdecimal() and given.isascii() and int(given) <= 30:
                return str(int(given))
            case Kind.YES_NO if given in ("yes", "no"):
                return given
            case Kind.CHOICE if given in {one.id for one in self.choices}:
                return given
            case Kind.BANK if _BANK.fullmatch(given):
                return given
            case Kind.TEXT if 1 <= len(given) <= MOST_TEXT and given.isprintable():
                return checked_words(given)
        raise Problem("value.invalid", given[:40] or "nothing", self.id, f"an answer to {self.ja}")


class Attachment(_Model):
    """A paper that used to be asked for, and the item of information that stands on it."""

    item: str


class Procedure(_Model):
    """What one body is asked to do. `to`: the applicant's municipality, or the one institution of a class."""

    id: Annotated[str, Field(pattern=PROCEDURE)]
    affair: str
    to: str
    law: str
    answers: tuple[str, ...]
    attachments: tuple[Attachment, ...] = ()
    when: dict[str, str] = Field(default_factory=dict)
    days: int | None = None
    from_: Annotated[str | None, Field(alias="from")] = None

    def deadline(self, answers: dict[str, str]) -> date | None:
        """The last day the law gives, counted from the day after the event (民法第百四十条)."""
        if self.days is None or self.from_ is None or self.from_ not in answers:
            return None
        return date.fromisoformat(answers[self.from_]) + timedelta(days=self.days)


class LifeEvent(_Model):
    """One life event with its questions in order."""

    id: str
    lead_ja: str
    lead_en: str
    questions: tuple[Asked, ...]
    procedures: tuple[Procedure, ...]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        known = {one.id for one in self.questions}
        for name in {name for one in self.questions for name in one.when}:
            if name not in known:
                raise ValueError(f"a question depends on {name}, which is not asked")
        for procedure in self.procedures:
            used = {*procedure.answers, *procedure.when, *([procedure.from_] if procedure.from_ else [])}
            if not used <= known:
                raise ValueError(f"{procedure.id} uses {', '.join(sorted(used - known))}, which is not asked")
        return self

    def lead(self, lang: str) -> str:
        """What can be done."""
        return self.lead_ja if lang == "ja" else self.lead_en

    def asked(self, answers: dict[str, str]) -> list[Asked]:
        """The questions that these answers leave to be asked, in order, answered ones too."""
        return [one for one in self.questions if _holds(one.when, answers)]

    def open(self, answers: dict[str, str]) -> list[Asked]:
        """Those without an answer."""
        return [one for one in self.asked(answers) if one.id not in answers]

    def chosen(self, answers: dict[str, str]) -> list[Procedure]:
        """The procedures that follow from these answers."""
        return [one for one in self.procedures if _holds(one.when, answers)]


@dataclass(frozen=True)
class Paper:
    """A paper, and the article by which it is not needed; None where it is."""

    attachment: Attachment
    article: str | None


def papers(procedure: Procedure, body: Institution, book: RuleBook, day: date) -> list[Paper]:
    """Which papers a body does not need, since the law lets it ask for what stands on them (番号法第二十二条第二項)."""
    rules = [rule for rule in book.rules_for(procedure.affair) if rule.in_force(day) and book.may_ask_under(body, rule)]
    return [
        Paper(one, next((rule.article for rule in rules if one.item in rule.items), None))
        for one in procedure.attachments
    ]


@cache
def life_events() -> dict[str, LifeEvent]:
    """Every life event, in the order of a life. Raises Problem(value.invalid) for a file that is not whole."""
    found = {}
    for name in ("birth", "moving", "marriage", "retirement", "death", "disaster"):
        path = FOLDER / f"{name}.toml"
        try:
            found[name] = LifeEvent.model_validate({"id": name, **tomllib.loads(path.read_text(encoding="utf-8"))})
        except ValidationError as error:
            raise Problem("value.invalid", str(error), path.name, "a life event") from None
    return found


def life_event(name: str) -> LifeEvent:
    """One of them. Raises Problem(application.event)."""
    try:
        return life_events()[name]
    except KeyError:
        raise Problem("application.event", name[:40], "event", ", ".join(life_events())) from None


def _holds(when: dict[str, str], answers: dict[str, str]) -> bool:
    return all(answers.get(name) == value for name, value in when.items())
