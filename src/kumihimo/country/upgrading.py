"""Upgrading a country (版の更新): a folder that an earlier version founded gets what this version expects of it.

Stores are brought to the present schema, parties that did not exist then get keys and a place in the directory. Nothing that
is there is made anew: a key that is missing of a party that is in the directory was lost, and must come from a backup.
"""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass, replace

from kumihimo.country import programs, topology
from kumihimo.country.directories import Step, changing, newest, publish
from kumihimo.country.files import open_site, write_files_of
from kumihimo.country.founding import free_ports
from kumihimo.country.joining import stores_like
from kumihimo.country.keys import PartyPlan, Root, entry_of, institution_entry
from kumihimo.country.layout import PUBLIC, SITE, Country
from kumihimo.country.stores import create_database
from kumihimo.country.supervisor import is_up
from kumihimo.country.topology import Service
from kumihimo.domain.kernel import PartyId, Problem, SystemClock
from kumihimo.domain.kernel.institutions import institution_of
from kumihimo.plumbing.storage import write_public
from kumihimo.plumbing.wire.directory import PartyEntry
from kumihimo.plumbing.wire.link_keys import OPERATORS


@dataclass(frozen=True)
class Upgraded:
    """What was done: parties that are new, and how many stores are current now."""

    parties: tuple[PartyId, ...]
    stores: int


def upgrade(country: Country, step: Step) -> Upgraded:
    """Bring a country that is down to this version; once more changes nothing.

    Raises Problem(country.running), key.missing for a party that lost its keys, and whatever a migration raises, with that
    store left as it was.
    """
    if is_up(country):
        raise Problem(
            "country.running", str(country.folder), expected="a country that is down",
            advice="Stop it first; on machines of their own, parties are upgraded one after the other.",
        )  # fmt: skip
    with changing(country):
        country, new = _with_new_parties(country)
        services = country.services()
        for number, service in enumerate(services):
            if service.party in new:
                create_database(country, service.party)
            programs.prepare(service.role, programs.load_settings(service.role, country.settings(service.party)))
            step("stores", number + 1, len(services))
        if SITE not in country.ports:
            country = replace(country, ports={**country.ports, **free_ports((), SITE)})
            country.save()
        if "site" not in tomllib.loads(country.settings(topology.PORTAL).read_text()):
            open_site(country)
    return Upgraded(tuple(new), len(services))


def _with_new_parties(country: Country) -> tuple[Country, list[PartyId]]:
    document = newest(country)
    listed = {entry.party for entry in document.parties}
    new = [party for party in country.parties() if party not in listed]
    services = {service.party: service for service in country.services()}
    for party in listed:
        if party in country.parties() and not (country.keys(PartyId(party)) / "sign.key").exists():
            raise Problem(
                "key.missing", party, where=str(country.keys(PartyId(party))), expected="the keys of a party",
                advice="Restore them from a backup: `kumihimo restore ARCHIVE --keys KEYS`.",
            )  # fmt: skip
    if not new:
        return country, new
    missing = [services[party] for party in new if party in services and party not in country.ports]
    others = () if PUBLIC in country.ports else (PUBLIC,)
    country = replace(country, ports={**country.ports, **free_ports(missing, *others)})
    root = Root.open(country.folder / "root", SystemClock().now())
    anchors = (country.keys(OPERATORS[0]) / "anchors.json").read_bytes()
    entries = [_equipped(country, root, party, anchors, services.get(party)) for party in new]
    known = {entry.id for entry in document.institutions}
    institutions = {institution_of(party) for party in new} - known
    added = tuple(institution_entry(country.institution(one)) for one in sorted(institutions))
    country.save()
    publish(
        country,
        document.model_copy(
            update={
                "version": document.version + 1,
                "institutions": (*document.institutions, *added),
                "parties": (*document.parties, *entries),
            }
        ),
    )
    return country, new


def _equipped(country: Country, root: Root, party: PartyId, anchors: bytes, service: Service | None) -> PartyEntry:
    plan = PartyPlan(party, country.keys(party), country.url(party))
    if plan.folder.exists() and not (plan.folder / "anchors.json").exists():
        shutil.rmtree(plan.folder)  # of an upgrade that was broken off before anybody knew of it
    if not plan.folder.exists():
        root.equip(plan)
        if service is not None:
            write_files_of(country, service, stores_like(country))
        write_public(plan.folder / "anchors.json", anchors)
    return entry_of(plan)
