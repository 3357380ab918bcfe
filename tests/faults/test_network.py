"""Operator 2 or a provider behind a line that is cut, slow or lossy: real namespaces, real packets, real processes."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kumihimo.country.drills import network
from kumihimo.country.drills.drilling import Ground
from kumihimo.country.drills.lines import Lines, bad_lines, why_no_lines
from kumihimo.domain.kernel import PartyId, Problem

pytestmark = pytest.mark.skipif(why_no_lines() is not None, reason=f"NOT RUN: {why_no_lines()}")
FAR = PartyId("y-city/exchange")
ECHO = (
    "import socket, sys\n"
    "with socket.create_server((sys.argv[1], 7), reuse_port=True) as server:\n"
    "    print('listening', flush=True)\n"
    "    while True:\n"
    "        line, _ = server.accept()\n"
    "        with line:\n"
    "            while heard := line.recv(65536): line.sendall(heard)\n"
)


def silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


@contextmanager
def echo(lines: Lines) -> Iterator[str]:
    """Somebody at the far end who says again what is said."""
    line = lines.by_party[FAR]
    command = ["ip", "netns", "exec", line.namespace, sys.executable, "-c", ECHO, line.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        yield line.address
        process.kill()


def said(address: str, size: int, patience: float = 60.0) -> float:
    """How long it takes until everything has come back."""
    started, sent = time.monotonic(), random.Random(1).randbytes(size)
    with socket.create_connection((address, 7), timeout=patience) as line:
        line.sendall(sent)
        heard = b""
        while len(heard) < size:
            heard += line.recv(65_536)
    assert heard == sent
    return time.monotonic() - started


def test_a_line_delays_loses_and_is_cut_as_it_is_told_to() -> None:
    with bad_lines((FAR,), seed=1) as lines, echo(lines) as address:
        line = lines.by_party[FAR]
        assert said(address, 100_000) < 5
        line.delay = 0.1
        assert said(address, 10) > 0.35  # two round trips
        line.delay, line.loss = 0.0, 0.2
        before = line.lost
        said(address, 300_000)
        assert line.lost > before + 10
        line.cut = True
        with pytest.raises(TimeoutError):
            said(address, 10, patience=0.5)
        line.heal()
        assert said(address, 10) < 5
    assert lines.address not in subprocess.run(["ip", "-4", "addr"], capture_output=True, text=True, check=True).stdout


def test_bad_lines_are_told_clearly_leak_nothing_and_everything_arrives_in_the_end(tmp_path: Path) -> None:
    shown = [(one.what, one.found) for one in network.play(Ground(silent, seed=2, scratch=tmp_path))]
    told = dict(one for one in shown if one[0])
    assert "operator.unreachable" in told["hub-2/operator cut"]
    assert "provider.unreachable" in told["y-city/exchange cut"]
    assert "provider.unreachable" in told["answer too late"]
    assert sum("the log has one request" in found for _, found in shown) == 3
    assert "outboxes empty" in told["afterwards"]
    assert "no store or log but" in told["leaked"]


def test_lines_cannot_be_had_without_the_right_to_make_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(Problem) as caught, bad_lines((FAR,), seed=1):
        pass
    assert caught.value.code == "drill.impossible"
