"""A resident's card with certificates of the small JPKI, in the state in which the office hands it over."""

from __future__ import annotations

from dataclasses import replace

from cryptography import x509

from kumihimo.roles.card.chip import Card, Disk
from kumihimo.roles.card.terminal import Algorithm, OfficeSession, Pin
from kumihimo.roles.card.terminal.specimen import PINS as SPECIMEN_PINS
from kumihimo.roles.card.terminal.specimen import Applicant, SpecimenAuthority
from small_jpki import PublicKey, SmallJpki, der

PINS = {"authentication": SPECIMEN_PINS[Pin.AUTHENTICATION], "signature": SPECIMEN_PINS[Pin.SIGNATURE]}


def residents_card(disk: Disk, jpki: SmallJpki, algorithm: Algorithm = Algorithm.P_384) -> Card:
    """A card with power on and nothing verified."""
    authority = SpecimenAuthority()
    card = authority.blank(disk)
    session = OfficeSession(card.transmit, authority.office())
    drawn_up = authority.contents(session, Applicant(algorithm))
    assert drawn_up.signature_certificate is not None
    session.personalise(
        replace(
            drawn_up,
            authentication_certificate=der(jpki.issue("authentication", _key(drawn_up.authentication_certificate))),
            authentication_ca=der(jpki.cas["authentication"].certificate),
            signature_certificate=der(jpki.issue("signature", _key(drawn_up.signature_certificate))),
            signature_ca=der(jpki.cas["signature"].certificate),
        )
    )
    card.reset()
    return card


def _key(certificate: bytes) -> PublicKey:
    key = x509.load_der_x509_certificate(certificate).public_key()
    assert isinstance(key, PublicKey)
    return key
