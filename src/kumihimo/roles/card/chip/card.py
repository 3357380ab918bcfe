"""The card (個人番号カード) as a reader sees it: power, reset, and one answer to each command, whatever the command is.

Order of work on a command: chaining puts parts together, secure messaging opens what is sealed, the instruction does the
work, secure messaging seals the answer, and GET RESPONSE brings what did not fit. Every command gets a status word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kumihimo.roles.card.chip import authentication, ordinances, pins, reading, signing, writing
from kumihimo.roles.card.chip.apdu import CHAINED, EXTENDED, MESSAGING, Answer, Command, parse
from kumihimo.roles.card.chip.disk import Disk
from kumihimo.roles.card.chip.inside import Inside
from kumihimo.roles.card.chip.layout import ATR
from kumihimo.roles.card.chip.messaging import BrokenSeal
from kumihimo.roles.card.chip.status import Refused, Status, more_waiting
from kumihimo.roles.card.chip.store import Store

_GET_RESPONSE: Final = 0xC0
_PROPRIETARY: Final = 0x80
_CLASSES: Final = frozenset(kind | bits for kind in (0x00, _PROPRIETARY) for bits in (0, CHAINED, MESSAGING, 0x1C))
_INSTRUCTIONS: Final[dict[int, tuple[int, Callable[[Inside, Command], Answer]]]] = {
    0xA4: (0x00, reading.select),
    0xB0: (0x00, reading.read_binary),
    0xB2: (0x00, reading.read_record),
    0xCA: (0x00, reading.get_data),
    0x20: (0x00, pins.verify),
    0x24: (0x00, pins.change),
    0x2C: (0x00, pins.unlock),
    0x2A: (_PROPRIETARY, signing.sign),
    0x88: (0x00, signing.internal_authenticate),
    0x46: (0x00, signing.generate_key),
    0x86: (0x00, authentication.general_authenticate),
    0xDA: (0x00, writing.put_data),
    0xE0: (0x00, ordinances.create_ordinance),
    0xE4: (0x00, ordinances.delete_ordinance),
}


class Card:
    """One card on its disk. Give it power before the first command; without power it answers as if it were broken."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._inside: Inside | None = None
        self._waiting = b""
        self._waiting_status: int = Status.OK
        self._chain: Command | None = None

    @property
    def atr(self) -> bytes:
        """Answer to reset."""
        return ATR

    def power_on(self) -> None:
        """Read the state from the disk and begin a session. Raises Problem(card.absent|store.damaged)."""
        self._forget()
        self._inside = Inside(Store(self._disk))

    def reset(self) -> None:
        """Warm reset: all security status is gone. Raises as `power_on`."""
        self.power_on()

    def power_off(self) -> None:
        """Everything that is not on the disk is gone."""
        self._forget()
        self._inside = None

    def transmit(self, raw: bytes) -> bytes:
        """The answer to one command, ending in a status word. Raises nothing."""
        try:
            return self._answer(raw).to_bytes()
        except Refused as refusal:
            return Answer(status=refusal.status).to_bytes()
        except Exception:  # a card has nobody to tell: it forgets what it was doing and says that it failed
            self._forget()
            if self._inside is not None:
                self._inside.failed = True
            return Answer(status=Status.FAILED).to_bytes()

    def _forget(self) -> None:
        self._waiting = b""
        self._chain = None

    def _answer(self, raw: bytes) -> Answer:
        inside = self._inside
        if inside is None or inside.failed:
            raise Refused(Status.MEMORY_FAILURE)
        command = parse(raw)
        if command.cla not in _CLASSES:
            raise Refused(Status.NO_SUCH_CLASS)
        if command.ins == _GET_RESPONSE and command.cla == 0x00:
            return self._more(command)
        self._waiting = b""
        whole = self._joined(command)
        if whole is None:
            return Answer()
        sealed = bool(whole.cla & MESSAGING)
        return self._fitted(_sealed(inside, whole) if sealed else _plain(inside, whole), whole.expected)

    def _joined(self, command: Command) -> Command | None:
        """The whole command, None while parts of it are to come. Raises Refused(6883) where another one comes between."""
        before, self._chain = self._chain, None
        last = command.cla & ~CHAINED
        data = command.data
        if before is not None:
            if before.header != bytes((last, command.ins, command.p1, command.p2)):
                raise Refused(Status.LAST_OF_CHAIN_EXPECTED)
            data = before.data + data
        if len(data) >= EXTENDED:
            raise Refused(Status.WRONG_LENGTH)
        whole = Command(last, command.ins, command.p1, command.p2, data, command.expected)
        if command.cla & CHAINED:
            self._chain = whole
            return None
        return whole

    def _fitted(self, answer: Answer, expected: int) -> Answer:
        """As much as fits; the rest waits for GET RESPONSE."""
        if len(answer.data) <= expected:
            return answer
        self._waiting = answer.data[expected:]
        self._waiting_status = answer.status
        return Answer(answer.data[:expected], more_waiting(len(self._waiting)))

    def _more(self, command: Command) -> Answer:
        """GET RESPONSE (C0)."""
        waiting, self._waiting = self._waiting, b""
        if command.p1_p2 or command.data or not command.expected:
            raise Refused(Status.WRONG_P1_P2 if command.p1_p2 else Status.WRONG_LENGTH)
        if not waiting:
            raise Refused(Status.CONDITIONS)
        return self._fitted(Answer(waiting, self._waiting_status), command.expected)


def _plain(inside: Inside, command: Command) -> Answer:
    # Whoever speaks in clear is not known to be the office that was authenticated.
    inside.session.end_office()
    return _carried_out(inside, command)


def _sealed(inside: Inside, command: Command) -> Answer:
    channel = inside.session.channel
    if channel is None:
        raise Refused(Status.MESSAGING_WRONG)
    try:
        opened = channel.open_command(command)
    except BrokenSeal:
        inside.session.end_office()
        raise Refused(Status.MESSAGING_WRONG) from None
    try:
        answer = _carried_out(inside, opened)
    except Refused as refusal:
        answer = Answer(status=refusal.status)
    return channel.seal_answer(answer)


def _carried_out(inside: Inside, command: Command) -> Answer:
    cla, instruction = _INSTRUCTIONS.get(command.ins, (None, None))
    if instruction is None:
        raise Refused(Status.NO_SUCH_INSTRUCTION)
    if command.cla != cla:
        raise Refused(Status.NO_SUCH_CLASS)
    return instruction(inside, command)


def require_card(disk: Disk) -> None:
    """Check that there is a whole card on the disk. Raises Problem(card.absent|store.damaged)."""
    Store(disk).load()
