"""A desk that got no answer sends its question again, to the byte: it is the same inquiry, and comes to one answer."""

from __future__ import annotations

from typing import Any

import pytest
from gateway_country import AFFAIR, CLERK, FISCAL_2025, HUB_1, ITEM, TAX_2025, Case
from test_gateway_inquiry import asked_of_the_hub, log, records, report_outcomes

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.wire.messages.by_hand import FlagKind, Protect, Protections
from kumihimo.plumbing.wire.messages.inquiry import Outcome
from kumihimo.plumbing.wire.messages.provision import Inquire, Inquired

Y = PartyId("y-city/exchange")


def question(case: Case, **changes: Any) -> Inquire:
    fields: dict[str, Any] = {
        "staff": CLERK,
        "case_reference": "児手-2026-0001",
        "addressee_number": case.at_x,
        "provider": "y-city",
        "affair": AFFAIR,
        "items": (ITEM,),
        "period": FISCAL_2025,
    }
    message: Inquire = case.x.message(Inquire, case.x.exchange, **{**fields, **changes})
    return message


def ask(case: Case, message: Inquire) -> Inquired:
    return case.x.client.send("/inquiries", message, Inquired).value


def requests(case: Case, transaction: str) -> int:
    return sum(1 for one in log(case.country) if one.transaction == transaction and one.entry == "request")


def test_the_same_question_again_gets_the_same_answer_and_is_one_inquiry(case: Case) -> None:
    message = question(case)
    first, again = ask(case, message), ask(case, message)
    assert first.transaction == again.transaction == message.message_id
    assert (again.outcome, again.log_index) == (Outcome.PROVIDED, first.log_index)
    assert [item.body for item in again.items] == [item.body for item in first.items] == [TAX_2025]
    assert requests(case, message.message_id) == 1
    assert len(records(case.country, "x-city")) == len(records(case.country, "y-city")) == 1


def test_a_question_that_did_not_reach_the_platform_goes_on_under_its_own_number(case: Case) -> None:
    message = question(case)
    case.country.down.add(HUB_1)
    with pytest.raises(Problem) as caught:
        ask(case, message)
    assert caught.value.code == "operator.unreachable"
    case.country.down.clear()
    assert ask(case, message).outcome is Outcome.PROVIDED
    (mine,) = records(case.country, "x-city")
    assert (mine.transaction, mine.outcome, mine.problem) == (message.message_id, Outcome.PROVIDED, None)
    assert requests(case, message.message_id) == 1


def test_a_question_whose_provider_was_away_is_answered_under_its_own_number(case: Case) -> None:
    message = question(case)
    case.country.down.add(Y)
    with pytest.raises(Problem) as caught:
        ask(case, message)
    assert caught.value.code == "provider.unreachable"
    case.country.down.clear()
    assert ask(case, message).outcome is Outcome.PROVIDED
    assert report_outcomes(case.country, "x-city") == report_outcomes(case.country, "y-city") == 1
    said = [one.outcome for one in log(case.country) if one.transaction == message.message_id]
    assert said == [None, Outcome.UNDELIVERED, Outcome.PROVIDED]


def test_a_refusal_is_told_again_without_asking_again(case: Case) -> None:
    message = question(case, affair="no-such-affair")
    first = ask(case, message)
    asked = len(asked_of_the_hub(case.country))
    again = ask(case, message)
    assert first.refusal is not None
    assert (again.outcome, again.refusal, again.log_index) == (Outcome.REFUSED, first.refusal, first.log_index)
    assert len(asked_of_the_hub(case.country)) == asked


def test_what_waits_for_a_person_there_goes_on_waiting(case: Case) -> None:
    flag = case.y.message(Protect, case.y.exchange, addressee_number=case.at_y, flag=FlagKind.ANSWER_BY_HAND, item="*")
    case.y.client.send("/protections", flag, Protections)
    message = question(case)
    first = ask(case, message)
    sent = len(case.country.carried)
    again = ask(case, message)
    assert (first.outcome, again.outcome) == (Outcome.PENDING, Outcome.PENDING)
    assert len(case.country.carried) == sent + 1, "the question itself, and nothing to anybody else"


def test_another_question_under_the_same_id_is_refused_and_changes_nothing(case: Case) -> None:
    message = question(case)
    ask(case, message)
    before, asked = records(case.country, "x-city"), len(asked_of_the_hub(case.country))
    with pytest.raises(Problem) as caught:
        ask(case, message.model_copy(update={"case_reference": "児手-2026-0002"}))
    assert caught.value.code == "message.replayed"
    assert records(case.country, "x-city") == before
    assert len(asked_of_the_hub(case.country)) == asked


def test_what_may_not_be_asked_leaves_one_record_however_often_it_is_asked(case: Case) -> None:
    message = question(case, staff="nobody")
    for _ in range(2):
        with pytest.raises(Problem) as caught:
            ask(case, message)
        assert caught.value.code == "staff.not_entitled"
    assert len(records(case.country, "x-city")) == 1


def test_an_id_that_is_no_transaction_number_is_refused(case: Case) -> None:
    message = question(case).model_copy(update={"message_id": "123456789018"})
    with pytest.raises(Problem) as caught:
        ask(case, message)
    assert caught.value.code == "message.malformed"
    assert records(case.country, "x-city") == []
