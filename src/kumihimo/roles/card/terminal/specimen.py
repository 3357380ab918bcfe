"""Specimen cards (見本カード): a card-management CA made on the spot, offices it certifies, and a card of 総務 花子.

A stand-in for benches, drills and tests: its CA certifies whoever asks, its certificates are issued by nobody's JPKI, its PINs
stand below. Nothing of a country that runs trusts any of it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from kumihimo.domain.jpki import CARD_USAGE, OFFICE_USAGE
from kumihimo.domain.kernel import Sex
from kumihimo.roles.card.chip import CAPACITY, Algorithm, Card, Disk, Key, Pin, manufacture
from kumihimo.roles.card.chip.keys import PublicKey
from kumihimo.roles.card.terminal.office_session import OfficeKey, OfficeSession
from kumihimo.roles.card.terminal.texts import FourItemsOnCard, Personalisation, visual_pin_b

X_CITY: Final = "011002"
FIRST_DAY: Final = date(2026, 1, 1)
WRITTEN_ON: Final = date(2026, 11, 23)
EXPIRES: Final = date(2036, 5, 6)
NUMBER: Final = "123456789018"
RESIDENT_CODE: Final = "12345678901"
SECURITY_CODE: Final = "0042"
ITEMS: Final = FourItemsOnCard("総務　花子", "甲県X市中央1丁目2番3号", date(1990, 5, 6), Sex.FEMALE)
PINS: Final[dict[Pin, str]] = {
    Pin.AUTHENTICATION: "1234",
    Pin.SIGNATURE: "ABC123",
    Pin.TEXT: "2345",
    Pin.REGISTER: "3456",
    Pin.VISUAL_A: NUMBER,
    Pin.VISUAL_B: visual_pin_b(ITEMS.birth, EXPIRES, SECURITY_CODE),
}
_TEN_YEARS: Final = timedelta(days=3_653)


@dataclass(frozen=True)
class Applicant:
    """What kind of card: the algorithm of its keys, and whether its holder is old enough for a signature certificate."""

    algorithm: Algorithm = Algorithm.RSA_2048
    adult: bool = True


@dataclass(frozen=True)
class SpecimenAuthority:
    """A card-management CA for specimens. Each has a key of its own, so that no two of them trust each other's cards."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False)
    _serials: itertools.count[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """What cards and terminals trust."""
        return self.key.public_key()

    def certificate(
        self,
        name: str,
        key: PublicKey,
        usage: ObjectIdentifier | None = None,
        first_day: date = FIRST_DAY,
        valid: timedelta = _TEN_YEARS,
    ) -> bytes:
        """A certificate in DER with `name` as the subject's serialNumber."""
        begins = datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SPECIMEN card management CA")]))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + valid)
        )
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.DER)

    def office(self, code: str = X_CITY, first_day: date = FIRST_DAY, valid: timedelta = _TEN_YEARS) -> OfficeKey:
        """The office of a municipality."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.certificate(code, key.public_key(), OFFICE_USAGE, first_day, valid)
        return OfficeKey(key, certificate, self.public_key)

    def blank(self, disk: Disk, capacity: int = CAPACITY) -> Card:
        """A card as the factory delivers it, with power."""
        serial = f"SPECIMEN{next(self._serials):08d}"
        manufacture(
            disk,
            serial,
            self.public_key,
            lambda key, _proof: self.certificate(serial, key, CARD_USAGE),
            today=FIRST_DAY,
            capacity=capacity,
        )
        card = Card(disk)
        card.power_on()
        return card

    def contents(self, session: OfficeSession, who: Applicant | None = None) -> Personalisation:
        """Keys made on the card in `session`, and everything that is to be written with them."""
        applicant = who or Applicant()
        ca = self.certificate("SPECIMEN CA", self.public_key)
        public = session.generate_key(Key.AUTHENTICATION, applicant.algorithm)
        contents = Personalisation(
            authentication_certificate=self.certificate("SPECIMEN AUTHENTICATION", public),
            authentication_ca=ca,
            signature_ca=ca,
            number=NUMBER,
            resident_code=RESIDENT_CODE,
            four_items=ITEMS,
            expires=EXPIRES,
            written_on=WRITTEN_ON,
            authentication_pin=PINS[Pin.AUTHENTICATION],
            text_pin=PINS[Pin.TEXT],
            register_pin=PINS[Pin.REGISTER],
            security_code=SECURITY_CODE,
        )
        if not applicant.adult:
            return contents
        public = session.generate_key(Key.SIGNATURE, applicant.algorithm)
        certificate = self.certificate("SPECIMEN SIGNATURE", public)
        return replace(contents, signature_certificate=certificate, signature_pin=PINS[Pin.SIGNATURE])

    def issued(
        self, disk: Disk, office: OfficeKey | None = None, who: Applicant | None = None, capacity: int = CAPACITY
    ) -> Card:
        """A card an office has issued (X city's where none is given), with power and nothing verified."""
        card = self.blank(disk, capacity)
        session = OfficeSession(card.transmit, office or self.office())
        session.personalise(self.contents(session, who))
        card.reset()
        return card
