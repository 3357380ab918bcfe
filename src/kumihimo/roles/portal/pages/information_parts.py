"""What the pages of own information are made from: the open look-up, words, names of offices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from kumihimo.domain.kernel import InstitutionId, Problem
from kumihimo.roles.portal.limits import Limit
from kumihimo.roles.portal.rendering import day as day_written
from kumihimo.roles.portal.rendering import word
from kumihimo.roles.portal.service.corrections import CorrectionsOf
from kumihimo.roles.portal.service.information import Information
from kumihimo.roles.portal.service.look_ups import Answered, Looked, State
from kumihimo.roles.portal.service.looked import OpenLookUps
from kumihimo.roles.portal.service.own_items import ItemWords, ShownItem, is_of_year
from kumihimo.roles.portal.site import HomeCard, Site
from kumihimo.roles.portal.visiting import Visitor

TOPIC: Final = "information"
_ASKED_A_MINUTE: Final = 30  # each asks every office


@dataclass(frozen=True)
class _Period:
    """One dated item with its period in words."""

    period: str
    item: ShownItem


@dataclass(frozen=True)
class _OfOffice:
    """What one office provided of an item."""

    office: str
    transaction: str
    as_of: datetime | None
    late: bool
    shown: tuple[_Period, ...]


class InformationPages:
    """What the pages are made from."""

    def __init__(self, site: Site, information: Information, corrections: CorrectionsOf) -> None:
        self.site = site
        self.information = information
        self.corrections = corrections
        self.open = OpenLookUps(site.clock)
        self._limit = Limit(site.clock, _ASKED_A_MINUTE)

    def looked(self, visitor: Visitor) -> Looked | None:
        """The open look-up of this session, about the person whose account it is."""
        self.site.require_scope(visitor, TOPIC)
        return self.open.of(visitor.session, visitor.account)

    def needed(self, visitor: Visitor) -> Looked:
        """As `looked`. Raises Problem(information.not_asked)."""
        looked = self.looked(visitor)
        if looked is None:
            raise Problem(
                "information.not_asked", "nothing is open in this session", advice="Ask the offices on the page before."
            )
        return looked

    def ask(self, visitor: Visitor) -> None:
        """Ask all offices. Raises Problem(information.no_code, session.too_often)."""
        self.site.require_scope(visitor, TOPIC)
        self._limit.take(visitor.own_account)
        looked = self.information.ask(visitor.account, own=not visitor.represents)
        self.open.keep(visitor.session, visitor.account, looked)

    def in_words(self, visitor: Visitor) -> ItemWords:
        """Words in the visitor's language."""
        lang = visitor.language

        def w(key: str, **values: object) -> str:
            return word(lang, key, **values)

        return ItemWords(w, lang, lambda day: day_written(day, lang))

    def office(self, institution: str, lang: str) -> str:
        """The name of an institution."""
        found = self.site.edge.directory.institution(InstitutionId(institution))
        return found.name_ja if lang == "ja" else found.name_en

    def shown(self, answered: Answered, say: ItemWords, lang: str) -> _OfOffice:
        """What one office provided, newest first."""
        items = sorted(answered.items, key=lambda one: one.valid_from, reverse=True)
        return _OfOffice(
            self.office(answered.question.provider, lang),
            answered.transaction,
            next((one.at for one in answered.as_of), None),
            any(one.late for one in answered.as_of),
            tuple(
                _Period(self._period(one.item, one.valid_from, one.valid_until, say, lang), say.shown(one))
                for one in items
            ),
        )

    def card(self, visitor: Visitor) -> HomeCard:
        """The card of the start page."""
        lang = visitor.language
        looked = self.open.of(visitor.session, visitor.account)
        lines = [word(lang, "information.lead")]
        if looked is not None:
            say = self.in_words(visitor)
            lines.append(joined([say.name(item) for item in looked.items()], lang))
        return HomeCard(
            word(lang, "information.title"), tuple(lines), "/information", word(lang, "information.title")
        )  # fmt: skip

    def answered(self, looked: Looked, transaction: str) -> Answered:
        """The answer of this look-up that has the transaction number. Raises Problem(transaction.unknown)."""
        for one in looked.answers:
            if one.transaction == transaction and one.state is State.PROVIDED:
                return one
        raise Problem("transaction.unknown", transaction[:32], "transaction", "something shown in this session")

    @staticmethod
    def _period(item: str, since: date, until: date | None, say: ItemWords, lang: str) -> str:
        if is_of_year(item):
            return say.year(since.year)
        first = day_written(since, lang)
        if until is None:
            return word(lang, "information.since", since=first)
        return word(lang, "information.between", since=first, until=day_written(until, lang))


def joined(names: Sequence[str], lang: str) -> str:
    return ("、" if lang == "ja" else ", ").join(names)
