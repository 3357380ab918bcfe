"""A second witness (第二の立会人) for a drill's country: somebody outside, who cosigns the same log with another key."""

from __future__ import annotations

from typing import Final

from kumihimo.country import programs, topology
from kumihimo.country.boundaries import Role
from kumihimo.country.drills.addresses import sign_addresses
from kumihimo.country.founding import free_ports
from kumihimo.country.keys import write_random_secret
from kumihimo.country.layout import WITNESS, Country
from kumihimo.domain.transparency.note import NoteKey
from kumihimo.plumbing.storage import read_secret

NAME: Final = "auditor.kumihimo.internal/witness"
_KEY: Final = "witness.key"


def add_witness(country: Country) -> None:
    """Equip the outside witness of a country that is down, and tell operator 1 and the oversight body of it."""
    write_random_secret(country.keys(WITNESS) / _KEY)
    key = NoteKey.from_seed(NAME, read_secret(country.keys(WITNESS) / _KEY)).witness_key
    log_key = (country.folder / "log.vkey").read_text().strip()
    port = free_ports(country.services())[topology.OVERSIGHT]
    country.settings(WITNESS).write_text(
        f'party = "{WITNESS}"\nkeys = "keys"\ndirectory = "../../../directory.json"\nstore = "sqlite:///store.db"\n'
        f'host = "127.0.0.1"\nport = {port}\nlog_key = "{log_key}"\nwitness_name = "{NAME}"\n'
    )
    programs.prepare(Role.WITNESS, programs.load_settings(Role.WITNESS, country.settings(WITNESS)))
    sign_addresses(country, {WITNESS: f"https://127.0.0.1:{port}"})
    first = (country.folder / "witness.vkey").read_text().strip()
    hub, oversight = country.settings(topology.HUB_1), country.settings(topology.OVERSIGHT)
    told = hub.read_text().replace(f'witness_keys = ["{first}"]', f'witness_keys = ["{first}", "{key}"]')
    hub.write_text(f'{told}witnesses = ["{topology.OVERSIGHT}", "{WITNESS}"]\n')
    oversight.write_text(f'{oversight.read_text()}other_witnesses = ["{WITNESS}"]\n')
