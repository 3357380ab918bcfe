"""Reasons in words (可否の理由): why the rule book says yes or no, in Japanese and in English.

A person at the window must be able to tell the applicant why an answer can or cannot be had without papers, so a no
also says what would be permitted instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, TypeVar

from kumihimo.domain.kernel.institutions import InstitutionId
from kumihimo.domain.law.decision import Question
from kumihimo.domain.law.entries import Affair, InformationClass, InstitutionClass, Rule

# A reason names this many alternatives and counts the others: `kumihimo rules show` has them all.
_NAMED = 8


_UNKNOWN = {
    "institution.unknown": (
        "規則表のどの主体にも当たりません",
        "belongs to no class of the rule book",
        "an institution with a class of the rule book",
    ),
    "affair.unknown": ("規則表にない事務です", "is no affair of the rule book", "an affair of the rule book"),
    "item.unknown": ("規則表にない情報です", "is no item of the rule book", "an item of the rule book"),
}

Rules = tuple[Rule, ...]
Entry = TypeVar("Entry", InformationClass, InstitutionClass)


class Words(NamedTuple):
    """A reason in Japanese and English, and what would be permitted instead (empty for a yes)."""

    ja: str
    en: str
    instead: str


_OWN_INFORMATION = Words(
    "自らが保有する情報は情報提供の対象ではありません。一つの機関の内での利用は番号法第九条第二項の条例によります。",
    "What an institution holds itself is not provided to it; use inside one body rests on an ordinance "
    "under Article 9(2) of the Number Use Act.",
    "another institution as provider",
)


@dataclass(frozen=True)
class Reasons:
    """Words for decisions, from the labels of the catalogue."""

    institutions: Mapping[str, InstitutionClass]
    items: Mapping[str, InformationClass]
    affairs: Mapping[str, Affair]

    def permitted(self, question: Question, rules: Rules) -> Words:
        """Why yes; `rules[i]` permits `items[i]`."""
        affair = self.affairs[question.affair]
        asked = [self.items[item] for item in question.items]
        articles = [f"{rule.article}、{rule.in_force_from}施行" for rule in rules]
        articles_en = [f"{rule.article_en}, in force from {rule.in_force_from}" for rule in rules]
        return Words(
            f"{question.requester.name_ja}は、{affair.ja}のため、{question.provider.name_ja}に"
            f"{'、'.join([one.ja for one in asked])}を求めることができます（{'；'.join(dict.fromkeys(articles))}）。",
            f"{question.requester.name_en} may ask {question.provider.name_en} for "
            f"{', '.join([f'“{one.en}”' for one in asked])}, for the affair “{affair.en}” "
            f"({'; '.join(dict.fromkeys(articles_en))}).",
            "",
        )

    @staticmethod
    def unknown(code: str, what: str) -> Words:
        """Why no: the institution, affair or item `what` is not in the book."""
        ja, en, expected = _UNKNOWN[code]
        return Words(f"{what}：{ja}。", f"“{what}” {en}.", expected)

    @staticmethod
    def none_in_force(day: date, rules: Rules) -> Words:
        """Why no: none of `rules` is in force on that day."""
        periods, periods_en = _periods(rules)
        return Words(
            f"{day}に施行されている規則がありません。施行期間は{periods}です。",
            f"No rule of the loaded books is in force on {day}.",
            f"a day {periods_en}",
        )

    def refused(self, code: str, question: Question, item: str, near: Rules) -> Words:
        """Why no; `item` is the item the question fails on, `near` the nearest rules."""
        say = {
            "rules.requester_not_entitled": self._requester_not_entitled,
            "rules.item_not_in_affair": self._item_not_in_affair,
            "rules.provider_not_named": self._provider_not_named,
            "rules.not_in_force": self._not_in_force,
        }[code]
        return say(question, self.affairs[question.affair], self.items[item], near)

    def _requester_not_entitled(self, question: Question, affair: Affair, _: InformationClass, near: Rules) -> Words:
        entitled = [(one, rule.local_body) for rule in near for one in sorted(rule.requesters)]
        ja = [_only_ja(self.institutions[one].ja, body) for one, body in entitled]
        en = [_only_en(self.institutions[one].en, body) for one, body in entitled]
        return Words(
            f"{question.requester.name_ja}は、{affair.ja}のために情報を照会できる者に当たりません。"
            f"照会できるのは{_listed(_each(ja))}です（{_articles(near)}）。",
            f"{question.requester.name_en} is not among those who may ask for the affair “{affair.en}”.",
            f"a requester that is: {_listed_en(_each(en))}",
        )

    def _item_not_in_affair(self, question: Question, affair: Affair, item: InformationClass, near: Rules) -> Words:
        askable = _in_catalogue_order(self.items, [rule.items for rule in near])
        return Words(
            f"{item.ja}は、{affair.ja}のために{question.requester.name_ja}が照会できる情報に含まれません。"
            f"照会できるのは{_listed([one.ja for one in askable])}です（{_articles(near)}）。",
            f"“{item.en}” is not among the items {question.requester.name_en} may ask for, "
            f"for the affair “{affair.en}”.",
            f"one of {_listed_en([one.en for one in askable])}",
        )

    def _provider_not_named(self, question: Question, affair: Affair, item: InformationClass, near: Rules) -> Words:
        if question.provider.id == question.requester.id:
            return _OWN_INFORMATION
        named = _in_catalogue_order(self.institutions, [rule.providers for rule in near])
        return Words(
            f"{question.provider.name_ja}は、{affair.ja}のために{item.ja}を提供する者に当たりません。"
            f"提供するのは{_listed([one.ja for one in named])}です（{_articles(near)}）。",
            f"{question.provider.name_en} is not among those who provide “{item.en}” for the affair “{affair.en}”.",
            f"a provider that is: {_listed_en([one.en for one in named])}",
        )

    def _not_in_force(self, question: Question, affair: Affair, item: InformationClass, near: Rules) -> Words:
        periods, periods_en = _periods(near)
        return Words(
            f"{affair.ja}のために{item.ja}を求める規則は{question.day}には施行されていません。"
            f"施行期間は{periods}です（{_articles(near)}）。",
            f"The rule on “{item.en}” for the affair “{affair.en}” is not in force on {question.day}.",
            f"a day {periods_en}",
        )


def _in_catalogue_order(catalogue: Mapping[str, Entry], named: Sequence[frozenset[str]]) -> list[Entry]:
    # The catalogue puts what people ask for most first, so a shortened list keeps the likeliest alternatives.
    every = frozenset[str]().union(*named)
    return [entry for one, entry in catalogue.items() if one in every]


def _each(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _articles(rules: Rules) -> str:
    return _listed(_each([rule.article for rule in rules]))


def _only_ja(name: str, body: InstitutionId | None) -> str:
    return f"{name}（{body}に限る）" if body else name


def _only_en(name: str, body: InstitutionId | None) -> str:
    return f"{name} (only {body})" if body else name


def _listed(names: Sequence[str]) -> str:
    named = "、".join(names[:_NAMED])
    return f"{named}ほか{len(names) - _NAMED}件" if len(names) > _NAMED else named or "なし"


def _listed_en(names: Sequence[str]) -> str:
    named = ", ".join(names[:_NAMED])
    return f"{named} and {len(names) - _NAMED} more" if len(names) > _NAMED else named or "nobody"


def _periods(rules: Rules) -> tuple[str, str]:
    ranges = sorted({(rule.in_force_from, rule.in_force_to or date.max) for rule in rules})
    ja = "、".join(f"{first}から" if last == date.max else f"{first}から{last}まで" for first, last in ranges)
    en = " or ".join(f"from {first}" if last == date.max else f"from {first} to {last}" for first, last in ranges)
    return ja or "なし", en or "on which a rule is in force"
