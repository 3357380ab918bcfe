"""What a resident reads about each access, in both languages, whatever came of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumihimo.plumbing.wire.messages.inquiry import LogRecord, Outcome, Period, Refusal
from kumihimo.roles.portal.service.sentences import (
    Names,
    period_en,
    period_ja,
    sentence_en,
    sentence_ja,
    time_ja,
    told_outcome,
)

Make = Callable[..., LogRecord]

WHY_JA = "児童手当の支給（番号法 別表第二 74の項）"
WHY_EN = "Child allowance (Number Use Act, Appended Table 2, item 74)"
SAID_JA = "2026年6月3日 10:24、X市がY市にあなたの地方税関係情報を"
SAID_EN = "On 3 June 2026 at 10:24 (Japan time), X City"
WHAT_EN = "your information “Local tax”"


@pytest.mark.parametrize(
    ("outcome", "ja", "en"),
    [
        (
            Outcome.PROVIDED,
            f"2026年6月3日 10:24、X市がY市からあなたの地方税関係情報を受け取りました。理由は、{WHY_JA}です。",
            f"{SAID_EN} received {WHAT_EN} from Y City. Reason: {WHY_EN}",
        ),
        (
            Outcome.NONE,
            f"{SAID_JA}求めましたが、Y市に該当する情報はありませんでした。照会の理由は、{WHY_JA}です。",
            f"{SAID_EN} asked Y City for {WHAT_EN}; Y City held no such information. Reason for asking: {WHY_EN}",
        ),
        (
            Outcome.WITHHELD,
            f"{SAID_JA}求めましたが、提供されませんでした。"
            f"提供の前に確認が要る場合や、法令により提供できない場合などがあります。照会の理由は、{WHY_JA}です。",
            f"{SAID_EN} asked Y City for {WHAT_EN}; it was not provided. This may be because it must be checked first or "
            f"because the law does not allow it, among other things. Reason for asking: {WHY_EN}",
        ),
        (
            Outcome.PENDING,
            f"{SAID_JA}求めました。Y市が回答を準備しています。照会の理由は、{WHY_JA}です。",
            f"{SAID_EN} asked Y City for {WHAT_EN}; Y City is preparing the answer. Reason for asking: {WHY_EN}",
        ),
        (
            Outcome.UNDELIVERED,
            f"{SAID_JA}求めることを認められましたが、通信できず、受け取れませんでした。照会の理由は、{WHY_JA}です。",
            f"{SAID_EN} was allowed to ask Y City for {WHAT_EN}, but could not reach it and received nothing. "
            f"Reason for asking: {WHY_EN}",
        ),
        (
            None,
            f"{SAID_JA}求めることを認められました。結果はまだ報告されていません。照会の理由は、{WHY_JA}です。",
            f"{SAID_EN} was allowed to ask Y City for {WHAT_EN}; the outcome has not been reported yet. "
            f"Reason for asking: {WHY_EN}",
        ),
    ],
)
def test_every_outcome_of_a_granted_request_has_its_sentence(
    request_of: Make, names: Names, outcome: Outcome | None, ja: str, en: str
) -> None:
    record = request_of()
    told = None if outcome is None else request_of(outcome=outcome, granted=None)
    assert sentence_ja(record, told, names) == ja
    assert sentence_en(record, told, names) == en


def refusal(article: str | None = None) -> Refusal:
    return Refusal(
        code="rules.provider_not_named", reason_ja="提供する者に当たりません。", reason_en="Not a provider.", article=article
    )  # fmt: skip


def test_a_refused_request_is_shown_with_the_reason_of_the_refusal(request_of: Make, names: Names) -> None:
    refused = request_of(
        provider="health-insurer", items=("medical-insurance",), granted=False, rules=(), articles=(), refusal=refusal()
    )
    assert sentence_ja(refused, None, names) == (
        "2026年6月3日 10:24、X市が全国健康保険協会 甲支部にあなたの医療保険給付関係情報を求めましたが、"
        "認められませんでした。提供する者に当たりません。"
    )
    assert sentence_en(refused, None, names) == (
        f"{SAID_EN} asked Health insurer for your information “Medical insurance benefits and premiums”; "
        "this was not allowed. Reason: Not a provider."
    )


def test_a_refusal_names_its_article_once_in_the_language_of_the_reader(request_of: Make, names: Names) -> None:
    article = "番号法 別表第二 74の項"
    refused = request_of(granted=False, refusal=refusal(article))
    assert sentence_ja(refused, None, names).endswith("提供する者に当たりません（番号法 別表第二 74の項）。")
    assert sentence_en(refused, None, names).endswith("Not a provider (Number Use Act, Appended Table 2, item 74).")
    told = refusal(article).model_copy(update={"reason_ja": f"提供しません（{article}）。"})
    assert sentence_ja(request_of(granted=False, refusal=told), None, names).count(article) == 1


def test_an_outcome_never_turns_a_refusal_into_an_answer(request_of: Make, names: Names) -> None:
    provided = request_of(outcome=Outcome.PROVIDED, granted=None)
    for granted in (False, None):
        record = request_of(granted=granted)
        assert sentence_ja(record, provided, names).endswith("認められませんでした。理由は記録されていません。")
        assert sentence_en(record, provided, names).endswith("this was not allowed. Reason: not recorded")


def test_a_fiscal_year_is_named_as_such(request_of: Make, names: Names) -> None:
    record = request_of(period=Period(since=date(2025, 4, 1), until=date(2026, 3, 31)))
    provided = request_of(outcome=Outcome.PROVIDED, granted=None)
    assert "あなたの地方税関係情報（令和7年度）を受け取りました" in sentence_ja(record, provided, names)
    assert "“Local tax” (fiscal year 2025) from Y City" in sentence_en(record, provided, names)


@pytest.mark.parametrize(
    ("since", "until", "ja", "en"),
    [
        (None, None, "", ""),
        (date(2025, 4, 1), None, "令和7年4月1日から", "from 1 April 2025"),
        (None, date(2019, 4, 30), "平成31年4月30日まで", "until 30 April 2019"),
        (
            date(2019, 5, 1),
            date(2019, 5, 2),
            "令和元年5月1日から令和元年5月2日まで",
            "from 1 May 2019 until 2 May 2019",
        ),
        (date(2019, 4, 1), date(2020, 3, 31), "令和元年度", "fiscal year 2019"),
    ],
)
def test_periods_are_told_in_the_japanese_calendar_and_in_english(
    since: date | None, until: date | None, ja: str, en: str
) -> None:
    period = Period(since=since, until=until)
    assert (period_ja(period), period_en(period)) == (ja, en)


def test_times_are_those_of_the_clock_in_japan() -> None:
    assert time_ja(datetime(2026, 12, 31, 15, 5, tzinfo=UTC)) == "2027年1月1日 0:05"


def test_words_that_nobody_knows_are_shown_as_recorded_and_missing_ones_as_unknown(
    request_of: Make, names: Names
) -> None:
    strange = request_of(
        requester="w-village", items=("shoe-size", "local-tax"), affair="x.y", articles=("条例 1の項",)
    )
    provided = request_of(outcome=Outcome.PROVIDED, granted=None)
    assert sentence_ja(strange, provided, names).endswith(
        "w-villageがY市からあなたのshoe-size、地方税関係情報を受け取りました。理由は、x.y（条例 1の項）です。"
    )
    empty = request_of(provider=None, items=(), affair=None, articles=(), granted=False, refusal=refusal())
    assert "X市が不明な機関にあなたの情報を求めましたが" in sentence_ja(empty, None, names)
    assert "asked an unknown institution for your information; this was not allowed" in sentence_en(empty, None, names)


def test_the_provider_is_believed_over_the_requester_and_the_newest_over_the_older(request_of: Make) -> None:
    def told(*outcomes: Outcome) -> int | None:
        return told_outcome([request_of(outcome=one) for one in outcomes])

    assert told() is None
    assert told(Outcome.UNDELIVERED) == 0
    assert told(Outcome.PROVIDED, Outcome.UNDELIVERED) == 0
    assert told(Outcome.UNDELIVERED, Outcome.NONE) == 1
    assert told(Outcome.PENDING, Outcome.PROVIDED) == 1


@given(st.dates() | st.none(), st.dates() | st.none())
def test_no_period_that_can_be_asked_about_leaves_a_resident_without_sentences(
    since: date | None, until: date | None
) -> None:
    """A request may name any days; one from before the calendar's eras must not hide who asked."""
    period = Period(since=since, until=until)
    for told in (period_ja(period), period_en(period)):
        assert bool(told) == (since is not None or until is not None)


def test_days_before_the_eras_are_told_in_plain_years() -> None:
    assert period_ja(Period(since=date(1700, 1, 1))) == "1700年1月1日から"
    assert period_ja(Period(since=date(1, 1, 1), until=date(9999, 12, 31))) == "1年1月1日から令和7981年12月31日まで"


def test_who_looked_at_their_own_information_is_told_so(names: Names, request_of: Callable[..., LogRecord]) -> None:
    own = request_of(requester="portal", affair="self-disclosure.own", articles=("番号法附則第六条第三項",))
    assert "あなた自身（マイ・ポータル）がY市" in sentence_ja(own, None, names)
    assert "本人による自己情報の閲覧（番号法附則第六条第三項）" in sentence_ja(own, None, names)
    acting = request_of(requester="portal", affair="self-disclosure.represented")
    assert "somebody who acts for you (in My Portal)" in sentence_en(acting, None, names)
