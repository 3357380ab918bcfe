"""What may go out: support measures and non-disclosure withhold, and whatever cannot be read withholds too (I7)."""

from __future__ import annotations

from datetime import date

import pytest
from gateway_country import ITEM, Case
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from kumihimo.domain.kernel import AddresseeNumber, PartyId, Problem
from kumihimo.plumbing.information_items import item_ids
from kumihimo.plumbing.wire.messages.by_hand import FlagKind
from kumihimo.plumbing.wire.messages.inquiry import Outcome
from kumihimo.plumbing.wire.messages.provision import DatedItem
from kumihimo.roles.gateway.service.release import ANY_ITEM, decide
from kumihimo.roles.gateway.store.copies import StoredCopy, StoredFlag
from kumihimo.roles.gateway.store.exchange import copy, flag
from kumihimo.roles.gateway.store.provisions import Holdings
from kumihimo.roles.gateway.store.records import RecordStore

Y = PartyId("y-city/exchange")
COPY = StoredCopy(ITEM, DatedItem(item=ITEM, valid_from=date(2025, 4, 1), body={"total_income": 1}))
PROTECTING = (FlagKind.SUPPORT_MEASURE, FlagKind.NON_DISCLOSURE)


def put_flag(case: Case, kind: FlagKind, item: str = ANY_ITEM) -> None:
    case.y.services().copies.protect(AddresseeNumber(case.at_y), kind, item)


@pytest.mark.parametrize("kind", PROTECTING)
@pytest.mark.parametrize("item", [ANY_ITEM, ITEM])
def test_a_protected_persons_data_are_withheld_and_the_record_says_so(case: Case, kind: FlagKind, item: str) -> None:
    put_flag(case, kind, item)
    answer = case.x.inquire(case.at_x)
    assert (answer.outcome, answer.items) == (Outcome.WITHHELD, ())
    (theirs,) = RecordStore(case.country.engine(Y), "y-city").everything()
    assert (theirs.outcome, theirs.flagged, theirs.payload_hash) == (Outcome.WITHHELD, True, None)


def test_a_flag_on_another_item_does_not_stand_in_the_way(case: Case) -> None:
    put_flag(case, FlagKind.SUPPORT_MEASURE, "vaccination")
    assert case.x.inquire(case.at_x).outcome is Outcome.PROVIDED


def test_what_a_person_must_answer_is_pending(case: Case) -> None:
    put_flag(case, FlagKind.ANSWER_BY_HAND)
    answer = case.x.inquire(case.at_x)
    assert (answer.outcome, answer.items) == (Outcome.PENDING, ())


def test_protection_goes_before_answering_by_hand(case: Case) -> None:
    put_flag(case, FlagKind.ANSWER_BY_HAND, ITEM)
    put_flag(case, FlagKind.NON_DISCLOSURE)
    assert case.x.inquire(case.at_x).outcome is Outcome.WITHHELD


def test_a_flag_set_between_permit_and_release_counts_and_a_lifted_one_does_not(case: Case) -> None:
    put_flag(case, FlagKind.SUPPORT_MEASURE)
    assert case.x.inquire(case.at_x).outcome is Outcome.WITHHELD
    assert case.y.services().copies.lift(AddresseeNumber(case.at_y), FlagKind.SUPPORT_MEASURE)
    assert case.x.inquire(case.at_x).outcome is Outcome.PROVIDED


@pytest.mark.parametrize(
    "damage", [{"kind": "suport_measure"}, {"kind": ""}, {"item": "local-tx"}, {"item": "", "kind": "?"}]
)
def test_a_damaged_flag_withholds(case: Case, damage: dict[str, str]) -> None:
    put_flag(case, FlagKind.SUPPORT_MEASURE, "vaccination")
    if "item" not in damage:
        damage = {**damage, "item": ITEM}
    with case.country.engine(Y).begin() as conn:
        conn.execute(update(flag).values(**damage))
    assert case.x.inquire(case.at_x).outcome is Outcome.WITHHELD


@pytest.mark.parametrize("damage", [{"body": '{"total_income":0}'}, {"body": "{"}, {"valid_until": date(2027, 3, 31)}])
def test_a_copy_altered_on_disk_is_left_to_a_person(case: Case, damage: dict[str, object]) -> None:
    with case.country.engine(Y).begin() as conn:
        conn.execute(update(copy).values(**damage))
    answer = case.x.inquire(case.at_x)
    assert (answer.outcome, answer.items) == (Outcome.PENDING, ())


def test_a_flag_for_an_item_that_does_not_exist_cannot_be_set(case: Case) -> None:
    with pytest.raises(Problem) as problem:
        put_flag(case, FlagKind.SUPPORT_MEASURE, "local-tx")
    assert problem.value.code == "item.unknown"


flags = st.builds(
    StoredFlag, st.sampled_from((ANY_ITEM, *item_ids())) | st.text(max_size=8), st.sampled_from(FlagKind) | st.text()
)


@given(st.lists(flags, max_size=4), st.sampled_from((ITEM, "pension")))
def test_nothing_goes_out_past_a_flag_that_stands_before_it_or_cannot_be_read(
    found: list[StoredFlag], asked: str
) -> None:
    release = decide(Holdings("1", tuple(found), (COPY,)), [asked])
    before_it = [one for one in found if one.item in (ANY_ITEM, asked) or one.item not in item_ids()]
    if any(one.kind != FlagKind.ANSWER_BY_HAND for one in before_it):
        assert (release.outcome, release.items, release.flagged) == (Outcome.WITHHELD, (), True)
    elif before_it:
        assert (release.outcome, release.items) == (Outcome.PENDING, ())
    else:
        assert (release.outcome, len(release.items)) == (Outcome.PROVIDED, 1)


def test_whoever_is_not_known_here_has_nothing_to_withhold() -> None:
    assert decide(Holdings(None), [ITEM]).outcome is Outcome.NONE
    assert decide(Holdings("1"), [ITEM]).outcome is Outcome.NONE
