"""Questions and answers (照会の可否): what is asked of the rule book, and its yes or no with article and reason.

番号法 第十九条第七号. A yes names one rule for every item and the hash of the book it was read from, as permits must
(invariant I4); a no names the first thing that stands against it and the rules that come nearest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from kumihimo.domain.kernel.errors import CATALOGUE, Problem
from kumihimo.domain.kernel.institutions import Institution
from kumihimo.domain.law.entries import Rule


@dataclass(frozen=True, slots=True)
class Question:
    """May `requester` ask `provider` for `items` (ids) for `affair` (id) on `day` (in Japan)?

    Raises Problem(value.invalid) when no item is asked for: a question about nothing would be permitted by no rule.
    """

    requester: Institution
    provider: Institution
    affair: str
    items: tuple[str, ...]
    day: date

    def __post_init__(self) -> None:
        if not self.items:
            raise Problem("value.invalid", "no item is asked for", where="items", expected="at least one item")


@dataclass(frozen=True, slots=True)
class Permission:
    """Yes: `rules[i]` permits `items[i]` of the question."""

    rules: tuple[Rule, ...]
    book_sha256: str
    reason_ja: str
    reason_en: str

    @property
    def articles(self) -> tuple[str, ...]:
        """The articles cited, each once, in the order of the items."""
        return tuple(dict.fromkeys(rule.article for rule in self.rules))

    @property
    def rule_ids(self) -> tuple[str, ...]:
        """The rules' ids, each once, in the order of the items."""
        return tuple(dict.fromkeys(rule.id for rule in self.rules))


@dataclass(frozen=True, slots=True)
class Refusal:
    """No: `code` is one of the catalogue of errors, `item` the item it fails on (None if it fails on none of them).

    `nearest` are the rules that go as far as the question does: what they say beyond that would be permitted.
    """

    code: str
    item: str | None
    nearest: tuple[Rule, ...]
    book_sha256: str
    reason_ja: str
    reason_en: str
    would_be_permitted: str

    def __post_init__(self) -> None:
        CATALOGUE[self.code]  # an unlisted code is a programming error

    @property
    def articles(self) -> tuple[str, ...]:
        """The articles of the nearest rules, each once."""
        return tuple(dict.fromkeys(rule.article for rule in self.nearest))

    def as_problem(self) -> Problem:
        """The refusal as the error that crosses rooms and the wire."""
        articles = "; ".join(dict.fromkeys(rule.article_en for rule in self.nearest))
        advice = f"See {articles}." if articles else "See `kumihimo rules list`."
        return Problem(self.code, self.reason_en, where=self.item, expected=self.would_be_permitted, advice=advice)
