"""Stands in for systemd in the walk through docs/operations.md: runs the lines of the unit, and nothing else of it.

    systemctl daemon-reload | enable --now UNIT… | restart UNIT… | stop UNIT… | is-active UNIT

The environment says where the machine lies (MACHINE). Exit status 1 with a word on stderr where systemd would fail.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MACHINE = Path(os.environ["MACHINE"])
RUN = MACHINE / "run"


def main(words: list[str]) -> None:
    verb, units = words[0], [word for word in words[1:] if not word.startswith("-")]
    actions = {"enable": start, "start": start, "restart": restart, "stop": stop, "is-active": is_active}
    if verb == "daemon-reload":
        return
    for unit in units:
        if unit.endswith(".target"):
            assert (MACHINE / "etc/systemd/system" / unit).exists(), unit
        else:
            actions[verb](unit.removesuffix(".service").partition("@")[2])


def start(instance: str) -> None:
    unit = section(instance)
    environment = dict(os.environ)
    for line in Path(unit["EnvironmentFile"][0]).read_text().splitlines():
        name, _, value = line.partition("=")
        environment[name] = value
    if not Path(unit["ConditionPathExists"][0]).exists():
        sys.exit(f"{instance}: {unit['ConditionPathExists'][0]} is not there")
    here = unit["WorkingDirectory"][0]
    for line in unit["ExecStartPre"]:
        subprocess.run(words_of(line, environment), env=environment, cwd=here, check=True, stdout=subprocess.DEVNULL)
    RUN.mkdir(exist_ok=True)
    with ready_of(instance, environment, unit["Type"][0] == "notify"), (RUN / f"{instance}.out").open("ab") as out:
        process = subprocess.Popen(
            words_of(unit["ExecStart"][0], environment), env=environment, cwd=here, stdin=subprocess.DEVNULL,
            stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
        (RUN / f"{instance}.pid").write_text(str(process.pid))


@contextmanager
def ready_of(instance: str, environment: dict[str, str], notifies: bool) -> Iterator[None]:
    """As with Type=notify, a unit has started once it says so, within ninety seconds."""
    if not notifies:
        yield
        return
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        environment["NOTIFY_SOCKET"] = f"{folder}/notify"
        line.bind(environment["NOTIFY_SOCKET"])
        line.settimeout(90)
        yield
        try:
            while b"READY=1" not in line.recv(4096):
                pass
        except TimeoutError:
            sys.exit(f"{instance} did not become ready")


def stop(instance: str) -> None:
    pid = pid_of(instance)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 15
        while pid_of(instance) is not None:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


def restart(instance: str) -> None:
    stop(instance)
    start(instance)


def is_active(instance: str) -> None:
    if pid_of(instance) is None:
        sys.exit(f"{instance} is not active")


def pid_of(instance: str) -> int | None:
    """The process id while the service runs; what has ended and waits for its parent does not run."""
    try:
        pid = int((RUN / f"{instance}.pid").read_text())
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return None
    return None if state == "Z" else pid


def section(instance: str) -> dict[str, list[str]]:
    """The settings of the unit for one instance, paths inside the machine."""
    found: dict[str, list[str]] = {}
    for line in (MACHINE / "etc/systemd/system/kumihimo@.service").read_text().splitlines():
        name, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            value = re.sub(r"(?<![\w.])/(opt|etc|var)/", rf"{MACHINE}/\1/", value.replace("%i", instance))
            found.setdefault(name, []).append(value)
    return found


def words_of(line: str, environment: dict[str, str]) -> list[str]:
    return [re.sub(r"\$\{(\w+)\}", lambda name: environment[name[1]], word) for word in line.split()]


if __name__ == "__main__":
    main(sys.argv[1:])
