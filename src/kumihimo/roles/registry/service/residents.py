"""Residents (住民基本台帳): births, moves, deaths, changes of name, corrections; each dated, versioned, and announced.

住民基本台帳法 第七条 (what is recorded), 第八条 (how records change), 第二十二条 to 第二十五条 (moves). The number follows the
newest address: the municipality of residence is part of every announcement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final, TypeVar

from kumihimo.domain.kernel import (
    Clock,
    FourItems,
    FourItemsKey,
    IndividualNumber,
    Institution,
    Problem,
    RandomSource,
    ResidentCode,
    legal_day,
)
from kumihimo.domain.kernel.numbers_in_bulk import draw_resident_codes
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind, ResidentSnapshot
from kumihimo.roles.registry.service.announcing import announced
from kumihimo.roles.registry.store import Change, NewResident, RegistryStore, Resident, Taken, Transaction

T = TypeVar("T")
FIRST: Final = (RegisterEventKind.BIRTH, RegisterEventKind.MOVE_IN)
CHANGES: Final = (
    RegisterEventKind.MOVE,
    RegisterEventKind.DEATH,
    RegisterEventKind.NAME_CHANGE,
    RegisterEventKind.CORRECTION,
)
TRIES: Final = 5
NumberFor = Callable[[str, Sequence[str]], dict[str, str]]
"""(municipality, resident codes) → resident code to Individual Number, from the numbering authority."""


@dataclass(frozen=True)
class Reported:
    """An event as a municipality reports it."""

    event: RegisterEventKind
    on: date
    resident_code: str | None
    four_items: FourItems | None
    reason: str
    individual_number: str | None = None
    other_number: str | None = None


class Residents:
    """The registry's decisions about residents."""

    def __init__(
        self,
        store: RegistryStore,
        institution: Callable[[str], Institution],
        numbers: NumberFor,
        randomness: RandomSource,
        clock: Clock,
    ) -> None:
        self._store = store
        self._institution = institution
        self._numbers = numbers
        self._randomness = randomness
        self._clock = clock

    def report(self, municipality: str, reported: Reported) -> ResidentSnapshot:
        """Record an event that a municipality reports and announce it to every subscribed institution.

        Raises Problem(peer.not_allowed) unless the reporter is a municipality, resident.unknown,
        resident.event_invalid, and those of the numbering authority.
        """
        self._require_register(municipality)
        if reported.event in FIRST:
            return self._arrived(municipality, [(self._first(reported), reported)])[0]
        self._require_past(reported)
        return self._change(municipality, reported)

    def arrive(
        self, municipality: str, arrivals: Sequence[Reported]
    ) -> tuple[list[ResidentSnapshot], dict[int, Problem]]:
        """Register many births and move-ins: those registered, and for each other position what was wrong with it.

        Raises Problem(peer.not_allowed) unless the reporter is a municipality, and those of the numbering authority.
        """
        self._require_register(municipality)
        taken: list[tuple[FourItems, Reported]] = []
        rejected: dict[int, Problem] = {}
        seen: set[FourItemsKey] = set()
        for position, arrival in enumerate(arrivals):
            try:
                items = self._first(arrival)
                if items.key() in seen:
                    raise _registered("twice in one report")
            except Problem as problem:
                rejected[position] = problem
            else:
                seen.add(items.key())
                taken.append((items, arrival))
        return (self._arrived(municipality, taken) if taken else []), rejected

    def _arrived(self, municipality: str, first: Sequence[tuple[FourItems, Reported]]) -> list[ResidentSnapshot]:
        def told(transaction: Transaction, added: list[Resident]) -> list[ResidentSnapshot]:
            pairs = zip(added, first, strict=True)
            return [
                self._announced(transaction, resident, self._as_change(municipality, reported))
                for resident, (_, reported) in pairs
            ]

        return self._register(municipality, first, told)

    def _first(self, reported: Reported) -> FourItems:
        """The four items of somebody who may be registered now. Raises Problem."""
        self._require_past(reported)
        if reported.event not in FIRST:
            raise invalid(f"{reported.event} of somebody new", "birth or move_in")
        if reported.four_items is None:
            raise invalid(f"{reported.event} without four items", "name, address, birth and sex")
        if reported.resident_code is not None or reported.individual_number is not None:
            raise invalid(f"{reported.event} with a resident code or number", "a resident who has none yet")
        if reported.four_items.birth > reported.on:
            raise invalid(
                f"{reported.event} on {reported.on} of somebody born later", "the day of birth or a later day"
            )
        with self._store.transaction() as transaction:
            if any(one.died_on is None for one in transaction.by_four_items(reported.four_items)):
                raise _registered("somebody living has exactly these four items")
        return reported.four_items

    def _require_register(self, municipality: str) -> None:
        if "municipality" not in self._institution(municipality).classes:
            raise Problem("peer.not_allowed", f"{municipality} keeps no resident register", expected="a municipality")

    def _require_past(self, reported: Reported) -> None:
        if reported.on > legal_day(self._clock.now()):
            raise invalid(f"{reported.event} on {reported.on}", "a day that is not in the future")

    def register_many(self, municipality: str, first: Sequence[tuple[FourItems, Reported]]) -> list[Resident]:
        """Give residents codes and numbers and store them, all or none; nothing is announced.

        Raises Problem(number.none_left) and those of the numbering authority.
        """
        return self._register(municipality, first, lambda _transaction, added: added)

    def _register(
        self,
        municipality: str,
        first: Sequence[tuple[FourItems, Reported]],
        then: Callable[[Transaction, list[Resident]], T],
    ) -> T:
        """Store new residents and do what follows from it in the same transaction."""
        for _ in range(TRIES):
            codes = self._unused_codes(len(first))
            numbers = self._numbers(municipality, codes)
            new = [NewResident(c, numbers[c], items, municipality) for c, (items, _) in zip(codes, first, strict=True)]
            now = self._clock.now()
            changes = [_change(municipality, reported, now) for _, reported in first]
            try:
                with self._store.transaction() as transaction:
                    return then(transaction, transaction.add(new, changes))
            except Taken:
                continue
        raise _none_left()

    def drawn(self, municipality: str, reported: Reported) -> NewResident:
        """A resident code and a number for somebody who comes out of another registration.

        Raises Problem(number.none_left, resident.event_invalid) and those of the numbering authority.
        """
        if reported.four_items is None:
            raise invalid(f"{reported.event} without four items", "name, address, birth and sex")
        (code,) = self._unused_codes(1)
        return NewResident(code, self._numbers(municipality, [code])[code], reported.four_items, municipality)

    def _unused_codes(self, count: int) -> list[str]:
        """Resident codes at random that nobody has; only those that clash are drawn again.

        They are looked up before numbers are asked for: a number drawn for a code that was taken would be lost for ever.
        """
        found: dict[str, None] = {}
        for _ in range(TRIES):
            drawn = dict.fromkeys(draw_resident_codes(self._randomness, count - len(found)))
            with self._store.transaction() as transaction:
                used = transaction.codes_in_use(list(drawn))
            found.update((code, None) for code in drawn if code not in used)
            if len(found) == count:
                return list(found)
        raise _none_left()

    def _change(self, municipality: str, reported: Reported) -> ResidentSnapshot:
        try:
            with self._store.transaction() as transaction:
                before = meant(transaction, reported)
                after = changed(before, municipality, reported)
                change = self._as_change(municipality, reported)
                transaction.update(before, after, change)
                transaction.subscribe(after.id, after.municipality)
                return self._announced(transaction, after, change)
        except Taken:
            raise invalid(f"{reported.event} while the resident was being changed", "no other change at once") from None

    def _announced(self, transaction: Transaction, resident: Resident, change: Change) -> ResidentSnapshot:
        return announced(transaction, self._institution, resident, change)

    def _as_change(self, municipality: str, reported: Reported) -> Change:
        return _change(municipality, reported, self._clock.now())


