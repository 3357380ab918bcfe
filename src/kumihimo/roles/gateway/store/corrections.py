"""Corrections people asked for (訂正の申出): each is answered once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, select, update

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.messages.information import CorrectionState
from kumihimo.roles.gateway.store.exchange import correction
from kumihimo.roles.gateway.store.records import AccessRecord, Side, read_record
from kumihimo.roles.gateway.store.upserts import dialect_insert

MOST_SHOWN: Final = 1_000


@dataclass(frozen=True)
class Correction:
    """One correction: what the person says is wrong with an item they were shown, and the answer."""

    reference: str
    transaction: str
    addressee_number: str
    item: str
    says: str
    asked_at: datetime
    state: CorrectionState = CorrectionState.ASKED
    answer: str | None = None
    staff: str | None = None
    answered_at: datetime | None = None


class CorrectionStore:
    """One institution's corrections in a database."""

    def __init__(self, engine: Engine, institution: str) -> None:
        self._engine = engine
        self._institution = institution

    def shown(self, transaction: str) -> AccessRecord | None:
        """The own record, as provider, of the transaction by which the person saw the item."""
        with self._engine.connect() as conn:
            return read_record(conn, self._institution, transaction, Side.PROVIDER)

    def take(self, asked: Correction) -> None:
        """Write one down; one of the same reference stays as it is."""
        row = {"institution": self._institution, **{name: getattr(asked, name) for name in _FIELDS}}
        with self._engine.begin() as conn:
            conn.execute(dialect_insert(conn, correction).values(row).on_conflict_do_nothing())

    def find(self, references: Sequence[str]) -> list[Correction]:
        """Those of these references that are here."""
        query = select(correction).where(
            correction.c.institution == self._institution, correction.c.reference.in_(references)
        )
        with self._engine.connect() as conn:
            return [_read(row) for row in conn.execute(query)]

    def queue(self) -> list[Correction]:
        """The unanswered ones, the oldest first, then the others, the newest first; at most `MOST_SHOWN`."""
        own = select(correction).where(correction.c.institution == self._institution)
        waiting = own.where(correction.c.state == CorrectionState.ASKED).order_by(correction.c.asked_at)
        answered = own.where(correction.c.state != CorrectionState.ASKED).order_by(correction.c.answered_at.desc())
        with self._engine.connect() as conn:
            found = [_read(row) for row in conn.execute(waiting.limit(MOST_SHOWN))]
            return found + [_read(row) for row in conn.execute(answered.limit(MOST_SHOWN - len(found)))]

    def answer(self, reference: str, state: CorrectionState, said: str, staff: str, at: datetime) -> None:
        """Answer one, once. Raises Problem(answer.decided) for one that has another answer."""
        values = {"state": state, "answer": said, "staff": staff, "answered_at": at}
        waiting = update(correction).where(
            correction.c.institution == self._institution,
            correction.c.reference == reference,
            correction.c.state == CorrectionState.ASKED,
        )
        with self._engine.begin() as conn:
            if conn.execute(waiting.values(values)).rowcount == 1:
                return
        for known in self.find([reference]):
            if (known.state, known.answer) == (state, said):
                return  # the same answer, sent again
        raise Problem("answer.decided", f"correction {reference}", where="reference", expected="one without an answer")


_FIELDS: Final = tuple(Correction.__dataclass_fields__)


def _read(row: Any) -> Correction:
    values = {name: getattr(row, name) for name in _FIELDS}
    return Correction(**{**values, "state": CorrectionState(row.state)})
