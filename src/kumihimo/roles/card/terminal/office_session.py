"""The office's side of the card (市区町村の統合端末): mutual authentication, then everything sealed.

One session is one mutual authentication. It ends at a reset, at a command in clear, and at a message that is not what the
other end sent; then a new one is begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.card.chip import authentication, handshake, layout, ordinances, reading, signing, writing
from kumihimo.roles.card.chip.apdu import SHORT, Command, parse
from kumihimo.roles.card.chip.handshake import Transcript
from kumihimo.roles.card.chip.keys import Algorithm, PublicKey, signature_der
from kumihimo.roles.card.chip.layout import AIDS, ORDINANCE_PIN_FILE, UNCHANGEABLE, Access, Key, Pin
from kumihimo.roles.card.chip.messaging import BrokenSeal, Channel
from kumihimo.roles.card.chip.pins import SELECTED, UNLOCK_ONLY, UNLOCK_WITH_NEW
from kumihimo.roles.card.chip.status import Refused
from kumihimo.roles.card.chip.tlv import one_each, only, tlv
from kumihimo.roles.card.terminal.card_terminal import CardTerminal
from kumihimo.roles.card.terminal.proofs import certified_card, make_text_proof
from kumihimo.roles.card.terminal.texts import (
    FourItemsOnCard,
    Personalisation,
    VisualEntries,
    number_bytes,
    visual_pin_b,
)
from kumihimo.roles.card.terminal.wire import Transmit, ask, fitting, order

_OWN_POINT: Final = 0x82


@dataclass(frozen=True)
class OfficeKey:
    """What an office proves itself with: P-256 key, its certificate (DER), and the card-management CA's key it trusts."""

    private_key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: bytes = field(repr=False)
    authority: ec.EllipticCurvePublicKey = field(repr=False)


@dataclass(frozen=True)
class NewKey:
    """A key the card has made: `proof` is its signature over `domain.jpki.possession_statement`, DER for curves."""

    public: PublicKey
    proof: bytes


@dataclass(frozen=True)
class OrdinanceSpec:
    """An ordinance application to be made. `aid` from `ordinance_aid`; `pin` (4 to 8 digits) for Access.PIN only."""

    aid: bytes
    access: Access
    pin: str | None = field(default=None, repr=False)


