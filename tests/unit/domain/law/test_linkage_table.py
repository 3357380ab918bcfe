"""The shipped book is the Act's table (別表第二): every live row, no class too few, too many, or wrong.

Every row is read from the Act's words (`act_reading`) and compared with the book. The statute's text is not part of the
package: these tests are collected where it lies beside the repository; `test_shipped_book` runs everywhere.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import pytest
from act_reading import LAW, TABLE, Words, read, vocabulary

from kumihimo.domain.law import Rule, RuleBook

# The only affair the table describes by a term of its own instead of an act's name.
NAMES_NO_ACT = {"87"}

BOOK = RuleBook.load()
BODIES_KNOWN, ITEMS_KNOWN = BOOK.institution_classes, BOOK.information_classes
BODIES = vocabulary({one.id: one.wordings for one in BODIES_KNOWN.values()})
ITEMS = vocabulary({one.id: one.wordings for one in ITEMS_KNOWN.values()})


@dataclass(frozen=True)
class Row:
    number: int
    clause: str
    requester: str
    affair: str
    provider: str
    information: str


def rows_of_the_act() -> list[Row]:
    with TABLE.open(encoding="utf-8-sig", newline="") as file:
        return [Row(int(number), *cells) for number, *cells in list(csv.reader(file))[1:]]


LIVE = [row for row in rows_of_the_act() if row.requester != "削除"]


def rule_of(row: Row) -> Rule:
    return BOOK.rule(f"act-2016/{row.clause}/{row.number}")


@cache
def bodies(cell: str) -> frozenset[str]:
    return read(cell, BODIES)


@cache
def items(cell: str) -> frozenset[str]:
    return read(cell, ITEMS)


def faults(rule: Rule, row: Row) -> list[str]:
    """The columns in which a rule is not the row of the Act; raises AssertionError for words it cannot read."""
    compared = {
        "requesters": rule.requesters == bodies(row.requester),
        "providers": rule.providers == bodies(row.provider),
        "items": rule.items == items(row.information),
    }
    return [column for column, same in compared.items() if not same]


@pytest.mark.parametrize("row", LIVE, ids=lambda row: f"row-{row.number}")
def test_a_row_of_the_act_is_in_the_book_word_for_word(row: Row) -> None:
    rule = rule_of(row)
    assert faults(rule, row) == []
    assert rule.article == f"番号法 別表第二 {row.clause.replace('-', 'の')}の項"


@pytest.mark.parametrize("row", LIVE, ids=lambda row: f"row-{row.number}")
def test_the_affair_of_a_row_rests_on_the_acts_the_row_names(row: Row) -> None:
    affair = BOOK.affairs[rule_of(row).affair]
    assert row.clause in affair.clauses
    if row.clause not in NAMES_NO_ACT:
        assert [law for law in affair.laws if law not in row.affair] == []
    assert len(affair.ja) < len(row.affair), "a short title, not the Act's sentence"


def test_the_book_has_no_row_more_or_less_than_the_act() -> None:
    assert {row.number for row in LIVE} == {rule.row for rule in BOOK.rules}
    assert [row.number for row in rows_of_the_act() if row not in LIVE] == [90]


def test_the_terms_the_act_defines_are_items_of_the_book() -> None:
    defined = {one["term"] for one in json.loads((LAW / "information_classes_2016.json").read_text("utf-8"))}
    assert len(defined) == 17
    named = {one.ja for one in BOOK.information_classes.values() if one.ja in one.wordings and len(one.wordings) > 1}
    assert defined - named == set(), "each with its short name and its definition"


def test_one_affair_is_one_task_of_the_act_whatever_clauses_it_stands_under() -> None:
    tasks: dict[str, set[str]] = {}
    for row in LIVE:
        tasks.setdefault(rule_of(row).affair, set()).add(row.affair)
    assert [affair for affair, named in tasks.items() if len(named) != 1] == []
    all_named = [named for these in tasks.values() for named in these]
    assert len(all_named) == len(set(all_named))


# ---- the reading itself must notice every kind of mistake


def lost(known: list[Words], class_id: str) -> list[Words]:
    return [one for one in known if one.class_id != class_id]


def mistakes(column: str, rule: Rule, every: frozenset[str]) -> Iterator[Rule]:
    """The rule with one class left out, with one too many, and with one in another's place: all of them."""
    right: frozenset[str] = getattr(rule, column)
    for other in every - right:
        yield replace(rule, **{column: right | {other}})
    for one in right:
        yield replace(rule, **{column: right - {one}})
        for other in every - right:
            yield replace(rule, **{column: (right - {one}) | {other}})


@pytest.mark.parametrize("column", ["requesters", "providers", "items"])
def test_a_class_that_is_missing_added_or_exchanged_in_any_row_is_noticed(column: str) -> None:
    every = frozenset((ITEMS_KNOWN if column == "items" else BODIES_KNOWN).keys())
    tried = 0
    for row in LIVE:
        for wrong in mistakes(column, rule_of(row), every):
            tried += 1
            assert faults(wrong, row) == [column], f"row {row.number}: {sorted(getattr(wrong, column))}"
    assert tried > 40_000


def reads_as(cell: str, known: list[Words], classes: frozenset[str]) -> bool:
    try:
        return read(cell, known) == classes
    except AssertionError:
        return False


def test_words_of_the_act_that_no_class_accounts_for_are_noticed() -> None:
    for row in LIVE:
        rule = rule_of(row)
        for cell, known, classes in (
            (row.requester, BODIES, rule.requesters),
            (row.provider, BODIES, rule.providers),
            (row.information, ITEMS, rule.items),
        ):
            for one in classes:
                assert not reads_as(cell, lost(known, one), classes), f"{cell} reads without {one}"
