"""What one decision of the rule book costs (規則の判定): all rules loaded, over questions made from every rule.

Each rule gives one question it permits and one of six kinds that the law refuses, so that no rule and no reason is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Final

from kumihimo.country.benches.figures import Effort, Measured, Reference
from kumihimo.country.benches.timing import paired
from kumihimo.domain.kernel import Institution, InstitutionId
from kumihimo.domain.law import Permission, Question, Rule, RuleBook

_DAY: Final = date(2026, 6, 1)
_BEFORE_THE_ACT: Final = date(2012, 4, 1)
_MICRO: Final = 1e6


def measure(effort: Effort) -> Iterator[Measured]:
    """Median µs of one decision: permitted ones, refused ones, and both mixed; the reference is an empty call."""
    book = RuleBook.load()
    asked = tuple(questions(book))
    permitted = [question for question in asked if isinstance(book.ask(question), Permission)]
    refused = [question for question in asked if not isinstance(book.ask(question), Permission)]
    rounds = effort.pick(quick=5, full=51)
    for figure, mix in (("permitted", permitted), ("refused", refused), ("decision", asked)):
        found = paired(partial(_ask_all, book, mix), partial(_call_all, mix), rounds)
        micros = _MICRO / len(mix)
        reference = Reference("an empty call", found.reference_seconds * micros)
        yield Measured("rules", figure, found.seconds * micros, "µs", reference, found.time_ratio)


def questions(book: RuleBook) -> Iterator[Question]:
    """Two questions for every rule: one it permits while in force, and one that differs in one thing."""
    library = _body("library", "public-library")
    for number, rule in enumerate(book.rules):
        lawful = _lawful(rule)
        yield lawful
        other = book.rules[(number + len(book.rules) // 2) % len(book.rules)]
        unlawful = (
            replace(lawful, requester=_lawful(other).requester),
            replace(lawful, items=(min(other.items),)),
            replace(lawful, provider=_lawful(other).provider),
            replace(lawful, day=_BEFORE_THE_ACT),
            replace(lawful, affair="library.cards"),
            replace(lawful, requester=library),
        )
        yield unlawful[number % len(unlawful)]


def _lawful(rule: Rule) -> Question:
    requester = _body(rule.local_body or "requester", min(rule.requesters))
    return Question(requester, _body("provider", min(rule.providers)), rule.affair, (min(rule.items),), _DAY)


def _body(identifier: str, of_class: str) -> Institution:
    return Institution(InstitutionId(identifier), identifier, identifier, frozenset({of_class}))


def _ask_all(book: RuleBook, mix: Sequence[Question]) -> None:
    for question in mix:
        book.ask(question)


def _call_all(mix: Sequence[Question]) -> None:
    for question in mix:
        _empty(question)


def _empty(_question: Question) -> None:
    return