class OfficeSession:
    """A session with the card behind `transmit`.

    Raises Problem(card.not_genuine) for a card the CA did not certify, Problem(card.not_allowed) where the card does not
    accept the office, and later Problem(card.channel) where the session was cut.
    """

    def __init__(self, transmit: Transmit, office: OfficeKey) -> None:
        self._office = office
        self._clear = transmit
        self._channel, self.card_serial = _authenticated(transmit, office)
        self.terminal = CardTerminal(self.transmit)
        """Reads and verifies PINs in this session: for what only an authenticated terminal may read."""

    def transmit(self, raw: bytes) -> bytes:
        """One command through the session: a `Transmit`. Raises Problem(card.channel)."""
        try:
            answer = ask(self._clear, self._channel.seal_command(parse(raw)))
        except Refused as error:
            raise ValueError("not a command") from error
        if not answer.data:
            raise _cut(f"the card answered {answer.status:04X} in clear")
        try:
            return self._channel.open_answer(answer).to_bytes()
        except BrokenSeal:
            raise _cut("the answer is not the one the card sent") from None

    def generate_key(self, key: Key, algorithm: Algorithm = Algorithm.RSA_2048) -> PublicKey:
        """Have the card make a key; the one in use stays in use until `personalise` or `renew_certificates`."""
        return self.new_key(key, algorithm).public

    def new_key(self, key: Key, algorithm: Algorithm = Algorithm.RSA_2048) -> NewKey:
        """As `generate_key`, with the card's proof that it has the key, for those who shall certify it."""
        data = tlv(signing.ALGORITHM_TAG, bytes((algorithm.value,))) + tlv(signing.KEY_TAG, bytes((key.value,)))
        answer = self._order(Command(0x00, 0x46, 0x00, 0x00, data, SHORT), key.name)
        try:
            found = one_each(answer)
            public, proof = load_der_public_key(found[signing.PUBLIC_KEY_TAG]), found[signing.SIGNATURE_TAG]
        except (ValueError, KeyError) as error:
            raise Problem("card.wrong", "the card's new key cannot be read", key.name) from error
        if not isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise Problem("card.wrong", "the card made a key of a kind it was not asked for", expected=algorithm.name)
        return NewKey(public, signature_der(public, proof))

    def personalise(self, contents: Personalisation) -> None:
        """Write a blank card. It belongs to this office's municipality from then on. Whole or not at all.

        Raises Problem(card.state) where it is not blank, Problem(card.refused) where a certificate is not for a key that
        `generate_key` made, Problem(card.pin_format).
        """
        it = contents
        files = {
            layout.AUTHENTICATION_CERTIFICATE: it.authentication_certificate,
            layout.AUTHENTICATION_CA: it.authentication_ca,
            layout.SIGNATURE_CA: it.signature_ca,
            layout.RESIDENT_CODE: it.resident_code.encode(),
            layout.VISUAL_NUMBER: number_bytes(it.number),
            layout.VISUAL_ENTRIES: VisualEntries(it.four_items, it.expires, it.portrait).to_bytes(),
            **self._texts(it.number, it.four_items, it.written_on),
        }
        pins = {
            Pin.AUTHENTICATION: it.authentication_pin,
            Pin.TEXT: it.text_pin,
            Pin.REGISTER: it.register_pin,
            Pin.VISUAL_A: it.number,
            Pin.VISUAL_B: visual_pin_b(it.four_items.birth, it.expires, it.security_code),
        }
        if it.signature_certificate is not None:
            files[layout.SIGNATURE_CERTIFICATE] = it.signature_certificate
            pins[Pin.SIGNATURE] = it.signature_pin or ""
        self._write(writing.PERSONALISE, files, pins)

    def renew_certificates(
        self,
        authentication: bytes | None = None,
        signature: bytes | None = None,
        authentication_ca: bytes | None = None,
        signature_ca: bytes | None = None,
        signature_pin: str | None = None,
    ) -> None:
        """Write new certificates (DER), for keys `generate_key` made or for those in use.

        `signature_pin` is for a holder's first signature certificate only. Raises as `personalise`.
        """
        given = {
            layout.AUTHENTICATION_CERTIFICATE: authentication,
            layout.SIGNATURE_CERTIFICATE: signature,
            layout.AUTHENTICATION_CA: authentication_ca,
            layout.SIGNATURE_CA: signature_ca,
        }
        files = {place: content for place, content in given.items() if content is not None}
        self._write(writing.RENEW, files, {} if signature_pin is None else {Pin.SIGNATURE: signature_pin})

    def update_text(
        self,
        number: str,
        four_items: FourItemsOnCard,
        written_on: date,
        entries: VisualEntries | None = None,
        resident_code: str | None = None,
    ) -> None:
        """Write number and four items anew, with a new proof; entries and resident code where they changed."""
        files = {**self._texts(number, four_items, written_on), layout.VISUAL_NUMBER: number_bytes(number)}
        if entries is not None:
            files[layout.VISUAL_ENTRIES] = entries.to_bytes()
        if resident_code is not None:
            files[layout.RESIDENT_CODE] = resident_code.encode()
        self._write(writing.UPDATE_TEXT, files, {Pin.VISUAL_A: number})

    def take_over(self, register_pin: str) -> None:
        """The resident moved here: the card belongs to this municipality now. Raises as `CardTerminal.verify`."""
        self._order(_put(writing.TAKE_OVER, register_pin.encode()), Pin.REGISTER.name)

    def unlock(self, which: Pin, new_pin: str | None) -> None:
        """Give a PIN all its tries again, and a new value; None for Pin.VISUAL_A and VISUAL_B, which are printed."""
        if which in UNCHANGEABLE and new_pin is None:
            command = Command(0x00, 0x2C, UNLOCK_ONLY, SELECTED)
        else:
            _require_form(which, new_pin or "")
            command = Command(0x00, 0x2C, UNLOCK_WITH_NEW, SELECTED, (new_pin or "").encode())
        self._select(AIDS[which.application], which.file, which.name)
        self._order(command, which.name)

    def unlock_ordinance(self, aid: bytes, new_pin: str) -> None:
        """Give the PIN of an own ordinance application all its tries again and a new value."""
        self._select(aid, ORDINANCE_PIN_FILE, aid.hex())
        self._order(Command(0x00, 0x2C, UNLOCK_WITH_NEW, SELECTED, new_pin.encode()), aid.hex())

    def create_ordinance(self, spec: OrdinanceSpec, content: bytes) -> None:
        """Make an ordinance application. Raises Problem(card.full|card.exists|card.not_allowed|card.refused)."""
        data = tlv(reading.AID_TAG, spec.aid) + tlv(reading.ACCESS_TAG, bytes((spec.access.value,)))
        data += tlv(ordinances.CONTENT_TAG, content)
        if spec.pin is not None:
            data += tlv(ordinances.PIN_TAG, spec.pin.encode())
        self._order(Command(0x00, 0xE0, 0x00, 0x00, data), spec.aid.hex())

    def update_ordinance(self, aid: bytes, content: bytes) -> None:
        """Replace the content; PIN and access stay. Raises Problem(card.full|card.unknown|card.not_allowed)."""
        data = tlv(reading.AID_TAG, aid) + tlv(ordinances.CONTENT_TAG, content)
        self._order(_put(writing.UPDATE_ORDINANCE, data), aid.hex())

    def delete_ordinance(self, aid: bytes) -> None:
        """Remove an ordinance application. Raises Problem(card.unknown|card.not_allowed)."""
        self._order(Command(0x00, 0xE4, 0x00, 0x00, tlv(reading.AID_TAG, aid)), aid.hex())

    def read_ordinance(self, aid: bytes) -> bytes:
        """The content of an application that asks for this municipality's terminal."""
        return self.terminal.read_ordinance(aid)

    def free_space(self) -> int:
        """Bytes left for ordinance applications, each of which takes `ORDINANCE_OVERHEAD` besides its content."""
        return self.terminal.free_space()

    def _texts(self, number: str, items: FourItemsOnCard, written_on: date) -> dict[str, bytes]:
        office = self._office
        proof = make_text_proof(number, items, self.card_serial, written_on, office.private_key, office.certificate)
        return {
            layout.NUMBER: proof.number_file,
            layout.FOUR_ITEMS: proof.items_file,
            layout.PROOF: proof.to_file(),
            layout.PROOF_CERTIFICATE: proof.office_certificate,
        }

    def _write(self, what: int, files: Mapping[str, bytes], pins: Mapping[Pin, str]) -> None:
        for pin, value in pins.items():
            _require_form(pin, value)
        writes = writing.Writes(files, {pin.value: value.encode() for pin, value in pins.items()})
        self._order(_put(what, writes.to_bytes()), "card")

    def _select(self, aid: bytes, file: int, where: str) -> None:
        self._order(Command(0x00, 0xA4, reading.BY_AID, reading.NO_ANSWER, aid), where)
        self._order(Command(0x00, 0xA4, reading.BY_FILE, reading.NO_ANSWER, file.to_bytes(2, "big")), where)

    def _order(self, command: Command, where: str) -> bytes:
        fitted = replace(command, expected=fitting(command.expected, command.data)) if command.expected else command
        return order(self.transmit, fitted, where)


