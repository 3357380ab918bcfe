"""What helps with a tax return (確定申告に使う情報): amounts that offices hold about the last year, on one sheet.

It adds nothing up that the law does not: deductions are the person's to claim, from the papers named in the return.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from kumihimo.domain.kernel.clock import legal_day
from kumihimo.plumbing.wire.messages.provision import DatedItem
from kumihimo.roles.portal.service.look_ups import Answered, Looked

_FLOOR = 100_000  # 医療費控除: what is above this, or above 5 % of a lower income (所得税法第七十三条)


@dataclass(frozen=True)
class TaxRow:
    """One line: the key of its words, an amount or a count, who holds it, and what it is about."""

    key: str
    amount: int
    provider: str
    year: int
    counted: bool = False  # a number of persons, not yen


def tax_rows(looked: Looked, now: datetime) -> tuple[TaxRow, ...]:
    """The lines, in the order of the return: incomes, deductions for insurance, medical costs, family."""
    return tuple(_rows(looked, legal_day(now).year))


def _rows(looked: Looked, this_year: int) -> Iterator[TaxRow]:
    tax = _newest(looked, "local-tax")
    if tax is not None:
        answered, item = tax
        year = item.valid_from.year - 1  # it is levied on the income of the year before
        provider = answered.question.provider
        for field in ("salary_gross", "pension_gross", "business_income"):
            if item.body.get(field):
                yield TaxRow(field, item.body[field], provider, year)
    for name in ("pension", "medical-insurance"):
        for answered in looked.provided(name):
            for dated in answered.items:
                history = dated.body.get("history") or []
                if history and history[-1]["premium_paid"]:
                    last = history[-1]
                    yield TaxRow(
                        f"premium.{name}", last["premium_paid"], answered.question.provider, last["fiscal_year"]
                    )
    for answered in looked.provided("nursing-insurance"):
        for dated in answered.items:
            if dated.valid_until is None:
                yield TaxRow(
                    "premium.nursing-insurance", dated.body["annual_premium"], answered.question.provider, this_year
                )
    copayments = [
        (answered, one)
        for answered in looked.provided("medical-insurance")
        for dated in answered.items
        for one in dated.body.get("copayments", [])
        if one["month"].startswith(f"{this_year}-")
    ]
    if copayments:
        total = sum(one["paid"] for _, one in copayments)
        yield TaxRow("copayments", total, copayments[0][0].question.provider, this_year)
        if tax is not None:
            income = tax[1].body.get("total_income", 0)
            yield TaxRow(
                "copayments_above", min(_FLOOR, income // 20), tax[0].question.provider, tax[1].valid_from.year - 1
            )
    if tax is not None:
        answered, item = tax
        for field in ("dependants", "dependants_under_16"):
            if item.body.get(field):
                yield TaxRow(
                    field, item.body[field], answered.question.provider, item.valid_from.year - 1, counted=True
                )


def _newest(looked: Looked, item: str) -> tuple[Answered, DatedItem] | None:
    found = [(answered, dated) for answered in looked.provided(item) for dated in answered.items]
    return max(found, key=lambda one: one[1].valid_from, default=None)
