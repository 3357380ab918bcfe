"""What the operators' decisions need from outside (接点): somebody who carries messages, and news for waiting readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.envelope import Message, Reply, Signed
from kumihimo.plumbing.wire.messages.inquiry import LoggedRecord
from kumihimo.plumbing.wire.together import ManySender
from kumihimo.roles.hub.store import Append, Passage, ReportedOutcome

R = TypeVar("R", bound=Reply)

Notify = Callable[[], None]
RequireActive = Callable[[str], None]
# Requester, instant, how many at once → how many of them count, and what the others meet: `Quotas.admit`.
Admit = Callable[[str, datetime, int], tuple[int, Problem | None]]
Random = Callable[[int], bytes]


class Sender(Protocol):
    """Carries a message to its audience and brings the verified answer: `plumbing.wire.client.PeerClient`."""

    def send(self, path: str, message: Message, reply: type[R]) -> Signed[R]:
        """Raises Problem: what the audience reported, or peer.unreachable."""
        ...


class PlainAnswer(Protocol):
    """An HTTP answer of a protocol that is not ours."""

    @property
    def status_code(self) -> int: ...
    @property
    def text(self) -> str: ...


class Passages(Protocol):
    """Durable storage of what operator 2 let pass: `store.SecondStore`."""

    def passes(self, passage: Passage) -> bool:
        """False when the passage's mark was already made; durable on return."""
        ...

    def pass_all(self, passages: Sequence[Passage]) -> list[bool]:
        """The same of many, in their order."""
        ...

    def kept(self, mark: str, request_hash: str, now: datetime) -> str | None:
        """What was answered to this very request, while it is kept."""
        ...


class Outcomes(Protocol):
    """Outcomes reported so far: `store.LogStore`."""

    def reported(self, marks: Sequence[str]) -> dict[str, ReportedOutcome]:
        """Those reported under these marks, by mark."""
        ...


class Appender(Protocol):
    """Durable storage of log entries: `store.LogStore`."""

    def append(self, item: Append) -> LoggedRecord | None:
        """None when the item's mark was already made; durable on return."""
        ...

    def append_all(self, items: Sequence[Append]) -> list[LoggedRecord | None]:
        """The same of many, in their order."""
        ...

    def first_request(self, transaction: str) -> LoggedRecord | None:
        """The entry of the request that used this transaction number first."""
        ...


def send_to_operator(sender: Sender, path: str, message: Message, reply: type[R]) -> R:
    """Ask the other operator. Raises Problem: operator.unreachable, or what it reported."""
    try:
        return sender.send(path, message, reply).value
    except Problem as problem:
        raise _of_operator(problem) from None


def send_all_to_operator(
    sender: ManySender, path: str, messages: Sequence[Message], reply: type[R]
) -> list[R | Problem]:
    """Ask the other operator many things in one request: the answer or the problem of each, as `send_to_operator`."""
    answers = sender.send_all(path, messages, reply) if messages else []
    return [_of_operator(one) if isinstance(one, Problem) else one.value for one in answers]


def _of_operator(problem: Problem) -> Problem:
    if problem.code != "peer.unreachable":
        return problem
    return Problem(
        "operator.unreachable",
        problem.detail,
        advice="Send the same again within five minutes, or a new inquiry later.",
    )
