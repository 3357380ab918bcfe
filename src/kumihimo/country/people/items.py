"""Information items (特定個人情報) of synthetic residents, as an institution would hand them to its exchange store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from kumihimo.country.people.residents import SyntheticResident
from kumihimo.domain.kernel.institutions import InstitutionId


@dataclass(frozen=True, slots=True)
class InformationItem:
    """One dated item about one resident, held by one provider.

    `item` is the id of the rule book. Either `fiscal_year` is set (the calendar year it begins in) or `valid_from`; both
    days of validity are included, and no `valid_to` means until further notice. `body` is ready for JSON: English
    snake_case keys, whole yen, ISO days; attributes.py lists the keys of every item.
    """

    resident: int
    provider: InstitutionId
    item: str
    body: Mapping[str, object]
    fiscal_year: int | None = None
    valid_from: date | None = None
    valid_to: date | None = None


def of_year(
    who: SyntheticResident, provider: InstitutionId, item: str, year: int, body: Mapping[str, object]
) -> InformationItem:
    """An item that belongs to a fiscal year."""
    return InformationItem(who.number, provider, item, body, fiscal_year=year)


def valid(
    who: SyntheticResident,
    provider: InstitutionId,
    item: str,
    days: tuple[date, date | None],
    body: Mapping[str, object],
) -> InformationItem:
    """An item that is valid from the first of `days` to the last one."""
    return InformationItem(who.number, provider, item, body, valid_from=days[0], valid_to=days[1])
