"""The card in a reader, as desks and residents of a country use it (カードの読取り): whose reader, and what for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from asn1crypto import algos
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from kumihimo.country import card_slot
from kumihimo.country.layout import Country
from kumihimo.domain.documents.signing import prepare
from kumihimo.roles.card.chip.layout import AIDS, JPKI
from kumihimo.roles.card.reader import CardConnection, open_card
from kumihimo.roles.card.terminal import CardTerminal, Key, Pin

PATIENCE = 5.0  # pcscd looks every 0.4 s, and a machine may be busy


@contextmanager
def connected(country: Country | None, application: bytes = AIDS[JPKI]) -> Iterator[CardConnection]:
    """The card in the country's virtual reader where there is one in it, else in a reader of this machine; it is reset after.

    Raises Problem(card.none, card.no_reader, card.busy, card.wrong, card.unavailable).
    """
    if country is not None and card_slot.inserted(country) is not None:
        card_slot.use(country)
    with open_card(PATIENCE, application=application) as connection:
        yield connection


def sign_document(terminal: CardTerminal, document: bytes, pin: Callable[[], str], now: datetime) -> bytes:
    """A document's detached signature (CMS, DER) by the signature key; `pin` is asked once.

    Raises Problem(card.pin_wrong, card.pin_blocked, document.too_large, document.purpose).
    """
    entered = pin()
    prepared = prepare(document, terminal.signature_certificate(entered), now)
    issuer = x509.load_der_x509_certificate(terminal.ca_certificates()[1])
    terminal.verify(Pin.SIGNATURE, entered)
    return prepared.finish(terminal.sign(Key.SIGNATURE, _to_sign(prepared.certificate, prepared.digest)), (issuer,))


def _to_sign(certificate: x509.Certificate, digest: bytes) -> bytes:
    """What the card takes: a DigestInfo for RSA, the digest itself for curves."""
    if not isinstance(certificate.public_key(), rsa.RSAPublicKey):
        return digest
    info: bytes = algos.DigestInfo({"digest_algorithm": {"algorithm": "sha256"}, "digest": digest}).dump()
    return info
