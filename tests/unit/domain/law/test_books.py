"""Books as files: ordinances of one body, versions that follow one another, fingerprints, and mistakes in files."""

from datetime import date
from pathlib import Path

import pytest

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import Institution, institution_id
from kumihimo.domain.law import Permission, Question, Refusal, RuleBook
from kumihimo.domain.law.documents import ordinance_example

CATALOGUE = """
[book]
id = "terms"
title_ja = "用語"
title_en = "Terms"

[catalogue]
institution_classes = [
  { id = "town", ja = "町長", en = "Town" },
  { id = "insurer", ja = "保険者", en = "Insurer", members = ["town"] },
]
information_classes = [{ id = "tax", ja = "税情報", en = "Tax" }, { id = "care", ja = "介護情報", en = "Care" }]
affairs = [{ id = "aid.payment", clauses = ["1"], ja = "助成", en = "Aid", laws = ["助成法"] }]
"""
ACT = """
[book]
id = "old-act"
title_ja = "旧法"
title_en = "Old Act"
article = "旧法 {clause}の項"
article_en = "Old Act, item {clause}"
in_force_from = 2017-07-18

[[clause]]
clause = "1"
affair = "aid.payment"
requesters = ["town"]
rows = [
  { row = 1, providers = ["insurer"], items = ["tax"] },
  { row = 2, providers = ["insurer"], items = ["care"], in_force_from = 2020-04-01, in_force_to = 2021-03-31 },
]
"""
NEW_ACT = (
    ACT.replace("old-act", "new-act")
    .replace("旧法", "新法")
    .replace("Old Act", "New Act")
    .replace("in_force_from = 2017-07-18", 'in_force_from = 2027-01-01\nreplaces = ["old-act"]')
    .replace(", in_force_from = 2020-04-01, in_force_to = 2021-03-31", "")
)


def body(identifier: str, *classes: str) -> Institution:
    return Institution(institution_id(identifier), identifier, identifier.title(), frozenset(classes))


X_CITY, Y_CITY = body("x-city", "municipality"), body("y-city", "municipality")
A_TOWN, B_TOWN = body("a-town", "town"), body("b-town", "town")


def shelf(folder: Path, **texts: str) -> list[Path]:
    paths = []
    for name, text in texts.items():
        path = folder / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def book(folder: Path, **texts: str) -> RuleBook:
    return RuleBook.from_files(shelf(folder, **texts))


def care(on: date) -> Question:
    return Question(A_TOWN, B_TOWN, "aid.payment", ("care",), on)


# ---- ordinances


@pytest.fixture
def with_ordinance(tmp_path: Path) -> RuleBook:
    return RuleBook.load(*shelf(tmp_path, ordinance=ordinance_example()))


def subsidy(requester: Institution, provider: Institution, day: date) -> Question:
    return Question(requester, provider, "x-city.child-medical-subsidy", ("local-tax",), day)


def test_a_city_may_ask_under_its_own_ordinance(with_ordinance: RuleBook) -> None:
    answer = with_ordinance.ask(subsidy(X_CITY, Y_CITY, date(2026, 6, 1)))
    assert isinstance(answer, Permission)
    assert answer.articles == ("番号法第十九条・X市個人番号の利用に関する条例 別表 1の項",)
    assert answer.rules[0].local_body == "x-city"


def test_no_other_city_may_ask_under_it(with_ordinance: RuleBook) -> None:
    answer = with_ordinance.ask(subsidy(Y_CITY, X_CITY, date(2026, 6, 1)))
    assert isinstance(answer, Refusal)
    assert answer.code == "rules.requester_not_entitled"
    assert "x-city" in answer.reason_ja


def test_an_ordinance_does_not_hold_before_its_first_day(with_ordinance: RuleBook) -> None:
    answer = with_ordinance.ask(subsidy(X_CITY, Y_CITY, date(2026, 3, 31)))
    assert isinstance(answer, Refusal)
    assert answer.code == "rules.not_in_force"
    assert "2026-04-01" in answer.would_be_permitted


def test_without_the_ordinance_its_affair_is_unknown() -> None:
    answer = RuleBook.load().ask(subsidy(X_CITY, Y_CITY, date(2026, 6, 1)))
    assert isinstance(answer, Refusal)
    assert answer.code == "affair.unknown"


# ---- versions by date


