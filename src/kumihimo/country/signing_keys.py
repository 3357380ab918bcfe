"""Renewing a signing key (署名鍵の更新): a new key for a party, and a directory that knows both.

The directory names the new key and, for what was signed before, the old one with the instant until which messages signed by
it are taken. Both operators sign the directory. An operator's key is a trust anchor too: every party gets new anchors.
"""

from __future__ import annotations

import json
from datetime import timedelta

from kumihimo.country.layout import Country
from kumihimo.country.supervisor import is_up
from kumihimo.domain.kernel import PartyId, Problem, SystemClock
from kumihimo.domain.sealing import SigningKey
from kumihimo.plumbing.storage import write_public, write_secret
from kumihimo.plumbing.wire.directory import Directory, DirectoryDocument, FormerKey, PartyEntry
from kumihimo.plumbing.wire.envelope import b64, seal_envelope
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.link_keys import OPERATORS

FORMER = "sign.former.key"


def with_signing_key(
    document: DirectoryDocument, party: PartyId, verify_key: bytes, former: FormerKey | None
) -> DirectoryDocument:
    """The next version, with another Ed25519 key (32 bytes) of a party; its key until now is kept as `former`, if at all.

    Without it nothing holds any more that was signed by that key: for one that has leaked.
    """

    def renewed(entry: PartyEntry) -> PartyEntry:
        if entry.party != party:
            return entry
        kept = entry.former_keys if former is None else (*entry.former_keys, former)
        return entry.model_copy(update={"verify_key": b64(verify_key), "former_keys": kept})

    changed = tuple(renewed(entry) for entry in document.parties)
    return document.model_copy(update={"version": document.version + 1, "parties": changed})


def renew_signing_key(country: Country, party: PartyId, overlap: timedelta | None) -> DirectoryDocument:
    """Give a party of a country that is down a new signing key, and the country a new directory; returns it.

    The old key is taken for `overlap` longer and verifies what was signed before; None: it has leaked, and is good for
    nothing. A stop in between leaves the old key beside the new one, as sign.former.key. Raises Problem(country.running,
    peer.unknown).
    """
    if is_up(country):
        raise Problem(
            "country.running", str(country.folder), expected="a country that is down",
            advice=f"Run `kumihimo country down {country.folder}` first: services read keys when they start.",
        )  # fmt: skip
    anchors = Identity(OPERATORS[0], country.keys(OPERATORS[0])).anchors()
    directory = Directory.load(country.directory, anchors)
    known = directory.party(party)
    folder, now = country.keys(party), SystemClock().now()
    new = SigningKey.generate()
    former = None if overlap is None else FormerKey(verify_key=known.verify_key, until=now + overlap)
    document = with_signing_key(directory.document, party, new.verify_key.to_bytes(), former)
    (folder / FORMER).unlink(missing_ok=True)
    (folder / "sign.key").rename(folder / FORMER)
    write_secret(folder / "sign.key", new.to_bytes())
    signers = [Identity(operator, country.keys(operator)) for operator in OPERATORS]
    if party in OPERATORS:
        pinned = {entry.party: entry.verify_key for entry in document.parties if entry.party in OPERATORS}
        for one in country.parties():
            write_public(country.keys(one) / "anchors.json", json.dumps(pinned).encode())
    write_public(country.directory, seal_envelope(document, *signers).model_dump_json().encode())
    (folder / FORMER).unlink()  # nobody signs with it any more; its public half is in the directory
    return document
