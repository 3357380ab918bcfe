"""Entries of a chunk (一括照会の記入): what the journal writes about many persons at once, and how it is passed on.

Invariant I5 holds as for single requests: everything here is durable before it is promised, and promised before it leaves.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from kumihimo.domain.sealing import SALT_BYTES
from kumihimo.plumbing.wire.chunks import PersonOf, RecordForm, packed, ranges
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.batch import LoggedRecords
from kumihimo.plumbing.wire.messages.inquiry import LogRecord
from kumihimo.roles.hub.service.ports import Notify, Random
from kumihimo.roles.hub.store import Append, Entered, Report, Unrelayed

_VARYING: Final = {"transaction": None, "subject_hash": None}


class ChunkStore(Protocol):
    """Durable storage of many log entries: `store.LogStore`."""

    def enter_all(self, items: Sequence[Append]) -> list[Entered | None]: ...
    def promised_all(self, entered: Sequence[Entered]) -> Envelope: ...
    def entries_under(self, marks: Collection[str]) -> dict[str, Entered]: ...


@dataclass(frozen=True)
class Entry:
    """One person's entry to be written: `common` is shared by all who have it alike, `mark` may be made only once."""

    person: PersonOf
    common: LogRecord
    mark: str | None = None


class ChunkJournal:
    """Writes the entries of a chunk with fresh salts, and wakes the overseer's reader after the commit."""

    def __init__(self, store: ChunkStore, notify: Notify, rng: Random = secrets.token_bytes) -> None:
        self._store = store
        self._notify = notify
        self._rng = rng

    def write(
        self, chunk: str, entries: Sequence[Entry], unrelayed: Envelope | None = None, report: Report | None = None
    ) -> list[Entered | None]:
        """Write entries, durable on return; None for each whose mark was made before.

        `unrelayed` is the request of which operator 2 must still hear that all these were refused, `report` what says
        all these outcomes; either is kept with the first entry.
        """
        if not entries:
            return []
        salts = self._rng(SALT_BYTES * len(entries))
        forms: dict[int, RecordForm] = {}
        appends = []
        for position, entry in enumerate(entries):
            form = forms.get(id(entry.common)) or forms.setdefault(id(entry.common), RecordForm(entry.common))
            salt = salts[position * SALT_BYTES : (position + 1) * SALT_BYTES]
            kept = Unrelayed(unrelayed) if unrelayed is not None and position == 0 else None
            said = report if position == 0 else None
            written, number = form.written(entry.person), entry.person.transaction
            appends.append(Append(entry.common, salt, entry.mark, said, kept, written, chunk, number))
        entered = self._store.enter_all(appends)
        self._notify()
        return entered

    def under(self, marks: Collection[str]) -> dict[str, Entered]:
        """The entries that were written under these marks, by mark; that of a request is its transaction number."""
        return self._store.entries_under(marks)

    def promise(self, entered: Sequence[Entered]) -> Envelope:
        """Operator 1's promise about entries, in this order."""
        return self._store.promised_all(entered)

    def passed_on(self, entered: Mapping[int, Entered]) -> LoggedRecords:
        """The entries by position as they are passed on."""
        records, kinds = _kinds([one.record for one in entered.values()])
        return LoggedRecords(
            positions=ranges(list(entered)),
            records=records,
            kinds=kinds,
            salts=packed(one.salt for one in entered.values()),
            promise=self.promise(list(entered.values())),
        )


def refused_mark(transaction: str) -> str:
    """What may be written once of a person whom the platform refused in the end."""
    return f"refused/{transaction}"


def _kinds(records: Sequence[LogRecord]) -> tuple[tuple[LogRecord, ...], tuple[int, ...]]:
    """What records have in common, each once, and which of them each has."""
    common: dict[LogRecord, int] = {}
    known: dict[int, int] = {}  # by identity: entries just written share their record
    kinds = []
    for record in records:
        kind = known.get(id(record))
        if kind is None:
            kind = common.setdefault(record.model_copy(update=_VARYING), len(common))
            known[id(record)] = kind
        kinds.append(kind)
    return tuple(common), tuple(kinds)
