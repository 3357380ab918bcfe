"""Renewing certificates (証明書の更新): a new TLS key and certificate for a party, taken by its running process.

The new pair is put in the place of the old; connections that are open go on, new ones are made with the new pair. A new
directory then ends the old certificate: at once where its key may be in other hands, else after an overlap, in which peers
that still come with it are answered and asked to come back.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from kumihimo.country.directories import Step, changing, newest, publish, with_ending
from kumihimo.country.keys import Root
from kumihimo.country.layout import Country
from kumihimo.domain.kernel import PartyId, Problem, SystemClock
from kumihimo.plumbing.wire.directory import EndingCertificate
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.tls import fingerprint


@dataclass(frozen=True)
class Certificate:
    """A party's certificate as it lies in its key folder."""

    party: PartyId
    sha256: str
    ends: datetime


def certificate_of(country: Country, party: PartyId) -> Certificate:
    """Raises Problem(key.missing, file.unreadable)."""
    file = Identity(party, country.keys(party)).certificate_file
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError):
        raise Problem("file.unreadable", "not a certificate", where=str(file), expected="PEM") from None
    der = certificate.public_bytes(serialization.Encoding.DER)
    return Certificate(party, fingerprint(der), certificate.not_valid_after_utc)


def due(country: Country, within: timedelta) -> list[PartyId]:
    """Whose certificate ends within so long, or has ended."""
    last = SystemClock().now() + within
    return [party for party in country.parties() if certificate_of(country, party).ends <= last]


def renew(country: Country, parties: Collection[PartyId], overlap: timedelta, step: Step) -> list[Certificate]:
    """Give parties new certificates; the new ones, in the same order.

    The old ones are accepted for `overlap` longer. Raises Problem(peer.unknown) with nothing changed, and what a missing
    root key or operator's key is.
    """
    with changing(country):
        known = country.parties()
        unknown = ", ".join(party for party in parties if party not in known)
        if unknown:
            raise Problem("peer.unknown", unknown, expected="parties of this country, such as x-city/exchange")
        document = newest(country)
        now = SystemClock().now()
        root = Root.open(country.folder / "root", now)
        old = [certificate_of(country, party) for party in parties]
        ending = {one.party: (EndingCertificate(sha256=one.sha256, until=now + overlap),) for one in old}
        for number, party in enumerate(parties):
            root.certify(party, country.keys(party))
            step("certificates", number + 1, len(parties))
        if ending:
            publish(country, with_ending(document, ending, now))
        return [certificate_of(country, party) for party in parties]
