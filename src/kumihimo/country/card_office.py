"""A municipality's card window (個人番号カードの交付窓口): what its desk does about cards, with its ledger and the card itself.

番号法第十七条, 公的個人認証法 第三条・第二十二条. A new card is made and written here in one go, as at the factory and at the
municipality's terminal; whatever is done to a card later goes through a reader.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from kumihimo.country import topology
from kumihimo.country.card_pins import DEMO_PINS, CardPins, require_form
from kumihimo.country.desk import Desk
from kumihimo.country.layout import Country
from kumihimo.domain.identity_check import WhyNoPhoto
from kumihimo.domain.jpki import Document, Profile, possession_statement, public_bytes, require_enough
from kumihimo.domain.jpki.validity import may_sign
from kumihimo.domain.kernel import PartyId, Problem, SystemClock, SystemRandomness, legal_day
from kumihimo.plumbing.storage import read_secret, replace_secret, write_public, write_secret
from kumihimo.plumbing.storage.keyfiles import sync_folder
from kumihimo.plumbing.wire.envelope import b64, from_b64
from kumihimo.plumbing.wire.messages.card_desk import (
    ApplyForCard,
    CardGranted,
    CertifyCardKey,
    CertifyOfficeKey,
    ShowCards,
    TellOfCard,
)
from kumihimo.plumbing.wire.messages.cards import (
    CardEvent,
    CardShown,
    CardsShown,
    CertificateByCardAuthority,
    IdentityCheck,
    IssuedCertificate,
    KeyToCertify,
    Occasion,
)
from kumihimo.plumbing.wire.messages.identity import (
    DocumentShown,
    IdentityChecks,
    ReadFromCard,
    RecordIdentityCheck,
    ShowIdentityChecks,
)
from kumihimo.roles.card.chip import Card, FolderDisk, manufacture
from kumihimo.roles.card.number_verification import Verified
from kumihimo.roles.card.ordinance.municipality import Municipality
from kumihimo.roles.card.terminal import (
    FourItemsOnCard,
    Key,
    OfficeKey,
    OfficeSession,
    Personalisation,
    Pin,
    Transmit,
    VisualEntries,
)

_SERIAL_BYTES: Final = 7
_RENEWED_BEFORE: Final = timedelta(days=30)
_PROFILES: Final = {Key.AUTHENTICATION: Profile.AUTHENTICATION, Key.SIGNATURE: Profile.SIGNATURE}


@dataclass(frozen=True)
class NewCard:
    """A card that was handed over: where it lies, its last day, and the code printed on it."""

    serial: str
    folder: Path
    until: date
    security_code: str
    signs: bool
    """Whether it has a signature certificate; nobody under fifteen has one."""


class CardOffice(Desk):
    """The card window of one municipality."""

    def issue(self, about: str, identity: IdentityCheck, pins: CardPins) -> NewCard:
        """A first card, or another in place of the one in use, for an addressee who was identified.

        Nothing of a card is left where it was not handed over, and the authority is told that it ended; the one before has
        ended all the same. Raises Problem(addressee.unknown, card.pin_format) and those of registry and authority.
        """
        resident, today = self.addressee(about), legal_day(self.edge.clock.now())
        signs = may_sign(resident.four_items.birth, today)
        pins.require(signs=signs)
        had = any(one.in_use for one in self.cards(about))
        serial = SystemRandomness().token_bytes(_SERIAL_BYTES).hex().upper()
        cards = self.country.folder / "cards"
        making = cards / f".{serial}"
        making.mkdir(parents=True, mode=0o700)
        try:
            disk = FolderDisk(making)
            try:
                certify = lambda key, proof: self._certify_card(serial, key, proof)  # noqa: E731
                manufacture(disk, serial, self.office_key.authority, certify, today)
                occasion = Occasion.NEW_CARD if had else Occasion.FIRST
                done = self._personalise(Card(disk), occasion, about, identity, pins, signs=signs)
            finally:
                disk.close()
            making.rename(cards / serial)
            sync_folder(cards)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            with suppress(Problem):  # it may not know the card
                self.tell(CardEvent.ENDED, serial, identity.checked_by)
            raise
        return NewCard(serial, cards / serial, *done, signs=signs)

    def renew(self, transmit: Transmit, about: str, identity: IdentityCheck, first_pin: Callable[[], str]) -> date:
        """New keys and certificates on the card behind `transmit`, and its texts as the registry has them; its last day.

        `first_pin` is asked for the signature PIN of somebody who was too young for one when the card was issued. Broken off
        after the authority has issued, it is done again: each time ends the certificates of the time before.
        """
        session = OfficeSession(transmit, self.office_key)
        resident, today = self.addressee(about), legal_day(self.edge.clock.now())
        signs = may_sign(resident.four_items.birth, today)
        had = {one.profile for card in self.card(session.card_serial) for one in card.certificates}
        signature_pin = first_pin() if signs and Profile.SIGNATURE not in had else None
        if signature_pin is not None:
            require_form(Pin.SIGNATURE, signature_pin)
        granted = self._apply(session, Occasion.RENEWAL, about, identity, signs)
        authentication, signature = _by_profile(granted)
        session.renew_certificates(
            authentication=from_b64(authentication.certificate, "certificate"),
            authentication_ca=from_b64(authentication.authority, "authority"),
            signature=None if signature is None else from_b64(signature.certificate, "certificate"),
            signature_ca=None if signature is None else from_b64(signature.authority, "authority"),
            signature_pin=signature_pin,
        )
        items = FourItemsOnCard.of(granted.four_items.read())
        entries = VisualEntries(items, granted.issued.card_until)
        session.update_text(granted.individual_number, items, today, entries, granted.resident_code)
        return granted.issued.card_until

    def unlock(self, transmit: Transmit, which: Pin, new_pin: str, identity: IdentityCheck) -> None:
        """Give a locked PIN all its tries again and a new value, at any municipality.

        Raises Problem(jpki.identity_unproven) unless what was shown is enough, card.pin_format. Nothing of it is recorded.
        """
        require_enough(identity.documents)
        require_form(which, new_pin)
        OfficeSession(transmit, self.office_key).unlock(which, new_pin)

    def take_over(self, transmit: Transmit, register_pin: str) -> None:
        """The card of somebody who moved here is this municipality's from now on."""
        OfficeSession(transmit, self.office_key).take_over(register_pin)

    def cards(self, about: str) -> tuple[CardShown, ...]:
        """The cards of an addressee, newest first."""
        return self.ask(self._ledger, "/shown-cards", ShowCards, CardsShown, addressee_number=about).cards

    def card(self, serial: str) -> tuple[CardShown, ...]:
        """One card by its serial; none where the authority does not know it."""
        return self.ask(self._ledger, "/shown-cards", ShowCards, CardsShown, card_serial=serial).cards

    def tell(
        self, event: CardEvent, serial: str, staff: str, identity: IdentityCheck | None = None
    ) -> tuple[CardShown, ...]:
        """Report a card lost, found, given back or stolen; how it stands then."""
        return self.ask(
            self._ledger, "/card-reports", TellOfCard, CardsShown, event=event, card_serial=serial, reported_by=staff,
            identity=identity,
        ).cards  # fmt: skip

    def check_by_card(self, about: str, verified: Verified) -> IdentityChecks:
        """Record that an addressee's number was verified by the card; all checks of them, newest first."""
        items = verified.four_items
        read = ReadFromCard(
            individual_number=verified.number.digits, name=items.name, address=items.address, birth=items.birth,
            sex=items.sex.label,
        )  # fmt: skip
        return self._record(about, verified.check.staff, card=read)

    def check_by_documents(
        self, about: str, staff: str, documents: tuple[DocumentShown, ...], why_no_photo: WhyNoPhoto | None = None
    ) -> IdentityChecks:
        """Record that an addressee was checked by documents. Raises Problem(identity.number_unproven|person_unproven)."""
        return self._record(about, staff, documents=documents, why_no_photo=why_no_photo)

    def checks(self, about: str) -> IdentityChecks:
        """The identity checks made of an addressee, newest first."""
        return self.ask(
            self._ledger, "/identity-checks/shown", ShowIdentityChecks, IdentityChecks, addressee_number=about
        )

    def _record(self, about: str, staff: str, **what: Any) -> IdentityChecks:
        return self.ask(
            self._ledger, "/identity-checks", RecordIdentityCheck, IdentityChecks, addressee_number=about, staff=staff,
            **what,
        )  # fmt: skip

    def ordinance_counters(self) -> Municipality:
        """The counters of this municipality that write and read ordinance applications; their folder is beside its keys."""
        code, key = self.country.local_government_code(self.institution), self.office_key
        folder = self.country.keys(self.party) / "ordinance"
        folder.mkdir(mode=0o700, exist_ok=True)
        return Municipality.open(folder, code, key, self.edge.clock, SystemRandomness())

    @cached_property
    def office_key(self) -> OfficeKey:
        """The key with which this office proves itself to cards; made and certified when it is first needed, and another one
        in time before its certificate ends.

        Raises Problem(peer.not_allowed) for what is no municipality, and those of the authority.
        """
        folder = self.country.keys(self.party)
        key_file, certificate, authority = (folder / f"office.{part}" for part in ("key", "der", "authority"))
        held = x509.load_der_x509_certificate(certificate.read_bytes()) if certificate.exists() else None
        ending = held is not None and held.not_valid_after_utc < self.edge.clock.now() + _RENEWED_BEFORE
        if ending or not key_file.exists():
            made = ec.generate_private_key(ec.SECP256R1())
            pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            (replace_secret if ending else write_secret)(key_file, made.private_bytes(*pem))
        if held is None or held.public_key() != _private(key_file).public_key():
            certified = self._certify_office(_private(key_file))
            write_public(authority, from_b64(certified.authority, "authority"))
            write_public(certificate, from_b64(certified.certificate, "certificate"))
        trusted = x509.load_der_x509_certificate(authority.read_bytes()).public_key()
        if not isinstance(trusted, EllipticCurvePublicKey):
            raise Problem("file.unreadable", "not the card-management authority", where=str(authority))
        return OfficeKey(_private(key_file), certificate.read_bytes(), trusted)

    @property
    def _ledger(self) -> PartyId:
        return topology.ledger_of(self.institution)

    def _certify_office(self, key: ec.EllipticCurvePrivateKey) -> CertificateByCardAuthority:
        public = key.public_key()
        proof = key.sign(possession_statement(self.institution, "office", public), ec.ECDSA(SHA256()))
        return self.ask(
            self._ledger, "/office-keys", CertifyOfficeKey, CertificateByCardAuthority,
            public_key=b64(public_bytes(public)), proof=b64(proof),
        )  # fmt: skip

    def _certify_card(self, serial: str, key: EllipticCurvePublicKey, proof: bytes) -> bytes:
        certified = self.ask(
            self._ledger, "/card-keys", CertifyCardKey, CertificateByCardAuthority,
            card_serial=serial, public_key=b64(public_bytes(key)), proof=b64(proof),
        )  # fmt: skip
        return from_b64(certified.certificate, "certificate")

    def _personalise(
        self, card: Card, occasion: Occasion, about: str, identity: IdentityCheck, pins: CardPins, *, signs: bool
    ) -> tuple[date, str]:
        """The last day of the card, and the code printed on it."""
        card.power_on()
        session = OfficeSession(card.transmit, self.office_key)
        granted = self._apply(session, occasion, about, identity, signs)
        authentication, signature = _by_profile(granted)
        code = f"{SystemRandomness().randbelow(10_000):04d}"
        session.personalise(
            Personalisation(
                authentication_certificate=from_b64(authentication.certificate, "certificate"),
                authentication_ca=from_b64(authentication.authority, "authority"),
                signature_ca=from_b64(granted.issued.signature_authority, "authority"),
                number=granted.individual_number,
                resident_code=granted.resident_code,
                four_items=FourItemsOnCard.of(granted.four_items.read()),
                expires=granted.issued.card_until,
                written_on=legal_day(self.edge.clock.now()),
                authentication_pin=pins.authentication,
                text_pin=pins.text,
                register_pin=pins.register,
                security_code=code,
                signature_certificate=None if signature is None else from_b64(signature.certificate, "certificate"),
                signature_pin=pins.signature if signs else None,
            )
        )
        return granted.issued.card_until, code

    def _apply(
        self, session: OfficeSession, occasion: Occasion, about: str, identity: IdentityCheck, signs: bool
    ) -> CardGranted:
        """Have the card make its keys, and the authority certify them."""
        kinds = (Key.AUTHENTICATION, Key.SIGNATURE) if signs else (Key.AUTHENTICATION,)
        made = [(kind, session.new_key(kind)) for kind in kinds]
        keys = tuple(
            KeyToCertify(profile=_PROFILES[kind], public_key=b64(public_bytes(new.public)), proof=b64(new.proof))
            for kind, new in made
        )
        return self.ask(
            self._ledger, "/cards", ApplyForCard, CardGranted, addressee_number=about, occasion=occasion,
            card_serial=session.card_serial, identity=identity, keys=keys,
        )  # fmt: skip


