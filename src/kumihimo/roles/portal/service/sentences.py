"""Access records as sentences (情報提供等記録の文): who asked whom for what, why, and what came of it, in plain words.

番号法 第二十三条, 附則第六条第三項. The same few forms for every record; names come from the directory and the rule book,
and a word that neither knows is shown as it was recorded. Why something was withheld is said in general terms only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from kumihimo.domain.kernel import JAPAN, FiscalYear, Institution, Problem, to_wareki
from kumihimo.domain.kernel.eras import GREGORIAN_SINCE
from kumihimo.domain.law import RuleBook
from kumihimo.plumbing.wire.messages.information import OWN, REPRESENTED
from kumihimo.plumbing.wire.messages.inquiry import LogRecord, Outcome, Period

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True)
class Name:
    """A name in both languages."""

    ja: str
    en: str


@dataclass(frozen=True)
class Names:
    """Names by id: institutions, information items, affairs; and the English of an article by its Japanese."""

    institutions: Mapping[str, Name]
    items: Mapping[str, Name]
    affairs: Mapping[str, Name]
    articles_en: Mapping[str, str]


def names_from(institutions: Iterable[Institution], book: RuleBook) -> Names:
    """The names of the directory and the rule book."""
    return Names(
        institutions={one.id: Name(one.name_ja, one.name_en) for one in institutions},
        items={one.id: Name(one.ja, one.en) for one in book.information_classes.values()},
        affairs={one.id: Name(one.ja, one.en) for one in book.affairs.values()},
        articles_en={rule.article: rule.article_en for rule in book.rules},
    )


_THROUGH_THE_PORTAL: Final = {
    OWN: Name("あなた自身（マイ・ポータル）", "you yourself (in My Portal)"),
    REPRESENTED: Name("あなたの代理人（マイ・ポータル）", "somebody who acts for you (in My Portal)"),
}


class Result(StrEnum):
    """What came of a request, as far as is known."""

    PROVIDED = "provided"
    NONE = "none"
    WITHHELD = "withheld"
    PENDING = "pending"
    UNDELIVERED = "undelivered"
    REFUSED = "refused"
    UNREPORTED = "unreported"


def result_of(record: LogRecord, outcome: LogRecord | None) -> Result:
    """A request that was not granted was refused, whatever was reported; a granted one awaits its outcome."""
    if record.granted is not True:
        return Result.REFUSED
    if outcome is None or outcome.outcome is None:
        return Result.UNREPORTED
    return Result(outcome.outcome.value)


def sentence_ja(record: LogRecord, outcome: LogRecord | None, names: Names) -> str:
    """The record of a request, with the outcome reported for it if any, as one Japanese sentence with its reason."""
    who = _asker(record, names).ja
    whom = _named(names.institutions, record.provider, Name("不明な機関", "")).ja
    items = "、".join(_named(names.items, item, Name("", "")).ja for item in record.items) or "情報"
    what = f"あなたの{items}{_parenthesised(period_ja(record.period))}を"
    said = f"{time_ja(record.logged_at)}、{who}が{whom}"
    why = _because_ja(record, names)
    match result_of(record, outcome):
        case Result.PROVIDED:
            return f"{said}から{what}受け取りました。理由は、{why}です。"
        case Result.REFUSED:
            return f"{said}に{what}求めましたが、認められませんでした。{_refused_ja(record)}"
        case Result.NONE:
            end = f"求めましたが、{whom}に該当する情報はありませんでした。"
        case Result.WITHHELD:
            end = "求めましたが、提供されませんでした。提供の前に確認が要る場合や、法令により提供できない場合などがあります。"
        case Result.PENDING:
            end = f"求めました。{whom}が回答を準備しています。"
        case Result.UNDELIVERED:
            end = "求めることを認められましたが、通信できず、受け取れませんでした。"
        case Result.UNREPORTED:
            end = "求めることを認められました。結果はまだ報告されていません。"
    return f"{said}に{what}{end}照会の理由は、{why}です。"


def sentence_en(record: LogRecord, outcome: LogRecord | None, names: Names) -> str:
    """The same in English."""
    unknown = Name("", "an unknown institution")
    who = _asker(record, names).en
    whom = _named(names.institutions, record.provider, unknown).en
    items = ", ".join(f"“{_named(names.items, item, unknown).en}”" for item in record.items)
    period = period_en(record.period)
    what = f"your information {items}".rstrip() + (f" ({period})" if period else "")
    said = f"On {time_en(record.logged_at)}, {who}"
    why = _because_en(record, names)
    match result_of(record, outcome):
        case Result.PROVIDED:
            return f"{said} received {what} from {whom}. Reason: {why}"
        case Result.REFUSED:
            return f"{said} asked {whom} for {what}; this was not allowed. Reason: {_refused_en(record, names)}"
        case Result.NONE:
            end = f"asked {whom} for {what}; {whom} held no such information."
        case Result.WITHHELD:
            end = (
                f"asked {whom} for {what}; it was not provided. "
                "This may be because it must be checked first or because the law does not allow it, among other things."
            )
        case Result.PENDING:
            end = f"asked {whom} for {what}; {whom} is preparing the answer."
        case Result.UNDELIVERED:
            end = f"was allowed to ask {whom} for {what}, but could not reach it and received nothing."
        case Result.UNREPORTED:
            end = f"was allowed to ask {whom} for {what}; the outcome has not been reported yet."
    return f"{said} {end} Reason for asking: {why}"


def time_ja(at: datetime) -> str:
    """An instant as the clock in Japan shows it: 2026年6月3日 10:24."""
    local = at.astimezone(JAPAN)
    return f"{local.year}年{local.month}月{local.day}日 {local.hour}:{local.minute:02d}"


def time_en(at: datetime) -> str:
    """An instant as the clock in Japan shows it: 3 June 2026 at 10:24 (Japan time)."""
    local = at.astimezone(JAPAN)
    return f"{_day_en(local.date())} at {local.hour}:{local.minute:02d} (Japan time)"


def period_ja(period: Period) -> str:
    """The days the information is about: 令和7年度, 令和7年4月1日から, or nothing when no days were named."""
    fiscal = _fiscal_year(period)
    if fiscal is not None:
        return fiscal.label
    since = f"{_day_ja(period.since)}から" if period.since else ""
    return since + (f"{_day_ja(period.until)}まで" if period.until else "")


def period_en(period: Period) -> str:
    """The same in English: fiscal year 2025, from 1 April 2025, until 31 March 2026."""
    fiscal = _fiscal_year(period)
    if fiscal is not None:
        return f"fiscal year {fiscal.year}"
    since = f"from {_day_en(period.since)}" if period.since else ""
    until = f"until {_day_en(period.until)}" if period.until else ""
    return f"{since} {until}".strip()


def _fiscal_year(period: Period) -> FiscalYear | None:
    if period.since is None or period.until is None:
        return None
    try:
        fiscal = FiscalYear(period.since.year)
    except Problem:  # any day may be asked about, and a day without a fiscal year must not hide who asked
        return None
    return fiscal if (fiscal.start, fiscal.end) == (period.since, period.until) else None


def _day_ja(day: date) -> str:
    return to_wareki(day) if day >= GREGORIAN_SINCE else f"{day.year}年{day.month}月{day.day}日"


def _day_en(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _named(names: Mapping[str, Name], key: str | None, unknown: Name) -> Name:
    """The name of an id; an id without a name stands for itself."""
    if key is None:
        return unknown
    return names.get(key, Name(key, key))


def _asker(record: LogRecord, names: Names) -> Name:
    """Who asked: an institution, or through the portal the person themselves or who acts for them."""
    if record.affair in _THROUGH_THE_PORTAL:
        return _THROUGH_THE_PORTAL[record.affair]
    return _named(names.institutions, record.requester, Name("不明な機関", "an unknown institution"))


def _parenthesised(text: str) -> str:
    return f"（{text}）" if text else ""


def _because_ja(record: LogRecord, names: Names) -> str:
    affair = _named(names.affairs, record.affair, Name("不明な事務", "")).ja
    return affair + _parenthesised("、".join(record.articles))


def _because_en(record: LogRecord, names: Names) -> str:
    affair = _named(names.affairs, record.affair, Name("", "an unknown affair")).en
    articles = "; ".join(names.articles_en.get(one, one) for one in record.articles)
    return f"{affair} ({articles})" if articles else affair


def _refused_ja(record: LogRecord) -> str:
    if record.refusal is None:
        return "理由は記録されていません。"
    reason, article = record.refusal.reason_ja, record.refusal.article
    return reason if article is None or article in reason else f"{reason.removesuffix('。')}（{article}）。"


def _refused_en(record: LogRecord, names: Names) -> str:
    if record.refusal is None:
        return "not recorded"
    reason, article = record.refusal.reason_en, record.refusal.article
    article = None if article is None else names.articles_en.get(article, article)
    return reason if article is None or article in reason else f"{reason.removesuffix('.')} ({article})."


def told_outcome(outcomes: Iterable[LogRecord]) -> int | None:
    """Which of the outcomes reported for one transaction, oldest first, is to be told: its place, None for none.

    The newest; but the requester's `undelivered` yields to the provider, who knows whether the information left.
    """
    places = list(enumerate(outcomes))
    by_provider = [place for place, one in places if one.outcome is not Outcome.UNDELIVERED]
    candidates = by_provider or [place for place, _ in places]
    return candidates[-1] if candidates else None
