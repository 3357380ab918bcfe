"""Who may ask whom for what: the country's everyday questions, and what must hold for every question."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import Institution, institution_id
from kumihimo.domain.law import Permission, Question, Refusal, RuleBook

BOOK = RuleBook.load()
DAY = date(2026, 6, 1)


def body(identifier: str, *classes: str) -> Institution:
    return Institution(institution_id(identifier), identifier, identifier.title(), frozenset(classes))


X_CITY = body("x-city", "city")
Y_CITY = body("y-city", "city")
Z_TOWN = body("z-town", "municipality")
KO_PREF = body("ko-pref", "prefecture")
PENSION_SERVICE = body("pension-service", "pension-service")
STUDENT_AID = body("student-aid", "student-services-organization")
LIBRARY = body("library", "public-library")


def ask(
    requester: Institution, provider: Institution, affair: str, *items: str, day: date = DAY
) -> Permission | Refusal:
    return BOOK.ask(Question(requester, provider, affair, items, day))


def permitted(answer: Permission | Refusal) -> Permission:
    assert isinstance(answer, Permission), answer
    return answer


def refused(answer: Permission | Refusal) -> Refusal:
    assert isinstance(answer, Refusal), answer
    return answer


# ---- yes


def test_a_city_may_ask_another_city_for_local_tax_for_child_allowance() -> None:
    answer = permitted(ask(X_CITY, Y_CITY, "child-allowance.payment", "local-tax"))
    assert answer.rule_ids == ("act-2016/74/169",)
    assert answer.articles == ("番号法 別表第二 74の項",)
    assert "74の項" in answer.reason_ja
    assert "item 74" in answer.reason_en
    assert answer.book_sha256 == BOOK.sha256


def test_a_city_may_ask_the_pension_service_for_pensions_for_child_allowance() -> None:
    assert permitted(ask(X_CITY, PENSION_SERVICE, "child-allowance.payment", "pension")).articles == (
        "番号法 別表第二 75の項",
    )


def test_every_item_of_a_question_is_permitted_by_its_own_rule() -> None:
    answer = permitted(
        ask(X_CITY, Y_CITY, "disaster.victims-ledger", "nursing-insurance", "disability-support-benefit")
    )
    assert [rule.row for rule in answer.rules] == [128, 131]
    assert answer.articles == ("番号法 別表第二 56の2の項",)


def test_a_city_is_asked_as_medical_insurer_because_it_is_one_by_definition() -> None:
    answer = permitted(ask(STUDENT_AID, X_CITY, "student-aid.loans", "medical-benefit-any-law"))
    assert answer.rules[0].providers == {"payer-medical-any-law"}
    assert {"city", "municipality", "medical-insurer", "welfare-authority"} <= BOOK.classes_of(X_CITY)


def test_a_town_without_welfare_office_is_no_welfare_authority() -> None:
    assert BOOK.classes_of(Z_TOWN) >= {"municipality", "medical-insurer"}
    assert "welfare-authority" not in BOOK.classes_of(Z_TOWN)
    refusal = refused(ask(Z_TOWN, X_CITY, "child-rearing-allowance.payment", "local-tax"))
    assert refusal.code == "rules.requester_not_entitled"


# ---- no


def test_a_city_cannot_ask_for_pension_data_for_library_cards() -> None:
    refusal = refused(ask(X_CITY, PENSION_SERVICE, "library.cards", "pension"))
    assert refusal.code == "affair.unknown"
    assert refusal.nearest == ()


def test_a_city_does_not_ask_itself_through_the_platform() -> None:
    """What a body holds itself it may use under its own ordinance (第九条第二項); nothing is provided to anybody then."""
    refusal = refused(ask(X_CITY, X_CITY, "child-allowance.payment", "local-tax"))
    assert refusal.code == "rules.provider_not_named"
    assert "第九条第二項" in refusal.reason_ja
    assert "Article 9" in refusal.reason_en


def test_the_library_cannot_ask_at_all() -> None:
    refusal = refused(ask(LIBRARY, X_CITY, "child-allowance.payment", "local-tax"))
    assert refusal.code == "institution.unknown"
    assert "library" in refusal.reason_en


def test_a_prefecture_cannot_ask_for_child_allowance_that_cities_pay() -> None:
    refusal = refused(ask(KO_PREF, X_CITY, "child-allowance.payment", "local-tax"))
    assert refusal.code == "rules.requester_not_entitled"
    assert {rule.row for rule in refusal.nearest} == {169, 170}
    assert "市町村長" in refusal.reason_ja


def test_a_city_cannot_ask_for_public_assistance_for_child_allowance() -> None:
    refusal = refused(ask(X_CITY, Y_CITY, "child-allowance.payment", "public-assistance"))
    assert refusal.code == "rules.item_not_in_affair"
    assert refusal.item == "public-assistance"
    assert "Local tax" in refusal.would_be_permitted
    assert "Pension" in refusal.would_be_permitted


def test_local_tax_is_not_asked_of_the_pension_service() -> None:
    refusal = refused(ask(X_CITY, PENSION_SERVICE, "child-allowance.payment", "local-tax"))
    assert refusal.code == "rules.provider_not_named"
    assert refusal.articles == ("番号法 別表第二 74の項",)
    assert "市町村長" in refusal.reason_ja


def test_one_item_that_is_not_permitted_refuses_the_whole_question() -> None:
    refusal = refused(ask(X_CITY, Y_CITY, "child-allowance.payment", "local-tax", "resident-record"))
    assert refusal.item == "resident-record"


def test_nothing_could_be_asked_before_linkage_began() -> None:
    assert permitted(ask(X_CITY, Y_CITY, "child-allowance.payment", "local-tax", day=date(2017, 7, 18)))
    refusal = refused(ask(X_CITY, Y_CITY, "child-allowance.payment", "local-tax", day=date(2017, 7, 17)))
    assert refusal.code == "rules.none_in_force"
    assert "2017-07-18" in refusal.would_be_permitted


@pytest.mark.parametrize("item", ["student-aid", "child-care-fees", "vaccination"])
def test_items_kept_for_ordinances_may_be_asked_for_under_no_affair_of_the_act(item: str) -> None:
    everybody = body("everybody", *BOOK.institution_classes)
    affairs = [one for one in BOOK.affairs if not one.startswith("self-disclosure.")]
    answers = [ask(everybody, everybody, affair, item) for affair in affairs]
    assert {answer.code for answer in answers if isinstance(answer, Refusal)} == {"rules.item_not_in_affair"}
    assert len(answers) == len(affairs) == 113


def test_an_item_nobody_has_heard_of_is_unknown() -> None:
    refusal = refused(ask(X_CITY, Y_CITY, "child-allowance.payment", "shoe-size"))
    assert (refusal.code, refusal.item) == ("item.unknown", "shoe-size")


def test_a_question_about_nothing_is_no_question() -> None:
    with pytest.raises(Problem) as caught:
        Question(X_CITY, Y_CITY, "child-allowance.payment", (), DAY)
    assert caught.value.code == "value.invalid"


def test_a_refusal_crosses_the_wire_as_a_problem_with_its_code_and_article() -> None:
    problem = refused(ask(X_CITY, PENSION_SERVICE, "child-allowance.payment", "local-tax")).as_problem()
    assert problem.code == "rules.provider_not_named"
    assert "item 74" in str(problem)


# ---- what holds for every question

KNOWN_AND_UNKNOWN = {
    "classes": [*BOOK.institution_classes, "public-library"],
    "affairs": [*BOOK.affairs, "library.cards"],
    "items": [*BOOK.information_classes, "shoe-size"],
}
classes = st.frozensets(st.sampled_from(KNOWN_AND_UNKNOWN["classes"]), max_size=3)
days = st.dates(date(2017, 7, 1), date(2030, 1, 1))


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """Half of the questions begin from a rule, so that yes is as common as no."""
    requester, provider = draw(classes), draw(classes)
    affair = draw(st.sampled_from(KNOWN_AND_UNKNOWN["affairs"]))
    items = draw(st.lists(st.sampled_from(KNOWN_AND_UNKNOWN["items"]), min_size=1, max_size=3))
    if draw(st.booleans()):
        rule = draw(st.sampled_from(BOOK.rules))
        affair = rule.affair
        items = draw(st.lists(st.sampled_from(sorted(rule.items)), min_size=1, max_size=3))
        requester |= {draw(st.sampled_from(sorted(rule.requesters)))}
        provider |= {draw(st.sampled_from(sorted(rule.providers)))}
    return Question(body("asking", *requester), body("asked", *provider), affair, tuple(items), draw(days))


def belongs(one: str, named: frozenset[str]) -> bool:
    """Whether a class is among the named ones, or a member of one of them, step by step."""
    return (
        one in named
        or any(one in BOOK.institution_classes[each].members for each in named)
        or any(
            belongs(one, BOOK.institution_classes[each].members)
            for each in named
            if BOOK.institution_classes[each].members
        )
    )


def permits(question: Question, item: str) -> list[str]:
    return [
        rule.id
        for rule in BOOK.rules
        if rule.affair == question.affair
        and item in rule.items
        and rule.in_force_from <= question.day
        and (rule.in_force_to is None or question.day <= rule.in_force_to)
        and rule.local_body in (None, question.requester.id)
        and any(belongs(one, rule.requesters) for one in question.requester.classes)
        and any(belongs(one, rule.providers) for one in question.provider.classes)
    ]


@given(questions())
def test_no_permission_without_a_rule_in_force_and_no_refusal_against_one(question: Question) -> None:
    answer = BOOK.ask(question)
    fitting = [permits(question, item) for item in question.items]
    assert isinstance(answer, Permission) == all(fitting)
    if isinstance(answer, Permission):
        assert len(answer.rules) == len(question.items)
        assert all(rule.id in ids for rule, ids in zip(answer.rules, fitting, strict=True))
        assert answer.book_sha256 == BOOK.sha256
        assert answer.articles


@given(questions())
def test_every_answer_gives_its_reason_in_both_languages(question: Question) -> None:
    answer = BOOK.ask(question)
    assert answer.reason_ja.endswith("。")
    assert answer.reason_en.endswith(".")
    if isinstance(answer, Refusal):
        assert answer.would_be_permitted
        assert answer.item is None or answer.item in question.items
        assert all(rule.affair == question.affair for rule in answer.nearest)


def test_only_the_portal_may_look_up_own_information_and_only_what_each_office_holds() -> None:
    portal = body("portal", "portal")
    assert isinstance(ask(portal, Y_CITY, "self-disclosure.own", "local-tax"), Permission)
    assert refused(ask(X_CITY, Y_CITY, "self-disclosure.own", "local-tax")).code == "rules.requester_not_entitled"
    assert refused(ask(portal, Y_CITY, "self-disclosure.own", "pension")).code == "rules.provider_not_named"
    assert refused(ask(portal, Y_CITY, "child-allowance.payment", "local-tax")).code == "rules.requester_not_entitled"
