"""A virtual card reader (仮想カードリーダー): a real `pcscd` with `vpcd`, side by side with any other and seen by nobody else.

A stand-in for hardware, and for nothing else: OpenSC, pyscard and the native host speak to it as to any reader, once their
environment names its socket (`VirtualReader.environment`). Its network is its own: a card is started in it with `run_card`,
or speaks through a socket made by `connect`. Needs root, for the namespaces.
"""

from __future__ import annotations

import ctypes
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.card.reader import keeper

PORT: Final = 35963  # vpcd's own for its first slot; the second is one higher
SOCKET_VARIABLE: Final = "PCSCLITE_CSOCK_NAME"
PACKAGES: Final = "pcscd vsmartcard-vpcd"
SEEN_EMPTY_SECONDS: Final = 0.5
"""pcscd looks every 0.4 s: a card put in sooner after another may be taken for it, or after one that failed not be seen."""
READER_NAME: Final = "Kumihimo virtual reader"

_SHIPPED: Final = Path("/etc/reader.conf.d/vpcd")  # where Debian's package says where its driver lies
_RIGHT: Final = "root, or the right to make namespaces"
_LONGEST_SOCKET: Final = 107  # bytes of a path, by sockaddr_un
_BEGINS_SECONDS: Final = 15.0
_ENDS_SECONDS: Final = 5.0
_CLONE_NEWNET: Final = 0x40000000


