"""The units are understood by systemd, start the programs that there are, and leave a service little to do harm with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from kumihimo.cli.main import app
from kumihimo.country.boundaries import Role
from kumihimo.plumbing.wire.listening import BACKLOG
from kumihimo.plumbing.wire.server import DRAIN_SECONDS

UNITS = Path(__file__).parents[3] / "ops" / "systemd"
INSTALLED = "/opt/kumihimo/.venv/bin/kumihimo"


def _lines(name: str) -> list[str]:
    return (UNITS / name).read_text().splitlines()


def test_the_unit_runs_commands_that_exist_for_the_party_it_is_named_after() -> None:
    commands = [line.partition("=")[2].split() for line in _lines("kumihimo@.service") if line.startswith("ExecStart")]
    assert [command[1] for command in commands] == ["migrate", "serve"]
    known = {one.name for one in app.registered_commands}
    for program, command, role, option, settings in commands:
        assert (program, role, option) == (INSTALLED, "${ROLE}", "--settings")
        assert command in known
        assert settings == "/var/lib/kumihimo/%i/role.toml"
    example = next(line for line in _lines("kumihimo@.service") if "ROLE=" in line)
    assert re.search(r"ROLE=(\w+)", example).group(1) in set(Role)  # type: ignore[union-attr]


def test_a_service_has_no_privilege_and_a_folder_of_its_own() -> None:
    parser = ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNITS / "kumihimo@.service")
    service = parser["Service"]
    for name in ("DynamicUser", "NoNewPrivileges", "PrivateDevices", "PrivateTmp", "ProtectHome", "RestrictSUIDSGID"):
        assert service[name] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert service["StateDirectoryMode"] == "0700"
    assert service["UMask"] == "0077"


def test_systemd_takes_the_units_as_they_are(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd is not on this machine")
    program = Path(sys.executable).with_name("kumihimo")
    backup = ("kumihimo-backup.service", "kumihimo-backup.timer")
    for name in ("kumihimo@.service", "kumihimo@.socket", "kumihimo.target", *backup):
        (tmp_path / name).write_text((UNITS / name).read_text().replace(INSTALLED, str(program)))
    drop_in = tmp_path / "kumihimo@x-city-exchange.socket.d"
    drop_in.mkdir()
    (drop_in / "address.conf").write_text("[Socket]\nListenStream=192.0.2.10:8443\n")
    units = ("kumihimo@x-city-exchange.service", "kumihimo@x-city-exchange.socket", "kumihimo.target", *backup)
    done = subprocess.run(
        [analyze, "verify", "--man=no", *(str(tmp_path / unit) for unit in units)],
        capture_output=True, text=True, env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )  # fmt: skip
    faults = [line for line in done.stderr.splitlines() if "kumihimo" in line]
    assert (done.returncode, faults) == (0, []), done.stderr


def test_the_socket_waits_as_long_as_the_service_takes_to_stop_and_start() -> None:
    stop = next(line for line in _lines("kumihimo@.service") if line.startswith("TimeoutStopSec="))
    assert int(stop.partition("=")[2]) > DRAIN_SECONDS
    assert "Type=notify" in _lines("kumihimo@.service")
    assert f"Backlog={BACKLOG}" in _lines("kumihimo@.socket")
