"""Entries of a rule book (別表・主務省令・条例): classes of institutions, information items, affairs and rules.

番号法 第十九条第七号・別表第二: an institution may ask another for a person's information only if a row of the table
names the requester, the affair, the provider and the item. These are the rows as values; `RuleBook` evaluates them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from kumihimo.domain.kernel.institutions import InstitutionId


@dataclass(frozen=True, slots=True)
class InstitutionClass:
    """Whom a rule names (主体): `wordings` as in the Act, `members` the classes that belong to it by definition.

    A wording may mark words shared with a neighbour of the Act's enumeration in [brackets].
    """

    id: str
    ja: str
    en: str
    wordings: tuple[str, ...]
    members: frozenset[str]
    note: str | None


@dataclass(frozen=True, slots=True)
class InformationClass:
    """What may be asked for (特定個人情報); `wordings` as in `InstitutionClass`, none for items outside the Act."""

    id: str
    ja: str
    en: str
    wordings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Affair:
    """The legal task an inquiry is for (事務): the clauses (項) it stands under, a short title, the acts it rests on."""

    id: str
    clauses: tuple[str, ...]
    ja: str
    en: str
    laws: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: any of `requesters` may ask any of `providers` for any of `items`, for the affair, while in force.

    `id` is book/clause/row, such as "act-2016/74/169". `in_force_from` and `in_force_to` are the first and the last
    day (in Japan) on which it holds; None means no end is known. `local_body`: only this institution may ask under
    it (an ordinance); None for rules of the Act.
    """

    id: str
    book: str
    clause: str
    row: int
    affair: str
    requesters: frozenset[str]
    providers: frozenset[str]
    items: frozenset[str]
    article: str
    article_en: str
    in_force_from: date
    in_force_to: date | None
    local_body: InstitutionId | None

    def in_force(self, day: date) -> bool:
        """Whether the rule holds on that day."""
        return self.in_force_from <= day and (self.in_force_to is None or day <= self.in_force_to)


@dataclass(frozen=True, slots=True)
class Version:
    """One loaded book: its id, its titles, and the first day of its rules (None for a catalogue without rules)."""

    id: str
    title_ja: str
    title_en: str
    in_force_from: date | None
    local_body: InstitutionId | None


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that was loaded, checked and resolved, each part in a fixed order."""

    versions: tuple[Version, ...]
    institution_classes: tuple[InstitutionClass, ...]
    information_classes: tuple[InformationClass, ...]
    affairs: tuple[Affair, ...]
    rules: tuple[Rule, ...]
