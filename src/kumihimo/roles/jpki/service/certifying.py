"""Certificates that are no resident's: of offices, cards and responders; and whose a resident's certificate is.

公的個人認証法 第十八条 ff. (住民票コードの提供): those the law names may learn whose a certificate is; every question is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from kumihimo.domain.jpki import (
    RESIDENTS_ALGORITHMS,
    SERIAL_BYTES,
    Algorithm,
    CaName,
    CertificationAuthority,
    Profile,
    PublicKey,
    certify_responder,
    issue_card_certificate,
    issue_office_certificate,
    read_public_key,
    require_possession,
    serial_from,
)
from kumihimo.domain.kernel import Clock, LocalGovernmentCode, Problem, RandomSource, local_government_code
from kumihimo.plumbing.wire.envelope import from_b64
from kumihimo.roles.jpki.store import AuthorityStore, Certificate, Taken

FOR_OFFICE, FOR_CARD, FOR_RESPONDER = "office", "card", "responder"
"""What a key is for, as its proof of possession says."""


@dataclass(frozen=True)
class Shown:
    """A public key as it came, base64 DER, with the signature that proves possession."""

    public_key: str
    proof: str

    def read(self, name: str, purpose: str, *allowed: Algorithm) -> PublicKey:
        """Raises Problem(jpki.key_refused, jpki.no_possession, message.malformed)."""
        key = read_public_key(from_b64(self.public_key, "public_key"), *allowed)
        require_possession(name, purpose, key, from_b64(self.proof, "proof"))
        return key

    @property
    def key_hash(self) -> str:
        return hashlib.sha256(from_b64(self.public_key, "public_key")).hexdigest()


class Certifying:
    """What the authority certifies beside residents' keys. `offices` gives codes of municipalities by institution id."""

    def __init__(
        self,
        store: AuthorityStore,
        issuing: Mapping[CaName, CertificationAuthority],
        offices: Callable[[], Mapping[str, str]],
        randomness: RandomSource,
        clock: Clock,
    ) -> None:
        self._store = store
        self._issuing = issuing
        self._offices = offices
        self._randomness = randomness
        self._clock = clock

    def office(self, institution: str, shown: Shown, asked_by: str) -> bytes:
        """A municipality's certificate towards cards, in DER; the same key again, the same certificate: renewed with another key.

        Raises Problem(jpki.not_entitled) for an institution without a code, and those of `Shown.read`.
        """
        code = self._offices().get(institution)
        if code is None:
            raise Problem("jpki.not_entitled", institution, expected="a municipality whose code the authority knows")
        key = shown.read(institution, FOR_OFFICE, Algorithm.P_256)
        of = LocalGovernmentCode(local_government_code(code))

        def made() -> x509.Certificate:
            return issue_office_certificate(self._cards, key, of, institution, self._serial(), self._clock.now())

        return self._once(FOR_OFFICE, institution, shown, asked_by, made)

    def card(self, card_serial: str, shown: Shown, asked_by: str) -> bytes:
        """The certificate of a new card, in DER; the same key again, the same certificate.

        Raises Problem(jpki.card_state) for a card that has another key, and those of `Shown.read`.
        """
        key = shown.read(card_serial, FOR_CARD, Algorithm.P_256)

        def made() -> x509.Certificate:
            return issue_card_certificate(self._cards, key, card_serial, self._serial(), self._clock.now())

        return self._once(FOR_CARD, card_serial, shown, asked_by, made)

    def responder(self, party: str, shown: Shown) -> dict[CaName, x509.Certificate]:
        """A responder's certificates, by each authority that issues to residents. Raises as `Shown.read`."""
        key = shown.read(party, FOR_RESPONDER, *RESIDENTS_ALGORITHMS)
        now = self._clock.now()
        return {one.ca: certify_responder(self._issuing[one.ca], key, self._serial(), now) for one in Profile}

    def whose(self, profile: Profile, serial: str, asked_by: str, basis: str) -> Certificate:
        """The certificate with its resident code; that it was asked is kept, also in vain.

        Raises Problem(jpki.certificate_unknown).
        """
        with self._store.transaction() as transaction:
            found = transaction.certificate(profile, serial)
            transaction.record_disclosure(profile, serial, asked_by, basis, found, self._clock.now())
        if found is None:
            raise Problem("jpki.certificate_unknown", f"{profile} certificate {serial}", expected="one that was issued")
        return found

    @property
    def _cards(self) -> CertificationAuthority:
        return self._issuing[CaName.CARD]

    def _serial(self) -> int:
        return serial_from(self._randomness.token_bytes(SERIAL_BYTES))

    def _once(self, kind: str, name: str, shown: Shown, asked_by: str, made: Callable[[], x509.Certificate]) -> bytes:
        try:
            with self._store.transaction() as transaction:
                before = transaction.among_cards(kind, name)
                for key_hash, der in before:
                    if key_hash == shown.key_hash:
                        return der
                if before and kind == FOR_CARD:
                    raise Problem("jpki.card_state", "the card has another key", expected="the key it was made with")
                der = made().public_bytes(serialization.Encoding.DER)
                transaction.add_among_cards(kind, name, shown.key_hash, der, self._clock.now(), asked_by)
                return der
        except Taken:
            raise Problem("store.busy", name, advice="Ask again in a moment.") from None
