"""Settings files and secrets of every party (設定と秘密): what `country new` writes besides keys and people."""

from __future__ import annotations

import json
import re
import shutil
from typing import Final

from kumihimo.country import topology
from kumihimo.country.boundaries import Role
from kumihimo.country.keys import write_random_secret
from kumihimo.country.layout import PUBLIC, SITE, Country
from kumihimo.country.stores import Stores
from kumihimo.domain.jpki import CaName
from kumihimo.domain.kernel import PartyId, SystemClock, SystemRandomness, institution_of
from kumihimo.domain.transparency.note import NoteKey
from kumihimo.plumbing.storage import replace_secret, write_secret
from kumihimo.plumbing.web.certificate import CERTIFICATE, KEY, make_certificate
from kumihimo.roles.gateway.service.freshness import NATURES
from kumihimo.roles.jpki.ceremony import Ceremony, hold_ceremony
from kumihimo.roles.jpki.keystore import FileKeys

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
    open_site(country)


def write_files_of(country: Country, service: topology.Service, stores: Stores, extra: str = "") -> None:
    """Write `role.toml` and the role's own secrets for one service; `extra` are more lines of settings.

    The certification authority's are those of its key ceremony, which is held here.
    """
    party = service.party
    for name in _SECRETS.get(service.role, ()):
        write_random_secret(country.keys(party) / name)
    text = (
        f'party = "{party}"\nkeys = "keys"\ndirectory = "../../../directory.json"\n'
        f'store = {json.dumps(stores(party))}\nhost = "127.0.0.1"\nport = {country.ports[party]}\n'
    )
    if service.role is Role.JPKI:
        _hold_ceremony(country)
        text += f'ca = "keys/ca"\npublic_url = "{public_url(country)}"\n{offices_line(country)}'
    if service.role is Role.RESPONDER:
        text += f"public_port = {country.ports[PUBLIC]}\n"
    if service.role is Role.EXCHANGE and institution_of(party) in topology.institutions():
        text += _declared(institution_of(party))
    country.settings(party).touch(mode=0o600)
    country.settings(party).write_text(text + extra)


def public_url(country: Country) -> str:
    """Where everybody asks about certificates, as it stands in each of them."""
    return f"http://127.0.0.1:{country.ports[PUBLIC]}"


def site_origin(country: Country) -> str:
    """The residents' pages, as browsers write their address."""
    return f"https://localhost:{country.ports[SITE]}"


def open_site(country: Country) -> None:
    """The portal's residents' door: settings, a TLS certificate of its own, and the authorities whose cards it takes.

    The certificate is self-signed, a stand-in for one of a public authority. Again changes nothing.
    """
    file, keys = country.settings(topology.PORTAL), country.keys(topology.PORTAL)
    authorities, trusted = country.keys(topology.JPKI) / "ca", keys / "trusted"
    trusted.mkdir(mode=0o700, exist_ok=True)
    for ca in (CaName.AUTHENTICATION, CaName.SIGNATURE):
        shutil.copyfile(authorities / f"{ca}.pem", trusted / f"{ca}.pem")
    make_certificate(keys, "localhost", "Kumihimo, My Portal, a stand-in", SystemClock())
    text = re.sub(r"(?m)^site = .*\n", "", file.read_text()) + site_line(country)
    replace_secret(file, text.encode())


def site_line(country: Country) -> str:
    """The portal's setting of its residents' door."""
    files = (
        f'certificate = "keys/{CERTIFICATE}", key = "keys/{KEY}", '
        f'trusted_authentication = "keys/trusted/{CaName.AUTHENTICATION}.pem", '
        f'trusted_signature = "keys/trusted/{CaName.SIGNATURE}.pem"'
    )
    return f'site = {{ origin = "{site_origin(country)}", port = {country.ports[SITE]}, {files} }}\n'


def offices_line(country: Country) -> str:
    """The authority's setting of who may have an office's key certified: municipalities, with their codes."""
    municipal = [one.id for one in country.institutions().values() if "municipality" in one.classes]
    codes = ", ".join(f'"{one}" = "{country.local_government_code(one)}"' for one in municipal)
    return f"offices = {{ {codes} }}\n"


def tell_offices(country: Country) -> None:
    """Have the authority know the municipalities of today, without a restart; nothing in a country from before it."""
    file = country.settings(topology.JPKI)
    if file.exists():
        text = re.sub(r"(?m)^offices = .*\n", offices_line(country), file.read_text())
        replace_secret(file, text.encode())


def _hold_ceremony(country: Country) -> None:
    """The authorities' keys and certificates; the root's key goes where no service looks."""
    folder, root = country.keys(topology.JPKI) / "ca", country.folder / "root" / "jpki"
    folder.mkdir(mode=0o700)
    if root.exists():
        shutil.rmtree(root)  # of an upgrade that was broken off: nobody has a certificate of these authorities
    root.mkdir(mode=0o700)
    ceremony = Ceremony(folder, FileKeys(folder), FileKeys(root), public_url(country))
    hold_ceremony(ceremony, SystemRandomness(), SystemClock().now())


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
