"""Who may be believed about a number: what the law takes at a counter, and what it does not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from kumihimo.domain.identity_check import (
    KINDS,
    IdentityCheck,
    Method,
    Printed,
    Proves,
    Shown,
    WhyNoPhoto,
    by_card,
    by_documents,
)
from kumihimo.domain.kernel import Problem

NOON = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)
ALL = frozenset(Printed)
RECORD = Shown("resident-record", ALL, photo=False, issued=date(2026, 11, 2))
LICENCE = Shown("driving-licence", ALL, expires=date(2028, 6, 6))
INSURANCE = Shown("insurance-eligibility", frozenset({Printed.NAME, Printed.BIRTH}), photo=False, expires=TODAY)
PENSION = Shown("pension-book", frozenset({Printed.NAME, Printed.BIRTH}), photo=False)


def check(*shown: Shown, why: WhyNoPhoto | None = None) -> IdentityCheck:
    return by_documents(shown, "tanaka", NOON, why)


def refused(*shown: Shown, why: WhyNoPhoto | None = None) -> Problem:
    with pytest.raises(Problem) as caught:
        check(*shown, why=why)
    return caught.value


def test_the_card_s_chip_needs_nothing_beside_it() -> None:
    assert by_card("tanaka", NOON) == IdentityCheck(
        Method.CHIP, ("individual-number-card",), ("番号法第十六条",), "tanaka", NOON
    )


def test_a_resident_record_and_a_driving_licence_suffice() -> None:
    found = check(LICENCE, RECORD)
    assert found.documents == ("resident-record", "driving-licence")
    assert found.articles == ("番号法施行令第十二条第一項第一号", "番号法施行規則第一条第一号")
    assert (found.method, found.staff, found.at, found.why_no_photo) == (Method.DOCUMENTS, "tanaka", NOON, None)


def test_the_card_looked_at_proves_both() -> None:
    assert check(Shown("individual-number-card", ALL, expires=TODAY)).documents == ("individual-number-card",)


def test_a_document_with_a_photo_does_not_prove_the_number() -> None:
    assert refused(LICENCE, Shown("passport", ALL, expires=date(2030, 1, 1))).code == "identity.number_unproven"


def test_a_resident_record_does_not_prove_the_person() -> None:
    assert refused(RECORD).code == "identity.person_unproven"


def test_two_documents_without_a_photo_suffice_when_there_is_a_reason() -> None:
    found = check(RECORD, INSURANCE, PENSION, why=WhyNoPhoto.HAS_NONE)
    assert found.documents == ("resident-record", "insurance-eligibility", "pension-book")
    assert found.why_no_photo is WhyNoPhoto.HAS_NONE
    assert refused(RECORD, INSURANCE, PENSION).code == "identity.person_unproven"
    assert refused(RECORD, INSURANCE, why=WhyNoPhoto.LOST).code == "identity.person_unproven"


def test_the_same_kind_twice_is_one_document() -> None:
    assert refused(RECORD, PENSION, PENSION, why=WhyNoPhoto.LOST).code == "identity.person_unproven"


def test_a_certificate_issued_without_a_photo_is_one_of_two() -> None:
    bare = Shown("intellectual-disability", ALL, photo=False)
    assert refused(RECORD, bare, why=WhyNoPhoto.HAS_NONE).code == "identity.person_unproven"
    assert check(RECORD, bare, PENSION, why=WhyNoPhoto.HAS_NONE).documents[1:] == (
        "intellectual-disability", "pension-book",
    )  # fmt: skip


def test_a_reason_is_not_kept_where_it_was_not_needed() -> None:
    assert check(RECORD, LICENCE, why=WhyNoPhoto.LOST).why_no_photo is None


@pytest.mark.parametrize(("ends", "counts"), [(TODAY, True), (TODAY - timedelta(days=1), False), (None, False)])
def test_a_licence_counts_to_the_end_of_its_last_day(ends: date | None, counts: bool) -> None:
    shown = Shown("driving-licence", ALL, expires=ends)
    if counts:
        assert check(RECORD, shown)
    else:
        assert "運転免許証" in refused(RECORD, shown).detail


def test_a_day_is_a_day_in_japan() -> None:
    late = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)  # midnight there
    with pytest.raises(Problem) as caught:
        by_documents((RECORD, Shown("driving-licence", ALL, expires=TODAY)), "tanaka", late)
    assert "it ended on 2026-11-23" in caught.value.detail


@pytest.mark.parametrize(
    ("issued", "counts"), [(date(2026, 5, 23), True), (date(2026, 5, 22), False), (date(2026, 11, 24), False)]
)
def test_a_resident_record_is_at_most_six_months_old(issued: date, counts: bool) -> None:
    shown = Shown("resident-record", ALL, issued=issued)
    if counts:
        assert check(shown, LICENCE)
    else:
        assert refused(shown, LICENCE).code == "identity.number_unproven"


def test_a_driving_history_counts_since_april_2012() -> None:
    assert check(RECORD, Shown("driving-history", ALL, issued=date(2012, 4, 1)))
    problem = refused(RECORD, Shown("driving-history", ALL, issued=date(2012, 3, 31)))
    assert "2012-04-01" in problem.detail


def test_a_notification_card_counts_while_everything_on_it_is_current() -> None:
    assert check(Shown("notification-card", ALL, photo=False), LICENCE)
    moved = Shown("notification-card", frozenset({Printed.NAME, Printed.BIRTH}), photo=False)
    assert refused(moved, LICENCE).code == "identity.number_unproven"


def test_the_notice_of_a_number_is_no_proof_of_it() -> None:
    problem = refused(Shown("number-notice", ALL, photo=False), LICENCE)
    assert (problem.code, "個人番号通知書" in problem.detail) == ("identity.number_unproven", True)


@pytest.mark.parametrize("agrees", [frozenset({Printed.BIRTH, Printed.ADDRESS}), frozenset({Printed.NAME})])
def test_name_and_birth_or_address_must_agree(agrees: frozenset[Printed]) -> None:
    assert refused(RECORD, Shown("passport", agrees, expires=TODAY)).code == "identity.person_unproven"


def test_what_does_not_count_does_not_stand_in_the_record() -> None:
    ended = Shown("passport", ALL, expires=date(2020, 1, 1))
    assert check(RECORD, ended, LICENCE).documents == ("resident-record", "driving-licence")


def test_an_unknown_kind_is_refused_by_its_place() -> None:
    problem = refused(RECORD, Shown("library-card", ALL))
    assert (problem.code, problem.where) == ("identity.document_unknown", "documents[1]")


def test_nobody_can_not_have_checked_anybody() -> None:
    with pytest.raises(Problem):
        by_card(" ", NOON)


def test_every_kind_says_why_it_counts() -> None:
    assert all(kind.name_ja and kind.article for kind in KINDS.values())
    assert {kind.proves for kind in KINDS.values()} == set(Proves)