def test_a_rule_holds_from_its_first_to_its_last_day(tmp_path: Path) -> None:
    small = book(tmp_path, terms=CATALOGUE, act=ACT)
    answers = {day: small.ask(care(day)) for day in (date(2020, 3, 31), date(2020, 4, 1), date(2021, 3, 31))}
    assert [isinstance(answer, Permission) for answer in answers.values()] == [False, True, True]
    late = small.ask(care(date(2021, 4, 1)))
    assert isinstance(late, Refusal)
    assert late.code == "rules.not_in_force"
    assert "2021-03-31" in late.reason_ja


def test_a_new_act_ends_the_old_one_on_the_day_before(tmp_path: Path) -> None:
    both = book(tmp_path, terms=CATALOGUE, act=ACT, new=NEW_ACT)
    cited = {}
    for day in (date(2026, 12, 31), date(2027, 1, 1)):
        answer = both.ask(Question(A_TOWN, B_TOWN, "aid.payment", ("tax",), day))
        assert isinstance(answer, Permission)
        cited[day] = answer.articles
    assert list(cited.values()) == [("旧法 1の項",), ("新法 1の項",)]
    ends = {rule.id: rule.in_force_to for rule in both.rules}
    assert ends["old-act/1/1"] == date(2026, 12, 31)
    assert ends["old-act/1/2"] == date(2021, 3, 31)
    assert ends["new-act/1/1"] is None


def test_advice_names_rules_of_the_day_asked_about(tmp_path: Path) -> None:
    both = book(tmp_path, terms=CATALOGUE, act=ACT, new=NEW_ACT)
    stranger = body("stranger", "insurer")
    answer = both.ask(Question(stranger, B_TOWN, "aid.payment", ("tax",), date(2028, 1, 1)))
    assert isinstance(answer, Refusal)
    assert {rule.book for rule in answer.nearest} == {"new-act"}


def test_an_affair_without_rules_can_be_asked_for_by_nobody(tmp_path: Path) -> None:
    entry = '{ id = "idle.x", clauses = ["9"], ja = "休", en = "Idle", laws = ["休法"] }, {'
    idle = CATALOGUE.replace("affairs = [{", f"affairs = [{entry}")
    answer = book(tmp_path, terms=idle, act=ACT).ask(Question(A_TOWN, B_TOWN, "idle.x", ("tax",), date(2026, 1, 1)))
    assert isinstance(answer, Refusal)
    assert answer.code == "rules.requester_not_entitled"
    assert "nobody" in answer.would_be_permitted


def test_an_ordinance_replaces_an_older_one_of_its_body_but_never_the_act(tmp_path: Path) -> None:
    newer = (
        ordinance_example()
        .replace("x-city-ordinance-2026-12", "x-city-ordinance-2027-3")
        .replace("in_force_from = 2026-04-01", 'in_force_from = 2027-04-01\nreplaces = ["x-city-ordinance-2026-12"]')
    )
    newer = newer[: newer.index("[catalogue]")] + newer[newer.index("[[clause]]") :]
    both = RuleBook.load(*shelf(tmp_path, older=ordinance_example(), newer=newer))
    assert both.rule("x-city-ordinance-2026-12/1/1").in_force_to == date(2027, 3, 31)
    usurping = newer.replace('replaces = ["x-city-ordinance-2026-12"]', 'replaces = ["act-2016"]')
    with pytest.raises(Problem) as caught:
        RuleBook.load(*shelf(tmp_path, older=ordinance_example(), newer=usurping))
    assert caught.value.code == "rules.format"
    assert "cannot replace 'act-2016'" in caught.value.detail


# ---- fingerprint


def test_the_fingerprint_does_not_depend_on_files_order_spacing_or_comments(tmp_path: Path) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    one.mkdir()
    two.mkdir()
    reordered = ACT.replace("[[clause]]", "# a comment\n\n[[clause]]")
    assert book(one, terms=CATALOGUE, act=ACT).sha256 == book(two, rules=reordered, words=CATALOGUE).sha256


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('items = ["tax"]', 'items = ["tax", "care"]'),
        ('requesters = ["town"]', 'requesters = ["insurer"]'),
        ("2017-07-18", "2017-07-19"),
        ("2021-03-31", "2021-03-30"),
        ("旧法 {clause}の項", "旧法 第{clause}項"),
        ('title_en = "Old Act"', 'title_en = "Old Act"\nlocal_body = "a-town"'),
    ],
)
def test_the_fingerprint_changes_with_anything_that_could_change_an_answer(tmp_path: Path, old: str, new: str) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    one.mkdir()
    two.mkdir()
    assert old in ACT
    changed = book(two, terms=CATALOGUE, act=ACT.replace(old, new))
    assert book(one, terms=CATALOGUE, act=ACT).sha256 != changed.sha256


