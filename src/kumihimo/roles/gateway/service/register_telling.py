"""Telling the register (異動状況の通知): the ledger lets its own exchange know which addressees there are, and how they stand.

So that a copy for a number that nobody has is refused, and copies of the dead and of those who moved away are noticed. Addressee
numbers and one word each; no name, no Individual Number.
"""

from __future__ import annotations

from kumihimo.domain.kernel import institution_of, party_id
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.messages.freshness import REGISTERED, RegisteredAs, RegisterSays, RegisterTold, TellRegister
from kumihimo.plumbing.wire.messages.residents import Standing
from kumihimo.roles.gateway.service.code_issuing import MUNICIPALITY
from kumihimo.roles.gateway.service.lines import Line
from kumihimo.roles.gateway.store.addressees import LedgerStore
from kumihimo.roles.gateway.store.merges import DueStore
from kumihimo.roles.gateway.store.persons import Entry


class RegisterTelling:
    """Tells what is due. Once after a start it also compares numbers: an exchange that lost some is told all again."""

    def __init__(self, store: LedgerStore, due: DueStore, edge: Edge, line: Line) -> None:
        self._store = store
        self._due = due
        self._edge = edge
        self._line = line
        self._compared = False

    def tell(self) -> int:
        """Tell a batch; how many addressees. Raises Problem(peer.unreachable) and what the exchange refuses."""
        due = self._due.registers(REGISTERED)
        if not due:
            return self._compare()
        entries = {one.addressee_number.digits: one for one in self._store.entries([d.addressee_number for d in due])}
        told = tuple(RegisteredAs(addressee_number=number, says=self._says(entry)) for number, entry in entries.items())
        self._send(told)
        self._due.told_of(due)
        return len(due)

    def _compare(self) -> int:
        if self._compared:
            return 0
        known = self._send(())
        self._compared = True
        return self._due.tell_all() if known < self._store.count() else 0

    def _send(self, told: tuple[RegisteredAs, ...]) -> int:
        exchange = party_id(institution_of(self._edge.party), "exchange")
        message = self._edge.message(TellRegister, exchange, registered=told)
        return self._line.send("/register", message, RegisterTold).value.known

    def _says(self, entry: Entry) -> RegisterSays:
        person = entry.person
        if person.standing is Standing.MERGED:
            return RegisterSays.MERGED
        if person.standing is Standing.CANCELLED:
            return RegisterSays.NOBODY
        if not person.alive:
            return RegisterSays.DEAD
        here = self._edge.directory.institution_of(self._edge.party)
        elsewhere = MUNICIPALITY in here.classes and person.residence != here.id
        return RegisterSays.MOVED if elsewhere else RegisterSays.RESIDENT
