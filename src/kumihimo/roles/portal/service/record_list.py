"""The list of access records (アクセス記録の一覧): chosen, counted, written to files; each as a sentence first."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from kumihimo.domain.kernel import JAPAN, Problem
from kumihimo.plumbing.business_files import spreadsheet
from kumihimo.plumbing.wire.messages.inquiry import LogRecord
from kumihimo.roles.portal.service.proofs import Proofs, Prover
from kumihimo.roles.portal.service.sentences import (
    Names,
    Result,
    result_of,
    sentence_en,
    sentence_ja,
    told_outcome,
)
from kumihimo.roles.portal.store import KeptRecord, PortalStore

OWN: Final = "portal"  # who asks when a resident looks at their own information
_COLUMNS: Final = (
    "at", "requester", "provider", "affair", "items", "period_since", "period_until", "rules", "articles", "result", "sentence",
    "transaction", "log_index",
)  # fmt: skip


@dataclass(frozen=True)
class Listed:
    """One record: as logged, what came of it, and in both languages as a sentence."""

    kept: KeptRecord
    outcome: KeptRecord | None
    result: Result
    ja: str
    en: str

    @property
    def record(self) -> LogRecord:
        """As it was logged."""
        return self.kept.record

    @property
    def index(self) -> int:
        """Its place in the log."""
        return self.kept.index

    @property
    def at(self) -> datetime:
        """When it was logged."""
        return self.kept.record.logged_at

    @property
    def day(self) -> date:
        """The day in Japan."""
        return self.at.astimezone(JAPAN).date()

    @property
    def month(self) -> str:
        """2026-06."""
        return f"{self.day:%Y-%m}"

    @property
    def own(self) -> bool:
        """Whether it is the resident's own look at their information."""
        return self.record.requester == OWN

    def said(self, language: str) -> str:
        """The sentence."""
        return self.en if language == "en" else self.ja


@dataclass(frozen=True)
class Wanted:
    """Which records: empty means all. `office` is who asked or was asked; `month` as 2026-06; `own` also one's own looks."""

    office: str = ""
    result: str = ""
    month: str = ""
    text: str = ""
    own: bool = False

    def fits(self, one: Listed) -> bool:
        """Whether a record is among them."""
        return (
            (self.own or not one.own)
            and self.office in ("", one.record.requester, one.record.provider)
            and self.result in ("", one.result.value)
            and self.month in ("", one.month)
            and _plain(self.text) in _plain(one.ja + one.en)
        )


class RecordList:
    """Lists the records of an account. `names` are asked for each time: institutions join and leave."""

    def __init__(self, store: PortalStore, names: Callable[[], Names], proofs: Proofs) -> None:
        self._store = store
        self._names = names
        self._proofs = proofs

    def all(self, account: str) -> list[Listed]:
        """Every record about an account's holder, newest first."""
        return self._listed(account)

    def one(self, account: str, index: int) -> Listed:
        """The record at a place of the log. Raises Problem(log.unknown_entry) where it is not about this person."""
        for listed in self._listed(account, index):
            return listed
        raise Problem("log.unknown_entry", f"no record {index} about you", expected="a record of your list")

    def _listed(self, account: str, index: int | None = None) -> list[Listed]:
        with self._store.reading() as reading:
            accesses = reading.accesses(account, index)
            outcomes = reading.outcomes(list({one.transaction for one in accesses}))
        if not accesses:
            return []
        names = self._names()
        return [_listed(one, outcomes.get(one.transaction, []), names) for one in accesses]

    def prover(self) -> Prover:
        """What makes proofs now."""
        return self._proofs.newest()

    @property
    def names(self) -> Names:
        """Names of institutions, items and affairs."""
        return self._names()


def months(records: Sequence[Listed]) -> list[tuple[str, int]]:
    """How many in each month from the first to the last, those with none among them."""
    counted = Counter(one.month for one in records)
    if not counted:
        return []
    (year, month), (last_year, last_month) = (tuple(map(int, key.split("-"))) for key in (min(counted), max(counted)))
    found = []
    while (year, month) <= (last_year, last_month):
        key = f"{year:04d}-{month:02d}"
        found.append((key, counted[key]))
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found


def by_requester(records: Sequence[Listed]) -> list[tuple[str, list[date]]]:
    """Who asked, with the days, most often first."""
    days: dict[str, list[date]] = {}
    for one in records:
        days.setdefault(one.record.requester or "", []).append(one.day)
    return sorted(days.items(), key=lambda pair: (-len(pair[1]), pair[0]))


def as_json(records: Sequence[Listed], language: str) -> bytes:
    """As a file for programs."""
    rows = [dict(zip(_COLUMNS, _row(one, language), strict=True)) for one in records]
    return json.dumps(rows, ensure_ascii=False, indent=2).encode()


def as_csv(records: Sequence[Listed], language: str) -> bytes:
    """As a table for spreadsheets."""
    rows = (
        [" / ".join(value) if isinstance(value, list) else value for value in _row(one, language)] for one in records
    )
    return spreadsheet(_COLUMNS, rows)


def _row(one: Listed, language: str) -> list[object]:
    record = one.record
    period = record.period
    return [
        one.at.astimezone(JAPAN).isoformat(timespec="seconds"), record.requester, record.provider, record.affair,
        list(record.items), period.since and period.since.isoformat(), period.until and period.until.isoformat(),
        list(record.rules), list(record.articles), one.result.value, one.said(language), one.kept.transaction, one.index,
    ]  # fmt: skip


def _listed(access: KeptRecord, outcomes: list[KeptRecord], names: Names) -> Listed:
    record = access.record
    if access.refusal is not None:  # told as what came of it in the end; the proof stays that of what was logged
        record = record.model_copy(update={"granted": False, "refusal": access.refusal})
    told = told_outcome([one.record for one in outcomes]) if record.granted else None
    outcome = None if told is None else outcomes[told]
    came = None if outcome is None else outcome.record
    return Listed(
        access, outcome, result_of(record, came), sentence_ja(record, came, names), sentence_en(record, came, names)
    )


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
