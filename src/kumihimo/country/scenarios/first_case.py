"""The first case (最初の事例): 総務花子 moves from Y市 to X市 and applies for a child benefit, without an income certificate.

X市 asks Y市 for last year's local tax under the child-allowance rule. Then X市 asks for something it may not have, and is
refused. Both stand in the log and in 花子's portal, with proofs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from kumihimo.country import topology
from kumihimo.country.desk import Desk, ResidentsBrowser
from kumihimo.country.inspection import Needle, holders, read_cell
from kumihimo.country.layout import Country
from kumihimo.country.people.hanako import hanako
from kumihimo.country.scenarios.waiting import until
from kumihimo.domain.kernel import FiscalYear, FourItems, PartyId, Problem, fiscal_year
from kumihimo.domain.transparency.access_proof import VerifiedRecord, verify_proof_file
from kumihimo.domain.transparency.note import VerifierKey
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.plumbing.wire.messages.ledger import AccessShown, Addressee
from kumihimo.plumbing.wire.messages.provision import Inquired

STAFF = "kosodate-01"
CASE = "児童手当 認定請求 2026-0001"
AFFAIR = "child-allowance.payment"
PROOF_SECONDS = 20.0


@dataclass(frozen=True)
class FirstCase:
    """Everything that came of the case, as read back from the country."""

    person: FourItems
    addressee: Addressee
    account: str
    year: FiscalYear
    granted: Inquired
    refused: Inquired
    accesses: tuple[AccessShown, ...]
    verified: tuple[VerifiedRecord, ...]


def play(country: Country) -> FirstCase:
    """Play the case on a running country. Raises Problem where anything is not as it must be."""
    person = hanako(country.founded).four_items
    desk = Desk.of(country, "x-city")
    addressee = desk.find(person)
    account = desk.open_portal_account(addressee.addressee_number)
    year = fiscal_year(date(country.founded.year, 4, 1))
    period = Period(since=year.start, until=year.end)

    def ask(provider: str, item: str) -> Inquired:
        return desk.inquire(
            staff=STAFF, case=CASE, addressee_number=addressee.addressee_number, provider=provider, affair=AFFAIR,
            items=(item,), period=period,
        )  # fmt: skip

    granted = ask("y-city", "local-tax")
    if granted.outcome is not Outcome.PROVIDED:
        raise Problem("internal", f"Y市 answered {granted.outcome}", expected="provided")
    refused = ask("health-insurer", "medical-insurance")
    if refused.outcome is not Outcome.REFUSED:
        raise Problem("internal", f"the forbidden question came back {refused.outcome}", expected="refused")
    accesses = until(lambda: _proven(country, account, granted, refused), PROOF_SECONDS, "the portal's proof")
    log_key = VerifierKey.parse((country.folder / "log.vkey").read_text().strip())
    witness_key = VerifierKey.parse((country.folder / "witness.vkey").read_text().strip())
    proofs = [proof for access in accesses for proof in (access.proof, access.outcome_proof) if proof is not None]
    verified = tuple(verify_proof_file(proof, log_key, [witness_key]) for proof in proofs)
    return FirstCase(person, addressee, account, year, granted, refused, accesses, verified)


def _proven(country: Country, account: str, *asked: Inquired) -> tuple[AccessShown, ...] | None:
    """The accesses of the account that belong to these inquiries, once each has its outcome and its proofs."""
    wanted = {inquiry.transaction: inquiry for inquiry in asked}
    shown = tuple(one for one in ResidentsBrowser.of(country).accesses(account) if one.transaction in wanted)
    complete = len(shown) == len(wanted) and all(
        one.proof is not None and (wanted[one.transaction].outcome is Outcome.REFUSED or one.outcome_proof is not None)
        for one in shown
    )
    return shown if complete else None


def needles(country: Country, case: FirstCase) -> tuple[Needle, ...]:
    """What the parties may or may not hold of this case, read from the stores of those who must have it."""
    number = read_cell(country, topology.ledger_of("x-city"), _NUMBER, case.addressee.addressee_number)
    there = read_cell(country, topology.ledger_of("y-city"), _ADDRESSEE, number)
    code_x = read_cell(country, topology.exchange_of("x-city"), _CODE, case.addressee.addressee_number)
    code_y = read_cell(country, topology.exchange_of("y-city"), _CODE, there)
    code_portal = read_cell(country, topology.PORTAL, _ACCOUNT_CODE, case.account)
    figures = [value for value in case.granted.items[0].body.values() if isinstance(value, int)]
    return (
        Needle("number", number),
        Needle("name", case.person.name.family_kana),
        Needle("code_x", code_x),
        Needle("code_y", code_y),
        Needle("code_portal", code_portal),
        Needle("tax", str(max(figures))),
        Needle("transaction", case.granted.transaction),
    )


_NUMBER: Final = "SELECT individual_number FROM addressee WHERE addressee_number = ?"
_ADDRESSEE: Final = "SELECT addressee_number FROM addressee WHERE individual_number = ?"
_CODE: Final = "SELECT code FROM link_code WHERE addressee_number = ?"
_ACCOUNT_CODE: Final = "SELECT link_code FROM account WHERE account = ?"


def matrix(country: Country, case: FirstCase) -> dict[str, set[PartyId]]:
    """Value name → parties that hold it, found by searching every store and log of the country."""
    return holders(country, needles(country, case))
