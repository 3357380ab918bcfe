"""Rotation of the own link codes (符号の更新): begun by a desk or by order, carried on in the background until it is closed.

Inquiries go on all the time: a request says the epoch of its code, a permit the epoch of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import FRESHNESS
from kumihimo.plumbing.wire.messages.rotation import RotationState
from kumihimo.plumbing.wire.moving_codes import MovingCodes
from kumihimo.plumbing.wire.rotating import CodeRotation
from kumihimo.roles.gateway.service.audit_codes import AuditCodes
from kumihimo.roles.gateway.service.link_codes import OwnDomain
from kumihimo.roles.gateway.store.rotations import RotationStore

# How long after the swap was told something of the old epoch may still be under way: the life of a permit.
SETTLED_AFTER: Final = FRESHNESS


@dataclass
class Rotations:
    """An exchange's rotations, as its desk sees them; `carrying` carries them on."""

    store: RotationStore
    edge: Edge
    domain: OwnDomain
    audits: AuditCodes
    carrying: CodeRotation
    wake: Callable[[], None] = lambda: None

    @classmethod
    def around(
        cls,
        store: RotationStore,
        edge: Edge,
        domain: OwnDomain,
        moving: MovingCodes,
        audits: AuditCodes,
        overlap: timedelta,
    ) -> Rotations:
        """Put the parts together. `overlap`: how long both epochs stay open after an order."""

        def finish(epoch: int, at: datetime) -> int:
            old = epoch - 1
            public = store.old_public_key(old) or domain.of_epoch(old).public
            deleted = store.close(epoch, public, audits.seal_for(old), at)
            domain.forget(old)
            return deleted

        carrying = CodeRotation(store, edge, moving, overlap, domain.of_epoch, finish, adopt=store.adopt)
        return cls(store, edge, domain, audits, carrying)

    def start(self, reason: str, close_at: datetime | None) -> None:
        """Begin, unless a rotation is under way. Raises Problem(value.invalid) for a date that is past."""
        now = self.edge.clock.now()
        if close_at is not None and close_at <= now:
            raise Problem("value.invalid", close_at.isoformat(), where="close_at", expected=f"after {now.isoformat()}")
        self.store.start(reason, now, close_at)
        self.wake()

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
