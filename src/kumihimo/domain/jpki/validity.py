"""How long cards and certificates last (有効期間): whole days of Japan, counted by birthdays.

個人番号カードの省令: a card lasts to the holder's tenth birthday after the day of issue, that of a minor to the fifth.
公的個人認証法の省令: a certificate lasts to the fifth birthday after its day of issue, and never longer than its card.
For somebody born on 29 February the birthday is 28 February in every year.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from kumihimo.domain.kernel.ages import age_on
from kumihimo.domain.kernel.clock import JAPAN

ADULT: Final = 18
SIGNING_AGE: Final = 15
_CARD_BIRTHDAYS: Final = 10
_SHORT_BIRTHDAYS: Final = 5


def nth_birthday_after(birth: date, day: date, n: int) -> date:
    """The n-th birthday strictly after a day, n ≥ 1."""
    month, of_month = (2, 28) if (birth.month, birth.day) == (2, 29) else (birth.month, birth.day)
    this_year = date(day.year, month, of_month)
    return this_year.replace(year=day.year + n - (1 if this_year > day else 0))


def card_end(birth: date, issued_on: date) -> date:
    """The last day of a card. Raises Problem(date.impossible) for an issue before birth."""
    adult = age_on(birth, issued_on) >= ADULT
    return nth_birthday_after(birth, issued_on, _CARD_BIRTHDAYS if adult else _SHORT_BIRTHDAYS)


def certificate_end(birth: date, issued_on: date, card_until: date) -> date:
    """The last day of a certificate on a card that lasts until `card_until`."""
    return min(nth_birthday_after(birth, issued_on, _SHORT_BIRTHDAYS), card_until)


def end_of_day(day: date) -> datetime:
    """The last second of a day in Japan."""
    return (datetime.combine(day, time(), JAPAN) + timedelta(days=1, seconds=-1)).astimezone(UTC)


def may_sign(birth: date, day: date) -> bool:
    """Whether somebody is old enough for a signature certificate."""
    return age_on(birth, day) >= SIGNING_AGE