def _change(municipality: str, reported: Reported, at: datetime) -> Change:
    return Change(reported.event.value, reported.on, at, municipality, reported.reason)


def meant(transaction: Transaction, reported: Reported) -> Resident:
    """The resident an event is about, by resident code or Individual Number. Raises Problem."""
    match reported.resident_code, reported.individual_number:
        case str(code), None:
            found, where = transaction.by_code(ResidentCode.parse(code, where="resident_code").digits), "resident_code"
        case None, str(number):
            digits = IndividualNumber.parse(number, where="individual_number").digits
            found, where = transaction.by_number(digits), "individual_number"
        case _:
            raise invalid(f"{reported.event} of nobody, or of two", "either the resident's code or their number")
    if found is None:
        raise Problem("resident.unknown", "no resident has it", where=where, advice="Compare it with the document.")
    return found


def changed(before: Resident, municipality: str, reported: Reported) -> Resident:
    """The resident after an event. Raises Problem(resident.event_invalid) where the event does not fit the state."""
    kind, items = reported.event, reported.four_items
    if kind not in CHANGES:
        raise invalid(f"{kind} of a resident's items", f"one of {', '.join(CHANGES)}")
    if before.died_on is not None and kind is not RegisterEventKind.CORRECTION:
        raise invalid(f"{kind} of a resident who has died", "a living resident, or a correction")
    if kind is not RegisterEventKind.MOVE and municipality != before.municipality:
        raise invalid(f"{kind} reported by {municipality}", "a report by the municipality of residence")
    born = before.four_items.birth if items is None or kind is RegisterEventKind.DEATH else items.birth
    if born > min(reported.on, before.died_on or reported.on):
        raise invalid(f"{kind} or death before birth", "the day of birth or a later day")
    version = before.version + 1
    if kind is RegisterEventKind.DEATH:
        return replace(before, died_on=reported.on, version=version)
    if items is None:
        raise invalid(f"{kind} without four items", "the four items after the event")
    old = before.four_items
    kept = {
        RegisterEventKind.MOVE: (items.name, items.birth, items.sex) == (old.name, old.birth, old.sex),
        RegisterEventKind.NAME_CHANGE: (items.address, items.birth, items.sex) == (old.address, old.birth, old.sex),
        RegisterEventKind.CORRECTION: True,
    }
    if not kept[kind]:
        raise invalid(f"{kind} that changes other items too", "one event for each kind of change, or a correction")
    return replace(before, four_items=items, municipality=municipality, version=version)


def _none_left() -> Problem:
    return Problem(
        "number.none_left",
        f"no free resident code in {TRIES} draws",
        advice="Check the random generator of this machine before anybody is registered.",
    )


def _registered(detail: str) -> Problem:
    return Problem(
        "resident.already_registered", detail, where="four_items", expected="somebody who is not registered yet",
        advice="Report a move or a correction for a resident who is.",
    )  # fmt: skip


def invalid(detail: str, expected: str) -> Problem:
    """The refusal of an event that does not fit."""
    return Problem("resident.event_invalid", detail, expected=expected, advice="Nothing was recorded; report it again.")
