"""Auditor (監査官): the officer's side of an opening audit: the order, the finding, and what was sealed to the officer alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

from pydantic import ValidationError

from kumihimo.country import topology
from kumihimo.country.layout import OFFICER, Country
from kumihimo.country.officer import Officer
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import is_up
from kumihimo.domain.kernel import Problem
from kumihimo.domain.sealing import open_sealed
from kumihimo.plumbing.wire.envelope import Envelope, from_b64, malformed
from kumihimo.plumbing.wire.messages.audits import (
    Audited,
    AuditFinding,
    AuditOrdered,
    Audits,
    AuditShown,
    DisclosedAddressee,
    ShowAudits,
    Verdict,
)
from kumihimo.plumbing.wire.messages.oversight import GiveOrder, Measure, Ordered, OrderGiven
from kumihimo.plumbing.wire.openings import opening_binding


@dataclass(frozen=True)
class Found:
    """A finding with its signature verified; the addressee only where the order had it disclosed."""

    finding: AuditFinding
    envelope: Envelope
    addressee: DisclosedAddressee | None


class Auditor(Officer):
    """An officer who orders opening audits and reads what came of them."""

    @classmethod
    def of(cls, country: Country) -> Auditor:
        return cls(country, OFFICER)

    def audit(
        self, institution: str, inquiries: tuple[Audited, ...], reason: str, within: timedelta, disclose: bool
    ) -> OrderGiven:
        """Order an institution to open inquiries. Raises Problem(audit.not_logged, institution.unknown, …)."""
        try:
            demanded = AuditOrdered(inquiries=inquiries, disclose=disclose, due_at=self.edge.clock.now() + within)
            ordered = Ordered(measure=Measure.AUDIT, institution=institution, reason=reason, audit=demanded)
        except ValidationError as error:
            raise malformed(error, "order") from None
        return self.ask(topology.OVERSIGHT, "/orders", GiveOrder, OrderGiven, ordered=ordered)

    def audits(self, number: int | None = None) -> tuple[AuditShown, ...]:
        """Audits, newest first; one where its order is named."""
        return self.ask(topology.OVERSIGHT, "/shown-audits", ShowAudits, Audits, number=number).audits

    def concluded(self, number: int, seconds: float) -> AuditShown | None:
        """The audit once it is concluded; None when that takes longer than `seconds`."""
        try:
            return until(
                lambda: next((one for one in self.audits(number) if one.concluded), None), seconds, "a finding"
            )
        except Problem as problem:
            if problem.code != "country.not_running" or not is_up(self.country):
                raise
            return None

    def read(self, audit: AuditShown) -> tuple[Found, ...]:
        """The findings of an audit, verified and opened. Raises Problem of a signature, sealing.cannot_open."""
        return tuple(self._read(audit, one.finding, one.disclosed) for one in audit.findings)

    def _read(self, audit: AuditShown, envelope: Envelope, disclosed: str | None) -> Found:
        finding = self.edge.read(envelope, AuditFinding, topology.OVERSIGHT).value
        if disclosed is None:
            return Found(finding, envelope, None)
        info = opening_binding(finding.inquiry, audit.institution, self.party, audit.order_hash)
        plain = open_sealed(from_b64(disclosed, "disclosed"), self.edge.identity.sealing_key, info)
        return Found(finding, envelope, DisclosedAddressee.model_validate(json.loads(plain)))


def inconsistent(found: tuple[Found, ...]) -> bool:
    """Whether what the institution disclosed contradicts what it opened.

    One code is one person: it may not stand for two addressee numbers. Several codes of one addressee are possible after
    a re-coding only, and then not all of them are held.
    """
    opened = [one for one in found if one.finding.verdict is Verdict.OPENED and one.addressee is not None]
    pairs = {(one.finding.person, one.addressee.addressee_number) for one in opened if one.addressee is not None}
    held = {
        (one.finding.person, one.addressee.addressee_number) for one in opened if one.addressee and one.finding.held
    }
    several_addressees = len({person for person, _ in pairs}) < len(pairs)
    return several_addressees or len({number for _, number in held}) < len(held)
