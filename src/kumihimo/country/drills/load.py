"""Load (負荷): caseworkers of several institutions who ask without a pause, and repeat what was not answered.

A question is asked again as it was signed, to the byte, until there is an answer, as a business system should do: it must
come to one inquiry, whatever died meanwhile. Some caseworkers give up instead at the first problem.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from kumihimo.country import topology
from kumihimo.country.desk import Desk
from kumihimo.country.layout import Country
from kumihimo.country.people.population import residents
from kumihimo.country.scenarios.first_case import AFFAIR, CASE, STAFF
from kumihimo.domain.kernel import PartyId, Problem, SeededRandomness
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.messages.inquiry import Outcome
from kumihimo.plumbing.wire.messages.provision import Inquire, Inquired

ANSWER_SECONDS: Final = 90.0  # in which even a country in which everything dies answers
_CALL_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.2
_PEOPLE: Final = 3  # of each municipality are asked about
# What says nothing about the question: somebody was not there at this moment.
UNREACHED: Final = frozenset({"peer.unreachable", "operator.unreachable", "provider.unreachable", "store.closed"})


@dataclass(frozen=True)
class Question:
    """Something to ask about somebody, and whether the law allows it."""

    requester: str
    provider: str
    item: str
    addressee_number: str
    lawful: bool


@dataclass
class Asked:
    """One inquiry as its caseworker knows it: the answer, or the code it ended with, and the codes met on the way."""

    question: Question
    transaction: str
    answer: Inquired | None = None
    ended: str | None = None
    met: list[str] = field(default_factory=list)
    seconds: float = 0.0


def questions(country: Country) -> list[Question]:
    """Questions between municipalities that the law allows, and one that it does not, about people of each of them."""
    asked = []
    towns = topology.municipalities()
    for town in towns:
        desk = Desk.of(country, town)
        people = (one for one in residents(country.residents, country.seed, today=country.founded) if one.died is None)
        here = [one for one in people if one.municipality == town][:_PEOPLE]
        for number in (desk.find(person.four_items).addressee_number for person in here):
            asked += [Question(town, other, "local-tax", number, lawful=True) for other in towns if other != town]
            asked.append(Question(town, "health-insurer", "medical-insurance", number, lawful=False))
        desk.client.close()
    return asked


class Caseworker(threading.Thread):
    """Asks one question after the other until told to stop; `patient`: asks again what was not answered."""

    def __init__(
        self, country: Country, pool: Sequence[Question], seed: str, stopping: threading.Event, *, patient: bool
    ) -> None:
        super().__init__(name=f"caseworker {seed}")
        self._country = country
        self._pool = pool
        self._chance = SeededRandomness(seed)
        self._stopping = stopping
        self._patient = patient
        self._clients: dict[PartyId, PeerClient] = {}
        self.asked: list[Asked] = []
        self.fault: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._ask(self._pool[self._chance.randbelow(len(self._pool))])
        except BaseException as error:
            self.fault = error
        finally:
            for client in self._clients.values():
                client.close()

    def _ask(self, question: Question) -> None:
        desk = Desk.of(self._country, question.requester)
        client = self._clients.setdefault(desk.party, PeerClient(desk.edge, timeout=_CALL_SECONDS))
        message = desk.edge.message(
            Inquire, topology.exchange_of(question.requester), staff=STAFF, case_reference=CASE,
            addressee_number=question.addressee_number, provider=question.provider, affair=AFFAIR,
            items=(question.item,),
        )  # fmt: skip
        asked = Asked(question, message.message_id)
        self.asked.append(asked)
        begun = time.monotonic()
        while asked.answer is None and asked.ended is None:
            try:
                asked.answer = client.send("/inquiries", message, Inquired).value
            except Problem as problem:
                asked.met.append(problem.code)
                again = self._patient and problem.code in UNREACHED and time.monotonic() < begun + ANSWER_SECONDS
                if not again:
                    asked.ended = problem.code
                time.sleep(_PAUSE_SECONDS)
        asked.seconds = time.monotonic() - begun


@dataclass
class Load:
    """What was asked while the load was on; complete after its `with` block."""

    asked: list[Asked] = field(default_factory=list)

    @property
    def answered(self) -> list[Asked]:
        return [one for one in self.asked if one.answer is not None]

    def outcomes(self, outcome: Outcome) -> int:
        """How many were answered so."""
        return sum(1 for one in self.answered if one.answer is not None and one.answer.outcome is outcome)


@contextmanager
def load(country: Country, seed: int, patient: int, impatient: int = 0) -> Iterator[Load]:
    """So many caseworkers of each kind for the length of a `with` block; then each ends the question it is at.

    Raises what a caseworker could not handle.
    """
    pool, stopping, done = questions(country), threading.Event(), Load()
    workers = [
        Caseworker(country, pool, f"{seed}/{number}", stopping, patient=number < patient)
        for number in range(patient + impatient)
    ]
    for worker in workers:
        worker.start()
    try:
        yield done
    finally:
        stopping.set()
        for worker in workers:
            worker.join()
            done.asked += worker.asked
    for worker in workers:
        if worker.fault is not None:
            raise worker.fault
