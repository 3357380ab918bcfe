"""The process that keeps one virtual reader (仮想カードリーダーの番): real `pcscd` with `vpcd` where nobody else's are seen.

Run as a script with nothing but the standard library: `keeper.py FOLDER PORT`. It leaves for a mount namespace of its own,
in which FOLDER lies over pcscd's fixed /run/pcscd, and for a network namespace of its own, since vpcd listens on all
addresses. It says `ready` on its standard output, and ends, with pcscd, as soon as its standard input does: when whoever
started it closes it or dies, however they die. Exit status 3 tells why it could not begin, in one line on standard error.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

RUN = Path("/run/pcscd")
SOCKET = "pcscd.comm"
KEPT = "keeper.pid"
NO_DRIVERS = "no-usb-drivers"
CONFIGURATION = "reader.conf"
COULD_NOT_BEGIN = 3

_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_PR_SET_PDEATHSIG = 1
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_TCP_LISTEN = "0A"
_BEGINS_SECONDS = 10.0
_LOOKS_EVERY = 0.01  # seconds, while pcscd begins
_ENDS_SECONDS = 3.0

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> int:
    """Keep a reader until standard input ends."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    try:
        leave(folder)
        pcscd = begin(folder)
    except OSError as error:
        print(error, file=sys.stderr)
        return COULD_NOT_BEGIN
    died = os.pidfd_open(pcscd.pid)
    try:
        if not is_up(folder, port, died):
            print(f"pcscd did not begin within {_BEGINS_SECONDS} s; see {folder / 'pcscd.log'}", file=sys.stderr)
            return COULD_NOT_BEGIN
        (folder / KEPT).write_text(str(os.getpid()))
        print("ready", flush=True)
        wait_for_the_end(died)
    finally:
        end(pcscd, died)
        for name in (SOCKET, "pcscd.pid", KEPT):
            (folder / name).unlink(missing_ok=True)
    return 0


def leave(folder: Path) -> None:
    """Into namespaces of our own: `folder` over /run/pcscd, and a network that holds nothing but its loopback."""
    RUN.mkdir(exist_ok=True)
    _call("unshare", _CLONE_NEWNS | _CLONE_NEWNET)
    _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    _call("mount", os.fsencode(folder), os.fsencode(RUN), None, _MS_BIND, None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        loopback = struct.pack("16sh", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, loopback.ljust(40, b"\0")), 16)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | _IFF_UP).ljust(40, b"\0"))


def begin(folder: Path) -> subprocess.Popen[bytes]:
    """Start pcscd; it dies with us. It knows of no USB drivers: a real reader stays with the machine's own pcscd."""
    me = os.getpid()

    def with_the_keeper() -> None:
        _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != me:
            os._exit(1)

    (folder / NO_DRIVERS).mkdir(exist_ok=True)
    with (folder / "pcscd.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603
            ["pcscd", "--foreground", "--error", "--config", str(folder / CONFIGURATION)],  # noqa: S607
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PCSCLITE_HP_DROPDIR": str(folder / NO_DRIVERS)},
            preexec_fn=with_the_keeper,
        )


def is_up(folder: Path, port: int, died: int) -> bool:
    """Whether pcscd takes clients and vpcd listens, within ten seconds and while both we and pcscd are wanted."""
    until = time.monotonic() + _BEGINS_SECONDS
    while time.monotonic() < until:
        if _listens(port) and _takes_clients(folder / SOCKET):
            return True
        if select.select([died], [], [], _LOOKS_EVERY)[0]:
            return False
    return False


def wait_for_the_end(died: int) -> None:
    """Until standard input is closed at its other end, or pcscd has died."""
    while True:
        ready, _, _ = select.select([sys.stdin.fileno(), died], [], [])
        if died in ready or not os.read(sys.stdin.fileno(), 1024):
            return


def end(pcscd: subprocess.Popen[bytes], died: int) -> None:
    """Ask pcscd to end, and make it."""
    with contextlib.suppress(ProcessLookupError):
        pcscd.terminate()
        if not select.select([died], [], [], _ENDS_SECONDS)[0]:
            pcscd.kill()
    pcscd.wait()


def _listens(port: int) -> bool:
    """Looked up instead of tried: a connection would be a card put in."""
    wanted = f":{port:04X}"
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in Path(table).read_text().splitlines()[1:]:
                _, local, _, state = line.split()[:4]
                if local.endswith(wanted) and state == _TCP_LISTEN:
                    return True
    return False


def _takes_clients(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def _call(function: str, *arguments: object) -> None:
    if getattr(_libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


if __name__ == "__main__":
    sys.exit(main())
