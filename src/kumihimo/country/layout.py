"""Layout of a country on disk (配置): one folder per party, each readable by its owner only.

DIR/country.toml                 seed, number of residents, day of founding, ports, institutions that joined later
DIR/directory.json               signed by both operators
DIR/root/                        the stand-in TLS root, and the root key of public personal authentication
DIR/parties/<institution>/<service>/role.toml, keys/, store.db, program.log
DIR/cards/<serial>/              software cards, each in its holder's pocket
DIR/run/                         process ids and state while the country is up
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from kumihimo.country import topology
from kumihimo.domain.kernel.addresses import LocalGovernmentCode, local_government_code
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import Institution, InstitutionId, PartyId, institution_id
from kumihimo.plumbing.storage import write_public

RESIDENT = PartyId("portal/resident")  # stands in for a resident's browser until there is a card
OFFICER = PartyId("oversight/officer")  # whoever may give the oversight body's orders
MONITOR = PartyId("oversight/monitor")  # the scraper of metrics
PUBLIC = PartyId("jpki/public")  # no party: the port on which the responder answers everybody by plain HTTP
SITE = PartyId("portal/site")  # no party: the port of the residents' pages
AUDITOR = Institution(InstitutionId("auditor"), "外部監査人", "Outside auditor", frozenset({"auditor"}))
WITNESS = PartyId("auditor/witness")  # its witness of the log: equipped, and started by whoever runs it


@dataclass(frozen=True)
class Joined:
    """An institution that joined after the founding; `code` is its 全国地方公共団体コード where it is a local body."""

    institution: Institution
    code: LocalGovernmentCode | None

    @classmethod
    def read(cls, identifier: str, entry: dict[str, Any]) -> Joined:
        """Raises KeyError, Problem(institution.format, value.invalid)."""
        classes = frozenset(str(one) for one in entry["classes"])
        institution = Institution(institution_id(identifier), str(entry["name_ja"]), str(entry["name_en"]), classes)
        code = entry.get("code")
        return cls(institution, None if code is None else local_government_code(str(code), "code"))

    def written(self) -> str:
        """As `country.toml` has it; JSON's strings and lists are TOML's."""
        one = self.institution
        fields = {"name_ja": one.name_ja, "name_en": one.name_en, "classes": sorted(one.classes)}
        if self.code is not None:
            fields["code"] = self.code
        lines = (f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in fields.items())
        return f'\n[joined."{one.id}"]\n{"".join(lines)}'


@dataclass(frozen=True)
class Country:
    """A country on disk: where everything is, and which port each service listens on."""

    folder: Path
    seed: int
    residents: int
    founded: date
    ports: dict[PartyId, int]
    joined: tuple[Joined, ...] = ()

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
            joined = tuple(Joined.read(name, entry) for name, entry in values.get("joined", {}).items())
            return cls(folder, int(values["seed"]), int(values["residents"]), values["founded"], ports, joined)
        except (tomllib.TOMLDecodeError, KeyError, ValueError, AttributeError) as error:
            raise Problem("file.unreadable", str(error), where=str(file)) from None

    def save(self) -> None:
        ports = "".join(f'"{party}" = {port}\n' for party, port in self.ports.items())
        text = f"seed = {self.seed}\nresidents = {self.residents}\nfounded = {self.founded}\n\n[ports]\n{ports}"
        text += "".join(one.written() for one in self.joined)
        write_public(self.folder / "country.toml", text.encode())

    def institutions(self) -> dict[str, Institution]:
        """The information-holding institutions by id: those of the founding, then those that joined."""
        return {**topology.institutions(), **{one.institution.id: one.institution for one in self.joined}}

    def institution(self, identifier: str) -> Institution:
        """Any institution of this country. Raises Problem(institution.unknown)."""
        found = self.institutions().get(identifier) or topology.central().get(identifier)
        if found is None:
            raise Problem("institution.unknown", repr(identifier), expected=f"one of {', '.join(self.institutions())}")
        return found

    def local_government_code(self, identifier: str) -> LocalGovernmentCode:
        """The six digits of a local body. Raises Problem(institution.unknown) for what is none."""
        for one in self.joined:
            if one.institution.id == identifier and one.code is not None:
                return one.code
        return topology.local_government_code(identifier)

    def services(self) -> tuple[topology.Service, ...]:
        """Every process of this country: those of the founding, then a ledger and an exchange for each that joined."""
        later = (service for one in self.joined for service in topology.gateway_services(one.institution.id))
        return (*topology.services(), *later)

    def service(self, party: str) -> topology.Service:
        """The service a party runs. Raises Problem(institution.unknown)."""
        found = next((one for one in self.services() if one.party == party), None)
        return found or topology.service(party)

    def parties(self) -> tuple[PartyId, ...]:
        """Every party that has keys: services, desks, officer, the resident's stand-in, scraper of metrics, a witness."""
        desks = (topology.desk_of(identifier) for identifier in self.institutions())
        return (*(service.party for service in self.services()), *desks, OFFICER, RESIDENT, MONITOR, WITNESS)

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
