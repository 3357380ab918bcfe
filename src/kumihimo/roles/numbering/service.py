"""Numbering (付番, 番号法第八条・第三十九条): random, unique, never reused.

A number is drawn from the system's randomness, never derived from a person or from the resident code: there is no key
whose leak would expose everybody. Every number ever drawn stays in the table of used numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kumihimo.domain.kernel import (
    Clock,
    CorporateNumber,
    IndividualNumber,
    Problem,
    RandomSource,
    ResidentCode,
    comparable,
)
from kumihimo.roles.numbering.store import NewAssignment, NumberingStore, Taken, Transaction

TRIES: Final = 5  # a clash with another writer is one in billions; five in a row mean a broken generator


@dataclass(frozen=True)
class Assigned:
    """The number of a resident code; `newly` when it was drawn just now."""

    resident_code: ResidentCode
    number: IndividualNumber
    newly: bool


class Numbering:
    """The numbering authority's decisions."""

    def __init__(self, store: NumberingStore, randomness: RandomSource, clock: Clock) -> None:
        self._store = store
        self._randomness = randomness
        self._clock = clock

    def assign(self, municipality: str, resident_codes: Sequence[str]) -> list[Assigned]:
        """Numbers for resident codes, in their order, all or none; a code that has a number keeps it.

        Raises Problem(resident_code.format, resident_code.check_digit) before anything is drawn, number.none_left.
        """
        codes = [ResidentCode.parse(code, where=f"resident_codes[{i}]") for i, code in enumerate(resident_codes)]
        for _ in range(TRIES):
            try:
                with self._store.transaction() as transaction:
                    return self._assign(transaction, municipality, codes)
            except Taken:
                continue
        raise _none_left()

    def _assign(self, transaction: Transaction, municipality: str, codes: list[ResidentCode]) -> list[Assigned]:
        known = transaction.current_numbers([code.digits for code in codes])
        lacking = list(dict.fromkeys(code.digits for code in codes if code.digits not in known))
        drawn = dict(zip(lacking, self._draw(transaction, len(lacking)), strict=True))
        new = [NewAssignment(int(number.digits), code) for code, number in drawn.items()]
        transaction.store(new, municipality, self._clock.now())
        return [
            Assigned(code, drawn[code.digits], newly=True)
            if code.digits in drawn
            else Assigned(code, IndividualNumber.parse(f"{known[code.digits]:012d}"), newly=False)
            for code in codes
        ]

    def _draw(self, transaction: Transaction, count: int) -> list[IndividualNumber]:
        found: dict[int, IndividualNumber] = {}
        for _ in range(TRIES):
            fresh: dict[int, IndividualNumber] = {}
            while len(found) + len(fresh) < count:
                number = IndividualNumber.random(self._randomness)
                if int(number.digits) not in found:
                    fresh[int(number.digits)] = number
            used = transaction.already_used(list(fresh))
            found.update((value, number) for value, number in fresh.items() if value not in used)
            if len(found) == count:
                return list(found.values())
        raise _none_left()

    def assign_corporate(self, registered_name: str, seat: str) -> tuple[CorporateNumber, bool]:
        """The Corporate Number of a body by registered name and seat, and whether it is new.

        Raises Problem(name.empty, address.empty, number.none_left).
        """
        name, place = comparable(registered_name), comparable(seat)
        if not name:
            raise Problem("name.empty", "no registered name", where="registered_name")
        if not place:
            raise Problem("address.empty", "no seat", where="seat")
        for _ in range(TRIES):
            try:
                with self._store.transaction() as transaction:
                    known = transaction.corporate_number_of(name, place)
                    if known is not None:
                        return CorporateNumber.parse(f"{known:013d}"), False
                    number = CorporateNumber.random(self._randomness)
                    transaction.store_corporate(int(str(number)), name, place, self._clock.now())
                    return number, True
            except Taken:
                continue
        raise _none_left()

    def counts(self) -> tuple[int, int]:
        """Numbers ever drawn, and numbers now assigned."""
        with self._store.transaction() as transaction:
            return transaction.counts()


def _none_left() -> Problem:
    return Problem(
        "number.none_left",
        f"{TRIES} draws met only used numbers",
        advice="Check the random generator of this machine before numbering goes on.",
    )
