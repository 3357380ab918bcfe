"""Carrying a rotation on (符号の更新の進行): what every holder of codes does, step by step, whatever its store is like.

Open the next epoch at the hub; move every code to it, batch by batch; swap when none lacks its place; tell the hub; close the
old epoch when it is due and destroy its key. Each step is written down when it is done, so that whatever stops the process
costs no more than one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog
from pydantic import ValidationError

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, institution_of
from kumihimo.plumbing.storage import FeedItem, Rotation
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.messages.oversight import Measure, Order
from kumihimo.plumbing.wire.messages.rotation import CODES, Phase, RotationOrdered
from kumihimo.plumbing.wire.moving_codes import MovingCodes

ORDERED: Final = "rotate"
_OVERSIGHT: Final = PartyId("oversight/body")
log = structlog.get_logger()


@dataclass(frozen=True)
class OldCode:
    """A code that lacks its place in the next epoch; `place` says where the next look goes on."""

    place: str
    code: bytes = field(repr=False)


class RotatingStore(Protocol):
    """A holder's store: `RotationSteps` with the codes."""

    def present(self) -> int:
        """The epoch of our codes that is the present one."""
        ...

    def newest(self) -> Rotation | None:
        """The newest rotation, under way or not."""
        ...

    def note(self, epoch: int, **dates: datetime) -> None:
        """Write down that steps are done."""
        ...

    def lacking(self, epoch: int, after: str, limit: int) -> list[OldCode]:
        """Codes of the epoch before that lack their place in `epoch`, above `after`, in order."""
        ...

    def pair(self, epoch: int) -> tuple[bytes, bytes] | None:
        """Some code before and in `epoch`, moved earlier."""
        ...

    def place(self, pairs: Sequence[tuple[bytes, bytes]], epoch: int, at: datetime) -> int:
        """Keep moved codes; how many. A pair whose old code is here no longer is dropped."""
        ...

    def swap(self, epoch: int, at: datetime) -> bool:
        """Make `epoch` the present one unless a code lacks its place in it; whether it is now."""
        ...


@dataclass(frozen=True)
class Ordered:
    """A rotation as the oversight body ordered it: why, when it came, when the old epoch is closed, the order's number."""

    reason: str
    at: datetime
    close_at: datetime
    number: int


@dataclass
class CodeRotation:
    """One holder's rotation. `make_ready(epoch)` has the epoch's key fetched; `finish(epoch, at)` deletes codes and key of the
    epoch before; `level()` says whether all of operator 2's feed has been applied; `adopt(epoch, at)` begins anew in an epoch
    that was reached before the store was restored, None where that cannot be.
    """

    store: RotatingStore
    edge: Edge
    moving: MovingCodes
    overlap: timedelta
    make_ready: Callable[[int], object]
    finish: Callable[[int, datetime], int]
    level: Callable[[], bool] = lambda: False
    adopt: Callable[[int, datetime], None] | None = None
    _after: str = field(default="", init=False)
    _compared: bool = field(default=False, init=False)

    def ordered(self, item: FeedItem) -> Ordered | None:
        """What the oversight body orders in an item of operator 2's feed; None for an item of another kind.

        What is no such order is told in the program log and passed over: it must not hold up what comes after it.
        """
        if item.kind != ORDERED:
            return None
        try:
            order = self.edge.read(RotationOrdered.model_validate(item.body).order, Order, _OVERSIGHT).value
            own = institution_of(self.edge.party)
            if order.ordered.measure is not Measure.ROTATE or order.ordered.institution not in (None, own):
                raise Problem(
                    "message.malformed", f"an order to {order.ordered.measure}", expected="to rotate our codes"
                )
        except (Problem, ValidationError) as error:
            log.error("rotation.order_invalid", code=getattr(error, "code", "message.malformed"))
            return None
        log.warning("rotation.ordered", index=order.number)
        now = self._now()
        return Ordered(order.ordered.reason, now, now + self.overlap, order.number)

    def advance(self) -> int:
        """Do what is next, if anything; how much was done. Called again and again by one thread.

        Raises Problem: operator.unreachable and what the operators report; nothing is lost then.
        """
        if not self._compared:
            self._compare()
        current = self.store.newest()
        if current is None or current.closed_at is not None:
            return 0
        if current.opened_at is None:
            return self._open(current)
        if current.shut_at is not None:
            return self._close(current)
        moved = self._move(current)
        if moved:
            return moved
        if current.told_at is None:
            return self._swap(current)
        if current.close_at is not None and current.close_at <= self._now():
            return self._shut(current)
        return 0

    def _compare(self) -> None:
        """Once in a process: a store restored to before a rotation has codes of an epoch that the hub has closed."""
        hubs, own = self.moving.domain(), self.store.present()
        if own not in hubs.opened:
            log.error("rotation.behind", index=hubs.present)
            if self.adopt is not None:
                self.adopt(hubs.present, self._now())
        self._compared = True

    def _open(self, current: Rotation) -> int:
        self.moving.step(Phase.OPEN, current.epoch, current.reason)
        self.make_ready(current.epoch)
        self.store.note(current.epoch, opened_at=self._now())
        log.info("rotation.opened", index=current.epoch)
        return 1

    def _move(self, current: Rotation) -> int:
        """Move one batch; at the end begin again, until a look from the start finds nothing."""
        batch = self.store.lacking(current.epoch, self._after, CODES)
        if not batch and self._after:
            self._after = ""
            batch = self.store.lacking(current.epoch, self._after, CODES)
        if not batch:
            return 0
        pairs = self.moving.moved([one.code for one in batch], current.epoch, self.store.pair(current.epoch))
        placed = self.store.place(pairs, current.epoch, self._now())
        self._after = batch[-1].place
        log.info("rotation.moved", index=current.epoch, count=placed)
        return len(batch)

    def _swap(self, current: Rotation) -> int:
        if not self.store.swap(current.epoch, self._now()):
            return 1  # a code has come meanwhile
        # Not before the swap here: the hub would send others to codes that we did not yet call our own.
        self.moving.step(Phase.SWAP, current.epoch, current.reason)
        self.store.note(current.epoch, told_at=self._now())
        log.info("rotation.swapped", index=current.epoch)
        return 1

    def _shut(self, current: Rotation) -> int:
        self.moving.step(Phase.CLOSE, current.epoch - 1, current.reason)
        self.store.note(current.epoch, shut_at=self._now())
        return 1

    def _close(self, current: Rotation) -> int:
        """The hub makes nothing of the old epoch any more: what it made has to be here before the key goes.

        A code that came so late that the hub no longer moves it goes too; it is asked for anew.
        """
        if not self.level():
            return 0
        deleted = self.finish(current.epoch, self._now())
        log.info("rotation.closed", index=current.epoch - 1, count=deleted)
        return 1

    def _now(self) -> datetime:
        return self.edge.clock.now()
