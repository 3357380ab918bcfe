"""What PC/SC says when it refuses (PC/SCの応答): its result codes in words a person can act on.

The codes are those of PC/SC part 6 as pcsc-lite defines them, 32 bits unsigned.
"""

from __future__ import annotations

from typing import Final

from kumihimo.domain.kernel.errors import Problem

TIME_IS_UP: Final = 0x8010000A
BUSY: Final = 0x8010000B
NO_READERS: Final = 0x8010002E
_NO_SERVICE: Final = (0x8010001D, 0x8010001E)
_NO_SUCH_READER: Final = (0x80100009, 0x80100017)
_NO_CARD: Final = (0x8010000C, 0x80100067, 0x80100069)
_MUTE: Final = 0x80100066
_FORBIDDEN: Final = 0x8010006A


def refusal(result: int, reader: str | None) -> Problem:
    """The problem a result code stands for."""
    if result in _NO_SERVICE:
        return Problem(
            "card.unavailable",
            "the PC/SC service is not running",
            expected="a running pcscd",
            advice="Run: kumihimo card insert, for the virtual reader; or systemctl start pcscd (Debian's package pcscd).",
        )
    if result == NO_READERS:
        return Problem(
            "card.no_reader", "no card reader is connected", reader, advice="Connect a card reader, and try again."
        )
    if result in _NO_SUCH_READER:
        return Problem(
            "card.no_reader", "the card reader is gone", reader, advice="Connect it again, and put the card in again."
        )
    if result in _NO_CARD:
        return Problem("card.none", "no card is in the reader", reader, advice="Put the card in, with the chip first.")
    if result == BUSY:
        return Problem(
            "card.busy",
            "another program is using the card",
            reader,
            "a card nobody else uses",
            "Finish what the other program does, or close it, and try again.",
        )
    if result == _MUTE:
        return Problem(
            "card.wrong", "the card does not answer", reader, advice="Wipe the chip, and put it in the right way round."
        )
    if result == _FORBIDDEN:
        return Problem(
            "card.unavailable", "this account may not use the PC/SC service", advice="Ask its administrator (polkit)."
        )
    return Problem("card.unavailable", f"PC/SC answered {result:08X}", reader, advice="Restart pcscd, and try again.")


def gone(reader: str) -> Problem:
    """The card answers no more: pulled out, or without power. What it was asked to do may be done or not."""
    return Problem(
        "card.gone",
        "the card was pulled out, or lost its power, before it had answered",
        reader,
        "a card that stays in the reader",
        "Put the card in again and begin anew; the PIN is asked for again.",
    )
