"""The new operator's path: the blocks of docs/operations.md, section 11, run one after the other on an empty machine.

Every party is started by its own command, on PostgreSQL, without a supervisor. Only addresses and folders are others than in
the document, and the units' lines are run by `systemctl_stand_in.py`.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from kumihimo.country.boundaries import Role
from kumihimo.country.founding import destroy
from kumihimo.country.layout import Country
from kumihimo.country.programs import load_settings
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.topology import role_of
from kumihimo.domain.kernel import PartyId
from kumihimo.plumbing.storage import downgrade, open_engine
from kumihimo.plumbing.wire.directory import Directory
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.roles.gateway.store.exchange import MIGRATIONS
from throwaway_postgresql import Cluster

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "docs" / "operations.md").read_text().partition("\n## 11.")[2].partition("\n## 12.")[0]
BLOCKS = dict(re.findall(r"^```sh\n# walk: ([a-z ]+)\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE))
ADDRESSES, LATER = re.findall(r"^```toml\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)
WALKED = {"units", "founding", "parcels", "party", "ready", "first day", "join", "publish", "renew", "upgrade"}
FIRST = ("hub-1/operator", "hub-2/operator", "registry/network", "numbering/authority", "oversight/body")
THEN = ("portal/portal", "x-city/ledger", "x-city/exchange", "y-city/ledger", "y-city/exchange")
SECONDS = 60.0
_LOADED = ROOT / "tests/country/ready_made_program.py"


class Machine:
    """A folder that stands for all machines: what the document puts under /opt, /etc, /var and /srv lies in it."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.folder = folder
        self._database = cluster.url("postgres").replace("+psycopg", "").removesuffix("/postgres")
        hosts = sorted(set(re.findall(r'https://([\w.-]+\.example):8443"', SECTION)))
        self._ports = dict(zip(hosts, free_ports(len(hosts)), strict=True))
        self.work = folder / "work"
        for name in ("work", "bin", "etc/systemd/system", "etc/tmpfiles.d", "var/lib", "var/backups", "srv/parcels"):
            (folder / name).mkdir(parents=True)
        (self.work / "ops").symlink_to(ROOT / "ops")
        for version in ("kumihimo-1", "kumihimo-2"):
            program = f'exec "{sys.executable}" -I -S "{_LOADED}" "{folder}/program.socket" "$@"'
            self._script(folder / "opt" / version / ".venv/bin/kumihimo", program)
        (folder / "opt/kumihimo").symlink_to(folder / "opt/kumihimo-1")
        (folder / "bin/kumihimo").symlink_to(folder / "opt/kumihimo/.venv/bin/kumihimo")
        self._script(
            folder / "bin/systemctl", f'exec "{sys.executable}" "{ROOT}/tests/country/systemctl_stand_in.py" "$@"'
        )
        # The stand-in of systemd-tmpfiles knows lines of the kind `d PATH MODE`, which are all there are.
        lines = f"sed -n 's|^d \\(/[^ ]*\\) \\([0-7]*\\) .*|-m \\2 {folder}\\1|p' \"$2\""
        self._script(folder / "bin/systemd-tmpfiles", f"{lines} | xargs -n 3 install -d")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KUMIHIMO_")}
        own = {"PATH": f"{folder}/bin:{kept['PATH']}", "MACHINE": str(folder), "PYTHONPATH": str(ROOT / "src")}
        self.environment = {**kept, **own, "LC_ALL": "C.UTF-8"}

    def _script(self, file: Path, command: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{command}\n")
        file.chmod(0o755)

    def here(self, text: str) -> str:
        """A text of the document with the addresses and folders of this machine."""
        text = re.sub(r"(?<![\w.])/(opt|etc|var|srv)/", rf"{self.folder}/\1/", text)
        text = text.replace("postgresql://postgres@db.example:5432", self._database)
        return re.sub(r"([\w.-]+\.example):8443", lambda found: f"127.0.0.1:{self._ports[found[1]]}", text)

    def run(self, block: str, **instead: str) -> subprocess.CompletedProcess[str]:
        """Run a block of the document, some of its words replaced."""
        command = self.here(block)
        for word, other in instead.items():
            command = command.replace(word, other)
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command], cwd=self.work, env=self.environment, text=True, timeout=180,
            capture_output=True, check=False,
        )  # fmt: skip

    def walk(self, name: str, **instead: str) -> str:
        """Run a block, which must succeed; what it printed."""
        return self.must(BLOCKS[name], **instead)

    def must(self, command: str, **instead: str) -> str:
        """Run a command of a block, which must succeed; what it printed."""
        done = self.run(command, **instead)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, party: str) -> None:
        """Walk the block of a party, with that party's names."""
        self.walk("party", **{"x-city-exchange": party.replace("/", "-"), "ROLE=exchange": f"ROLE={role_of(party)}"})

    def home(self, party: str) -> Path:
        return self.folder / "var/lib/kumihimo" / party.replace("/", "-")

    def ready(self, party: str) -> bool:
        """Walk the block that asks a service whether it is ready, with that service's names."""
        institution, _, service = party.partition("/")
        address = re.search(rf'^"{party}" = "https://(.+)"$', ADDRESSES + LATER, re.MULTILINE)
        assert address is not None
        block = BLOCKS["ready"].replace("exchange.x-city.example:8443", address[1])
        return self.run(block.replace("exchange.x-city", f"{service}.{institution}")).returncode == 0


