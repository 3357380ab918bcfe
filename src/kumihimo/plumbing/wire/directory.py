"""Directory (機関名簿): which institutions and parties exist, where they are reached, and which keys speak for them.

The directory is one document signed by both operators of the hub. Every role holds a copy and verifies it against the
two operators' keys, which are the only trust anchors besides the TLS root.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from pydantic import AwareDatetime

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import Institution, InstitutionId, PartyId, institution_of, party_id
from kumihimo.domain.sealing import VerifyKey
from kumihimo.plumbing.wire.envelope import Document, Part, from_b64, open_envelope, parse_envelope


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


class PartyEntry(Part):
    """One party: its address (none for a client), its Ed25519 key and, if it receives sealed payloads, its HPKE key.

    `former_keys` are those it had before; one that has leaked is left out, and what it signed no longer holds.
    """

    party: str
    url: str | None
    verify_key: str
    seal_key: str | None = None
    former_keys: tuple[FormerKey, ...] = ()


class DirectoryDocument(Document):
    """The signed directory."""

    KIND: ClassVar[str] = "directory.v1"
    version: int
    institutions: tuple[InstitutionEntry, ...]
    parties: tuple[PartyEntry, ...]


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


class Directory:
    """The directory as a role uses it. All look-ups raise Problem(peer.unknown | institution.unknown)."""

    def __init__(self, document: DirectoryDocument) -> None:
        """Raises Problem(value.invalid) for a document that names somebody twice or makes no sense."""
        _check(document)
        self.document = document
        self._parties = {entry.party: entry for entry in document.parties}
        self._keys = {
            PartyId(entry.party): VerifyKey.from_bytes(from_b64(entry.verify_key, entry.party))
            for entry in document.parties
        }
        self._entries = {entry.id: entry for entry in document.institutions}
        self._institutions = {
            entry.id: Institution(InstitutionId(entry.id), entry.name_ja, entry.name_en, frozenset(entry.classes))
            for entry in document.institutions
        }

    @classmethod
    def load(cls, path: Path, anchors: Mapping[PartyId, VerifyKey]) -> Directory:
        """Read and verify a directory file against the operators' keys. Raises Problem."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Problem("file.unreadable", str(error), where=str(path), expected="the signed directory") from None
        envelope = parse_envelope(data)
        return cls(open_envelope(envelope, DirectoryDocument, PinnedKeys(anchors), *anchors).value)

    def party(self, party: PartyId) -> PartyEntry:
        entry = self._parties.get(party)
        if entry is None:
            raise Problem("peer.unknown", party, expected="a party of the directory")
        return entry

    def verify_key(self, party: PartyId) -> VerifyKey:
        self.party(party)
        return self._keys[party]

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
        found = self._institutions.get(institution)
        if found is None:
            known = ", ".join(sorted(self._institutions))
            raise Problem("institution.unknown", repr(institution), expected=f"one of {known}")
        return found

    def institution_of(self, party: PartyId) -> Institution:
        return self.institution(institution_of(party))

    def has(self, party: PartyId) -> bool:
        """Whether a party is in the directory."""
        return party in self._parties

    def epoch(self, institution: str) -> int:
        """The epoch in which an institution's link codes began; those after it are known to the hub and itself."""
        self.institution(institution)
        return self._entries[institution].epoch

    def institutions(self) -> tuple[Institution, ...]:
        return tuple(self._institutions.values())


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
