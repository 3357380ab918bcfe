"""Batches (一括照会) and scheduled inquiries (予約照会) as a desk enters, watches and fetches them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

from kumihimo.country import topology
from kumihimo.country.by_hand import OfficersDesk
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.waiting import until
from kumihimo.domain.kernel import PartyId
from kumihimo.plumbing.wire.messages.batch_desk import (
    BatchEntered,
    Batches,
    BatchPart,
    BatchResumed,
    BatchShown,
    CancelSchedule,
    EnterBatch,
    EnterSchedule,
    FetchBatch,
    PersonResult,
    Recurrence,
    ResumeBatch,
    Schedules,
    ShowBatches,
    ShowSchedules,
    WithRejected,
)
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period

_LOOK_SECONDS = 0.5


class BatchDesk(OfficersDesk):
    """The business system of one institution that asks about many."""

    @classmethod
    def of(cls, country: Country, institution: str) -> BatchDesk:
        """Raises Problem(institution.unknown)."""
        return cls(country, topology.desk_of(topology.institution(institution).id))

    def enter(
        self,
        *,
        staff: str,
        case: str,
        addressee_numbers: tuple[str, ...],
        provider: str,
        affair: str,
        items: tuple[str, ...],
        period: Period,
        with_rejected: WithRejected = WithRejected.REFUSE,
    ) -> BatchEntered:
        """Enter a batch. Raises Problem."""
        return self.ask(
            self._own, "/batches", EnterBatch, BatchEntered,
            staff=staff, case_reference=case, addressee_numbers=addressee_numbers, provider=provider, affair=affair,
            items=items, period=period, with_rejected=with_rejected,
        )  # fmt: skip

    def batches(self, batch: str | None = None, schedule: str | None = None) -> tuple[BatchShown, ...]:
        """Every batch that is kept, one of them, or those of a schedule; the newest first."""
        return self.ask(self._own, "/batches/shown", ShowBatches, Batches, batch=batch, schedule=schedule).batches

    def finished(self, batch: str, seen: Callable[[BatchShown], None], timeout: float = 3_600.0) -> BatchShown:
        """Wait until nobody of a batch waits; `seen` is told how it stands.

        Raises Problem(country.not_running) after `timeout` seconds.
        """

        def done() -> BatchShown | None:
            (shown,) = self.batches(batch)
            seen(shown)
            return None if shown.waiting else shown

        return until(done, timeout, f"batch {batch}: asking everybody", pause=_LOOK_SECONDS)

    def resume(self, staff: str, batch: str) -> int:
        """Have those asked about again whose inquiry failed; how many persons."""
        return self.ask(self._own, "/batches/resumed", ResumeBatch, BatchResumed, staff=staff, batch=batch).persons

    def results(self, staff: str, batch: str) -> Iterator[PersonResult]:
        """What came of each person, part by part. Raises Problem."""
        part, parts = 0, 1
        while part < parts:
            reply = self.ask(self._own, "/batches/fetched", FetchBatch, BatchPart, staff=staff, batch=batch, part=part)
            yield from reply.results
            part, parts = part + 1, reply.parts

    def with_answers_by_hand(self, staff: str, results: Iterator[PersonResult]) -> Iterator[PersonResult]:
        """The same, with what was answered by hand meanwhile fetched for those who were pending or whom it was fetched for."""
        for one in results:
            by_hand = one.outcome is Outcome.PENDING or (one.outcome is Outcome.PROVIDED and not one.items)
            if one.transaction is not None and by_hand:
                answer = self.fetch(staff, one.transaction)
                yield one.model_copy(update={"outcome": answer.outcome, "items": answer.items})
            else:
                yield one

    def schedule(
        self,
        *,
        staff: str,
        case: str,
        addressee_numbers: tuple[str, ...],
        provider: str,
        affair: str,
        items: tuple[str, ...],
        period: Period | None,
        recurrence: Recurrence,
        first_on: date,
        last_on: date | None,
    ) -> Schedules:
        """Enter a scheduled inquiry. Raises Problem."""
        return self.ask(
            self._own, "/schedules", EnterSchedule, Schedules,
            staff=staff, case_reference=case, addressee_numbers=addressee_numbers, provider=provider, affair=affair,
            items=items, period=period, recurrence=recurrence, first_on=first_on, last_on=last_on,
        )  # fmt: skip

    def schedules(self, schedule: str | None = None) -> Schedules:
        """Scheduled inquiries with their runs."""
        return self.ask(self._own, "/schedules/shown", ShowSchedules, Schedules, schedule=schedule)

    def cancel_schedule(self, staff: str, schedule: str) -> Schedules:
        """Ask no more."""
        return self.ask(self._own, "/schedules/cancelled", CancelSchedule, Schedules, staff=staff, schedule=schedule)

    @property
    def _own(self) -> PartyId:
        return topology.exchange_of(self.institution)
