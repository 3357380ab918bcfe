"""The virtual reader of a country and the card in it (仮想リーダーへの挿入): kept by processes of their own until they are ended.

The reader is a real `pcscd` with `vpcd` (`roles.card.reader.virtual`), the card its own process. `environment` is what
OpenSC, the browser's host and our own programs need to reach it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from kumihimo.country.card_office import folder_of
from kumihimo.country.layout import Country
from kumihimo.domain.kernel import Problem
from kumihimo.roles.card.chip.process import INSERTED
from kumihimo.roles.card.reader.virtual import SEEN_EMPTY_SECONDS, Slots, VirtualReader, says_something
from kumihimo.roles.card.reader.virtual import SOCKET_VARIABLE as VARIABLE

__all__ = ["VARIABLE", "eject", "environment", "insert", "inserted", "keep", "put_away", "use"]

_READER: Final = "reader"
_CARD: Final = "card"
_LOG: Final = "reader.log"
_BEGINS_SECONDS: Final = 20.0
_ENDS_SECONDS: Final = 10.0
_LOOK: Final = 0.02


def environment(country: Country) -> dict[str, str]:
    """The environment variables by which PC/SC programs reach the country's reader. Raises Problem(card.no_reader)."""
    return Slots.of(_folder(country)).environment


def use(country: Country) -> None:
    """Have this process's own PC/SC calls go to the country's reader. Raises Problem(card.no_reader)."""
    os.environ.update(environment(country))


def inserted(country: Country) -> str | None:
    """The serial of the card in the country's reader, None where it is empty or there is no reader."""
    found = _marked(country)
    return None if found is None else found[1]


def insert(country: Country, serial: str) -> None:
    """Put a card into the country's reader, in place of the one in it; the reader is started where it is not.

    Raises Problem(card.absent, card.unavailable, card.no_reader).
    """
    card = folder_of(country, serial)
    if eject(country) is not None:
        time.sleep(SEEN_EMPTY_SECONDS)
    slots = _reader(country)
    with (country.run / _LOG).open("ab") as log:
        process = slots.run_card(
            [sys.executable, "-m", "kumihimo.roles.card.chip", str(card)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
        )  # fmt: skip
    (country.run / _CARD).write_text(f"{process.pid} {serial}\n")
    if not _says(process, INSERTED):
        _end(process.pid)
        (country.run / _CARD).unlink(missing_ok=True)
        raise Problem(
            "card.no_reader", "the card did not get into the reader", where=str(country.run / _LOG),
            expected="a card that says that it is in", advice="Read what it said in that file.",
        )  # fmt: skip


def eject(country: Country) -> str | None:
    """Pull the card out; its serial, None where there was none."""
    found = _marked(country)
    if found is None:
        return None
    pid, serial = found
    _end(pid)
    (country.run / _CARD).unlink(missing_ok=True)
    return serial


def put_away(country: Country) -> bool:
    """Pull the card and end the reader; whether there was a reader."""
    eject(country)
    try:
        slots = Slots.of(_folder(country))
    except Problem:
        return False
    _end(_parent(slots.keeper))
    _end(slots.keeper)  # it ends with the one who started it; here it is waited for
    return True


def keep(folder: Path) -> None:
    """Keep a reader in `folder` until SIGTERM: what `python -m kumihimo.country.card_slot FOLDER` does."""
    with VirtualReader(folder) as reader:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        print("ready", flush=True)
        reader.wait()


def _reader(country: Country) -> Slots:
    folder = _folder(country)
    with suppress(Problem):
        return Slots.of(folder)
    country.run.mkdir(exist_ok=True)
    with (country.run / _LOG).open("ab") as log:
        keeper = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", __name__, str(folder)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        if not _says(keeper, "ready"):
            _end(keeper.pid)
            assert keeper.stderr is not None  # noqa: S101 - a pipe
            said = keeper.stderr.read()
            log.write(said)
            raise Problem(
                "card.unavailable", said.decode(errors="replace").strip().splitlines()[-1] if said else "it ended",
                where=str(country.run / _LOG), expected="a virtual reader",
                advice="Run `make card` as root: it brings in pcscd and vsmartcard-vpcd.",
            )  # fmt: skip
    return Slots.of(folder)


def _says(process: subprocess.Popen[bytes], word: str) -> bool:
    """Whether a process says that it is ready, in time."""
    assert process.stdout is not None  # noqa: S101 - a pipe
    return says_something(process.stdout, _BEGINS_SECONDS) and process.stdout.readline().strip() == word.encode()


def _parent(pid: int) -> int:
    """The process that keeps the reader's keeper."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:"))


def _folder(country: Country) -> Path:
    return country.run / _READER


def _marked(country: Country) -> tuple[int, str] | None:
    try:
        pid, serial = (country.run / _CARD).read_text().split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return (int(pid), serial) if os.fsencode(serial) in command else None


def _end(pid: int) -> None:
    """End a process and wait for it; one that does not listen is killed, which a card is made for."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, sent)
        deadline = time.monotonic() + _ENDS_SECONDS
        while time.monotonic() < deadline:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # where it is a child of ours
            if not Path(f"/proc/{pid}").exists():
                return
            time.sleep(_LOOK)


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
