"""The kernel (核): the words every room uses, so small and so certain that nothing else needs to be asked.

Numbers, names, addresses, the four items, days in both calendars, institutions, the clock, randomness, and the one error.
"""

from kumihimo.domain.kernel.addresses import (
    Address,
    LocalGovernmentCode,
    address_key,
    completed_local_government_code,
    local_government_code,
)
from kumihimo.domain.kernel.ages import age_on, age_reached_by_end_of
from kumihimo.domain.kernel.calendar import parse_date
from kumihimo.domain.kernel.check_digits import CheckDigit, modulus_9, modulus_11
from kumihimo.domain.kernel.clock import JAPAN, Clock, FixedClock, SystemClock, legal_day
from kumihimo.domain.kernel.eras import Era, format_both, to_wareki
from kumihimo.domain.kernel.errors import CATALOGUE, Problem
from kumihimo.domain.kernel.fiscal import FiscalYear, fiscal_year
from kumihimo.domain.kernel.institutions import (
    Institution,
    InstitutionId,
    PartyId,
    institution_id,
    institution_of,
    party_id,
)
from kumihimo.domain.kernel.names import PersonName, katakana
from kumihimo.domain.kernel.numbers import AddresseeNumber, CorporateNumber, IndividualNumber, ResidentCode
from kumihimo.domain.kernel.person import FourItems, FourItemsKey, Sex
from kumihimo.domain.kernel.randomness import RandomSource, SeededRandomness, SystemRandomness
from kumihimo.domain.kernel.text import comparable

__all__ = [
    "CATALOGUE",
    "JAPAN",
    "Address",
    "AddresseeNumber",
    "CheckDigit",
    "Clock",
    "CorporateNumber",
    "Era",
    "FiscalYear",
    "FixedClock",
    "FourItems",
    "FourItemsKey",
    "IndividualNumber",
    "Institution",
    "InstitutionId",
    "LocalGovernmentCode",
    "PartyId",
    "PersonName",
    "Problem",
    "RandomSource",
    "ResidentCode",
    "SeededRandomness",
    "Sex",
    "SystemClock",
    "SystemRandomness",
    "address_key",
    "age_on",
    "age_reached_by_end_of",
    "comparable",
    "completed_local_government_code",
    "fiscal_year",
    "format_both",
    "institution_id",
    "institution_of",
    "katakana",
    "legal_day",
    "local_government_code",
    "modulus_9",
    "modulus_11",
    "parse_date",
    "party_id",
    "to_wareki",
]
