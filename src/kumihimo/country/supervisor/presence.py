"""Whether a country is up (稼働の印): a lock that ends with its supervisor, and the process ids of its services."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from kumihimo.country.layout import Country
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId

DOWN_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 1.0  # longer than anybody who only looks holds the lock of a country
_SUPERVISOR: Final = "supervisor.pid"
_PIDS: Final = "pids"


def take_charge(country: Country) -> int:
    """The folder `run` under a lock that ends with this process, whatever ends it. Raises Problem(country.running)."""
    country.run.mkdir(exist_ok=True)
    lock = os.open(country.run, os.O_RDONLY)
    deadline = time.monotonic() + _LOOK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(lock)
                raise Problem(
                    "country.running", str(country.folder), expected="a country that is down",
                    advice=f"Use it as it is, or stop it first with `kumihimo country down {country.folder}`.",
                ) from None  # fmt: skip
            time.sleep(0.05)
        else:
            (country.run / _SUPERVISOR).write_text(str(os.getpid()))
            return lock


def leave(country: Country, lock: int) -> None:
    """Take the marks away and give the lock back."""
    for name in (_SUPERVISOR, _PIDS):
        (country.run / name).unlink(missing_ok=True)
    os.close(lock)


def write_pids(country: Country, pids: Mapping[PartyId, int]) -> None:
    """Say which process each service is now, all at once."""
    beside = country.run / f"{_PIDS}.new"
    beside.write_text("".join(f"{party} {pid}\n" for party, pid in pids.items()))
    beside.rename(country.run / _PIDS)


def is_up(country: Country) -> bool:
    """Whether a supervisor holds this country, up or on its way."""
    if not country.run.exists():
        return False
    look = os.open(country.run, os.O_RDONLY)
    try:
        fcntl.flock(look, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(look)
    return False


def not_running(country: Country) -> Problem:
    """What to say where a country would have to be up."""
    return Problem(
        "country.not_running", str(country.folder), expected="a country that is up",
        advice=f"Run `kumihimo country up {country.folder}` first.",
    )  # fmt: skip


def pids(country: Country) -> dict[PartyId, int]:
    """Process ids of a running country, by party, of those that are there. Raises Problem(country.not_running)."""
    if not is_up(country):
        raise not_running(country)
    try:
        text = (country.run / _PIDS).read_text()
    except FileNotFoundError:
        raise Problem(
            "country.not_running", f"{country.folder} is starting or stopping", expected="a country that is up",
            advice="Try again in some seconds.",
        ) from None  # fmt: skip
    pairs = (line.rsplit(" ", 1) for line in text.splitlines())
    return {PartyId(party): int(pid) for party, pid in pairs}


def bring_down(country: Country) -> None:
    """Ask the supervisor of a country to stop it, and wait. Raises Problem(country.not_running, country.role_died)."""
    if not is_up(country):
        raise not_running(country)
    with suppress(FileNotFoundError, ProcessLookupError):  # it is stopping already
        os.kill(int((country.run / _SUPERVISOR).read_text()), signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while is_up(country):
        if time.monotonic() > deadline:
            raise Problem(
                "country.role_died", f"{country.folder} did not stop within {DOWN_SECONDS:.0f} s",
                where=str(country.run / _SUPERVISOR),
                advice="End the process with this id; its services end with it.",
            )  # fmt: skip
        time.sleep(0.05)
