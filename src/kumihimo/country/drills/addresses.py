"""Addresses of a drill's country (訓練用の所在): services elsewhere, and services that the supervisor does not start."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from kumihimo.country.founding import free_ports
from kumihimo.country.layout import Country
from kumihimo.country.programs import CLOCK_OFF
from kumihimo.country.supervisor import pids
from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.storage import write_public
from kumihimo.plumbing.wire.directory import Directory, DirectoryDocument
from kumihimo.plumbing.wire.envelope import seal_envelope
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.link_keys import OPERATORS

_SERVE: Final = "from kumihimo.cli.main import main; main()"
_STOP_SECONDS: Final = 15


def sign_addresses(country: Country, urls: Mapping[PartyId, str]) -> None:
    """A new directory with these addresses, the others as they were, signed by both operators of a drill's country."""
    anchors = Identity(OPERATORS[0], country.keys(OPERATORS[0])).anchors()
    old = Directory.load(country.directory, anchors).document
    entries = tuple(
        entry.model_copy(update={"url": urls.get(PartyId(entry.party), entry.url)}) for entry in old.parties
    )
    document = DirectoryDocument(version=old.version + 1, institutions=old.institutions, parties=entries)
    signers = [Identity(operator, country.keys(operator)) for operator in OPERATORS]
    write_public(country.directory, seal_envelope(document, *signers).model_dump_json().encode())


def set_apart(country: Country, *parties: PartyId) -> dict[PartyId, int]:
    """Have everybody look for these services at other ports than those at which the supervisor starts them.

    It may go on holding those. Once its own process is ended, `take_over` says where a service is started.
    """
    ports = {party: free_ports(country.services())[party] for party in parties}
    sign_addresses(country, {party: f"https://127.0.0.1:{port}" for party, port in ports.items()})
    return ports


def take_over(country: Country, party: PartyId, host: str, port: int) -> None:
    """End the supervisor's process of a service; from its next start on it listens where everybody looks for it."""
    os.kill(pids(country)[party], signal.SIGKILL)
    file = country.settings(party)
    text = re.sub(r"(?m)^host = .*$", f'host = "{host}"', file.read_text())
    file.write_text(re.sub(r"(?m)^port = .*$", f"port = {port}", text))


def listen_at(country: Country, party: PartyId, host: str) -> None:
    """Have a service listen at another address from its next start on."""
    file = country.settings(party)
    file.write_text(re.sub(r"(?m)^host = .*$", f'host = "{host}"', file.read_text()))


@contextmanager
def served(
    country: Country, party: PartyId, role: str, namespace: str | None = None, clock_off: float = 0.0
) -> Iterator[None]:
    """A service run by `kumihimo serve`, as a service manager would, where wanted in a network namespace.

    Its clock is `clock_off` seconds ahead of the machine's.

    Raises Problem(drill.failed) with what it said where it does not come up.
    """
    prefix = [] if namespace is None else [shutil.which("ip") or "ip", "netns", "exec", namespace]
    command = [*prefix, sys.executable, "-c", _SERVE, "serve", role, "--settings", str(country.settings(party))]
    surroundings = {**os.environ, CLOCK_OFF: str(clock_off)} if clock_off else None
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=surroundings) as process:  # noqa: S603
        assert process.stderr is not None  # noqa: S101 - a pipe was asked for
        try:
            heard = process.stderr.readline()
            if "listens on" not in heard:
                process.wait(_STOP_SECONDS)
                raise Problem("drill.failed", (heard + process.stderr.read()).strip(), party, "a service that comes up")
            yield
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
