"""Applications (発行申請): somebody identified at a window gets certificates for the keys on their card.

公的個人認証法 第三条・第二十二条 (the municipality of residence identifies, the joint body issues), 第九条 (registry).
Application, certificates, the end of those before, and what the responder hears of it are one transaction, committed before the
answer leaves. The same keys again are answered with the same certificates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import serialization

from kumihimo.domain.jpki import (
    RESIDENTS_ALGORITHMS,
    SERIAL_BYTES,
    CaName,
    CertificationAuthority,
    Holder,
    Places,
    Profile,
    PublicKey,
    Wanted,
    card_end,
    issue,
    read_public_key,
    require_enough,
    require_old_enough,
    require_possession,
    serial_from,
    serial_text,
)
from kumihimo.domain.kernel import Clock, Problem, RandomSource, ResidentCode, legal_day
from kumihimo.domain.sealing import canonical_json
from kumihimo.plumbing.wire.envelope import from_b64
from kumihimo.plumbing.wire.messages.cards import (
    ApplyForCertificates,
    Cause,
    CertificateState,
    HolderSnapshot,
    KeyToCertify,
    Occasion,
)
from kumihimo.plumbing.wire.messages.residents import Standing
from kumihimo.roles.jpki.service.standings import end_card, revoke, unfit
from kumihimo.roles.jpki.store import AuthorityStore, Card, CardState, Certificate, NewCertificate, Taken, Transaction

TRIES: Final = 3
HolderOf = Callable[[str], HolderSnapshot | None]
"""Resident code → the registry's present state, which then tells of every later event. Raises Problem(peer.unreachable)."""


@dataclass(frozen=True)
class _Key:
    profile: Profile
    public_key: PublicKey
    key_hash: str


@dataclass(frozen=True)
class Issued:
    """Certificates in the order of the keys, and the card they are for."""

    card: Card
    certificates: tuple[Certificate, ...]


class Applications:
    """The window's side of the authority."""

    def __init__(
        self,
        store: AuthorityStore,
        issuing: Mapping[CaName, CertificationAuthority],
        places: Places,
        holder_of: HolderOf,
        randomness: RandomSource,
        clock: Clock,
    ) -> None:
        self._store = store
        self._issuing = issuing
        self._places = places
        self._holder_of = holder_of
        self._randomness = randomness
        self._clock = clock

    def apply(self, municipality: str, asked: ApplyForCertificates) -> Issued:
        """Issue what a municipality applies for.

        Raises Problem(jpki.identity_unproven, jpki.key_refused, jpki.no_possession, jpki.underage, jpki.not_entitled,
        jpki.not_alive, jpki.card_state, jpki.card_ended, resident.unknown, resident_code.*) and those of the registry.
        """
        code = ResidentCode.parse(asked.resident_code, where="resident_code").digits
        keys = _keys(asked.card_serial, asked.keys)
        with self._store.reading() as transaction:
            before = _issued_before(transaction, code, asked.card_serial, keys)
        if before is not None:
            return before
        require_enough(asked.identity.documents)
        for _ in range(TRIES):
            person = self._person(municipality, code)
            try:
                with self._store.transaction() as transaction:
                    done = self._issue(transaction, municipality, asked, person, keys)
            except Taken:
                continue
            if done is not None:
                return done
        raise Problem("store.busy", "the resident is being changed", advice="Apply again in a moment.")

    def _person(self, municipality: str, code: str) -> HolderSnapshot:
        """Somebody who may have certificates, from their own municipality. Raises Problem."""
        person = self._holder_of(code)
        if person is None or person.resident_code != code:
            raise Problem("resident.unknown", "nobody has this resident code now", where="resident_code")
        if not person.alive or person.standing is not Standing.ACTIVE:
            raise Problem("jpki.not_alive", "no certificate is issued", expected="a living, registered resident")
        if person.municipality != municipality:
            raise Problem(
                "jpki.not_entitled", f"an application by {municipality}", expected="the municipality of residence",
                advice="Have the resident apply where they are registered.",
            )  # fmt: skip
        return person

    def _issue(
        self,
        transaction: Transaction,
        municipality: str,
        asked: ApplyForCertificates,
        person: HolderSnapshot,
        keys: Sequence[_Key],
    ) -> Issued | None:
        """None where an event of the registry was heard of meanwhile that is newer than `person`."""
        code, now = person.resident_code, self._clock.now()
        before = _issued_before(transaction, code, asked.card_serial, keys)
        if before is not None:
            return before
        heard = transaction.version_of(code)
        if heard > person.version:
            return None
        holder, by = Holder.of(person.four_items.read()), f"{municipality}/{asked.identity.checked_by}"
        for key in keys:
            require_old_enough(key.profile, holder.birth, legal_day(now))
        card = self._card(transaction, code, municipality, asked, holder, by)
        identity = canonical_json(asked.identity.model_dump(mode="json")).decode()
        applied = transaction.add_application(asked.occasion, card, municipality, identity, now)
        transaction.set_holder(code, person.version, person.municipality)
        profiles = {key.profile for key in keys}
        for old in transaction.certificates_on(card.card_serial):
            if old.profile in profiles:
                revoke(transaction, old, Cause.SUPERSEDED, now, by)
        for key in keys:
            transaction.add_certificate(self._signed(key, holder, card), card, applied, now, by)
        return _issued_before(transaction, code, card.card_serial, keys)

    def _card(
        self,
        transaction: Transaction,
        code: str,
        municipality: str,
        asked: ApplyForCertificates,
        holder: Holder,
        by: str,
    ) -> Card:
        """The card that the certificates are for, new or in use. Raises Problem(jpki.card_state, jpki.card_ended)."""
        now = self._clock.now()
        known = transaction.card(asked.card_serial)
        if asked.occasion is Occasion.RENEWAL:
            return _renewable(known, code)
        if known is not None:
            raise unfit("the card was issued already", "a blank card, or a renewal")
        others = [one for one in transaction.cards_of(code) if one.state is not CardState.ENDED]
        if asked.occasion is Occasion.FIRST and any(one.state is CardState.IN_USE for one in others):
            raise unfit("the resident has a card already", "an application for a new card, which ends the one before")
        for other in others:
            end_card(transaction, other, Cause.NEW_CARD, now, by)
        usual = card_end(holder.birth, legal_day(now))
        until = asked.card_until or usual
        if until > usual:
            raise Problem("value.invalid", f"until {until}", where="card_until", expected=f"{usual} at the latest")
        card = Card(asked.card_serial, code, municipality, until, CardState.IN_USE, now, now)
        transaction.add_card(card)
        return card

    def _signed(self, key: _Key, holder: Holder, card: Card) -> NewCertificate:
        serial, now = serial_from(self._randomness.token_bytes(SERIAL_BYTES)), self._clock.now()
        wanted = Wanted(key.profile, holder, key.public_key, card.card_until)
        made = issue(self._issuing[key.profile.ca], wanted, serial, now, self._places)
        return NewCertificate(
            key.profile, serial_text(serial), key.key_hash, made.public_bytes(serialization.Encoding.DER),
            made.not_valid_before_utc, made.not_valid_after_utc,
        )  # fmt: skip


