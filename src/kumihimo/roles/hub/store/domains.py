"""Epochs of link-code domains at an operator (符号の世代): which are open, and which of them is the present one.

The directory names the epoch an institution begins with; every step after that is here. Each operator keeps its own list and
takes a step only as the holder of the codes has signed it. The list is kept in memory, since every request asks, and read
again at least every half second, and before anything is refused.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, func, insert, select, update

from kumihimo.domain.codes import domain_label
from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.messages.rotation import Phase
from kumihimo.roles.hub.store.tables import domain_epochs, domain_seeds, seed_generations

REFRESH_SECONDS: Final = 0.5
FIRST_GENERATION: Final = 1


@dataclass(frozen=True)
class Epoch:
    """One epoch of an institution's domain: whether it is, or was, the present one, and whether it is closed."""

    epoch: int
    present: bool
    closed: bool


@dataclass(frozen=True)
class _Seen:
    """The present epoch of an institution and the labels of the open ones, as they follow from `base` and `stored`."""

    base: int
    stored: tuple[Epoch, ...] | None
    present: int
    labels: Mapping[int, str]


class Domains:
    """The list. `base(institution)` is the directory's epoch, and raises Problem(institution.unknown). For many threads."""

    def __init__(
        self, engine: Engine, base: Callable[[str], int], seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._base = base
        self._seconds = seconds
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._known: Mapping[str, tuple[Epoch, ...]] = {}
        self._in_order: dict[str, _Seen] = {}
        self._read()

    def present(self, institution: str) -> int:
        """The epoch in which others' inquiries reach an institution. Raises Problem(institution.unknown)."""
        if self._seconds() - self._read_at > REFRESH_SECONDS:
            self._read()
        return self._seen(institution).present

    def label(self, institution: str, epoch: int | None = None) -> str:
        """The label of an open epoch; of the present one when none is named.

        Raises Problem(institution.unknown, codes.epoch_closed).
        """
        present = self.present(institution)
        wanted = present if epoch is None else epoch
        label = self._seen(institution).labels.get(wanted)
        if label is None:
            self._read()
            label = self._seen(institution).labels.get(wanted)
        if label is None:
            raise Problem(
                "codes.epoch_closed",
                f"epoch {wanted} of {institution}",
                expected=f"epoch {present}",
                advice="Ask again: the codes of that epoch were replaced.",
            )
        return label

    def was_open(self, label: str) -> bool:
        """Whether an epoch is or was open: what was made under it may still have to be shown to somebody."""
        institution, _, epoch = label.partition("#")
        known = self._epochs(institution)
        if int(epoch) not in {one.epoch for one in known}:
            self._read()
            known = self._epochs(institution)
        return int(epoch) in {one.epoch for one in known}

    def open_epochs(self, institution: str) -> list[int]:
        """The open epochs of an institution, ascending, as stored now. Raises Problem(institution.unknown)."""
        self._read()
        return _open(self._epochs(institution))

    def would_change(self, institution: str, phase: Phase, epoch: int) -> bool:
        """Whether a step is still to be taken. Raises Problem(institution.unknown, rotation.conflict)."""
        self._read()
        return _changes(self._epochs(institution), institution, phase, epoch)

    def public_key(self, institution: str, epoch: int) -> bytes | None:
        """The public key of a closed epoch; None for an open one, whose key is computed."""
        query = select(domain_epochs.c.public_key).where(
            domain_epochs.c.institution == institution, domain_epochs.c.epoch == epoch
        )
        with self._engine.connect() as conn:
            found = conn.execute(query).scalar_one_or_none()
        return None if found is None else bytes(found)

    def move(self, institution: str, phase: Phase, epoch: int, at: datetime, public_key: bytes | None = None) -> None:
        """Take a step, durably; one taken before changes nothing. `public_key` of the epoch is kept when it is closed.

        Raises Problem as `would_change`.
        """
        base = self._base(institution)
        with self._engine.begin() as conn:
            known = _completed(_stored(conn).get(institution, ()), base)
            if _changes(known, institution, phase, epoch):
                if epoch == base:
                    self._put_base(conn, institution, base, at)
                _take(conn, institution, phase, epoch, at, public_key)
        self._read()

    @staticmethod
    def _put_base(conn: Connection, institution: str, base: int, at: datetime) -> None:
        here = (domain_epochs.c.institution == institution) & (domain_epochs.c.epoch == base)
        if conn.execute(select(domain_epochs.c.epoch).where(here)).one_or_none() is None:
            row = {"institution": institution, "epoch": base, "opened_at": at, "present_since": at}
            conn.execute(insert(domain_epochs).values(row))

    def _epochs(self, institution: str) -> tuple[Epoch, ...]:
        return _completed(self._known.get(institution, ()), self._base(institution))

    def _seen(self, institution: str) -> _Seen:
        """The same put in order, kept until something else is known."""
        base, stored = self._base(institution), self._known.get(institution)
        seen = self._in_order.get(institution)
        if seen is None or seen.base != base or seen.stored is not stored:
            known = _completed(stored or (), base)
            labels = {epoch: domain_label(institution, epoch) for epoch in _open(known)}
            seen = self._in_order[institution] = _Seen(base, stored, _present(known), labels)
        return seen

    def _read(self) -> None:
        asked_at = self._seconds()
        with self._engine.connect() as conn:
            found = _stored(conn)
        with self._lock:
            if asked_at >= self._read_at:  # not over what a later look has found
                if found != self._known:
                    self._known = found
                self._read_at = asked_at


def _stored(conn: Connection) -> dict[str, tuple[Epoch, ...]]:
    found: dict[str, tuple[Epoch, ...]] = {}
    for row in conn.execute(select(domain_epochs).order_by(domain_epochs.c.institution, domain_epochs.c.epoch)):
        epoch = Epoch(row.epoch, row.present_since is not None, row.closed_at is not None)
        found[row.institution] = (*found.get(row.institution, ()), epoch)
    return found


def _completed(known: tuple[Epoch, ...], base: int) -> tuple[Epoch, ...]:
    """With the directory's epoch, which has no row until it is closed."""
    if any(one.epoch == base for one in known):
        return known
    return (Epoch(base, present=True, closed=False), *known)


def _present(known: tuple[Epoch, ...]) -> int:
    return max(one.epoch for one in known if one.present)


def _open(known: tuple[Epoch, ...]) -> list[int]:
    return sorted(one.epoch for one in known if not one.closed)


def _changes(known: tuple[Epoch, ...], institution: str, phase: Phase, epoch: int) -> bool:
    present, open_now = _present(known), _open(known)
    named = next((one for one in known if one.epoch == epoch), None)
    match phase:
        case Phase.OPEN:
            done, fits = epoch in open_now, epoch == present + 1 and open_now == [present]
        case Phase.SWAP:
            done, fits = epoch == present, epoch == present + 1 and epoch in open_now
        case Phase.CLOSE:
            done, fits = named is not None and named.closed, epoch in open_now and epoch < present
    if not done and not fits:
        raise Problem(
            "rotation.conflict",
            f"{phase} epoch {epoch} of {institution}",
            expected=f"a step from epoch {present}, with {', '.join(map(str, open_now))} open",
        )
    return not done


def _take(conn: Connection, institution: str, phase: Phase, epoch: int, at: datetime, public_key: bytes | None) -> None:
    here = (domain_epochs.c.institution == institution) & (domain_epochs.c.epoch == epoch)
    if phase is Phase.OPEN:
        conn.execute(insert(domain_epochs).values(institution=institution, epoch=epoch, opened_at=at))
        label = domain_label(institution, epoch)
        conn.execute(insert(domain_seeds).values(label=label, generation=newest_generation(conn)))
    elif phase is Phase.SWAP:
        conn.execute(update(domain_epochs).where(here).values(present_since=at))
    else:
        conn.execute(update(domain_epochs).where(here).values(closed_at=at, public_key=public_key))


def newest_generation(conn: Connection) -> int:
    """The generation of seeds from which a domain that is opened now is derived."""
    newest = conn.execute(select(func.max(seed_generations.c.generation))).scalar_one()
    return FIRST_GENERATION if newest is None else int(newest)
