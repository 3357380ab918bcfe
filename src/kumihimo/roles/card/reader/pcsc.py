"""Cards in readers (カードリーダー): PC/SC through pyscard, one program at a time, and nothing left behind.

A connection is exclusive and ends with a reset of the card: one left open keeps PINs verified, and the next program could
read the holder's name without asking. Which `pcscd` is spoken to, the machine's or a virtual reader's, the environment says.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib import import_module
from types import TracebackType
from typing import Any, Final, Self

from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.card.chip.layout import AIDS, JPKI
from kumihimo.roles.card.reader.refusals import NO_READERS, TIME_IS_UP, gone, refusal

_STATUS_WORD: Final = 2  # bytes; some drivers call an answer of none a success
_OK: Final = 0x9000
_WHILE_BUSY: Final = 0.05  # seconds between two looks
_AT_LEAST_EVERY: Final = 0.5
_MASK: Final = 0xFFFFFFFF  # result codes are signed on some platforms


class CardConnection:
    """A card that is ours alone until `close`: a `Transmit` with an end. Made by `open_card`; one thread at a time."""

    def __init__(self, scard: Any, context: Any, reader: str, card: Any, protocol: int) -> None:
        self._scard, self._context, self._card = scard, context, card
        self._pci = scard.SCARD_PCI_T0 if protocol == scard.SCARD_PROTOCOL_T0 else scard.SCARD_PCI_T1
        self.reader = reader

    def __call__(self, command: bytes) -> bytes:
        """One command → its answer with the status word. Raises Problem(card.gone) when the card answers no more."""
        if self._card is None:
            raise gone(self.reader)
        result, answer = self._scard.SCardTransmit(self._card, self._pci, list(command))
        if result & _MASK != self._scard.SCARD_S_SUCCESS or len(answer) < _STATUS_WORD:
            self.close()
            raise gone(self.reader)
        return bytes(byte & 0xFF for byte in answer)

    def close(self) -> None:
        """Reset the card and let it go: whatever was verified is forgotten. May be called again."""
        if self._card is not None:
            self._scard.SCardDisconnect(self._card, self._scard.SCARD_RESET_CARD)
            self._card = None
            self._scard.SCardReleaseContext(self._context)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def readers() -> tuple[str, ...]:
    """The names of all readers, with or without a card. Raises Problem(card.unavailable)."""
    scard, context = _begin()
    try:
        return tuple(_readers(scard, context))
    finally:
        scard.SCardReleaseContext(context)


def open_card(patience: float = 0.0, reader: str | None = None, application: bytes = AIDS[JPKI]) -> CardConnection:
    """The first card with `application` in any reader, or in the one named, exclusively; waits up to `patience` seconds.

    It waits for a card to be put in, for the right one, and for other programs to let go of it. Raises
    Problem(card.unavailable) where PC/SC cannot be used, (card.no_reader), and after the time is up (card.none) for no card,
    (card.busy) for one that somebody else uses, (card.wrong) for one that has not the application.
    """
    until = time.monotonic() + patience
    scard, context = _begin()
    try:
        known: dict[str, int] = {}
        look_until = 0.0
        while True:
            names = [name for name in _readers(scard, context) if reader in (None, name)]
            if not names:
                raise refusal(NO_READERS, reader)
            known = {name: known.get(name, scard.SCARD_STATE_UNAWARE) for name in names}
            known.update(_look(scard, context, known, look_until))
            present = [name for name, state in known.items() if state & scard.SCARD_STATE_PRESENT]
            opened = _first_with(scard, context, present, application)
            if isinstance(opened, CardConnection):
                return opened
            if time.monotonic() >= until:
                raise opened
            # PC/SC tells when a card comes or goes, not when another program lets go of one, nor of cards quickly changed.
            pause = _WHILE_BUSY if opened.code == "card.busy" else _AT_LEAST_EVERY
            look_until = min(until, time.monotonic() + pause)
    except BaseException:
        scard.SCardReleaseContext(context)
        raise


def _first_with(scard: Any, context: Any, present: Sequence[str], application: bytes) -> CardConnection | Problem:
    """The first of these cards that has the application, or why none can be used."""
    why = Problem("card.none", "no card is in the reader", advice="Put the card in, with the chip first.")
    for name in present:
        both = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        result, card, protocol = scard.SCardConnect(context, name, scard.SCARD_SHARE_EXCLUSIVE, both)
        if result & _MASK != scard.SCARD_S_SUCCESS:
            why = refusal(result & _MASK, name)
            continue
        connection = CardConnection(scard, context, name, card, protocol)
        select = b"\x00\xa4\x04\x0c" + bytes((len(application),)) + application
        result, answer = scard.SCardTransmit(card, connection._pci, list(select))
        if result & _MASK == scard.SCARD_S_SUCCESS and int.from_bytes(bytes(answer[-2:]), "big") == _OK:
            return connection
        scard.SCardDisconnect(card, scard.SCARD_RESET_CARD)
        why = Problem(
            "card.wrong",
            "the card in the reader has not the application that is needed",
            name,
            f"one with the application {application.hex().upper()}",
            "Put in the Individual Number card.",
        )
    return why


def _look(scard: Any, context: Any, known: dict[str, int], until: float) -> dict[str, int]:
    """How the readers stand when something has changed, or when the time is up. Raises Problem(card.unavailable)."""
    left = max(0, round((until - time.monotonic()) * 1000))
    result, states = scard.SCardGetStatusChange(context, left, list(known.items()))
    if result & _MASK == TIME_IS_UP:
        return {}
    if result & _MASK != scard.SCARD_S_SUCCESS:
        raise refusal(result & _MASK, None)
    return {name: state for name, state, _ in states}


def _readers(scard: Any, context: Any) -> list[str]:
    result, names = scard.SCardListReaders(context, [])
    if result & _MASK == NO_READERS:
        return []
    if result & _MASK != scard.SCARD_S_SUCCESS:
        raise refusal(result & _MASK, None)
    return list(names)


def _begin() -> tuple[Any, Any]:
    """The library and a context of it. Raises Problem(card.unavailable)."""
    try:
        scard = import_module("smartcard.scard")
    except ImportError as error:
        raise Problem(
            "card.unavailable",
            f"the Python package pyscard cannot be used: {error}",
            expected="pyscard, and Debian's package libpcsclite1",
            advice="Run: pip install pyscard (which needs libpcsclite-dev and swig), and apt-get install pcscd",
        ) from error
    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
    if result & _MASK != scard.SCARD_S_SUCCESS:
        raise refusal(result & _MASK, None)
    return scard, context