def _keys(card_serial: str, asked: Sequence[KeyToCertify]) -> tuple[_Key, ...]:
    """The keys to be certified, once each card has shown that it holds them. Raises Problem."""
    found = []
    for one in asked:
        der = from_b64(one.public_key, "public_key")
        public = read_public_key(der, *RESIDENTS_ALGORITHMS)
        require_possession(card_serial, one.profile, public, from_b64(one.proof, "proof"))
        found.append(_Key(one.profile, public, hashlib.sha256(der).hexdigest()))
    if len({one.profile for one in found}) < len(found) or len({one.key_hash for one in found}) < len(found):
        raise Problem(
            "value.invalid", "one key or profile twice", where="keys", expected="one key for each certificate"
        )
    return tuple(found)


def _issued_before(transaction: Transaction, code: str, card_serial: str, keys: Sequence[_Key]) -> Issued | None:
    """What was issued for exactly these keys, None where none of them was ever certified. Raises Problem."""
    found = [transaction.certificate_of_key(key.key_hash) for key in keys]
    known = [one for one in found if one is not None]
    if not known:
        return None
    same = {(one.profile, one.key_hash) for one in known} == {(key.profile, key.key_hash) for key in keys}
    theirs = all((one.resident_code, one.card_serial) == (code, card_serial) for one in known)
    if not (same and theirs) or any(one.state is CertificateState.REVOKED for one in known):
        raise Problem(
            "jpki.key_refused", "the key was certified before", where="keys", expected="a key just made on the card",
            advice="Have the card make new keys.",
        )  # fmt: skip
    card = transaction.card(card_serial)
    assert card is not None  # noqa: S101 - a certificate refers to its card
    return Issued(card, tuple(known))


def _renewable(card: Card | None, resident_code: str) -> Card:
    if card is None or card.resident_code != resident_code:
        raise Problem("jpki.card_unknown", "the resident has no such card", where="card_serial")
    if card.state is not CardState.IN_USE:
        raise unfit(f"the card is {card.state}", "a card in use")
    return card