def free_ports(number: int) -> list[int]:
    held = [socket.socket() for _ in range(number)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, postgresql_cluster: Cluster) -> Iterator[Machine]:
    """The machine, founded and with all parties of the document up; gone afterwards, with its databases."""
    here = Machine(tmp_path_factory.mktemp("walk"), postgresql_cluster)
    program = [sys.executable, str(_LOADED), "serve", f"{here.folder}/program.socket"]
    loaded = subprocess.Popen(program, env=here.environment, stdout=subprocess.PIPE, text=True)
    assert loaded.stdout is not None
    assert loaded.stdout.readline() == "ready\n"
    (here.work / "addresses.toml").write_text(here.here(ADDRESSES))
    (here.work / "w-city.toml").write_text(here.here(LATER))
    try:
        for name in ("units", "founding", "parcels"):
            here.walk(name)
        for party in (*FIRST, *THEN):
            here.start(party)
        yield here
    finally:
        running = [file.stem for file in (here.folder / "run").glob("*.pid")]
        here.run("systemctl stop " + " ".join(f"kumihimo@{one}" for one in running))
        if (here.folder / "srv/founding/country.toml").exists():
            destroy(Country.open(here.folder / "srv/founding"))
        loaded.kill()
        loaded.wait()


def version_at(machine: Machine, party: str) -> int:
    identity = Identity(PartyId(party), machine.home(party) / "keys")
    return Directory.load(machine.home(party) / "directory.json", identity.anchors()).version


def test_every_block_of_the_document_is_walked() -> None:
    assert set(BLOCKS) == WALKED


def test_a_first_resident_is_registered_asked_about_and_the_log_verified(machine: Machine) -> None:
    until(lambda: True if all(machine.ready(party) for party in THEN) else None, SECONDS, "readiness")
    registering, importing, taking, coding, inquiring, verifying = _commands(BLOCKS["first day"])
    there = machine.must(registering).split()[0]
    (machine.work / "tax.csv").write_text(_TAX.replace("ADDRESSEE", there))
    assert "1 placed" in machine.must(importing)
    here = machine.must(taking, NUMBER=number_of(machine, there)).split()[0]
    assert machine.must(coding).count("1 link code asked for") == 2

    def answered() -> str | None:
        done = machine.run(inquiring, ADDRESSEE=here)
        assert done.returncode == 0 or "addressee.no_code" in done.stderr, done.stdout + done.stderr
        return done.stdout or None

    assert "local-tax" in until(answered, SECONDS, "the link codes")
    assert "entries" in machine.must(verifying)


