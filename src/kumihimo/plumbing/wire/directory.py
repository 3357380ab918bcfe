"""Directory (機関名簿): which institutions and parties exist, where they are reached, and which keys speak for them.

The directory is one document signed by both operators of the hub. Every role holds a copy and verifies it against the
two operators' keys, which are the only trust anchors besides the TLS root. A newer one, with a higher version, takes the
place of the old one while everything runs (`directory_updates.py`): an institution joins or leaves, a certificate ends.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Self

from pydantic import AwareDatetime

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import Institution, InstitutionId, PartyId, institution_of, party_id
from kumihimo.domain.sealing import VerifyKey, canonical_json
from kumihimo.plumbing.wire.envelope import Document, Envelope, Part, from_b64, open_envelope, parse_envelope


class InstitutionEntry(Part):
    """One institution; `epoch` numbers the link-code domain that it began with. Rotations go on from there."""

    id: str
    name_ja: str
    name_en: str
    classes: tuple[str, ...]
    epoch: int = 1


class FormerKey(Part):
    """An Ed25519 key a party had before: for what it signed then, and for messages until `until`."""

    verify_key: str
    until: AwareDatetime


class EndingCertificate(Part):
    """A certificate that the root made for a party and that is accepted up to an instant only, whatever it says itself."""

    sha256: str
    until: AwareDatetime


class PartyEntry(Part):
    """One party: its address (none for a client), its Ed25519 key and, if it receives sealed payloads, its HPKE key.

    `ending` are certificates that were replaced, or revoked: their key may be in other hands. `former_keys` are the signing
    keys it had before; one that has leaked is left out, and what it signed no longer holds.
    """

    party: str
    url: str | None
    verify_key: str
    seal_key: str | None = None
    ending: tuple[EndingCertificate, ...] = ()
    former_keys: tuple[FormerKey, ...] = ()


class DirectoryDocument(Document):
    """The signed directory."""

    KIND: ClassVar[str] = "directory.v1"
    version: int
    institutions: tuple[InstitutionEntry, ...]
    parties: tuple[PartyEntry, ...]

    def to_bytes(self) -> bytes:
        """Canonical JSON without what is as by default: a field that nobody uses yet is no hindrance to an older reader."""
        return canonical_json(self.model_dump(mode="json", exclude_defaults=True))


class PinnedKeys:
    """Verification keys known beforehand: the trust anchors."""

    def __init__(self, keys: Mapping[PartyId, VerifyKey]) -> None:
        self._keys = keys

    def verify_key(self, party: PartyId) -> VerifyKey:
        """Raises Problem(peer.unknown)."""
        key = self._keys.get(party)
        if key is None:
            raise Problem("peer.unknown", party, expected=" or ".join(self._keys))
        return key

    def former_keys(self, party: PartyId) -> tuple[tuple[VerifyKey, datetime], ...]:
        """None: an anchor is what it is."""
        del party
        return ()


@dataclass(frozen=True)
class _Listing:
    """One version of the directory, indexed. It is replaced whole: who has looked up two things has seen one version."""

    document: DirectoryDocument
    envelope: Envelope | None
    parties: Mapping[str, PartyEntry]
    keys: Mapping[PartyId, VerifyKey]
    entries: Mapping[str, InstitutionEntry]
    institutions: Mapping[str, Institution]
    ending: Mapping[tuple[str, str], datetime]

    @classmethod
    def of(cls, document: DirectoryDocument, envelope: Envelope | None) -> Self:
        """Raises Problem(value.invalid)."""
        _check(document)
        return cls(
            document,
            envelope,
            {entry.party: entry for entry in document.parties},
            {
                PartyId(entry.party): VerifyKey.from_bytes(from_b64(entry.verify_key, entry.party))
                for entry in document.parties
            },
            {entry.id: entry for entry in document.institutions},
            {
                entry.id: Institution(InstitutionId(entry.id), entry.name_ja, entry.name_en, frozenset(entry.classes))
                for entry in document.institutions
            },
            {(entry.party, one.sha256): one.until for entry in document.parties for one in entry.ending},
        )


class Directory:
    """The directory as a role uses it, always the newest version taken. Look-ups raise Problem(peer.unknown |
    institution.unknown)."""

    def __init__(self, document: DirectoryDocument) -> None:
        """Raises Problem(value.invalid) for a document that names somebody twice or makes no sense."""
        self._now = _Listing.of(document, None)
        self._anchors: Mapping[PartyId, VerifyKey] = {}
        self._taking = threading.Lock()
        self._told: list[Callable[[], None]] = []
        self.file: Path | None = None

    @classmethod
    def load(cls, path: Path, anchors: Mapping[PartyId, VerifyKey]) -> Directory:
        """Read and verify a directory file against the operators' keys. Raises Problem."""
        envelope = read_directory_file(path)
        found = cls(open_directory(envelope, anchors))
        found._now = _Listing.of(found.document, envelope)
        found._anchors = dict(anchors)
        found.file = path
        return found

    @property
    def document(self) -> DirectoryDocument:
        return self._now.document

    @property
    def version(self) -> int:
        return self._now.document.version

    @property
    def envelope(self) -> Envelope | None:
        """The signed document as it came, for others; none where it was not loaded from a file."""
        return self._now.envelope

    def take(self, envelope: Envelope) -> bool:
        """Use a newer directory from now on, in one step; False for the one in use.

        Raises Problem(directory.not_newer) for an older one, or another one of the same version, and those of a directory
        that both operators have not signed or that makes no sense; the one in use then stays.
        """
        listing = _Listing.of(open_directory(envelope, self._anchors), envelope)
        with self._taking:
            if listing.document == self.document:
                return False
            if listing.document.version <= self.version:
                raise Problem(
                    "directory.not_newer",
                    f"version {listing.document.version}",
                    expected=f"a version above {self.version}",
                    advice="Make the change again, upon the newest directory.",
                )
            self._now = listing
        for tell in self._told:
            tell()
        return True

    def when_newer(self, tell: Callable[[], None]) -> None:
        """Have something called after every newer directory, in whichever thread took it."""
        self._told.append(tell)

    def certificate_ends(self, party: str, sha256: str) -> datetime | None:
        """Until when a certificate of a party, by the SHA-256 of its DER bytes, is accepted at most; None: as it says."""
        return self._now.ending.get((party, sha256))

    def party(self, party: PartyId) -> PartyEntry:
        entry = self._now.parties.get(party)
        if entry is None:
            raise Problem("peer.unknown", party, expected="a party of the directory")
        return entry

    def verify_key(self, party: PartyId) -> VerifyKey:
        key = self._now.keys.get(party)
        if key is None:
            raise Problem("peer.unknown", party, expected="a party of the directory")
        return key

    def former_keys(self, party: PartyId) -> tuple[tuple[VerifyKey, datetime], ...]:
        """Keys a party had before, each with the instant until which it may have sent messages."""
        return tuple(
            (VerifyKey.from_bytes(from_b64(one.verify_key, party)), one.until) for one in self.party(party).former_keys
        )

    def seal_key(self, party: PartyId) -> bytes:
        """The HPKE public key of a party that receives sealed payloads."""
        text = self.party(party).seal_key
        if text is None:
            raise Problem("peer.unknown", f"{party} has no sealing key", expected="a party that receives payloads")
        return from_b64(text, party)

    def institution(self, institution: str) -> Institution:
        now = self._now
        found = now.institutions.get(institution)
        if found is None:
            known = ", ".join(sorted(now.institutions))
            raise Problem("institution.unknown", repr(institution), expected=f"one of {known}")
        return found

    def institution_of(self, party: PartyId) -> Institution:
        return self.institution(institution_of(party))

    def has(self, party: PartyId) -> bool:
        """Whether a party is in the directory."""
        return party in self._now.parties

    def epoch(self, institution: str) -> int:
        """The epoch in which an institution's link codes began; those after it are known to the hub and itself."""
        now = self._now
        if institution not in now.entries:
            self.institution(institution)
        return now.entries[institution].epoch

    def institutions(self) -> tuple[Institution, ...]:
        return tuple(self._now.institutions.values())


