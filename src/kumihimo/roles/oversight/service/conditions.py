"""Conditions (副本等の状態): what institutions say is wrong with their copies, asked for by the body again and again.

番号法 第六章 (報告). Counts only. A condition is not an alarm that somebody must deal with here: it ends by itself when its
institution no longer says so. One that does not answer for ten minutes is a condition of its own.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog

from kumihimo.domain.kernel import PartyId, Problem, party_id
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.freshness import Condition, Conditions, CopyAlarms, ShowConditions, ShowCopyAlarms
from kumihimo.roles.oversight.service.orders import OFFICER, Sender
from kumihimo.roles.oversight.store import ConditionStore

UNHEARD: Final = "unheard"
SILENCE: Final = timedelta(minutes=10)
log = structlog.get_logger()


class ConditionDesk:
    """Asks every exchange of the directory. `round` is called from one thread, the rest is safe for many."""

    def __init__(self, edge: Edge, store: ConditionStore, sender: Sender) -> None:
        self._edge = edge
        self._store = store
        self._sender = sender
        self._begun_at = edge.clock.now()
        self._heard: dict[str, datetime] = {}

    def round(self) -> None:
        """Ask every institution once."""
        for institution in self._institutions():
            self._hear(institution)

    def show(self, envelope: Envelope, peer: PartyId) -> Conditions:
        """All conditions, for the officer. Raises Problem of a signature or age, peer.not_allowed."""
        message = self._edge.open(envelope, ShowConditions, peer, lambda party: party == OFFICER).value
        return Conditions(in_reply_to=message.message_id, heard=len(self._heard), conditions=self._store.all())

    def _institutions(self) -> list[str]:
        found: list[str] = []
        for one in self._edge.directory.institutions():
            try:
                self._edge.directory.party(party_id(one.id, "exchange"))
            except Problem:
                continue  # the platform's own institutions have none
            found.append(one.id)
        return found

    def _hear(self, institution: str) -> None:
        message = self._edge.message(ShowCopyAlarms, party_id(institution, "exchange"))
        try:
            told = self._sender.send("/copy-alarms", message, CopyAlarms).value
        except Problem as problem:
            self._not_heard(institution, problem)
            return
        now = self._edge.clock.now()
        self._heard[institution] = now
        self._store.replace(
            institution,
            [
                Condition(
                    institution=institution,
                    kind=one.alarm,
                    item=one.item,
                    count=one.count,
                    since=one.since,
                    heard_at=now,
                )
                for one in told.alarms
            ],
        )

    def _not_heard(self, institution: str, problem: Problem) -> None:
        now = self._edge.clock.now()
        last = self._heard.get(institution, self._begun_at)
        log.info("institution.unheard", institution=institution, code=problem.code)
        if now - last > SILENCE:
            silent = Condition(institution=institution, kind=UNHEARD, item=None, count=1, since=last, heard_at=last)
            self._store.replace(institution, [silent])
