"""Making a card (カードの製造): a serial, a key of its own with the card-management CA's certificate, and that CA's key.

The card is blank then: it answers in its common application only, and waits for an office to personalise it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kumihimo.domain.jpki import possession_statement
from kumihimo.domain.kernel import RandomSource, SystemRandomness
from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.card.chip.certificates import card_of
from kumihimo.roles.card.chip.disk import Disk
from kumihimo.roles.card.chip.keys import public_der
from kumihimo.roles.card.chip.layout import CARD_CERTIFICATE
from kumihimo.roles.card.chip.state import AUTHORITY, CAPACITY, CARD_KEY, PIN_SECRET, CardState
from kumihimo.roles.card.chip.store import Store

_SERIAL = re.compile("[A-Z0-9]{8,16}")
_SECRET_BYTES = 32
CARD = "card"  # what the key is for, in the proof of possession


def manufacture(
    disk: Disk,
    serial: str,
    authority: EllipticCurvePublicKey,
    certify: Callable[[EllipticCurvePublicKey, bytes], bytes],
    today: date,
    capacity: int = CAPACITY,
    randomness: RandomSource | None = None,
) -> None:
    """Make a blank card. `certify` gives the card-management CA's certificate (DER) for the card's key and `serial`; it is
    shown the key and its signature (DER) over `domain.jpki.possession_statement`.

    Raises Problem(value.invalid) for a serial that is not 8 to 16 of A-Z and 0-9, or a certificate the CA's key
    `authority` does not bear out; Problem(card.exists) where the disk has a card.
    """
    if not _SERIAL.fullmatch(serial):
        raise Problem("value.invalid", f"serial {serial!r}", expected="8 to 16 of A-Z and 0-9")
    key = generate_private_key(SECP256R1())
    statement = possession_statement(serial, CARD, key.public_key())
    certificate = certify(key.public_key(), key.sign(statement, ECDSA(SHA256())))
    try:
        certified = card_of(certificate, authority)
    except ValueError as error:
        raise Problem("value.invalid", f"the card's certificate: {error}", expected="one of the authority") from error
    if certified.name != serial or public_der(certified.key) != public_der(key.public_key()):
        raise Problem("value.invalid", "the certificate is another card's", expected=f"serial {serial} and its key")
    contents = {
        CARD_KEY: key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        PIN_SECRET: (randomness or SystemRandomness()).token_bytes(_SECRET_BYTES),
        AUTHORITY: public_der(authority),
        CARD_CERTIFICATE: certificate,
    }
    Store.create(disk, CardState(serial, today, capacity=capacity, contents=contents))