def read_directory_file(path: Path) -> Envelope:
    """A directory file, not verified yet. Raises Problem(file.unreadable, message.malformed, message.unsigned)."""
    try:
        return parse_envelope(path.read_bytes())
    except OSError as error:
        raise Problem("file.unreadable", str(error), where=str(path), expected="the signed directory") from None


def open_directory(envelope: Envelope, anchors: Mapping[PartyId, VerifyKey]) -> DirectoryDocument:
    """The document that both operators have signed. Raises Problem as `open_envelope`."""
    return open_envelope(envelope, DirectoryDocument, PinnedKeys(anchors), *anchors).value


def _check(document: DirectoryDocument) -> None:
    """Refuse what two readers could understand differently, and addresses that are not reached through TLS."""
    institutions = [entry.id for entry in document.institutions]
    for named in (institutions, [entry.party for entry in document.parties]):
        twice = sorted({one for one, times in Counter(named).items() if times > 1})
        if twice:
            raise Problem("value.invalid", f"{', '.join(twice)} twice", "directory", "each of them once")
    for entry in document.parties:
        institution, _, service = entry.party.partition("/")
        if not _is_party(institution, service) or institution not in institutions:
            raise Problem("value.invalid", f"party {entry.party!r}", "directory", "a service of an institution in it")
        if entry.url is not None and not entry.url.startswith("https://"):
            raise Problem("value.invalid", f"{entry.party} at {entry.url}", "directory", "an address with https://")


def _is_party(institution: str, service: str) -> bool:
    try:
        party_id(institution, service)
    except Problem:
        return False
    return True