def _authenticated(transmit: Transmit, office: OfficeKey) -> tuple[Channel, str]:
    """Mutual authentication; the session and the card's serial."""
    where = "mutual authentication"
    order(transmit, Command(0x00, 0xA4, reading.BY_AID, reading.NO_ANSWER, AIDS[layout.COMMON]), where)
    first = order(transmit, Command(0x00, 0x86, 0x00, authentication.FIRST, expected=SHORT), where)
    own = ec.generate_private_key(ec.SECP256R1())
    try:
        card_point = one_each(only(first, authentication.DYNAMIC))[authentication.POINT_TAG]
        said = Transcript(card_point, handshake.point_bytes(own), office.certificate)
        said = replace(said, office_signature=handshake.sign(office.private_key, said.for_office))
        body = tlv(authentication.POINT_TAG, said.office_point) + tlv(signing.CERTIFICATE_TAG, office.certificate)
        body = tlv(authentication.DYNAMIC, body + tlv(signing.SIGNATURE_TAG, said.office_signature))
        command = Command(0x00, 0x86, 0x00, authentication.SECOND, body, fitting(SHORT, body))
        second = one_each(only(order(transmit, command, where), authentication.DYNAMIC))
        said = replace(
            said,
            card_certificate=second[signing.CERTIFICATE_TAG],
            card_signature=second[signing.SIGNATURE_TAG],
        )
        card = certified_card(said.card_certificate, office.authority)
        if not handshake.holds(card.key, said.for_card, said.card_signature):
            raise Problem("card.not_genuine", "the card cannot sign as the one its certificate names: it is a copy")
        return said.channel(own, card_point), card.name
    except (ValueError, KeyError) as error:
        raise Problem("card.wrong", "the card's part of the mutual authentication cannot be read", where) from error


def _put(what: int, data: bytes) -> Command:
    return Command(0x00, 0xDA, what >> 8, what & 0xFF, data)


def _require_form(which: Pin, pin: str) -> None:
    if not which.rule.allows(pin):
        raise Problem("card.pin_format", "not a PIN of this kind", which.name, expected=which.rule.words)


def _cut(why: str) -> Problem:
    return Problem("card.channel", why, expected="a sealed answer", advice="Begin a new session with the card.")
