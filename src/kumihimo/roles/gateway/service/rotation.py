"""Rotation of the own link codes (符号の更新): begun by a desk or by order, carried on in the background until it is closed.

Open the next epoch at the hub; move every code to it, batch by batch; swap when none lacks its place; tell the hub; close the
old epoch when it is due and destroy its key. Each step is written down when it is done, so that whatever stops this process
costs no more than one batch. Inquiries go on all the time: a request says the epoch of its code, a permit the epoch of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from pydantic import ValidationError

from kumihimo.domain.kernel import Problem, institution_of
from kumihimo.plumbing.storage import FeedItem
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import FRESHNESS
from kumihimo.plumbing.wire.messages.oversight import Measure, Order
from kumihimo.plumbing.wire.messages.rotation import CODES, Phase, RotationOrdered, RotationState
from kumihimo.plumbing.wire.moving_codes import MovingCodes
from kumihimo.roles.gateway.service.audit import AuditCodes
from kumihimo.roles.gateway.service.lines import OVERSIGHT
from kumihimo.roles.gateway.service.link_codes import OwnDomain
from kumihimo.roles.gateway.store.rotations import Rotation, RotationStore

# How long after the swap was told something of the old epoch may still be under way: the life of a permit.
SETTLED_AFTER: Final = FRESHNESS
ORDERED: Final = "rotate"
log = structlog.get_logger()


@dataclass(frozen=True)
class Ordered:
    """A rotation as the oversight body ordered it: why, when it came, when the old epoch is closed, the order's number."""

    reason: str
    at: datetime
    close_at: datetime
    number: int


@dataclass
class Rotations:
    """An exchange's rotations. `level()` says whether all of operator 2's feed has been applied here."""

    store: RotationStore
    edge: Edge
    domain: OwnDomain
    moving: MovingCodes
    audits: AuditCodes
    overlap: timedelta
    level: Callable[[], bool] = lambda: False
    wake: Callable[[], None] = lambda: None
    _after: str = field(default="", init=False)

    def start(self, reason: str, close_at: datetime | None) -> None:
        """Begin, unless a rotation is under way. Raises Problem(value.invalid) for a date that is past."""
        now = self.edge.clock.now()
        if close_at is not None and close_at <= now:
            raise Problem("value.invalid", close_at.isoformat(), where="close_at", expected=f"after {now.isoformat()}")
        self.store.start(reason, now, close_at)
        self.wake()

    def ordered(self, item: FeedItem) -> Ordered | None:
        """What the oversight body orders in an item of operator 2's feed; None for an item of another kind.

        What is no such order is told in the program log and passed over: it must not hold up what comes after it.
        """
        if item.kind != ORDERED:
            return None
        try:
            order = self.edge.read(RotationOrdered.model_validate(item.body).order, Order, OVERSIGHT).value
            if order.ordered.measure is not Measure.ROTATE or order.ordered.institution not in (None, self._own):
                raise Problem(
                    "message.malformed", f"an order to {order.ordered.measure}", expected="to rotate our codes"
                )
        except (Problem, ValidationError) as error:
            log.error("rotation.order_invalid", code=getattr(error, "code", "message.malformed"))
            return None
        log.warning("rotation.ordered", index=order.number)
        now = self._now()
        return Ordered(order.ordered.reason, now, now + self.overlap, order.number)

    def close(self, at_once: bool) -> None:
        """Have the old epoch closed as soon as nothing needs it.

        Raises Problem(rotation.none, rotation.too_early): before the swap, or, unless it is to be at once, while permits for
        the old epoch may be under way.
        """
        now, current = self.edge.clock.now(), self.store.newest()
        if current is None or current.closed_at is not None:
            raise Problem("rotation.none", "no old epoch is open", advice="`kumihimo rotate show` tells the state.")
        settled = None if current.told_at is None else current.told_at + SETTLED_AFTER
        if settled is None or (now < settled and not at_once):
            raise Problem(
                "rotation.too_early",
                "the codes are not swapped yet" if settled is None else f"swapped at {current.told_at}",
                expected="every code in its new place" if settled is None else f"a moment after {settled.isoformat()}",
                advice="Wait, or close at once after a leak: what is under way must then be asked anew.",
            )
        self.store.note(current.epoch, close_at=now)
        self.wake()

    def state(self) -> RotationState | None:
        """The newest rotation, as it stands."""
        current = self.store.newest()
        if current is None:
            return None
        codes, moved = self.store.counts(current.epoch)
        return RotationState(
            epoch=current.epoch,
            reason=current.reason,
            order=current.order_number,
            begun_at=current.begun_at,
            opened_at=current.opened_at,
            swapped_at=current.swapped_at,
            close_at=current.close_at,
            closed_at=current.closed_at,
            codes=codes,
            moved=moved,
        )

    def advance(self) -> int:
        """Do what is next, if anything; how much was done. Called again and again by one thread.

        Raises Problem: operator.unreachable and what the operators report; nothing is lost then.
        """
        current = self.store.newest()
        if current is None or current.closed_at is not None:
            return 0
        if current.opened_at is None:
            return self._open(current)
        if current.shut_at is not None:
            return self._destroy(current)
        moved = self._move(current)
        if moved:
            return moved
        if current.told_at is None:
            return self._swap(current)
        if current.close_at is not None and current.close_at <= self._now():
            return self._shut(current)
        return 0

    def _open(self, current: Rotation) -> int:
        self.moving.step(Phase.OPEN, current.epoch, current.reason)
        self.domain.of_epoch(current.epoch)  # its key is ready before anything is moved
        self.store.note(current.epoch, opened_at=self._now())
        log.info("rotation.opened", index=current.epoch)
        return 1

    def _move(self, current: Rotation) -> int:
        """Move one batch; at the end of the addressees begin again, until a look from the start finds nothing."""
        batch = self.store.lacking(current.epoch, self._after, CODES)
        if not batch and self._after:
            self._after = ""
            batch = self.store.lacking(current.epoch, self._after, CODES)
        if not batch:
            return 0
        pairs = self.moving.moved([one.code for one in batch], current.epoch, self.store.pair(current.epoch))
        placed = self.store.place(pairs, current.epoch, self._now())
        self._after = batch[-1].addressee_number
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

    def _destroy(self, current: Rotation) -> int:
        """The hub makes nothing of the old epoch any more: what it made has to be here before the key goes.

        A code that came so late that the hub no longer moves it goes too; the ledger asks for it anew.
        """
        if not self.level():
            return 0
        old = current.epoch - 1
        public = self.store.old_public_key(old) or self.domain.of_epoch(old).public
        deleted = self.store.close(current.epoch, public, self.audits.seal_for(old), self._now())
        self.domain.forget(old)
        log.info("rotation.closed", index=old, count=deleted)
        return 1

    def _now(self) -> datetime:
        return self.edge.clock.now()

    @property
    def _own(self) -> str:
        return institution_of(self.edge.party)