def hanakos_card(country: Country, about: str) -> str:
    """The serial of the demonstration's card, issued now where there is none in use: 総務花子's, with PINs known to everybody."""
    office = CardOffice.of(country, "x-city")
    for card in office.cards(about):
        if card.in_use:
            return card.card_serial
    seen = IdentityCheck(documents=(Document.PASSPORT,), checked_by="窓口 一郎", checked_at=SystemClock().now())
    return office.issue(about, seen, DEMO_PINS).serial


def lying_in(country: Country) -> tuple[str, ...]:
    """The serials of the software cards of a country."""
    folder = country.folder / "cards"
    return tuple(sorted(one.name for one in folder.glob("[!.]*"))) if folder.exists() else ()


def folder_of(country: Country, serial: str) -> Path:
    """Where a software card lies. Raises Problem(card.absent)."""
    if serial not in lying_in(country):
        raise Problem(
            "card.absent", serial, where=str(country.folder / "cards"),
            expected=f"one of {', '.join(lying_in(country)) or 'none yet'}",
            advice="Run `kumihimo card new` for another one.",
        )  # fmt: skip
    return country.folder / "cards" / serial


def _by_profile(granted: CardGranted) -> tuple[IssuedCertificate, IssuedCertificate | None]:
    """The authentication certificate and the signature certificate."""
    found = {one.profile: one for one in granted.issued.certificates}
    return found[Profile.AUTHENTICATION], found.get(Profile.SIGNATURE)


def _private(file: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(read_secret(file), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Problem("file.unreadable", "another kind of key", where=str(file), expected="a P-256 key")
    return key
