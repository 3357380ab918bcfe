"""Look-ups of own information (閲覧の結果): what was asked of whom, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.provision import AsOf, DatedItem


class State(StrEnum):
    """What came of a question; `withheld` says no more than that, by law."""

    PROVIDED = "provided"
    NONE = "none"
    WITHHELD = "withheld"
    PENDING = "pending"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, order=True)
class Question:
    """One item of one provider."""

    provider: str
    item: str


@dataclass(frozen=True)
class Answered:
    """What a provider said; `problem` is the code of what went wrong."""

    question: Question
    state: State
    transaction: str
    items: tuple[DatedItem, ...] = ()
    as_of: tuple[AsOf, ...] = ()
    problem: str | None = None
    permit: Envelope | None = field(default=None, repr=False)  # of one that waits for a person


@dataclass(frozen=True)
class Looked:
    """One look-up: when, and every answer in the order of the questions."""

    at: datetime
    answers: tuple[Answered, ...]

    def provided(self, item: str) -> tuple[Answered, ...]:
        """The answers that have something about an item."""
        return tuple(one for one in self.answers if one.question.item == item and one.state is State.PROVIDED)

    def items(self) -> tuple[str, ...]:
        """The items of which something was provided, in their order."""
        return tuple(dict.fromkeys(one.question.item for one in self.answers if one.state is State.PROVIDED))
