"""How a terminal talks to a card (端末とカードの通信): send a command, gather the answer, say in words what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.card.chip.apdu import EXTENDED, SHORT, Answer, Command
from kumihimo.roles.card.chip.status import Status

Transmit = Callable[[bytes], bytes]
"""One command → its answer, status word included. Raises Problem(card.gone) when the card was pulled."""

_GET_RESPONSE: Final = 0xC0
_MORE: Final = 0x61
_OTHER_LENGTH: Final = 0x6C
_TRIES: Final = 0x63C0

# status word → problem code, what happened, what to do
_PROBLEMS: Final[dict[int, tuple[str, str, str | None]]] = {
    Status.BLOCKED: (
        "card.pin_blocked",
        "the PIN is locked after too many wrong tries",
        "Go to the office of any municipality; it can unlock the PIN.",
    ),
    Status.NO_REFERENCE_DATA: ("card.state", "this PIN was never set on the card", None),
    Status.NOT_ALLOWED: ("card.not_allowed", "the card does not allow this now", "Enter the PIN first."),
    Status.NO_SUCH_FUNCTION: ("card.not_allowed", "the card does not do this for anybody", None),
    Status.CONDITIONS: ("card.state", "the card is not in the state for this", None),
    Status.WRONG_DATA: ("card.refused", "the card does not take what was sent", None),
    Status.NOT_FOUND: ("card.unknown", "the card has no such application or file", None),
    Status.KEY_NOT_FOUND: ("card.unknown", "the card has no such key", None),
    Status.FULL: ("card.full", "there is not enough space on the card", "Remove an application that is not used."),
    Status.EXISTS: ("card.exists", "the card has this application already", "Update it, or remove it first."),
    Status.MESSAGING_WRONG: ("card.channel", "the card has ended the session with the office", "Begin a new session."),
    Status.MEMORY_FAILURE: ("card.failed", "the card could not write", "Take it out, put it in again and look."),
}


def ask(transmit: Transmit, command: Command) -> Answer:
    """Send a command and gather its whole answer, whatever the status word.

    Raises Problem(card.full) for more data than a command can carry, and what `transmit` raises.
    """
    try:
        raw = command.to_bytes()
    except ValueError as error:
        raise Problem("card.full", str(error), expected="65,535 bytes at most in one command") from error
    answer = _parsed(transmit(raw))
    if answer.status >> 8 == _OTHER_LENGTH:
        right = Command(command.cla, command.ins, command.p1, command.p2, command.data, answer.status & 0xFF or SHORT)
        answer = _parsed(transmit(right.to_bytes()))
    data = answer.data
    while answer.status >> 8 == _MORE:
        answer = _parsed(
            transmit(Command(0x00, _GET_RESPONSE, 0, 0, expected=answer.status & 0xFF or SHORT).to_bytes())
        )
        data += answer.data
    return Answer(data, answer.status)


def order(transmit: Transmit, command: Command, where: str) -> bytes:
    """Send a command that must succeed; its data. Raises a Problem with a code `card.…` that tells why it did not."""
    answer = ask(transmit, command)
    if answer.status != Status.OK:
        raise problem(answer.status, where)
    return answer.data


def problem(status: int, where: str) -> Problem:
    """The problem a status word stands for."""
    if status & 0xFFF0 == _TRIES:
        tries = status & 0x0F
        if not tries:
            return Problem(
                "card.pin_wrong",
                "that was not the PIN; 0 tries left, it is locked now",
                where,
                advice="Go to the office of any municipality; it can unlock the PIN.",
            )
        return Problem(
            "card.pin_wrong", f"that was not the PIN; {tries} {'try' if tries == 1 else 'tries'} left", where
        )
    if status in _PROBLEMS:
        code, detail, advice = _PROBLEMS[status]
        return Problem(code, detail, where, advice=advice)
    return Problem("card.failed", f"the card answered {status:04X}", where, expected="9000")


def fitting(expected: int, data: bytes) -> int:
    """Ne of a command with these data: extended where the data are, since one command has one kind of length."""
    return expected if len(data) < SHORT else EXTENDED


def _parsed(raw: bytes) -> Answer:
    try:
        return Answer.parse(raw)
    except ValueError as error:
        raise Problem("card.failed", str(error), expected="an answer that ends in a status word") from error
