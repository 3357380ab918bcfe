"""Messages of the rotation of link codes (符号の更新): an institution's codes go from one epoch of its domain to the next.

Holder of codes → operator 1 → operator 2 and back, in batches; desk → own exchange, to begin, follow and close a rotation.
Both epochs are open from `open` to `close`; `swap` says which of them others' inquiries are translated to.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from kumihimo.plumbing.wire.envelope import Envelope, Message, Part, Reply
from kumihimo.plumbing.wire.messages.inquiry import LoggedRecord
from kumihimo.plumbing.wire.messages.oversight import Reason

CODES: int = 1_000  # in one batch, beside the one that checks the others
Epoch = Annotated[int, Field(ge=1, le=999_999_999)]


class Phase(StrEnum):
    """A step of a domain: the epoch is opened beside the present one; becomes the present one; is closed for ever."""

    OPEN = "open"
    SWAP = "swap"
    CLOSE = "close"


class MoveDomain(Message):
    """Holder of codes → operator 1: this epoch of my domain takes this step. Again is as once; each step is in the log."""

    KIND: ClassVar[str] = "move-domain.v1"
    institution: str
    phase: Phase
    epoch: Epoch
    reason: Reason


class RelayMove(Message):
    """Operator 1 → operator 2: the holder's signed step and what was logged."""

    KIND: ClassVar[str] = "relay-move.v1"
    move: Envelope
    logged: LoggedRecord


class DomainMoved(Reply):
    """The step is taken, durably."""

    KIND: ClassVar[str] = "domain-moved.v1"
    institution: str
    phase: Phase
    epoch: int


class ShowDomain(Message):
    """Holder of codes → operator 1: which epochs of my domain are open?"""

    KIND: ClassVar[str] = "show-domain.v1"


class DomainShown(Reply):
    """The present epoch of the asker's domain, and all open ones, ascending."""

    KIND: ClassVar[str] = "domain-shown.v1"
    present: int
    opened: tuple[int, ...]


class RotateCodes(Message):
    """Holder of codes → operator 1: own codes, encrypted in the epoch before `epoch` and shuffled, to be moved to `epoch`.

    `codes` are ciphertexts of 64 bytes (base64); one of them is a random combination of the others, which only the holder
    can tell from them. `transaction` (32 lower-case hex digits) is new for every batch.
    """

    KIND: ClassVar[str] = "rotate-codes.v1"
    REPEATABLE: ClassVar[bool] = False
    transaction: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    institution: str
    epoch: Epoch
    codes: Annotated[tuple[str, ...], Field(min_length=1, max_length=CODES + 1)]


class RelayRotation(Message):
    """Operator 1 → operator 2: the signed batch, what was logged, and the half-translated codes in the same order."""

    KIND: ClassVar[str] = "relay-rotation.v1"
    batch: Envelope
    logged: LoggedRecord
    codes: tuple[str, ...]


class CodesRotated(Reply):
    """The codes in the new epoch, in the order they were sent in: operator 2 → operator 1 → holder."""

    KIND: ClassVar[str] = "codes-rotated.v1"
    codes: tuple[str, ...]


class StartRotation(Message):
    """Desk → own exchange: move all link codes to the next epoch. While a rotation is under way, nothing new begins.

    `close_at`: when the old epoch is closed by itself; null: by `CloseRotation` only.
    """

    KIND: ClassVar[str] = "start-rotation.v1"
    reason: Reason
    close_at: AwareDatetime | None = None


class CloseRotation(Message):
    """Desk → own exchange: close the old epoch. `at_once`: also while permits for it may still be under way."""

    KIND: ClassVar[str] = "close-rotation.v1"
    at_once: bool = False


class ShowRotation(Message):
    """Desk → own exchange: how far is the rotation?"""

    KIND: ClassVar[str] = "show-rotation.v1"


class RotationState(Part):
    """The newest rotation. `moved` codes of `codes` have their place in the new epoch; null dates lie ahead."""

    epoch: int
    reason: str
    order: int | None
    begun_at: AwareDatetime
    opened_at: AwareDatetime | None
    swapped_at: AwareDatetime | None
    close_at: AwareDatetime | None
    closed_at: AwareDatetime | None
    codes: int
    moved: int


class RotationShown(Reply):
    """The present epoch, and the newest rotation, if there ever was one."""

    KIND: ClassVar[str] = "rotation-shown.v1"
    institution: str
    epoch: int
    rotation: RotationState | None


class RotationOrdered(Part):
    """An item of operator 2's feed to an exchange (kind `rotate`): the oversight body's order to rotate."""

    order: Envelope
