"""The card's end of mutual authentication (相互認証): GENERAL AUTHENTICATE (86) in two steps, see `handshake`.

The office proves itself first: a stranger's terminal learns nothing but a random point.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kumihimo.roles.card.chip import handshake
from kumihimo.roles.card.chip.apdu import Answer, Command
from kumihimo.roles.card.chip.certificates import office_of
from kumihimo.roles.card.chip.handshake import Transcript
from kumihimo.roles.card.chip.inside import Inside
from kumihimo.roles.card.chip.layout import CARD_CERTIFICATE
from kumihimo.roles.card.chip.signing import CERTIFICATE_TAG, SIGNATURE_TAG
from kumihimo.roles.card.chip.state import AUTHORITY
from kumihimo.roles.card.chip.status import Refused, Status
from kumihimo.roles.card.chip.tlv import one_each, only, tlv

FIRST: Final = 0x0001
SECOND: Final = 0x0002
DYNAMIC: Final = 0x7C
POINT_TAG: Final = 0x81


def general_authenticate(inside: Inside, command: Command) -> Answer:
    """GENERAL AUTHENTICATE (86): step 1 gives the card's point, step 2 takes the office's proof and gives the card's.

    6982 where the certificate or the signature does not hold, 6985 where no step 1 went before, 6A80 for other bytes.
    """
    own, inside.session.own_key = inside.session.own_key, None
    if command.p1_p2 == FIRST:
        inside.session.own_key = generate_private_key(SECP256R1())
        return Answer(tlv(DYNAMIC, tlv(POINT_TAG, handshake.point_bytes(inside.session.own_key))))
    if command.p1_p2 != SECOND:
        raise Refused(Status.WRONG_P1_P2)
    if own is None:
        raise Refused(Status.CONDITIONS)
    return _second(inside, own, _heard(command.data, handshake.point_bytes(own)))


def _heard(data: bytes, card_point: bytes) -> Transcript:
    try:
        found = one_each(only(data, DYNAMIC))
        office_point = found[POINT_TAG]
        handshake.point(office_point)
        return Transcript(card_point, office_point, found[CERTIFICATE_TAG], found[SIGNATURE_TAG])
    except (ValueError, KeyError) as error:
        raise Refused(Status.WRONG_DATA) from error


def _second(inside: Inside, own: EllipticCurvePrivateKey, heard: Transcript) -> Answer:
    state = inside.state
    authority = load_der_public_key(state.contents[AUTHORITY])
    if not isinstance(authority, EllipticCurvePublicKey):
        raise TypeError("the authority's key is not of an elliptic curve")
    try:
        office = office_of(heard.office_certificate, authority)
    except ValueError as error:
        raise Refused(Status.NOT_ALLOWED) from error
    # A card has no clock: the newest day a genuine certificate began is the only "today" it can be sure of.
    if office.last_day < state.latest_day or not handshake.holds(office.key, heard.for_office, heard.office_signature):
        raise Refused(Status.NOT_ALLOWED)
    if office.first_day > state.latest_day:
        inside.commit(replace(state, latest_day=office.first_day))
    said = replace(heard, card_certificate=state.contents[CARD_CERTIFICATE])
    key = inside.card_key
    said = replace(said, card_signature=handshake.sign(key, said.for_card))
    if not handshake.holds(key.public_key(), said.for_card, said.card_signature):
        raise Refused(Status.FAILED)
    inside.session.channel = said.channel(own, said.office_point)
    inside.session.office = office.name
    answer = tlv(CERTIFICATE_TAG, said.card_certificate) + tlv(SIGNATURE_TAG, said.card_signature)
    return Answer(tlv(DYNAMIC, answer))