def test_an_institution_joins_and_nobody_is_restarted(machine: Machine) -> None:
    before = pids(machine)
    machine.walk("join")
    machine.walk("publish")
    for party in ("w-city/ledger", "w-city/exchange"):
        machine.start(party)
    published = version_at(machine, "hub-1/operator")
    everybody = (*FIRST, *THEN, "w-city/ledger", "w-city/exchange")
    until(
        lambda: True if all(version_at(machine, party) == published for party in everybody) else None, SECONDS,
        "the directory everywhere",
    )  # fmt: skip
    assert {party: pid for party, pid in pids(machine).items() if party in before} == before
    registering = _commands(BLOCKS["first day"])[0].replace("y-city", "w-city")
    assert "甲県W市" in machine.must(registering, 一郎="二郎", イチロウ="ジロウ")
    until(lambda: True if machine.ready("w-city/exchange") else None, SECONDS, "readiness")


def test_a_certificate_is_renewed_where_its_party_is(machine: Machine) -> None:
    keys = machine.home("x-city/exchange") / "keys"
    before = (keys / "tls.pem").read_bytes()
    running = pids(machine)
    machine.walk("renew")
    machine.walk("publish")
    assert (keys / "tls.pem").read_bytes() != before
    assert (keys / "tls.key").stat().st_mode & 0o777 == 0o600
    published = version_at(machine, "hub-1/operator")
    until(lambda: True if version_at(machine, "x-city/exchange") == published else None, SECONDS, "the directory")
    assert machine.ready("x-city/exchange")
    assert pids(machine) == running


def test_a_store_of_an_earlier_version_is_refused_with_the_command_and_upgraded_in_place(machine: Machine) -> None:
    party = "x-city/exchange"
    machine.must("systemctl stop kumihimo@x-city-exchange")
    settings = machine.home(party) / "role.toml"
    engine = open_engine(load_settings(Role.EXCHANGE, settings).store)
    downgrade(engine, MIGRATIONS, "0001")
    held = _codes_in(engine)
    engine.dispose()
    refused = machine.run(f"kumihimo serve exchange --settings {settings}")
    assert refused.returncode == 1
    assert f"kumihimo migrate exchange --settings {settings}" in " ".join(refused.stderr.split())
    machine.walk("upgrade")
    until(lambda: True if machine.ready(party) else None, SECONDS, "readiness")
    engine = open_engine(load_settings(Role.EXCHANGE, settings).store)
    assert (held > 0, _codes_in(engine)) == (True, held)
    engine.dispose()
    kept = json.loads((machine.folder / "var/backups/kumihimo/before-the-upgrade/manifest.json").read_text())
    assert {store["party"] for store in kept["stores"]} >= {*FIRST, *THEN}


def _commands(block: str) -> list[str]:
    """The commands of a block, each with its continued lines."""
    return [line for line in block.replace("\\\n", " ").splitlines() if line]


def pids(machine: Machine) -> dict[str, str]:
    return {file.stem: file.read_text() for file in (machine.folder / "run").glob("*.pid")}


def _codes_in(engine: Engine) -> int:
    with engine.connect() as conn:
        return int(conn.execute(text("SELECT count(*) FROM link_code")).scalar_one())


_TAX = """addressee_number,valid_from,valid_until,assessed_on,salary_gross,salary_income,business_income,pension_gross,\
pension_income,total_income,deductions,taxable_income,income_levy,per_capita_levy,tax_total,spouse_supported,dependants,\
dependants_under_16
ADDRESSEE,2026-04-01,2027-03-31,2026-01-01,0,0,0,0,0,0,0,0,0,0,0,false,0,0
"""


def number_of(machine: Machine, addressee: str) -> str:
    """The Individual Number, as it stands on the papers that the family brings along."""
    engine = open_engine(load_settings(Role.LEDGER, machine.home("y-city/ledger") / "role.toml").store)
    query = text("SELECT individual_number FROM addressee WHERE addressee_number = :number")
    with engine.connect() as conn:
        found = conn.execute(query, {"number": addressee}).scalar_one()
    engine.dispose()
    return str(found)
