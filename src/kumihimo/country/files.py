"""Settings files and secrets of every party (設定と秘密): what `country new` writes besides keys and people."""

from __future__ import annotations

import json
from typing import Final

from kumihimo.country import topology
from kumihimo.country.boundaries import Role
from kumihimo.country.keys import write_random_secret
from kumihimo.country.layout import Country
from kumihimo.country.stores import Stores
from kumihimo.domain.kernel import PartyId, SystemRandomness, institution_of
from kumihimo.domain.transparency.note import NoteKey
from kumihimo.plumbing.storage import write_secret
from kumihimo.roles.gateway.service.freshness import NATURES

LOG_ORIGIN: Final = "hub-1.kumihimo.internal/log"
WITNESS_NAME: Final = "oversight.kumihimo.internal/witness"

_SECRETS: Final[dict[Role, tuple[str, ...]]] = {
    Role.REGISTRY: ("person.key",),
    Role.HUB: ("reshuffle.seed", "rekey.seed"),
    Role.EXCHANGE: ("audit.key",),
}


def write_files(country: Country, stores: Stores) -> None:
    """Write `role.toml` and the role's own secrets for every service.

    Only the owner may read it: the URL of a store may carry a password.
    """
    log_key, witness_key = _log_keys(country)
    extra: dict[PartyId, str] = {
        topology.HUB_1: f'operator = 1\nwitness_keys = ["{witness_key}"]\n',
        topology.HUB_2: "operator = 2\n",
        topology.OVERSIGHT: f'log_origin = "{LOG_ORIGIN}"\nlog_key = "{log_key}"\n',
        topology.PORTAL: f'log_key = "{log_key}"\nwitness_keys = ["{witness_key}"]\n',
    }
    for service in topology.services():
        write_files_of(country, service, stores, extra.get(service.party, ""))


def write_files_of(country: Country, service: topology.Service, stores: Stores, extra: str = "") -> None:
    """Write `role.toml` and the role's own secrets for one service; `extra` are more lines of settings."""
    party = service.party
    for name in _SECRETS.get(service.role, ()):
        write_random_secret(country.keys(party) / name)
    text = (
        f'party = "{party}"\nkeys = "keys"\ndirectory = "../../../directory.json"\n'
        f'store = {json.dumps(stores(party))}\nhost = "127.0.0.1"\nport = {country.ports[party]}\n'
    )
    if service.role is Role.EXCHANGE and institution_of(party) in topology.institutions():
        text += _declared(institution_of(party))
    country.settings(party).touch(mode=0o600)
    country.settings(party).write_text(text + extra)


def _declared(institution: str) -> str:
    """How fresh an institution's copies must be: as usual for each item that it provides."""
    rhythms = (f'"{item}" = "{NATURES[item].rhythm.value}"' for item in topology.items_provided(institution))
    return f"copies = {{ {', '.join(rhythms)} }}\n"


def _log_keys(country: Country) -> tuple[str, str]:
    """Make the keys of the log and of its witness; their verifier keys as text."""
    randomness = SystemRandomness()
    log_seed, witness_seed = randomness.token_bytes(32), randomness.token_bytes(32)
    write_secret(country.keys(topology.HUB_1) / "log.key", log_seed)
    write_secret(country.keys(topology.OVERSIGHT) / "witness.key", witness_seed)
    log = NoteKey.from_seed(LOG_ORIGIN, log_seed).verifier_key
    witness = NoteKey.from_seed(WITNESS_NAME, witness_seed).witness_key
    (country.folder / "log.vkey").write_text(f"{log}\n")
    (country.folder / "witness.vkey").write_text(f"{witness}\n")
    return str(log), str(witness)
