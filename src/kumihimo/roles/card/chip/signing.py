"""What the card does with its keys (署名・内部認証・鍵生成): signatures of the resident, proof of being no copy, new keys."""

from __future__ import annotations

from typing import Final

from kumihimo.domain.jpki import Profile, possession_digest
from kumihimo.roles.card.chip import handshake
from kumihimo.roles.card.chip.apdu import Answer, Command
from kumihimo.roles.card.chip.inside import Inside
from kumihimo.roles.card.chip.keys import Algorithm, SigningKey, generate, public_der
from kumihimo.roles.card.chip.layout import CARD_CERTIFICATE, JPKI, Key, place
from kumihimo.roles.card.chip.state import key_name, new_key_name
from kumihimo.roles.card.chip.status import Refused, Status
from kumihimo.roles.card.chip.tlv import one_each, tlv

SIGN: Final = 0x0080
CERTIFICATE_TAG: Final = 0x7F21
SIGNATURE_TAG: Final = 0x9E
ALGORITHM_TAG: Final = 0x80
KEY_TAG: Final = 0x84
PUBLIC_KEY_TAG: Final = 0x7F49
CHALLENGE_BYTES: Final = range(16, 65)
_PROFILES: Final = {Key.AUTHENTICATION: Profile.AUTHENTICATION, Key.SIGNATURE: Profile.SIGNATURE}


def sign(inside: Inside, command: Command) -> Answer:
    """COMPUTE DIGITAL SIGNATURE (80 2A 00 80): by the selected key, after its PIN. What is signed: see `SigningKey.sign`."""
    if command.p1_p2 != SIGN:
        raise Refused(Status.WRONG_P1_P2)
    at = inside.selected()
    key = next((one for one in Key if place(JPKI, one.value) == at), None)
    if key is None:
        raise Refused(Status.NO_CURRENT_FILE)
    if key.pin.value not in inside.session.verified:
        raise Refused(Status.NOT_ALLOWED)
    return Answer(inside.signing_key(key_name(key.value)).sign(command.data))


def internal_authenticate(inside: Inside, command: Command) -> Answer:
    """INTERNAL AUTHENTICATE (88): the card's certificate, and its signature over serial and a challenge of 16–64 bytes."""
    if command.p1_p2:
        raise Refused(Status.WRONG_P1_P2)
    if len(command.data) not in CHALLENGE_BYTES:
        raise Refused(Status.WRONG_LENGTH)
    state, key = inside.state, inside.card_key
    statement = handshake.internal_statement(state.serial, command.data)
    signature = handshake.sign(key, statement)
    if not handshake.holds(key.public_key(), statement, signature):
        raise Refused(Status.FAILED)
    return Answer(tlv(CERTIFICATE_TAG, state.contents[CARD_CERTIFICATE]) + tlv(SIGNATURE_TAG, signature))


def generate_key(inside: Inside, command: Command) -> Answer:
    """GENERATE ASYMMETRIC KEY PAIR (46), sealed: a new key that waits for its certificate; the one in use stays in use.

    Answers SubjectPublicKeyInfo in 7F49 and, in 9E, the new key's signature that it is on this card and what for
    (`domain.jpki.possession`): once it has a PIN it signs nothing without. 6A80 for another key or algorithm than there are.
    """
    inside.require_own_office()
    if command.p1_p2:
        raise Refused(Status.WRONG_P1_P2)
    try:
        found = one_each(command.data)
        file = Key(int.from_bytes(found[KEY_TAG], "big")).value
        algorithm = Algorithm(int.from_bytes(found[ALGORITHM_TAG], "big"))
    except (ValueError, KeyError) as error:
        raise Refused(Status.WRONG_DATA) from error
    pkcs8 = generate(algorithm)
    inside.commit(inside.state.with_contents({new_key_name(file): pkcs8}))
    new = SigningKey.load(pkcs8)
    proof = new.sign(possession_digest(inside.state.serial, _PROFILES[Key(file)], new.public))
    return Answer(tlv(PUBLIC_KEY_TAG, public_der(new.public)) + tlv(SIGNATURE_TAG, proof))
