"""The shipped book of the Act by itself: complete in number, consistent, and named in both languages."""

import re

import pytest
from act_reading import read, vocabulary

from kumihimo.domain.law import RuleBook
from kumihimo.domain.law.assembly import assemble
from kumihimo.domain.law.documents import packaged

# Beside it only self-disclosure is shipped, which no row of the table is about.
BOOK = RuleBook(assemble([file for file in packaged() if file[1].book.id != "self-disclosure"]))
BODIES = vocabulary({one.id: one.wordings for one in BOOK.institution_classes.values()})
ITEMS = vocabulary({one.id: one.wordings for one in BOOK.information_classes.values()})


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


# Rows read by hand, so that the catalogue's words are not the only witness of what the ids mean.
BY_HAND = {
    1: ({"health-labour-minister"}, {"medical-insurer", "late-elderly-union"}, {"medical-insurance"}),
    2: ({"health-labour-minister"}, {"municipality"}, {"local-tax", "resident-record", "nursing-insurance"}),
    44: (
        {"prefecture"},
        {"health-labour-minister", "pension-service", "mutual-aid-associations", "agricultural-mutual-aid"},
        {"pension", "agricultural-mutual-aid-pension", "special-disability-benefit"},
    ),
    47: (
        {"welfare-authority"},
        {"prefecture"},
        {
            "disaster-relief",
            "disaster-relief-money",
            "child-chronic-disease-medical",
            "child-medical-nurturing",
            "disabled-child-facility-benefit",
            "single-parent-loan",
            "intractable-disease-medical",
        },
    ),
    86: (
        {"health-labour-minister", "mutual-aid-associations"},
        {"health-labour-minister"},
        {
            "workers-accident-compensation",
            "war-relief-pension",
            "unemployment-basic-allowance",
            "older-worker-continuation-benefit",
        },
    ),
    133: (
        {"welfare-authority"},
        {"municipality"},
        {"local-tax", "resident-record", "medical-long-term-care", "facility-residence-support"},
    ),
    169: ({"municipality", "child-allowance-employer"}, {"municipality"}, {"local-tax"}),
    229: ({"student-services-organization"}, {"payer-medical-any-law"}, {"medical-benefit-any-law"}),
    234: ({"student-services-organization"}, {"health-labour-minister"}, {"employment-insurance"}),
    257: (
        {"pension-fund-federation-survivor-2013", "pension-fund-association"},
        {"health-labour-minister", "pension-service"},
        {"pension"},
    ),
}


@pytest.mark.parametrize("row", BY_HAND)
def test_a_row_read_by_hand_is_in_the_book(row: int) -> None:
    (rule,) = [rule for rule in BOOK.rules if rule.row == row]
    assert (rule.requesters, rule.providers, rule.items) == BY_HAND[row]


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
