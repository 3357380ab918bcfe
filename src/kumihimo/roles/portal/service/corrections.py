"""Corrections (訂正の申出): what is wrong is said to the office that showed it; what it answers is fetched when looked at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeVar

from kumihimo.domain.kernel import Problem, RandomSource, party_id
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Message, Reply, Signed
from kumihimo.plumbing.wire.messages.information import (
    MOST_SAID,
    AskCorrection,
    CorrectionsStand,
    CorrectionStands,
    CorrectionState,
    CorrectionTaken,
    LookAtCorrections,
    correction_binding,
)
from kumihimo.plumbing.wire.said import open_said, seal_said
from kumihimo.roles.portal.service.look_ups import Answered
from kumihimo.roles.portal.store import PortalStore
from kumihimo.roles.portal.store_information import AskedCorrection, InformationQueries

R = TypeVar("R", bound=Reply)
# Twelve digits in a row, however they are set apart: an Individual Number never enters the portal (I1).
_TWELVE_DIGITS: Final = re.compile(r"(?:[0-9０-９][\s\-‐－ー・]*){12}")
_AT_ONCE: Final = 8


class Line(Protocol):
    """What sends messages: `PeerClient`."""

    def send(self, path: str, message: Message, reply: type[R]) -> Signed[R]: ...


@dataclass(frozen=True)
class Standing:
    """A correction as the resident sees it; `state` is None where the office is out of reach."""

    reference: str
    provider: str
    item: str
    asked_at: datetime
    state: CorrectionState | None = None
    answered_at: datetime | None = None
    answer: str | None = None

    @property
    def reachable(self) -> bool:
        return self.state is not None


def checked_words(says: str) -> str:
    """What somebody wrote to an office. Raises Problem: correction.number (an Individual Number may be in it), value.invalid."""
    says = says.replace("\r\n", "\n").strip()
    if _TWELVE_DIGITS.search(says):
        raise Problem(
            "correction.number", "twelve digits in a row", where="says", expected="words",
            advice="Leave the number out: the office knows whom this is about.",
        )  # fmt: skip
    if not 1 <= len(says) <= MOST_SAID:
        raise Problem("value.invalid", f"{len(says)} characters", where="says", expected=f"1 to {MOST_SAID}")
    return says


class CorrectionsOf:
    """Asks for corrections and looks at how they stand."""

    def __init__(self, store: PortalStore, edge: Edge, line: Line, randomness: RandomSource) -> None:
        self._store = store
        self._edge = edge
        self._line = line
        self._randomness = randomness

    def ask(self, account: str, answered: Answered, says: str) -> str:
        """Tell the office that showed an item what is wrong with it; the reference.

        Raises Problem: correction.number, value.invalid, and what the exchange refuses or peer.unreachable: then nothing
        was asked.
        """
        says = checked_words(says)
        provider = party_id(answered.question.provider, "exchange")
        reference = self._randomness.token_bytes(16).hex()
        sealed = seal_said(self._edge, says, provider, correction_binding(reference, "asked"))
        message = self._edge.message(
            AskCorrection,
            provider,
            reference=reference,
            transaction=answered.transaction,
            item=answered.question.item,
            sealed=sealed,
        )
        self._line.send("/corrections", message, CorrectionTaken)
        asked = AskedCorrection(
            reference, account, answered.question.provider, answered.question.item, self._edge.clock.now()
        )
        with self._store.transaction() as transaction:
            InformationQueries(transaction.conn).keep(asked)
        return reference

    def stand(self, account: str) -> tuple[Standing, ...]:
        """An account's corrections, newest first, as the offices say now; all offices are asked at once."""
        with self._store.reading() as transaction:
            asked = InformationQueries(transaction.conn).corrections(account)
        if not asked:
            return ()
        providers = list(dict.fromkeys(one.provider for one in asked))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            theirs = [[one.reference for one in asked if one.provider == provider] for provider in providers]
            told = {one.reference: one for found in pool.map(self._look, providers, theirs) for one in found}
        return tuple(self._standing(one, told.get(one.reference)) for one in asked)

    def _look(self, provider: str, references: Sequence[str]) -> tuple[CorrectionStands, ...]:
        message = self._edge.message(LookAtCorrections, party_id(provider, "exchange"), references=tuple(references))
        try:
            return self._line.send("/corrections/stand", message, CorrectionsStand).value.corrections
        except Problem:
            return ()

    def _standing(self, asked: AskedCorrection, told: CorrectionStands | None) -> Standing:
        if told is None:
            return Standing(asked.reference, asked.provider, asked.item, asked.asked_at)
        answer = None
        if told.sealed is not None:
            answer = open_said(self._edge, told.sealed, correction_binding(asked.reference, "answered"))
        return Standing(
            asked.reference, asked.provider, asked.item, asked.asked_at, told.state, told.answered_at, answer
        )  # fmt: skip
