"""A party gets a new signing key: what it signed stays what it was, and its old key opens no door any more."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from kumihimo.country import topology
from kumihimo.country.founding import found
from kumihimo.country.layout import Country
from kumihimo.country.signing_keys import FORMER, renew_signing_key
from kumihimo.domain.kernel import FixedClock, PartyId, Problem, SystemClock, legal_day
from kumihimo.domain.sealing import SigningKey
from kumihimo.plumbing.wire.directory import Directory
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Document, Envelope, Message, add_signature, seal_envelope
from kumihimo.plumbing.wire.identity import Identity

X, Y = topology.exchange_of("x-city"), topology.exchange_of("y-city")
HUBS = (topology.HUB_1, topology.HUB_2)


class Deed(Document):
    KIND: ClassVar[str] = "deed.v1"
    says: str


class Question(Message):
    KIND: ClassVar[str] = "question.v1"


class Old:
    """A party as it spoke before: with a key of then."""

    def __init__(self, country: Country, party: PartyId) -> None:
        self.party = party
        self.signing_key = SigningKey.from_bytes((country.keys(party) / "sign.key").read_bytes())


@pytest.fixture
def country(tmp_path: Path) -> Country:
    return found(tmp_path / "country", 4, 1, legal_day(SystemClock().now()), lambda _name, _done, _total: None)


def edge(country: Country, party: PartyId, clock: FixedClock) -> Edge:
    identity = Identity(party, country.keys(party))
    return Edge(identity, Directory.load(country.directory, identity.anchors()), clock)


def asked(country: Country, by: Old, clock: FixedClock) -> Envelope:
    message = edge(country, X, clock).message(Question, Y)
    return seal_envelope(message, by)


@pytest.mark.parametrize("party", [X, topology.HUB_1])
def test_what_was_signed_before_still_holds_and_messages_only_for_the_overlap(country: Country, party: PartyId) -> None:
    clock = FixedClock(SystemClock().now())
    old = Old(country, party)
    deed = seal_envelope(Deed(says="of then"), old)
    assert renew_signing_key(country, party, timedelta(hours=1)).version == 2
    assert not (country.keys(party) / FORMER).exists()
    for reader in country.parties():
        assert edge(country, reader, clock).read(deed, Deed, party).value.says == "of then"
    new = Old(country, party)
    assert new.signing_key.to_bytes() != old.signing_key.to_bytes()
    listener = edge(country, Y, clock)
    for speaker in (old, new):
        listener.open(asked(country, speaker, clock), Question, party, lambda _peer: True)
    clock.at += timedelta(hours=2)
    listener.open(asked(country, new, clock), Question, party, lambda _peer: True)
    with pytest.raises(Problem, match="a key that was replaced") as refused:
        listener.open(asked(country, old, clock), Question, party, lambda _peer: True)
    assert refused.value.code == "message.signature_invalid"
    assert listener.read(deed, Deed, party).value.says == "of then"


def test_a_leaked_key_is_good_for_nothing_at_once(country: Country) -> None:
    clock, old = FixedClock(SystemClock().now()), Old(country, X)
    deed = seal_envelope(Deed(says="of then"), old)
    renew_signing_key(country, X, None)
    with pytest.raises(Problem, match=r"message\.signature_invalid"):
        edge(country, Y, clock).read(deed, Deed, X)
    with pytest.raises(Problem, match=r"message\.signature_invalid"):
        edge(country, Y, clock).open(asked(country, old, clock), Question, X, lambda _peer: True)


def test_permits_of_both_operators_hold_after_both_have_new_keys_twice(country: Country) -> None:
    clock = FixedClock(SystemClock().now())
    permit = seal_envelope(Deed(says="permitted"), Old(country, HUBS[1]))
    permit = add_signature(permit, Old(country, HUBS[0]))
    for version, hub in enumerate((*HUBS, *HUBS), 2):
        assert renew_signing_key(country, hub, timedelta(hours=1)).version == version
    assert edge(country, Y, clock).read(permit, Deed, *HUBS).value.says == "permitted"


def test_a_former_key_of_one_party_does_not_speak_for_another(country: Country) -> None:
    clock, old = FixedClock(SystemClock().now()), Old(country, X)
    renew_signing_key(country, X, timedelta(hours=1))
    old.party = Y
    with pytest.raises(Problem, match=r"message\.signature_invalid"):
        edge(country, HUBS[0], clock).read(seal_envelope(Deed(says="not mine"), old), Deed, Y)
