"""Oversight officer (監督官): gives the oversight body's orders and reads what it has found, with a key of their own."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from kumihimo.country import topology
from kumihimo.country.desk import Caller, expected_up
from kumihimo.country.layout import OFFICER, Country
from kumihimo.plumbing.wire.envelope import malformed
from kumihimo.plumbing.wire.messages.complaints import (
    AnswerComplaint,
    ComplaintAnswered,
    Complaints,
    ComplaintShown,
    ComplaintState,
    ShowComplaints,
)
from kumihimo.plumbing.wire.messages.freshness import Conditions, ShowConditions
from kumihimo.plumbing.wire.messages.oversight import (
    GiveOrder,
    Measure,
    Ordered,
    OrderGiven,
    Orders,
    OrderShown,
    Quota,
    ShowOrders,
)


class Officer(Caller):
    """An officer of the oversight body at the command line."""

    @classmethod
    def of(cls, country: Country) -> Officer:
        return cls(country, OFFICER)

    def order(self, measure: Measure, institution: str | None, reason: str, quota: Quota | None = None) -> OrderGiven:
        """Give an order about an institution, or about all of them. Raises Problem."""
        try:
            ordered = Ordered(measure=measure, institution=institution, reason=reason, quota=quota)
        except ValidationError as error:
            raise malformed(error, "order") from None
        return self.ask(topology.OVERSIGHT, "/orders", GiveOrder, OrderGiven, ordered=ordered)

    def orders(self) -> tuple[OrderShown, ...]:
        """All orders, newest first."""
        return self.ask(topology.OVERSIGHT, "/shown-orders", ShowOrders, Orders).orders

    def findings(self) -> list[dict[str, Any]]:
        """Every alarm, oldest first: kind, a sentence, what exactly was seen, and the evidence."""
        with expected_up(self.country):
            found: list[dict[str, Any]] = json.loads(self.client.get(topology.OVERSIGHT, "/findings"))
        return found

    def conditions(self) -> Conditions:
        """What institutions say is wrong with their copies."""
        return self.ask(topology.OVERSIGHT, "/shown-conditions", ShowConditions, Conditions)

    def complaints(self) -> tuple[ComplaintShown, ...]:
        """What residents complain about, the open ones first."""
        return self.ask(topology.OVERSIGHT, "/complaints/shown", ShowComplaints, Complaints).complaints

    def answer_complaint(self, reference: str, state: ComplaintState, answer: str) -> ComplaintState:
        """How it stands from now on, and what the resident is told. Raises Problem(complaint.unknown)."""
        return self.ask(
            topology.OVERSIGHT, "/complaints/answered", AnswerComplaint, ComplaintAnswered,
            reference=reference, state=state, answer=answer,
        ).state  # fmt: skip

    def status(self) -> dict[str, Any]:
        """How far the log is verified, and how many alarms there are."""
        with expected_up(self.country):
            found: dict[str, Any] = json.loads(self.client.get(topology.OVERSIGHT, "/status"))
        return found
