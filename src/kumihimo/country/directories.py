"""Changing the directory (機関名簿の変更): an institution is added or taken out, a certificate ends; then both operators sign.

Each change makes a new version of the whole document. In a real country the operators sign one after the other, each on its
own machine (`kumihimo directory`); in a miniature both keys are at hand.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Final

from kumihimo.country.desk import edge_of
from kumihimo.country.layout import MONITOR, Country
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, institution_of
from kumihimo.plumbing.storage import write_public
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.directory import (
    DirectoryDocument,
    EndingCertificate,
    InstitutionEntry,
    PartyEntry,
    open_directory,
    read_directory_file,
)
from kumihimo.plumbing.wire.envelope import seal_envelope
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.link_keys import OPERATORS

TAKEN_SECONDS: Final = 30.0  # until every running service has a new directory; it takes about one
_LONGEST_CERTIFICATE_DAYS: Final = 3 * 366

Step = Callable[[str, int, int], None]


def newest(country: Country) -> DirectoryDocument:
    """The directory of a country, verified. Raises Problem."""
    anchors = Identity(OPERATORS[0], country.keys(OPERATORS[0])).anchors()
    return open_directory(read_directory_file(country.directory), anchors)


def with_institution(
    document: DirectoryDocument, institution: InstitutionEntry, parties: tuple[PartyEntry, ...]
) -> DirectoryDocument:
    """With an institution and its parties. Raises Problem(institution.exists); an id is never given twice."""
    if any(entry.id == institution.id for entry in document.institutions):
        raise Problem(
            "institution.exists", institution.id, where="directory", expected="an id that nobody has or had",
            advice="Choose another id.",
        )  # fmt: skip
    return _next(document, (*document.institutions, institution), (*document.parties, *parties))


def without_institution(document: DirectoryDocument, identifier: str) -> DirectoryDocument:
    """Without the parties of an institution, which can neither ask nor be asked any more.

    Its name stays, since records name it, and its id, which is nobody else's from then on. Raises
    Problem(institution.unknown).
    """
    if not any(institution_of(PartyId(entry.party)) == identifier for entry in document.parties):
        raise Problem(
            "institution.unknown", repr(identifier), where="directory", expected="an institution that is there"
        )
    institutions = tuple(
        entry.model_copy(update={"classes": ()}) if entry.id == identifier else entry for entry in document.institutions
    )
    parties = tuple(entry for entry in document.parties if institution_of(PartyId(entry.party)) != identifier)
    return _next(document, institutions, parties)


def with_ending(
    document: DirectoryDocument, ending: Mapping[PartyId, tuple[EndingCertificate, ...]], now: datetime
) -> DirectoryDocument:
    """With certificates that end; those that must have ended by themselves by now are left out."""

    def still(one: EndingCertificate) -> bool:
        return (now - one.until).days < _LONGEST_CERTIFICATE_DAYS

    parties = tuple(
        entry.model_copy(update={"ending": (*filter(still, entry.ending), *ending.get(PartyId(entry.party), ()))})
        for entry in document.parties
    )
    return _next(document, document.institutions, parties)


def _next(
    document: DirectoryDocument, institutions: tuple[InstitutionEntry, ...], parties: tuple[PartyEntry, ...]
) -> DirectoryDocument:
    return document.model_copy(
        update={"version": document.version + 1, "institutions": institutions, "parties": parties}
    )


def publish(country: Country, document: DirectoryDocument) -> None:
    """Have both operators sign, and put the directory where the services of this machine find it.

    Raises Problem(key.missing, key.permissions) where an operator's key is not here.
    """
    signers = [Identity(operator, country.keys(operator)) for operator in OPERATORS]
    write_public(country.directory, seal_envelope(document, *signers).model_dump_json().encode())


@contextmanager
def changing(country: Country) -> Iterator[None]:
    """One change at a time: two at once would make two directories of one version."""
    lock = os.open(country.folder / "root", os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def await_taken(country: Country, version: int, step: Step = lambda _name, _done, _total: None) -> None:
    """Wait until every running service uses the directory of this version or a newer one.

    Raises Problem(directory.not_newer) naming those that do not.
    """
    services = [service.party for service in country.services()]
    waiting, until = set(services), time.monotonic() + TAKEN_SECONDS
    with closing(PeerClient(edge_of(country, MONITOR), timeout=3.0)) as client:
        while waiting:
            for party in sorted(waiting):
                try:
                    if client.get(party, "/directory", {"after": version - 1}):
                        waiting.discard(party)
                except Problem:
                    continue  # it is starting, or will be looked at again
            step("directory taken", len(services) - len(waiting), len(services))
            if waiting and time.monotonic() > until:
                raise Problem(
                    "directory.not_newer", f"{', '.join(sorted(waiting))} did not take version {version}",
                    expected=f"every service within {TAKEN_SECONDS:.0f} s",
                    advice="See the program.log of these parties; they take it as soon as they can.",
                )  # fmt: skip
            if waiting:
                time.sleep(0.1)
