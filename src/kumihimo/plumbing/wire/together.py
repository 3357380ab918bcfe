"""Messages that travel together (同送): what is under way to the same party at the same time goes in one request.

Every message stays what it is: signed, addressed, fresh, answered by a signed answer or a problem of its own. Only the way
there is shared, which costs more than a message does. A request holds one envelope, or a JSON array of up to `MOST`; the
answer to an array is an array of as many, each an envelope or a problem document, in the same order.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.wire.envelope import Envelope, Message, Reply, Signed, malformed, parse_envelope
from kumihimo.plumbing.wire.problem import problem_in

MOST: Final = 64
LANES: Final = 2  # requests under way to one path of one party before a message waits for one of them to end
COMPANY: Final = 6  # how many go in a further request while one is under way
GATHER_SECONDS: Final = 0.01  # how long a request waits for as many as went together the last time
PATIENCE_SECONDS: Final = 0.25  # then a message goes in any case: one answer that hangs holds up nobody for longer
Envelopes = Envelope | list[Envelope]
Answered = Envelope | Problem
_ENVELOPES: Final = TypeAdapter(list[Envelope])
_ANSWERS: Final[TypeAdapter[list[Envelope | dict[str, Any]]]] = TypeAdapter(list[Envelope | dict[str, Any]])
R = TypeVar("R", bound=Reply)
S = TypeVar("S")
T = TypeVar("T")


def is_many(body: bytes) -> bool:
    """Whether a body holds messages that travel together, by its first character."""
    return body[:64].lstrip()[:1] == b"["


def parse_envelopes(body: bytes) -> list[Envelope]:
    """The envelopes of a request. Raises Problem(message.malformed, message.unsigned): then none is taken."""
    if not is_many(body):
        return [parse_envelope(body)]
    try:
        envelopes = _ENVELOPES.validate_json(body)
    except ValidationError as error:
        raise malformed(error, "array of DSSE envelopes") from None
    if not 1 <= len(envelopes) <= MOST:
        raise Problem("message.malformed", f"{len(envelopes)} envelopes", where="body", expected=f"1 to {MOST}")
    if any(not envelope.signatures for envelope in envelopes):
        raise Problem(
            "message.unsigned", "an envelope without signatures", expected="DSSE envelopes with a signature each"
        )
    return envelopes


def each(work: Callable[[T], S], items: Iterable[T | Problem]) -> list[S | Problem]:
    """What `work` makes of each item; where it raises a Problem, or there was one already, that stands in its place."""
    made: list[S | Problem] = []
    for item in items:
        try:
            made.append(item if isinstance(item, Problem) else work(item))
        except Problem as problem:
            made.append(problem)
    return made


def all_at_once(work: Callable[[list[T]], Iterable[S]], items: Sequence[T | Problem]) -> list[S | Problem]:
    """What `work` makes of all items together that are no problems, each in its place."""
    made = iter(work([item for item in items if not isinstance(item, Problem)]))
    return [item if isinstance(item, Problem) else next(made) for item in items]


def listed(envelopes: Envelopes) -> list[Envelope]:
    """What an endpoint declares as `Envelopes`, as a list."""
    return envelopes if isinstance(envelopes, list) else [envelopes]


def in_one_body(envelopes: Sequence[Envelope]) -> bytes:
    """A request: the envelope itself where there is one."""
    if len(envelopes) == 1:
        return envelopes[0].model_dump_json().encode()
    return b"[%b]" % b",".join(envelope.model_dump_json().encode() for envelope in envelopes)


def answers_in_one_body(texts: Sequence[bytes]) -> bytes:
    """The answer to a request of many, of the JSON of each envelope or problem document."""
    return b"[%b]" % b",".join(texts)


def answers_in(body: bytes, count: int, source: str) -> list[Answered]:
    """The answers to `count` messages, as they came from `source`. Raises Problem(message.malformed)."""
    try:
        answers = _ANSWERS.validate_json(body)
    except ValidationError as error:
        raise malformed(error, f"answer of {source}") from None
    if len(answers) != count:
        raise Problem("message.malformed", f"{source} gave {len(answers)} answers", expected=f"{count}")
    return [one if isinstance(one, Envelope) else problem_in(one, one.get("status"), source) for one in answers]


def one_by_one(body: bytes) -> list[str]:
    """The texts of what travelled together, each as it would have gone alone."""
    return [json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in json.loads(body)]


class ManySender(Protocol):
    """Carries messages to one audience in one request: `plumbing.wire.client.PeerClient`."""

    def send_all(self, path: str, messages: Sequence[Message], reply: type[R]) -> list[Signed[R] | Problem]: ...


class _Waiting(Generic[R]):
    """A message whose thread waits until somebody brings the answer, or says that it is its turn to go (`None`)."""

    __slots__ = ("heard", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.heard: SimpleQueue[Signed[R] | BaseException | None] = SimpleQueue()


class _Way:
    """What goes to one path of one party: who waits, and how many requests are under way."""

    __slots__ = ("expected", "gathering", "under_way", "waiting")

    def __init__(self) -> None:
        self.under_way = 0
        self.waiting: list[_Waiting[Any]] = []
        self.expected = 1  # how many went together the last time
        self.gathering: _Waiting[Any] | None = None  # about to go, and waits until as many are there again


class Gathering:
    """A sender for many threads whose messages travel together.

    A message goes at once when none is under way, or when it makes `COMPANY` with those that wait; else it waits until a
    request has ended, and then goes with all that waited meanwhile, in the thread of the one that waited longest. Where
    several went together the last time, a request waits up to `GATHER_SECONDS` for as many: whoever asks one thing after the
    other comes back in company.
    """

    def __init__(self, sender: ManySender) -> None:
        self._sender = sender
        self._lock = threading.Lock()
        self._ways: dict[tuple[PartyId, str], _Way] = {}

    def send(self, path: str, message: Message, reply: type[R]) -> Signed[R]:
        """As `PeerClient.send`. Messages of one path must expect the same kind of reply."""
        mine: _Waiting[R] = _Waiting(message)
        with self._lock:
            way = self._ways.setdefault((PartyId(message.audience), path), _Way())
            goes = way.gathering is None and (
                not way.under_way or (way.under_way < LANES and len(way.waiting) + 1 >= COMPANY)
            )
            if goes:
                way.under_way += 1
            else:
                way.waiting.append(mine)
                if way.gathering is not None and len(way.waiting) + 1 >= way.expected:
                    way.gathering.heard.put(None)
                    way.gathering = None
        heard = None if goes else self._turn(way, mine)
        return _told(self._go(path, way, mine, reply) if heard is None else heard)

    def _turn(self, way: _Way, mine: _Waiting[R]) -> Signed[R] | BaseException | None:
        """Wait for the answer, or until it is this thread's turn (`None`)."""
        try:
            return mine.heard.get(timeout=PATIENCE_SECONDS)
        except Empty:
            with self._lock:
                if mine in way.waiting:
                    way.waiting.remove(mine)
                    way.under_way += 1
                    return None
        return mine.heard.get()  # it is under way with another, or its turn has just come

    def _gather(self, way: _Way, mine: _Waiting[R]) -> list[_Waiting[R]]:
        """Who goes with this thread's message: all that wait, and for a moment those that came along the last time."""
        with self._lock:
            gathers = way.gathering is None and len(way.waiting) + 1 < way.expected
            if gathers:
                way.gathering = mine
        if gathers:
            with suppress(Empty):
                mine.heard.get(timeout=GATHER_SECONDS)
        with self._lock:
            if way.gathering is mine:
                way.gathering = None
            company, way.waiting = way.waiting[: MOST - 1], way.waiting[MOST - 1 :]
            way.expected = len(company) + 1
        return company

    def _go(self, path: str, way: _Way, mine: _Waiting[R], reply: type[R]) -> Signed[R] | BaseException:
        """Send all that waits, let who comes next go, and tell everybody what came; what came for this thread."""
        company = self._gather(way, mine)
        going = [mine, *company]
        answers: dict[_Waiting[R], Signed[R] | BaseException]
        try:
            answers = dict(zip(going, self._sender.send_all(path, [one.message for one in going], reply), strict=True))
        except BaseException as error:  # whatever it is, threads are waiting for it
            answers = dict.fromkeys(going, error)
        with self._lock:
            if way.waiting:
                way.waiting.pop(0).heard.put(None)
            else:
                way.under_way -= 1
        for one in company:
            one.heard.put(answers[one])
        return answers[mine]


def _told(heard: Signed[R] | BaseException) -> Signed[R]:
    if isinstance(heard, BaseException):
        raise heard
    return heard
