"""Programs that tests of the card need (試験に要る外部プログラム): what is missing is skipped, counted and said aloud."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kumihimo.roles.card.reader.virtual import VirtualReader, missing_programs

NOT_RUN = "NOT RUN for want of "
_KNOWN = {
    "opensc": "opensc-tool",
    "opensc-pkcs11": "/usr/lib/*/opensc-pkcs11.so",
    "softhsm2": "/usr/lib/softhsm/libsofthsm2.so",
}


def missing(*needed: str) -> tuple[str, ...]:
    """What of these is not on this machine.

    `virtual-reader` means everything a VirtualReader needs; `python:NAME` a module; others are programs in PATH.
    """
    lacking: list[str] = []
    for one in needed:
        if one == "virtual-reader":
            lacking += missing_programs()
        elif one.startswith("python:"):
            if importlib.util.find_spec(one.removeprefix("python:")) is None:
                lacking.append(one)
        elif not _found(_KNOWN.get(one, one)):
            lacking.append(one)
    return tuple(lacking)


def needs(*needed: str) -> pytest.MarkDecorator:
    """A mark that skips tests where something is missing, to be counted at the end: `pytestmark = needs("opensc")`."""
    lacking = missing(*needed)
    return pytest.mark.skipif(bool(lacking), reason=NOT_RUN + ", ".join(lacking))


@contextmanager
def virtual_reader() -> Iterator[VirtualReader]:
    """A virtual reader in a folder whose name is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="reader-") as folder, VirtualReader(Path(folder)) as reader:
        yield reader


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were not run for want of what; imported by the top conftest."""
    counted: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple) and NOT_RUN in report.longrepr[2]:
            wanted = report.longrepr[2].partition(NOT_RUN)[2]
            counted[wanted] = counted.get(wanted, 0) + 1
    for wanted, tests in sorted(counted.items()):
        terminalreporter.write_line(f"{NOT_RUN}{wanted}: {tests} tests", red=True, bold=True)


def _found(name: str) -> bool:
    if not name.startswith("/"):
        return shutil.which(name) is not None
    return any(Path("/").glob(name.removeprefix("/")))
