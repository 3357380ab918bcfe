"""Moving a country (移転): the same parties and keys at other ports, under a directory signed anew."""

from __future__ import annotations

import re
from dataclasses import replace

from kumihimo.country.founding import free_ports
from kumihimo.country.layout import Country
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.storage import write_public
from kumihimo.plumbing.wire.directory import Directory, DirectoryDocument
from kumihimo.plumbing.wire.envelope import seal_envelope
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.link_keys import OPERATORS


def move_to_free_ports(country: Country) -> Country:
    """Give every service of a country that is down a free port of this machine; needs both operators' keys.

    Raises Problem(key.missing, key.permissions) and those of a directory that is not to be trusted.
    """
    moved = replace(country, ports=free_ports(country.services()))
    anchors = Identity(OPERATORS[0], country.keys(OPERATORS[0])).anchors()
    old = Directory.load(country.directory, anchors).document
    entries = tuple(
        entry.model_copy(update={"url": moved.url(PartyId(entry.party))}) if entry.url else entry
        for entry in old.parties
    )
    document = DirectoryDocument(version=old.version + 1, institutions=old.institutions, parties=entries)
    signers = [Identity(operator, country.keys(operator)) for operator in OPERATORS]
    write_public(country.directory, seal_envelope(document, *signers).model_dump_json().encode())
    for service in country.services():
        file = country.settings(service.party)
        file.write_text(re.sub(r"(?m)^port = \d+$", f"port = {moved.ports[service.party]}", file.read_text()))
    moved.save()
    return moved
