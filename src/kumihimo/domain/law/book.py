"""Rule book (規則表): all loaded rules, and the answer to who may ask whom for what.

番号法 第十九条第七号・別表第二, ordinances under 第十九条, and later versions of either. Evaluation is pure: the book
is loaded once, indexed, and asked any number of times; the day is part of the question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from kumihimo.domain.kernel.institutions import Institution
from kumihimo.domain.law import documents
from kumihimo.domain.law.assembly import assemble
from kumihimo.domain.law.decision import Permission, Question, Refusal
from kumihimo.domain.law.entries import Affair, Contents, InformationClass, InstitutionClass, Rule
from kumihimo.domain.law.fingerprint import fingerprint
from kumihimo.domain.law.reasons import Reasons

Entry = TypeVar("Entry", InstitutionClass, InformationClass, Affair)


@dataclass(frozen=True, slots=True)
class _Indexed:
    """A rule with its requesters and providers widened by all classes that belong to them by definition."""

    rule: Rule
    requesters: frozenset[str]
    providers: frozenset[str]

    def entitles(self, requester: Institution) -> bool:
        body = self.rule.local_body
        return not self.requesters.isdisjoint(requester.classes) and (body is None or body == requester.id)

    def answers(self, question: Question) -> bool:
        """Whether the provider is named; nobody provides to itself (use inside one body: 第九条第二項)."""
        provider = question.provider
        return provider.id != question.requester.id and not self.providers.isdisjoint(provider.classes)


class RuleBook:
    """The rules of one or more books, read-only. Make one with `load`, `from_files` or from checked contents."""

    def __init__(self, contents: Contents) -> None:
        self.version: tuple[str, ...] = tuple(version.id for version in contents.versions)
        self.versions = contents.versions
        self.rules: tuple[Rule, ...] = contents.rules
        self.institution_classes = _by_id(contents.institution_classes)
        self.information_classes = _by_id(contents.information_classes)
        self.affairs = _by_id(contents.affairs)
        self.sha256: str = fingerprint(contents)
        self._rule_by_id = {rule.id: rule for rule in contents.rules}
        self._belonging = {one: _belonging_to(one, self.institution_classes) for one in self.institution_classes}
        self._one_of_each_period = tuple(
            {(rule.in_force_from, rule.in_force_to): rule for rule in contents.rules}.values()
        )
        self._reasons = Reasons(self.institution_classes, self.information_classes, self.affairs)
        by_affair: dict[str, list[_Indexed]] = {}
        by_item: dict[tuple[str, str], list[_Indexed]] = {}
        for rule in contents.rules:
            indexed = _Indexed(rule, self._widened(rule.requesters), self._widened(rule.providers))
            by_affair.setdefault(rule.affair, []).append(indexed)
            for item in rule.items:
                by_item.setdefault((rule.affair, item), []).append(indexed)
        self._by_affair, self._by_item = by_affair, by_item

    @classmethod
    def load(cls, *ordinances: Path) -> RuleBook:
        """The Act's book as shipped, with further files (ordinances, later versions) beside it.

        Raises Problem(rules.format) and Problem(file.unreadable), naming file and entry.
        """
        return cls(assemble([*documents.packaged(), *documents.from_paths(ordinances)]))

    @classmethod
    def from_files(cls, paths: Iterable[Path]) -> RuleBook:
        """A book of exactly these files. Raises Problem(rules.format) and Problem(file.unreadable)."""
        return cls(assemble(documents.from_paths(paths)))

    def ask(self, question: Question) -> Permission | Refusal:
        """Yes with one rule for every item, or no with the first thing that stands against it.

        A refusal's code tells, in this order: no rule of any book in force that day, unknown institution, affair or
        item, requester not entitled for the affair, item not in the affair, provider not named, rule not in force.
        """
        permitting = []
        for item in question.items:
            rule = self._permitting(question, item)
            if rule is None:
                return self._refuse(question, item)
            permitting.append(rule)
        rules = tuple(permitting)
        words = self._reasons.permitted(question, rules)
        return Permission(rules, self.sha256, words.ja, words.en)

    def rule(self, rule_id: str) -> Rule:
        """The rule with that id. Raises KeyError."""
        return self._rule_by_id[rule_id]

    def rules_for(self, affair: str) -> tuple[Rule, ...]:
        """All rules of an affair, in the order of the books; none for an unknown affair."""
        return tuple(one.rule for one in self._by_affair.get(affair, ()))

    def classes_of(self, institution: Institution) -> frozenset[str]:
        """Its own classes and all they belong to by definition: every municipality is a medical insurer."""
        return frozenset(
            one for one, belonging in self._belonging.items() if not belonging.isdisjoint(institution.classes)
        )

    def may_ask_under(self, institution: Institution, rule: Rule) -> bool:
        """Whether the institution is among the rule's requesters, whatever the day."""
        body = rule.local_body
        named = not self._widened(rule.requesters).isdisjoint(institution.classes)
        return named and (body is None or body == institution.id)

    def _widened(self, classes: frozenset[str]) -> frozenset[str]:
        return frozenset[str]().union(*(self._belonging[one] for one in classes))

    def _permitting(self, question: Question, item: str) -> Rule | None:
        for one in self._by_item.get((question.affair, item), ()):
            if one.rule.in_force(question.day) and one.entitles(question.requester) and one.answers(question):
                return one.rule
        return None

    def _refuse(self, question: Question, item: str) -> Refusal:
        """Narrow the affair's rules step by step; the step that leaves none is the reason, those before it are near."""
        if not any(rule.in_force(question.day) for rule in self._one_of_each_period):
            words = self._reasons.none_in_force(question.day, self._one_of_each_period)
            return Refusal("rules.none_in_force", None, (), self.sha256, words.ja, words.en, words.instead)
        unknown = self._unknown(question)
        if unknown is not None:
            code, what = unknown
            words = self._reasons.unknown(code, what)
            named = what if code == "item.unknown" else None
            return Refusal(code, named, (), self.sha256, words.ja, words.en, words.instead)
        near = self._by_affair.get(question.affair, [])
        steps = (
            ("rules.requester_not_entitled", lambda one: one.entitles(question.requester)),
            ("rules.item_not_in_affair", lambda one: item in one.rule.items),
            ("rules.provider_not_named", lambda one: one.answers(question)),
        )
        for code, fits in steps:
            left = [one for one in near if fits(one)]
            if not left:
                return self._refusal(code, question, item, near)
            near = left
        return self._refusal("rules.not_in_force", question, item, near)

    def _unknown(self, question: Question) -> tuple[str, str] | None:
        for party in (question.requester, question.provider):
            if party.classes.isdisjoint(self.institution_classes):
                return "institution.unknown", party.id
        if question.affair not in self.affairs:
            return "affair.unknown", question.affair
        for item in question.items:
            if item not in self.information_classes:
                return "item.unknown", item
        return None

    def _refusal(self, code: str, question: Question, item: str, near: list[_Indexed]) -> Refusal:
        # Rules of that day are better advice than those of another version of the law.
        that_day = tuple(one.rule for one in near if one.rule.in_force(question.day))
        rules = that_day or tuple(one.rule for one in near)
        words = self._reasons.refused(code, question, item, rules)
        return Refusal(code, item, rules, self.sha256, words.ja, words.en, words.instead)


def _by_id(entries: Iterable[Entry]) -> Mapping[str, Entry]:
    return MappingProxyType({entry.id: entry for entry in entries})


def _belonging_to(one: str, classes: Mapping[str, InstitutionClass]) -> frozenset[str]:
    """The class itself and, over all steps, its members."""
    found, open_ = {one}, [one]
    while open_:
        new = classes[open_.pop()].members - found
        found |= new
        open_.extend(new)
    return frozenset(found)