@dataclass(frozen=True)
class Slots:
    """The two slots of a running virtual reader, also one that another process keeps; slot 0 is the first."""

    folder: Path
    keeper: int
    """Process id of the reader's keeper."""

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The slots of the reader that is kept in `folder`. Raises Problem(card.no_reader)."""
        folder = folder.resolve()
        try:
            pid = int((folder / keeper.KEPT).read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            command, pid = [], 0
        if os.fsencode(folder) not in command:
            raise Problem(
                "card.no_reader", "no virtual reader is kept there", str(folder), "a running one", "Start it first."
            )
        return cls(folder, pid)

    @property
    def environment(self) -> dict[str, str]:
        """What a program's environment must have so that its PC/SC calls reach this reader.

        A process reads it once, at its first call.
        """
        return {SOCKET_VARIABLE: str(self.folder / keeper.SOCKET)}

    def run_card(self, argv: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
        """Start a card's program where it reaches vpcd on 127.0.0.1, port `PORT`; `options` are those of Popen.

        Its process id is the program's own. A card that ends when vpcd hangs up never outlives the reader.
        """
        network = f"--net=/proc/{self.keeper}/ns/net"
        return subprocess.Popen(["nsenter", network, "--", *map(str, argv)], **options)  # noqa: S603, S607

    def connect(self, slot: int = 0) -> socket.socket:
        """A socket of this process to a slot: a card is in. Whoever closes it pulls the card. Raises Problem(card.no_reader)."""
        found: list[socket.socket | OSError] = []

        def over_there() -> None:
            # A thread of its own, since it stays in the reader's network; a socket stays in that in which it was made.
            try:
                with Path(f"/proc/{self.keeper}/ns/net").open("rb") as network:
                    if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                found.append(socket.create_connection(("127.0.0.1", PORT + slot)))
            except OSError as error:
                found.append(error)

        there = threading.Thread(target=over_there, name="slot")
        there.start()
        there.join()
        (one,) = found
        if isinstance(one, OSError):
            raise Problem(
                "card.no_reader", f"slot {slot}: {one}", str(self.folder), "a running virtual reader"
            ) from one
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return one


class VirtualReader:
    """A virtual reader for the length of a `with` block, or until `close`; it ends also when this process is killed.

    `folder` is made when missing, readable by nobody else: who may reach the socket in it may use the card. Raises
    Problem(card.unavailable) naming the packages or rights that are missing, (card.busy) when a reader is kept there already.
    """

    def __init__(self, folder: Path) -> None:
        folder = folder.absolute()
        _require_programs()
        path = folder / keeper.SOCKET
        if len(os.fsencode(path)) > _LONGEST_SOCKET:
            raise Problem(
                "value.invalid", f"{path} is too long for a socket", "folder", f"{_LONGEST_SOCKET} bytes at most"
            )
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_free(folder)
        (folder / keeper.CONFIGURATION).write_text(_configuration())
        self._keeper = subprocess.Popen(  # noqa: S603
            [sys.executable, "-IS", keeper.__file__, str(folder), str(PORT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PATH": _path()},
        )
        try:
            self._await_ready(folder)
        except BaseException:
            self.close()
            raise
        self.slots = Slots(folder, self._keeper.pid)

    @property
    def folder(self) -> Path:
        return self.slots.folder

    @property
    def environment(self) -> Mapping[str, str]:
        """As `Slots.environment`."""
        return self.slots.environment

    def run_card(self, argv: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
        """As `Slots.run_card`."""
        return self.slots.run_card(argv, **options)

    def connect(self, slot: int = 0) -> socket.socket:
        """As `Slots.connect`."""
        return self.slots.connect(slot)

    def wait(self) -> None:
        """Until the reader ends by itself, as when pcscd dies."""
        self._keeper.wait()

    def close(self) -> None:
        """End the reader, which pulls the cards in it; may be called again."""
        for stream in (self._keeper.stdin, self._keeper.stdout, self._keeper.stderr):
            if stream is not None:
                stream.close()
        try:
            self._keeper.wait(_ENDS_SECONDS)
        except subprocess.TimeoutExpired:
            self._keeper.kill()  # pcscd dies with it
            self._keeper.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _await_ready(self, folder: Path) -> None:
        said, complaints = self._keeper.stdout, self._keeper.stderr
        assert said is not None  # noqa: S101 - both are pipes
        assert complaints is not None  # noqa: S101
        if says_something(said, _BEGINS_SECONDS) and said.readline() == b"ready\n":
            return
        self._keeper.kill()
        why = complaints.read().decode(errors="replace").strip()
        raise Problem(
            "card.unavailable",
            why or "the virtual reader did not begin",
            str(folder),
            advice="Namespaces need root, or CAP_SYS_ADMIN and CAP_NET_ADMIN: run it as root.",
        )


def says_something(said: IO[bytes], seconds: float) -> bool:
    """Whether something can be read within so many seconds; with poll, since select knows no descriptors above 1,023."""
    waiting = select.poll()
    waiting.register(said, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))


def missing_programs() -> tuple[str, ...]:
    """What a virtual reader lacks on this machine: names of programs, drivers and rights; empty where it can run."""
    missing = [name for name in ("pcscd", "nsenter", "unshare") if shutil.which(name, path=_path()) is None]
    if _driver() is None:
        missing.append("vpcd")
    if not missing and not _may_leave():
        missing.append(_RIGHT)
    return tuple(missing)


@cache
def _may_leave() -> bool:
    """Whether this account may have namespaces of its own; root in a container may not."""
    tried = ["unshare", "--mount", "--net", "true"]
    return subprocess.run(tried, check=False, capture_output=True, env={"PATH": _path()}).returncode == 0  # noqa: S603


def _path() -> str:
    """Where programs are looked for: also where those of the administrator lie, which not every PATH names."""
    return os.pathsep.join(filter(None, (os.environ.get("PATH"), "/usr/sbin", "/sbin")))


def _require_programs() -> None:
    missing = missing_programs()
    if missing:
        raise Problem(
            "card.unavailable",
            f"a virtual reader lacks {', '.join(missing)}",
            expected=f"Debian's packages {PACKAGES}, and root",
            advice=f"Run as root: apt-get install {PACKAGES}"
            if missing != (_RIGHT,)
            else "Run it as root; in a container, with CAP_SYS_ADMIN and CAP_NET_ADMIN.",
        )


def _require_free(folder: Path) -> None:
    try:
        Slots.of(folder)
    except Problem:
        return
    raise Problem(
        "card.busy", "a virtual reader is kept there already", str(folder), advice="Use it, or another folder."
    )


def _driver() -> Path | None:
    """vpcd's driver, where its package says it is."""
    try:
        found = re.search(r"^LIBPATH\s+(\S+)", _SHIPPED.read_text(), re.MULTILINE)
    except OSError:
        return None
    return Path(found[1]) if found and Path(found[1]).exists() else None


def _configuration() -> str:
    port = f"0x{PORT:04X}"
    return f'FRIENDLYNAME "{READER_NAME}"\nDEVICENAME /dev/null:{port}\nLIBPATH {_driver()}\nCHANNELID {port}\n'
