"""Registrations over the years (登録の異動): numbers changed, deaths and numbers taken back, persons merged and split.

番号法第七条第二項 (change of a leaked number), 住民基本台帳法第八条・第十四条 (correction ex officio). Each is one operation
on one registration or two; it keeps their whole states from before, so that the last one can be taken back exactly (I8). The
numbering authority is asked first: when it cannot be reached, nothing is recorded anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from kumihimo.domain.kernel import Clock, Institution, Problem, legal_day
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind as Kind
from kumihimo.plumbing.wire.messages.residents import ResidentSnapshot, Standing
from kumihimo.roles.registry.service.announcing import announced
from kumihimo.roles.registry.service.residents import Reported, invalid, meant
from kumihimo.roles.registry.store import Change, NewResident, Resident, Taken
from kumihimo.roles.registry.store_lives import LivesStore, LivesTransaction, Part, in_force

OPERATIONS: Final = (
    Kind.NUMBER_CHANGE, Kind.REVIVAL, Kind.ASSIGNMENT_CANCELLED, Kind.MERGE, Kind.SPLIT, Kind.RECODE, Kind.UNDO,
)  # fmt: skip
Numbered = tuple[str, str]
"""(resident code, Individual Number)."""


class Authority(Protocol):
    """The numbering authority. Everything may be asked again. Raises Problem."""

    def replaced(self, municipality: str, held: Numbered, reason: str) -> str:
        """End this number and assign another."""
        ...

    def amended(self, municipality: str, reason: str, end: Sequence[Numbered], restore: Sequence[Numbered]) -> None:
        """End these assignments and restore those."""
        ...


@dataclass(frozen=True)
class _Plan:
    """What an operation will do, and whom it adds."""

    parts: tuple[Part, ...]
    new: NewResident | None = None


class Lives:
    """Operations on registrations. `somebody_new` gives a resident code and a number for (municipality, reported)."""

    def __init__(
        self,
        store: LivesStore,
        institution: Callable[[str], Institution],
        authority: Authority,
        somebody_new: Callable[[str, Reported], NewResident],
        clock: Clock,
    ) -> None:
        self._store = store
        self._institution = institution
        self._authority = authority
        self._somebody_new = somebody_new
        self._clock = clock

    def report(self, municipality: str, reported: Reported) -> list[ResidentSnapshot]:
        """Record an operation and announce it to everybody subscribed to whom it concerns; the one it is about first.

        Raises Problem(peer.not_allowed, resident.unknown, resident.event_invalid), and those of the numbering authority.
        """
        if "municipality" not in self._institution(municipality).classes:
            raise Problem("peer.not_allowed", f"{municipality} keeps no resident register", expected="a municipality")
        if reported.on > legal_day(self._clock.now()):
            raise invalid(f"{reported.event} on {reported.on}", "a day that is not in the future")
        with self._store.transaction() as transaction:
            plan = self._planned(transaction, municipality, reported)
        if reported.event is Kind.NUMBER_CHANGE:
            plan = self._with_new_number(municipality, reported, plan)
        elif reported.event is Kind.SPLIT:
            plan = replace(plan, new=self._somebody_new(municipality, reported))
        else:
            self._amend(municipality, reported, plan)
        try:
            return self._perform(municipality, reported, plan)
        except Taken:
            self._amend_back(municipality, reported, plan)
            raise invalid(f"{reported.event} while a resident was being changed", "no other change at once") from None

    def _planned(self, transaction: LivesTransaction, municipality: str, reported: Reported) -> _Plan:
        if reported.event is Kind.UNDO:
            return self._undoing(transaction, municipality, reported)
        before = meant(transaction, reported)
        if before.municipality != municipality:
            raise invalid(f"{reported.event} reported by {municipality}", "a report by the municipality of residence")
        after = replace(before, version=before.version + 1)
        match reported.event:
            case Kind.NUMBER_CHANGE | Kind.RECODE if before.died_on is not None:
                raise invalid(f"{reported.event} of a resident who has died", "a living resident")
            case Kind.NUMBER_CHANGE:
                return _Plan((Part(before, after),))
            case Kind.RECODE:
                return _Plan((Part(before, replace(after, code_counter=before.code_counter + 1)),))
            case Kind.REVIVAL:
                if before.died_on is None:
                    raise invalid("revival of somebody alive", "a resident recorded as dead")
                return _Plan((Part(before, replace(after, died_on=None)),))
            case Kind.ASSIGNMENT_CANCELLED:
                return _Plan((Part(before, replace(after, standing=Standing.CANCELLED)),))
            case Kind.SPLIT:
                _require_second_person(transaction, reported)
                return _Plan((Part(before, after),))
            case Kind.MERGE:
                other = _other(transaction, before, reported)
                gone = replace(other, standing=Standing.MERGED, merged_into=before.id, version=other.version + 1)
                return _Plan((Part(before, after), Part(other, gone)))
            case kind:
                raise invalid(f"{kind} as an operation", f"one of {', '.join(OPERATIONS)}")

    def _undoing(self, transaction: LivesTransaction, municipality: str, reported: Reported) -> _Plan:
        about = transaction.registration(reported.individual_number or "")
        if about is None:
            raise Problem("resident.unknown", "no registration has it", where="individual_number")
        last = transaction.last_operation(about)
        if last is None:
            raise invalid("the last change was no operation", "a registration whose last change can be taken back")
        if last.kind == Kind.RECODE:
            raise invalid("undo of a re-coding", "another re-coding: a leaked code never comes back")
        parts = []
        for part in last.parts:
            now = transaction.present(part.after)
            if now is None or now.version != part.after.version:
                raise invalid("undo while somebody it concerns was changed since", "the later change undone first")
            back = part.before or replace(part.after, standing=Standing.CANCELLED)
            parts.append(Part(now, replace(back, version=now.version + 1)))
        if municipality not in {part.after.municipality for part in parts}:
            raise invalid(f"undo reported by {municipality}", "a report by a municipality of residence")
        return _Plan(tuple(sorted(parts, key=lambda part: part.after.id != about.id)))

    def _with_new_number(self, municipality: str, reported: Reported, plan: _Plan) -> _Plan:
        (part,) = plan.parts
        held = part.after.resident_code, part.after.individual_number
        number = self._authority.replaced(municipality, held, reported.reason)
        return _Plan((Part(part.before, replace(part.after, individual_number=number)),))

    def _amend(self, municipality: str, reported: Reported, plan: _Plan) -> None:
        end, restore = _ended(plan), _begun(plan)
        if end or restore:
            self._authority.amended(municipality, reported.reason, end, restore)

    def _amend_back(self, municipality: str, reported: Reported, plan: _Plan) -> None:
        """Somebody was faster: numbers go back to where they were."""
        new = [(plan.new.resident_code, plan.new.individual_number)] if plan.new is not None else []
        end, restore = [*_begun(plan), *new], _ended(plan)
        if end or restore:
            self._authority.amended(municipality, f"not recorded: {reported.reason}", end, restore)

    def _perform(self, municipality: str, reported: Reported, plan: _Plan) -> list[ResidentSnapshot]:
        kind = reported.event.value
        change = Change(kind, reported.on, self._clock.now(), municipality, reported.reason)
        with self._store.transaction() as transaction:
            done = transaction.perform(kind, plan.parts, plan.new, change)
            first, *others = done
            if reported.event is Kind.MERGE:
                # Whoever knew the registration that is gone must hear of the person from now on.
                for other in others:
                    for subscriber in transaction.subscribers(other.id):
                        transaction.subscribe(first.id, subscriber)
            return [announced(transaction, self._institution, one, change) for one in done]


def _require_second_person(transaction: LivesTransaction, reported: Reported) -> None:
    items = reported.four_items
    if items is None:
        raise invalid("split without four items", "name, address, birth and sex of the second person")
    if items.birth > reported.on:
        raise invalid("split before the second person's birth", "the day of birth or a later day")
    if any(one.died_on is None for one in transaction.by_four_items(items)):
        raise invalid("split into somebody registered already", "four items that differ from everybody's")


def _other(transaction: LivesTransaction, survivor: Resident, reported: Reported) -> Resident:
    """The second registration of the same person. Raises Problem."""
    if reported.other_number is None:
        raise invalid("merge of one registration", "the number of the second one")
    asked = replace(reported, resident_code=None, individual_number=reported.other_number)
    other = meant(transaction, asked)
    if other.id == survivor.id:
        raise invalid("merge of a registration with itself", "two registrations of one person")
    if (other.died_on is None) != (survivor.died_on is None):
        raise invalid("merge of somebody alive with somebody dead", "two registrations that agree about a death")
    return other


def _ended(plan: _Plan) -> list[Numbered]:
    """Numbers in force before and not after."""
    return [
        (part.before.resident_code, held)
        for part in plan.parts
        if part.before is not None and (held := in_force(part.before)) is not None and held != in_force(part.after)
    ]


def _begun(plan: _Plan) -> list[Numbered]:
    """Numbers in force after and not before."""
    return [
        (part.after.resident_code, held)
        for part in plan.parts
        if part.before is not None and (held := in_force(part.after)) is not None and held != in_force(part.before)
    ]
