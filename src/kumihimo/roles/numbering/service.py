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


@dataclass(frozen=True, slots=True)
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
        codes = ResidentCode.parse_all(resident_codes, where="resident_codes")
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

    def replace(self, municipality: str, resident_code: str, number: str, reason: str) -> IndividualNumber:
        """End a resident code's number and assign another; asked again, the one that was assigned then (第七条第二項).

        Raises Problem(resident_code.*, number.format, number.check_digit, number.unknown for a number that is not of this
        resident code, number.none_left).
        """
        code = ResidentCode.parse(resident_code, where="resident_code")
        for _ in range(TRIES):
            try:
                with self._store.transaction() as transaction:
                    held = self._held(transaction, code, number)
                    if held is None:
                        current = transaction.current_numbers([code.digits])
                        if code.digits not in current:
                            raise _unknown()
                        return IndividualNumber.parse(f"{current[code.digits]:012d}")
                    transaction.end(held, municipality, reason, self._clock.now())
                    (drawn,) = self._draw(transaction, 1)
                    transaction.store([NewAssignment(int(drawn.digits), code.digits)], municipality, self._clock.now())
                    return drawn
            except Taken:
                continue
        raise _none_left()

    def amend(
        self,
        municipality: str,
        reason: str,
        end: Sequence[tuple[str, str]],
        restore: Sequence[tuple[str, str]],
    ) -> int:
        """End and restore assignments, each (resident code, number), all or none; how many changed, 0 when done before.

        Raises Problem(resident_code.*, number.*) and number.already_assigned where the resident code has another number.
        """
        try:
            with self._store.transaction() as transaction:
                return self._amend(transaction, municipality, reason, end, restore)
        except Taken:
            raise Problem(
                "number.already_assigned", "the resident code has another number in force", where="restore",
                expected="a resident code whose number has ended",
            ) from None  # fmt: skip

    def _amend(
        self,
        transaction: Transaction,
        municipality: str,
        reason: str,
        end: Sequence[tuple[str, str]],
        restore: Sequence[tuple[str, str]],
    ) -> int:
        changed = 0
        for code, number in end:
            held = self._held(transaction, ResidentCode.parse(code), number)
            if held is not None:
                transaction.end(held, municipality, reason, self._clock.now())
                changed += 1
        for code, number in restore:
            if self._held(transaction, ResidentCode.parse(code), number) is None:
                transaction.restore(int(IndividualNumber.parse(number).digits), municipality, reason, self._clock.now())
                changed += 1
        return changed

    @staticmethod
    def _held(transaction: Transaction, code: ResidentCode, number: str) -> int | None:
        """The number where it is in force for this resident code, None where it was. Raises Problem(number.unknown)."""
        value = int(IndividualNumber.parse(number, where="individual_number").digits)
        found = transaction.assignment_of(value)
        if found is None or found.resident_code != code.digits:
            raise _unknown()
        return value if found.until is None else None

    def _draw(self, transaction: Transaction, count: int) -> list[IndividualNumber]:
        found: dict[int, IndividualNumber] = {}
        for _ in range(TRIES):
            drawn = IndividualNumber.random_many(self._randomness, count - len(found))
            fresh = {value: number for number in drawn if (value := int(number.digits)) not in found}
            used = transaction.already_used(list(fresh))
            found.update(fresh if not used else {value: one for value, one in fresh.items() if value not in used})
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


def _unknown() -> Problem:
    return Problem("number.unknown", "the resident code never had it", where="individual_number")


def _none_left() -> Problem:
    return Problem(
        "number.none_left",
        f"{TRIES} draws met only used numbers",
        advice="Check the random generator of this machine before numbering goes on.",
    )
