"""What an office writes (市区町村の書込み): personalisation, new certificates, new texts, taking a card over.

番号法第十七条 (交付, 券面記載事項の変更). Each is one sealed command (PUT DATA, DA) and one new state: done whole or not at all.
A certificate is taken only with the key it was issued for: the one that waits on the card, or the one in use.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from typing import Final

from kumihimo.roles.card.chip import layout
from kumihimo.roles.card.chip.apdu import Answer, Command
from kumihimo.roles.card.chip.certificates import key_in
from kumihimo.roles.card.chip.inside import Inside
from kumihimo.roles.card.chip.keys import SigningKey, public_der
from kumihimo.roles.card.chip.layout import Key, Pin
from kumihimo.roles.card.chip.ordinances import MOST_CONTENT, update_ordinance
from kumihimo.roles.card.chip.pins import try_pin, with_new_pin
from kumihimo.roles.card.chip.state import CardState, PinRecord, key_name, new_key_name
from kumihimo.roles.card.chip.status import Refused, Status
from kumihimo.roles.card.chip.tlv import objects, one_each, tlv

PERSONALISE: Final = 0x0101
RENEW: Final = 0x0102
UPDATE_TEXT: Final = 0x0103
TAKE_OVER: Final = 0x0104
UPDATE_ORDINANCE: Final = 0x0201
_FILE: Final = 0xA0
_PIN: Final = 0xA1
_PLACE: Final = 0x80
_VALUE: Final = 0x81

_CERTIFICATES: Final = {key.certificate: key.value for key in Key}
_CA: Final = frozenset({layout.AUTHENTICATION_CA, layout.SIGNATURE_CA})
_TEXTS: Final = frozenset({layout.FOUR_ITEMS, layout.PROOF, layout.PROOF_CERTIFICATE})
_OTHER_TEXTS: Final = frozenset({layout.NUMBER, layout.VISUAL_NUMBER, layout.VISUAL_ENTRIES, layout.RESIDENT_CODE})
_WHOLE: Final = _TEXTS | _OTHER_TEXTS | _CA | {layout.AUTHENTICATION_CERTIFICATE}
_MADE_BY_CARD: Final = {
    layout.TOKEN: b"KUMIHIMO SOFTWARE CARD",
    layout.TEXT_BASIC: b"\x01",
    layout.VISUAL_BASIC: b"\x01",
}


@dataclass(frozen=True)
class Writes:
    """What one command writes: files and PINs by place."""

    files: Mapping[str, bytes]
    pins: Mapping[str, bytes]

    def to_bytes(self) -> bytes:
        """As the terminal sends it."""
        return b"".join(
            tlv(tag, tlv(_PLACE, at.encode()) + tlv(_VALUE, value))
            for tag, entries in ((_FILE, self.files), (_PIN, self.pins))
            for at, value in entries.items()
        )

    @classmethod
    def parse(cls, raw: bytes) -> Writes:
        """As the card reads it. Raises ValueError, also for a place written twice."""
        entries: dict[int, dict[str, bytes]] = {_FILE: {}, _PIN: {}}
        for tag, body in objects(raw):
            found = one_each(body)
            if tag not in entries or found.keys() != {_PLACE, _VALUE}:
                raise ValueError("neither a file nor a PIN")
            at = found[_PLACE].decode("ascii")
            if at in entries[tag]:
                raise ValueError("a place written twice")
            entries[tag][at] = found[_VALUE]
        return cls(entries[_FILE], entries[_PIN])


def put_data(inside: Inside, command: Command) -> Answer:
    """PUT DATA (DA), sealed: 0101 personalise, 0102 renew, 0103 update texts, 0104 take over, 0201 update an ordinance.

    6982 for another municipality's office, 6985 where the card's life does not fit, 6A80 for other contents than asked.
    """
    if command.p1_p2 == UPDATE_ORDINANCE:
        return update_ordinance(inside, command)
    office = inside.require_office()
    if command.p1_p2 == TAKE_OVER:
        return _take_over(inside, office, command.data)
    if command.p1_p2 not in (PERSONALISE, RENEW, UPDATE_TEXT):
        raise Refused(Status.WRONG_P1_P2)
    if inside.state.is_blank != (command.p1_p2 == PERSONALISE):
        raise Refused(Status.CONDITIONS)
    inside.require_own_office()
    try:
        writes = Writes.parse(command.data)
    except (ValueError, KeyError) as error:
        raise Refused(Status.WRONG_DATA) from error
    if any(len(content) > MOST_CONTENT for content in writes.files.values()):
        raise Refused(Status.FULL)
    if not all(writes.files.values()):
        raise Refused(Status.WRONG_DATA)
    if command.p1_p2 == PERSONALISE:
        state = _personalised(inside.state, writes, office)
    elif command.p1_p2 == RENEW:
        state = _renewed(inside.state, writes)
    else:
        state = _retold(inside.state, writes)
    inside.commit(state)
    return Answer()


def _personalised(state: CardState, writes: Writes, office: str) -> CardState:
    with_signature = {layout.SIGNATURE_CERTIFICATE} & writes.files.keys()
    _require(writes.files.keys(), must=_WHOLE | with_signature)
    pins = {pin.value for pin in Pin} - ({Pin.SIGNATURE.value} if not with_signature else set())
    _require(writes.pins.keys(), must=pins)
    state = _with_certificates(state, writes.files)
    state = replace(state.with_contents({**writes.files, **_MADE_BY_CARD}), municipality=office)
    # A minor's card has the PIN for signatures, as every reader expects, and nothing it would ever match.
    unset = {Pin.SIGNATURE.value: PinRecord(None, 0)} if not with_signature else {}
    state = replace(state, pins={**state.pins, **unset})
    return _with_pins(state, writes.pins)


def _renewed(state: CardState, writes: Writes) -> CardState:
    _require(writes.files.keys(), must=frozenset(), may=frozenset(_CERTIFICATES) | _CA)
    if not writes.files.keys() & _CERTIFICATES.keys():
        raise Refused(Status.WRONG_DATA)
    first_signature = state.pins[Pin.SIGNATURE.value].verifier is None and layout.SIGNATURE_CERTIFICATE in writes.files
    _require(writes.pins.keys(), must={Pin.SIGNATURE.value} if first_signature else frozenset())
    state = _with_certificates(state, writes.files)
    return _with_pins(state.with_contents(writes.files), writes.pins)


def _retold(state: CardState, writes: Writes) -> CardState:
    _require(writes.files.keys(), must=_TEXTS, may=_OTHER_TEXTS)
    renumbered = {layout.NUMBER, layout.VISUAL_NUMBER} & writes.files.keys()
    _require(renumbered, must=frozenset(), may=renumbered)
    if len(renumbered) == 1:
        raise Refused(Status.WRONG_DATA)
    must = {Pin.VISUAL_A.value} if renumbered else frozenset[str]()
    _require(writes.pins.keys(), must=must, may=frozenset({Pin.VISUAL_B.value}))
    return _with_pins(state.with_contents(writes.files), writes.pins)


def _take_over(inside: Inside, office: str, pin: bytes) -> Answer:
    """The municipality the resident moved to; the resident's PIN for the register says that it is so."""
    if inside.state.is_blank:
        raise Refused(Status.CONDITIONS)
    try_pin(inside, Pin.REGISTER.value, pin)
    inside.commit(replace(inside.state, municipality=office))
    return Answer()


def _require(found: Set[str], must: Set[str], may: Set[str] = frozenset()) -> None:
    if not must <= found or not found <= must | may:
        raise Refused(Status.WRONG_DATA)


def _with_pins(state: CardState, pins: Mapping[str, bytes]) -> CardState:
    for at, pin in pins.items():
        state = with_new_pin(state, at, pin)
    return state


def _with_certificates(state: CardState, files: Mapping[str, bytes]) -> CardState:
    """The state with those keys in use whose certificates are among `files`."""
    for at, file in _CERTIFICATES.items():
        if at in files:
            state = _with_key_of(state, files[at], file)
    return state


def _with_key_of(state: CardState, certificate: bytes, file: int) -> CardState:
    try:
        certified = key_in(certificate)
    except ValueError as error:
        raise Refused(Status.WRONG_DATA) from error
    for name in (new_key_name(file), key_name(file)):
        pkcs8 = state.contents.get(name)
        if pkcs8 is not None and public_der(SigningKey.load(pkcs8).public) == certified:
            return state.with_contents({key_name(file): pkcs8}, without={new_key_name(file)})
    raise Refused(Status.WRONG_DATA)