def test_members_are_part_of_the_fingerprint(tmp_path: Path) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    one.mkdir()
    two.mkdir()
    changed = CATALOGUE.replace(', members = ["town"]', "")
    assert book(one, terms=CATALOGUE, act=ACT).sha256 != book(two, terms=changed, act=ACT).sha256


def test_an_ordinance_changes_the_fingerprint_of_the_loaded_law(with_ordinance: RuleBook) -> None:
    assert with_ordinance.sha256 != RuleBook.load().sha256
    assert RuleBook.load().sha256 == RuleBook.load().sha256
    assert len(with_ordinance.sha256) == 64
    assert "x-city-ordinance-2026-12" in with_ordinance.version


# ---- mistakes in files


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('providers = ["insurer"], items = ["tax"]', 'providers = ["insurers"], items = ["tax"]', "'insurers'"),
        ('items = ["tax"]', 'items = ["taxes"]', "'taxes'"),
        ('requesters = ["town"]', 'requesters = ["twon"]', "'twon'"),
        ('affair = "aid.payment"', 'affair = "aid.paiment"', "'aid.paiment'"),
        ("in_force_from = 2017-07-18\n", "", "no in_force_from"),
        ("in_force_to = 2021-03-31", "in_force_to = 2020-03-31", "from 2020-04-01 to 2020-03-31"),
        ("in_force_from = 2017-07-18", 'in_force_from = "18 July"', "book.in_force_from"),
        ('article = "旧法 {clause}の項"\n', "", "no article"),
        ("row = 2,", "row = 1,", "duplicate id 'old-act/1/1'"),
        ('items = ["tax"]', "items = []", "clause.0.rows.0.items"),
        ('items = ["tax"]', 'items = ["tax", "tax"]', "named twice"),
        ('items = ["tax"]', 'item = ["tax"]', "clause.0.rows.0.items"),
        ("row = 1,", "row = 0,", "clause.0.rows.0.row"),
        ('id = "old-act"', 'id = "terms"', "duplicate id 'terms'"),
        ("in_force_from = 2017-07-18", 'in_force_from = 2017-07-18\nreplaces = ["none"]', "unknown book 'none'"),
        ("in_force_from = 2017-07-18", 'in_force_from = 2017-07-18\nreplaces = ["old-act"]', "cannot replace itself"),
        ("in_force_from = 2017-07-18", 'in_force_from = 2017-07-18\nlocal_body = "x"', "'x'"),
        ("[[clause]]", "[[clause", "not TOML"),
        ("[book]", "[books]", "book"),
    ],
)
def test_a_mistake_in_a_book_is_told_with_file_entry_and_what_was_expected(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert old in ACT
    with pytest.raises(Problem) as caught:
        book(tmp_path, terms=CATALOGUE, act=ACT.replace(old, new, 1))
    problem = caught.value
    assert problem.code == "rules.format"
    assert told in problem.detail
    assert "toml" in str(problem.where)
    assert problem.expected


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('members = ["town"]', 'members = ["village"]', "'village'"),
        ('members = ["town"]', 'members = ["insurer"]', "member of itself"),
        ('en = "Town" }', 'en = "Town", members = ["insurer"] }', "member of itself"),
        ('id = "care"', 'id = "tax"', "duplicate id 'tax'"),
        ('id = "insurer"', 'id = "town"', "duplicate id 'town'"),
        ('id = "tax"', 'id = "Tax Data"', "Tax Data"),
    ],
)
def test_a_mistake_in_a_catalogue_is_told(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in CATALOGUE
    with pytest.raises(Problem) as caught:
        book(tmp_path, terms=CATALOGUE.replace(old, new, 1), act=ACT)
    assert caught.value.code == "rules.format"
    assert told in caught.value.detail
    assert "terms.toml" in str(caught.value.where)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        RuleBook.load(tmp_path / "missing.toml")
    assert caught.value.code == "file.unreadable"
    assert caught.value.where == "missing.toml"
