"""Layout of a country on disk (配置): one folder per party, each readable by its owner only.

DIR/country.toml                 seed, number of residents, day of founding, ports
DIR/directory.json               signed by both operators
DIR/root/                        the stand-in TLS root
DIR/parties/<institution>/<service>/role.toml, keys/, store.db, program.log
DIR/run/                         process ids and state while the country is up
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from kumihimo.country import topology
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import Institution, InstitutionId, PartyId

RESIDENT = PartyId("portal/resident")  # stands in for a resident's browser until there is a card
OFFICER = PartyId("oversight/officer")  # whoever may give the oversight body's orders
MONITOR = PartyId("oversight/monitor")  # the scraper of metrics
AUDITOR = Institution(InstitutionId("auditor"), "外部監査人", "Outside auditor", frozenset({"auditor"}))
WITNESS = PartyId("auditor/witness")  # its witness of the log: equipped, and started by whoever runs it


@dataclass(frozen=True)
class Country:
    """A country on disk: where everything is, and which port each service listens on."""

    folder: Path
    seed: int
    residents: int
    founded: date
    ports: dict[PartyId, int]

    @classmethod
    def open(cls, folder: Path) -> Country:
        """Read `country.toml`. Raises Problem(country.missing, file.unreadable)."""
        file = folder / "country.toml"
        if not file.exists():
            raise Problem(
                "country.missing", str(folder), expected="a folder made by `kumihimo country new`",
                advice=f"Run `kumihimo country new {folder}` first.",
            )  # fmt: skip
        try:
            values = tomllib.loads(file.read_text())
            ports = {PartyId(party): int(port) for party, port in values["ports"].items()}
            return cls(folder, int(values["seed"]), int(values["residents"]), values["founded"], ports)
        except (tomllib.TOMLDecodeError, KeyError, ValueError, AttributeError) as error:
            raise Problem("file.unreadable", str(error), where=str(file)) from None

    def save(self) -> None:
        ports = "".join(f'"{party}" = {port}\n' for party, port in self.ports.items())
        text = f"seed = {self.seed}\nresidents = {self.residents}\nfounded = {self.founded}\n\n[ports]\n{ports}"
        (self.folder / "country.toml").write_text(text)

    def home(self, party: PartyId) -> Path:
        """The folder of one party."""
        return self.folder / "parties" / party

    def keys(self, party: PartyId) -> Path:
        return self.home(party) / "keys"

    def settings(self, party: PartyId) -> Path:
        return self.home(party) / "role.toml"

    @property
    def directory(self) -> Path:
        return self.folder / "directory.json"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    def url(self, party: PartyId) -> str | None:
        """Where a service is reached; None for a party that only calls."""
        port = self.ports.get(party)
        return f"https://127.0.0.1:{port}" if port else None


def parties() -> tuple[PartyId, ...]:
    """Every party that needs keys: services, desks, the officer, the resident's stand-in, the scraper of metrics, a witness."""
    return (*(service.party for service in topology.services()), *topology.desks(), OFFICER, RESIDENT, MONITOR, WITNESS)
