"""Ages (年齢): how old a person is on a day, by everyday counting and by the statute (年齢計算ニ関スル法律, 民法第百四十三条)."""

from __future__ import annotations

from datetime import date, timedelta

from kumihimo.domain.kernel.errors import Problem


def age_on(birth: date, day: date) -> int:
    """Full years on a day as people count them: one more on each birthday; born on 29 February, on 1 March in other years.

    In law the year is complete one moment earlier, at 24:00 of the day before: see `age_reached_by_end_of`.
    Raises Problem(date.impossible) when the day is before birth.
    """
    if day < birth:
        raise Problem(
            "date.impossible", f"{day.isoformat()} is before the birth", expected=f"{birth.isoformat()} or later"
        )
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def age_reached_by_end_of(birth: date, day: date) -> int:
    """The age reached by 24:00 of a day (達する日): one more already on the day before each birthday.

    Rules that ask who has reached an age by a day count so: a child born on 1 April reaches 6 on 31 March and enters school
    with the children born before. `day` must not be the last day of the year 9999 (OverflowError).
    Raises Problem(date.impossible) when the day is before birth.
    """
    age_on(birth, day)
    return age_on(birth, day + timedelta(days=1))
