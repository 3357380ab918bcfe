"""Bad lines (不良回線): parties in network namespaces of their own, joined by lines that can lose, delay and be cut.

The packets are real IP packets of the kernel (TUN devices), and so are the TCP connections that suffer from them; what a line
does to a packet is decided here, in user space, because `tc netem` is a kernel module that many systems, virtual machines above
all, do not have. Addresses are of the range for measuring networks (RFC 2544), and only on this machine.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import random
import secrets
import select
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kumihimo.domain.kernel import PartyId, Problem

_TUN: Final = Path("/dev/net/tun")
_TUNSETIFF: Final = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_LARGEST: Final = 65_536
_LOOK_SECONDS: Final = 0.5
HERE: Final = 1  # the last part of the address of everybody who has no line of their own


@dataclass
class Line:
    """What happens to the packets of one party, either way: `loss` is a share, `delay` in seconds, `cut` all of them."""

    address: str
    namespace: str
    device: int
    loss: float = 0.0
    delay: float = 0.0
    cut: bool = False
    passed: int = 0
    lost: int = 0

    def heal(self) -> None:
        """A good line again."""
        self.loss, self.delay, self.cut = 0.0, 0.0, False


@dataclass
class Lines:
    """All lines of one network, and the thread that carries packets between them."""

    network: str
    here: int
    by_party: dict[PartyId, Line]
    chance: random.Random
    _late: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    _number: int = 0
    _stopping: bool = False

    @property
    def address(self) -> str:
        """Where everybody else listens."""
        return f"{self.network}.{HERE}"

    def heal(self) -> None:
        """Good lines for everybody."""
        for line in self.by_party.values():
            line.heal()

    def carry(self) -> None:
        """Carry packets until told to stop."""
        devices = {self.here: None, **{line.device: line for line in self.by_party.values()}}
        to = {self._packed(self.address): self.here}
        to |= {self._packed(line.address): line.device for line in self.by_party.values()}
        poll = select.poll()
        for device in devices:
            poll.register(device, select.POLLIN)
        while not self._stopping:
            wait = min(_LOOK_SECONDS, max(0.0, self._late[0][0] - time.monotonic())) if self._late else _LOOK_SECONDS
            for device, _ in poll.poll(wait * 1000):
                with suppress(BlockingIOError):
                    packet = os.read(device, _LARGEST)
                    target = to.get(packet[16:20]) if packet[0] >> 4 == 4 else None
                    if target is not None:
                        self._pass_on(packet, target, [one for one in (devices[device], devices[target]) if one])
            while self._late and self._late[0][0] <= time.monotonic():
                _, _, target, packet = heapq.heappop(self._late)
                _deliver(target, packet)

    def stop(self) -> None:
        self._stopping = True

    def _pass_on(self, packet: bytes, target: int, lines: list[Line]) -> None:
        if any(line.cut or self.chance.random() < line.loss for line in lines):
            for line in lines:
                line.lost += 1
            return
        for line in lines:
            line.passed += 1
        delay = sum(line.delay for line in lines)
        if delay:
            self._number += 1
            heapq.heappush(self._late, (time.monotonic() + delay, self._number, target, packet))
        else:
            _deliver(target, packet)

    @staticmethod
    def _packed(address: str) -> bytes:
        return bytes(int(part) for part in address.split("."))


def why_no_lines() -> str | None:
    """Why there can be no such lines on this machine; None where there can."""
    if os.geteuid() != 0:
        return "network namespaces take root"
    if shutil.which("ip") is None:
        return "there is no `ip` (Debian's package iproute2)"
    return None if _TUN.exists() else f"there is no {_TUN}"


@contextmanager
def bad_lines(parties: tuple[PartyId, ...], seed: int) -> Iterator[Lines]:
    """A network in which each of `parties` has a namespace and a line of its own. Raises Problem(drill.impossible)."""
    why = why_no_lines()
    if why is not None:
        raise Problem("drill.impossible", why, expected="root on Linux with iproute2 and TUN devices")
    mark = secrets.token_hex(3)
    network = f"198.18.{secrets.randbelow(254) + 1}"
    devices: list[int] = []
    namespaces: list[str] = []
    try:
        here = _tun(f"kmh{mark}", devices)
        _ip("addr", "add", f"{network}.{HERE}/24", "dev", f"kmh{mark}")
        _ip("link", "set", f"kmh{mark}", "up")
        by_party = {}
        for number, party in enumerate(parties, HERE + 1):
            name, namespace = f"kmh{mark}{number}", f"kumihimo-{mark}-{number}"
            device = _tun(name, devices)
            _ip("netns", "add", namespace)
            namespaces.append(namespace)
            _ip("link", "set", name, "netns", namespace)
            _ip("-n", namespace, "addr", "add", f"{network}.{number}/24", "dev", name)
            _ip("-n", namespace, "link", "set", name, "up")
            _ip("-n", namespace, "link", "set", "lo", "up")
            by_party[party] = Line(f"{network}.{number}", namespace, device)
        lines = Lines(network, here, by_party, random.Random(seed))  # noqa: S311 - which packets are lost is no secret
        carrier = threading.Thread(target=lines.carry, name="lines", daemon=True)
        carrier.start()
        try:
            yield lines
        finally:
            lines.stop()
            carrier.join(_LOOK_SECONDS * 4)
    finally:
        for namespace in namespaces:
            _ip("netns", "del", namespace)
        for device in devices:
            os.close(device)


def _tun(name: str, opened: list[int]) -> int:
    device = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK)
    opened.append(device)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return device


def _ip(*arguments: str) -> None:
    program = shutil.which("ip") or "ip"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise Problem("drill.impossible", f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _deliver(device: int, packet: bytes) -> None:
    with suppress(OSError):  # a queue that is full loses packets, as queues do
        os.write(device, packet)
