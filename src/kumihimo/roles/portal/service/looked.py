"""Look-ups of open sessions (閲覧中の情報): in memory, for ten minutes and for the session that asked; nowhere else."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from kumihimo.domain.kernel import Clock
from kumihimo.plumbing.business_files import spreadsheet
from kumihimo.roles.portal.service.look_ups import Looked

KEPT: Final = timedelta(minutes=10)
_MOST: Final = 2_000  # sessions


class OpenLookUps:
    """Look-ups by session and account. Safe for many threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], Looked] = OrderedDict()

    def keep(self, session: str, account: str, looked: Looked) -> None:
        """Keep one in the place of an earlier one of this session."""
        with self._lock:
            self._forget_old()
            self._kept.pop((session, account), None)
            self._kept[session, account] = looked
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)

    def of(self, session: str, account: str) -> Looked | None:
        """The one of a session, while it is not too old."""
        with self._lock:
            self._forget_old()
            return self._kept.get((session, account))

    def forget(self, session: str) -> None:
        """Forget everything of a session, at its end."""
        with self._lock:
            for key in [one for one in self._kept if one[0] == session]:
                del self._kept[key]

    def _forget_old(self) -> None:
        oldest = self._clock.now() - KEPT
        while self._kept and next(iter(self._kept.values())).at < oldest:
            self._kept.popitem(last=False)


def as_json(looked: Looked) -> bytes:
    """A look-up as a file: everything that came, as the offices gave it."""
    answers = [
        {
            "provider": one.question.provider,
            "item": one.question.item,
            "state": one.state.value,
            "transaction": one.transaction,
            "as_of": [as_of.model_dump(mode="json") for as_of in one.as_of],
            "items": [item.model_dump(mode="json") for item in one.items],
        }
        for one in looked.answers
    ]
    document = {"looked_at": looked.at.isoformat(), "answers": answers}
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


def as_csv(looked: Looked) -> bytes:
    """A look-up as a table for spreadsheets, one line for each value."""
    return spreadsheet(("provider", "item", "valid_from", "valid_until", "field", "value"), _lines(looked))


def _lines(looked: Looked) -> Iterator[tuple[str, ...]]:
    for one in looked.answers:
        for item in one.items:
            until = item.valid_until.isoformat() if item.valid_until else ""
            for field, value in _flat("", item.body):
                yield one.question.provider, item.item, item.valid_from.isoformat(), until, field, value


def _flat(prefix: str, value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [one for name, part in value.items() for one in _flat(f"{prefix}.{name}" if prefix else name, part)]
    if isinstance(value, list):
        return [one for number, part in enumerate(value, 1) for one in _flat(f"{prefix}.{number}", part)]
    return [(prefix, "" if value is None else str(value).lower() if isinstance(value, bool) else str(value))]
