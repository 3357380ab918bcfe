"""Numbering (付番, 番号法第八条・第三十九条): random, unique, never reused.

A number is drawn from the system's randomness, never derived from a person or from the resident code: there is no key
whose leak would expose everybody. Every number ever drawn stays in the table of used numbers.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final, NamedTuple, overload

from kumihimo.domain.kernel import (
    Clock,
    CorporateNumber,
    IndividualNumber,
    Problem,
    RandomSource,
    ResidentCode,
    comparable,
)
from kumihimo.domain.kernel.numbers_in_bulk import draw_individual_numbers, resident_code_values
from kumihimo.roles.numbering.store import NumberingStore, Taken, Transaction

TRIES: Final = 5  # a clash with another writer is one in billions; five in a row mean a broken generator
# Of a larger batch about so many codes, evenly spread, are looked up: a batch is new, or sent again, as a whole.
_SAMPLE: Final = 1_000


class Assigned(NamedTuple):
    """The number of a resident code; `newly` when it was drawn just now. Prints masked, as its parts do."""

    code_digits: str
    value: int
    newly: bool

    @property
    def resident_code(self) -> ResidentCode:
        return ResidentCode(self.code_digits)

    @property
    def number(self) -> IndividualNumber:
        return IndividualNumber.parse(self.number_digits)

    @property
    def number_digits(self) -> str:
        """The real twelve digits."""
        return f"{self.value:0{IndividualNumber.LENGTH}d}"

    def __repr__(self) -> str:
        return f"Assigned({self.resident_code!r}, {self.number!r}, newly={self.newly})"


class Assignments(Sequence[Assigned]):
    """What many resident codes were assigned, in the order in which they were asked about.

    Kept as columns: a nation's worth of objects would take longer to make and to look after than its numbers to store.
    """

    def __init__(self, codes: Sequence[str], values: Sequence[int], known: Container[int] = frozenset()) -> None:
        self._codes = codes
        self._values = values
        self._known = known

    def __len__(self) -> int:
        return len(self._codes)

    @overload
    def __getitem__(self, at: int) -> Assigned: ...
    @overload
    def __getitem__(self, at: slice) -> Assignments: ...
    def __getitem__(self, at: int | slice) -> Assigned | Assignments:
        if isinstance(at, slice):
            return Assignments(self._codes[at], self._values[at], self._known)
        return Assigned(self._codes[at], self._values[at], newly=int(self._codes[at]) not in self._known)

    def digits(self) -> dict[str, str]:
        """Resident code → Individual Number, the real digits of both."""
        written = f"%0{IndividualNumber.LENGTH}d"
        return {code: written % value for code, value in zip(self._codes, self._values, strict=True)}


class Numbering:
    """The numbering authority's decisions."""

    def __init__(self, store: NumberingStore, randomness: RandomSource, clock: Clock) -> None:
        self._store = store
        self._randomness = randomness
        self._clock = clock

    def assign(self, municipality: str, resident_codes: Sequence[str]) -> Assignments:
        """Numbers for resident codes, in their order, all or none; a code that has a number keeps it.

        Raises Problem(resident_code.format, resident_code.check_digit) before anything is drawn, number.none_left.
        """
        values, codes = resident_code_values(resident_codes), resident_codes
        if values is None:
            codes = [code.digits for code in ResidentCode.parse_all(codes, where="resident_codes")]
            values = [*map(int, codes)]
        looked_up = values[:: max(len(values) // _SAMPLE, 1)]
        for _ in range(TRIES):
            try:
                with self._store.transaction() as transaction:
                    return self._assign(transaction, municipality, codes, values, looked_up)
            except Taken:
                looked_up = values
        raise _none_left()

    def _assign(
        self,
        transaction: Transaction,
        municipality: str,
        codes: Sequence[str],
        values: Sequence[int],
        looked_up: Sequence[int],
    ) -> Assignments:
        """`values` are the codes as integers; where none of those `looked_up` has a number, none is believed to have.

        Raises Taken, from the table itself, where one had: a resident code has one number in force, is its rule.
        """
        known = transaction.current_numbers(looked_up)
        if known and len(looked_up) < len(values):
            known = transaction.current_numbers(values)
        lacking = [value for value in dict.fromkeys(values) if value not in known]
        numbers = self._draw(transaction, len(lacking))
        transaction.store(dict(zip(numbers, lacking, strict=True)), municipality, self._clock.now())
        if len(lacking) == len(codes):
            return Assignments(codes, numbers)
        found = known | dict(zip(lacking, numbers, strict=True))
        return Assignments(codes, [found[value] for value in values], known)

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
                        current = transaction.current_numbers([int(code.digits)])
                        if not current:
                            raise _unknown()
                        return IndividualNumber.parse(f"{current[int(code.digits)]:012d}")
                    transaction.end(held, municipality, reason, self._clock.now())
                    (drawn,) = self._draw(transaction, 1)
                    transaction.store({drawn: int(code.digits)}, municipality, self._clock.now())
                    return Assigned(code.digits, drawn, newly=True).number
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
        if found is None or found.resident_code != int(code.digits):
            raise _unknown()
        return value if found.until is None else None

    def _draw(self, transaction: Transaction, count: int) -> list[int]:
        """Numbers that were never used, in the order in which they were drawn."""
        found: dict[int, None] = {}
        for _ in range(TRIES):
            drawn = dict.fromkeys(draw_individual_numbers(self._randomness, count - len(found)))
            used = transaction.already_used([*drawn])
            found |= drawn if not used else {number: None for number in drawn if number not in used}
            if len(found) == count:
                return [*found]
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
