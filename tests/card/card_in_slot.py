"""A card in a slot of the virtual reader, from inside the test process: what vpcd says on its socket, carried to a card."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import TracebackType
from typing import Protocol, Self

from kumihimo.roles.card.reader.virtual import VirtualReader

_PRESENT = 0x20


class AnyCard(Protocol):
    """What a card does when it has power."""

    @property
    def atr(self) -> bytes: ...
    def power_on(self) -> None: ...
    def power_off(self) -> None: ...
    def reset(self) -> None: ...
    def transmit(self, raw: bytes) -> bytes: ...


class InSlot:
    """A card that is in for the length of a `with` block; `before` sees each command, and may pull the card."""

    def __init__(
        self, reader: VirtualReader, card: AnyCard, slot: int = 0, before: Callable[[InSlot, bytes], None] | None = None
    ) -> None:
        self._card, self._before = card, before
        self._socket = reader.connect(slot)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def pull(self) -> None:
        """Out with it, whatever it is doing."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pull()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        try:
            while header := self._read(2):
                self._do(self._read(int.from_bytes(header, "big")))
        except OSError:
            return

    def _do(self, message: bytes) -> None:
        if len(message) == 1:
            match message[0]:
                case 0:
                    self._card.power_off()
                case 1:
                    self._card.power_on()
                case 2:
                    self._card.reset()
                case 4:
                    self._say(self._card.atr)
            return
        if self._before is not None:
            self._before(self, message)
        self._say(self._card.transmit(message))

    def _say(self, answer: bytes) -> None:
        self._socket.sendall(len(answer).to_bytes(2, "big") + answer)

    def _read(self, length: int) -> bytes:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return self._socket.recv(length, socket.MSG_WAITALL) if length else b""


@contextmanager
def pulled_for_good(name: str) -> Iterator[None]:
    """A block in which the card in this reader is pulled; it ends when pcscd has seen that.

    pcscd looks a few times a second. A card that is put in before it has seen another one leave is not seen at all, and its
    state alone does not tell: a failed command makes it `absent` at once. Its counter of changes does.
    """
    before = counter(state_of(name))
    yield
    watch(name, lambda state: counter(state) > before and not state & _PRESENT)


def without_card(name: str) -> None:
    """Until pcscd has seen that no card is in this reader."""
    watch(name, lambda state: not state & _PRESENT)


def until_present(name: str) -> None:
    """Until pcscd has seen the card in this reader."""
    watch(name, lambda state: bool(state & _PRESENT))


def counter(state: int) -> int:
    """How often a card came or went, by PC/SC's word."""
    return state >> 16


def state_of(name: str) -> int:
    """How a reader stands."""
    found: list[int] = []
    watch(name, lambda state: not found.append(state))
    return found[0]


def watch(name: str, enough: Callable[[int], bool]) -> None:
    """Wait for PC/SC's own word that a reader is as it should be."""
    scard = import_module("smartcard.scard")
    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
    state = scard.SCARD_STATE_UNAWARE
    while True:
        result, ((_, state, _),) = scard.SCardGetStatusChange(context, 10_000, [(name, state)])
        assert result == scard.SCARD_S_SUCCESS, scard.SCardGetErrorMessage(result)
        if enough(state):
            break
    scard.SCardReleaseContext(context)
