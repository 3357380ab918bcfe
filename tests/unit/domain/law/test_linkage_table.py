"""The shipped book is the Act's table (別表第二): every live row, no class too few, too many, or wrong.

The statute's text is not part of the package. Where it lies beside the repository, every row is read from its words
(`act_reading`) and compared with the book; the counts of the shipped book are checked everywhere.
"""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
from act_reading import Words, read, vocabulary

from kumihimo.domain.law import Rule, RuleBook

LAW = Path(__file__).parents[4].parent / "shared" / "data" / "law"
TABLE = LAW / "linkage_table_2016.csv"
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
    if not TABLE.exists():
        return []
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


def test_where_the_act_lies_beside_the_repository_its_rows_and_the_books_are_the_same() -> None:
    if not TABLE.exists():
        assert LIVE == []
        return
    assert {row.number for row in LIVE} == {rule.row for rule in BOOK.rules}
    assert [row.number for row in rows_of_the_act() if row not in LIVE] == [90]


def test_where_the_act_lies_beside_the_repository_its_own_terms_are_items_of_the_book() -> None:
    terms = LAW / "information_classes_2016.json"
    defined = {one["term"] for one in json.loads(terms.read_text("utf-8"))} if terms.exists() else set()
    labels = {one.ja for one in BOOK.information_classes.values()}
    assert defined - labels == set()


def test_one_affair_is_one_task_of_the_act_whatever_clauses_it_stands_under() -> None:
    tasks: dict[str, set[str]] = {}
    for row in LIVE:
        tasks.setdefault(rule_of(row).affair, set()).add(row.affair)
    assert [affair for affair, named in tasks.items() if len(named) != 1] == []
    all_named = [named for these in tasks.values() for named in these]
    assert len(all_named) == len(set(all_named))


# ---- the shipped book by itself


def test_the_book_has_every_live_row_of_the_table() -> None:
    assert len(BOOK.rules) == 259
    assert {rule.row for rule in BOOK.rules} == set(range(1, 261)) - {90}
    clauses = {rule.clause for rule in BOOK.rules}
    assert clauses == ({str(number) for number in range(1, 120)} | {"56-2"}) - {"36"}


def test_every_affair_stands_under_exactly_the_clauses_of_its_rules() -> None:
    assert len(BOOK.affairs) == 113
    for affair in BOOK.affairs.values():
        assert {rule.clause for rule in BOOK.rules_for(affair.id)} == set(affair.clauses)


def test_a_clause_names_the_same_requesters_and_affair_in_all_its_rows() -> None:
    by_clause: dict[str, set[tuple[str, frozenset[str]]]] = {}
    for rule in BOOK.rules:
        by_clause.setdefault(rule.clause, set()).add((rule.affair, rule.requesters))
    assert [clause for clause, seen in by_clause.items() if len(seen) != 1] == []


def test_every_item_of_the_catalogue_is_askable_except_those_kept_for_ordinances() -> None:
    askable = {item for rule in BOOK.rules for item in rule.items}
    assert BOOK.information_classes.keys() - askable == {"student-aid", "child-care-fees", "vaccination"}


def test_no_two_classes_are_described_by_the_same_words() -> None:
    for known in (BODIES, ITEMS):
        owners: dict[str, set[str]] = {}
        for one in known:
            owners.setdefault(one.full, set()).add(one.class_id)
        assert [words for words, classes in owners.items() if len(classes) > 1] == []


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
    assert tried > 40_000 or not LIVE


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


@pytest.mark.parametrize(
    ("cell", "classes"),
    [
        ("市町村長", {"municipality"}),
        ("都道府県知事又は市町村長", {"prefecture", "municipality"}),
        (
            "公営住宅法第二条第十六号に規定する事業主体である都道府県知事又は市町村長",
            {"public-housing-prefecture", "public-housing-municipality"},
        ),
        ("都道府県知事又は広島市長若しくは長崎市長", {"prefecture", "hiroshima-city", "nagasaki-city"}),
        (
            "厚生労働大臣若しくは日本年金機構又は共済組合等",
            {"health-labour-minister", "pension-service", "mutual-aid-associations"},
        ),
        (
            "市町村長（児童手当法第十七条第一項の表の下欄に掲げる者を含む。）",
            {"municipality", "child-allowance-employer"},
        ),
    ],
)
def test_a_wording_that_names_several_bodies_is_several_classes(cell: str, classes: set[str]) -> None:
    assert read(cell, BODIES) == classes


@pytest.mark.parametrize("cell", ["市町村長又は", "市町村長国民健康保険組合", "市町村長又は市町村長", "図書館長"])
def test_a_cell_that_is_not_a_list_of_known_bodies_is_not_read(cell: str) -> None:
    with pytest.raises(AssertionError):
        read(cell, BODIES)


def test_measures_for_children_are_told_apart_by_their_paragraph() -> None:
    rules = {rule.row: rule.items for rule in BOOK.rules}
    measures = {"child-welfare-placement", "child-welfare-commission", "child-welfare-protective-measure"}
    assert rules[31] & measures == {"child-welfare-placement"}
    assert rules[127] & measures == {"child-welfare-placement", "child-welfare-commission"}
    assert rules[132] & measures == measures


def test_support_with_and_without_the_spouses_benefit_is_told_apart() -> None:
    rules = {rule.row: rule.items for rule in BOOK.rules}
    assert "china-returnee-support" in rules[56]
    assert "china-returnee-support-benefit" in rules[198]
    assert "china-returnee-support" not in rules[198]


def test_titles_and_names_are_given_in_both_languages() -> None:
    kana_or_kanji = re.compile(r"[぀-ヿ一-鿿]")
    entries = [*BOOK.affairs.values(), *BOOK.institution_classes.values(), *BOOK.information_classes.values()]
    assert [one.id for one in entries if not kana_or_kanji.search(one.ja) or kana_or_kanji.search(one.en)] == []
    for kind in (BOOK.affairs, BOOK.institution_classes, BOOK.information_classes):
        for titles in ([one.ja for one in kind.values()], [one.en for one in kind.values()]):
            assert len(titles) == len(set(titles))
