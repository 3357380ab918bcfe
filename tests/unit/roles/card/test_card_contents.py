"""What a card says of its holder, to whom, and how a counter knows that it is true."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import date

import pytest
from card_country import CardCountry
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, Hash
from power_disk import PowerDisk

from kumihimo.domain.kernel import Address, FourItems, PersonName, Problem, Sex
from kumihimo.roles.card.chip import Algorithm, Card, Key, Pin
from kumihimo.roles.card.chip.inside import Inside
from kumihimo.roles.card.terminal import CardTerminal, FourItemsOnCard, OfficeSession, TextProof, VisualEntries
from kumihimo.roles.card.terminal.specimen import (
    EXPIRES,
    ITEMS,
    NUMBER,
    PINS,
    RESIDENT_CODE,
    WRITTEN_ON,
    Applicant,
    SpecimenAuthority,
)

SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")


def test_number_and_four_items_are_read_with_the_pin_for_texts_only(terminal: CardTerminal) -> None:
    for pin in Pin:
        terminal.verify(pin, PINS[pin])
        if pin is not Pin.TEXT:
            assert refusal(terminal.number) == "card.not_allowed"
    terminal.verify(Pin.TEXT, PINS[Pin.TEXT])
    assert (terminal.number(), terminal.four_items()) == (NUMBER, ITEMS)


def test_the_front_is_read_with_either_printed_pin_and_the_number_with_one(terminal: CardTerminal) -> None:
    assert refusal(terminal.visual_entries) == "card.not_allowed"
    terminal.verify(Pin.VISUAL_B, PINS[Pin.VISUAL_B])
    assert terminal.visual_entries() == VisualEntries(ITEMS, EXPIRES)
    assert refusal(terminal.visual_number) == "card.not_allowed"
    terminal.verify(Pin.VISUAL_A, PINS[Pin.VISUAL_A])
    assert terminal.visual_number() == NUMBER


def test_the_resident_code_is_read_with_the_pin_of_the_register(terminal: CardTerminal) -> None:
    assert refusal(terminal.resident_code) == "card.not_allowed"
    terminal.verify(Pin.REGISTER, PINS[Pin.REGISTER])
    assert terminal.resident_code() == RESIDENT_CODE


def test_the_signature_certificate_names_its_holder_and_takes_the_pin(terminal: CardTerminal) -> None:
    with pytest.raises(Problem, match="4 tries left"):
        terminal.signature_certificate("WRONG1")
    assert x509.load_der_x509_certificate(terminal.signature_certificate(PINS[Pin.SIGNATURE]))
    assert terminal.authentication_certificate()
    assert len(terminal.ca_certificates()) == 2


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_both_keys_sign_with_either_algorithm(country: CardCountry, algorithm: Algorithm) -> None:
    card = country.authority.issued(PowerDisk(), country.x_city, Applicant(algorithm))
    terminal = CardTerminal(card.transmit)
    certificates = {
        Key.AUTHENTICATION: terminal.authentication_certificate(),
        Key.SIGNATURE: terminal.signature_certificate(PINS[Pin.SIGNATURE]),
    }
    for key, certificate in certificates.items():
        public = x509.load_der_x509_certificate(certificate).public_key()
        terminal.verify(key.pin, PINS[key.pin])
        if isinstance(public, rsa.RSAPublicKey):
            digest = hashed(SHA256(), b"a form")
            public.verify(terminal.sign(key, SHA256_PREFIX + digest), b"a form", padding.PKCS1v15(), SHA256())
        else:
            assert isinstance(public, ec.EllipticCurvePublicKey)
            raw = terminal.sign(key, hashed(SHA384(), b"a form"))
            der = encode_dss_signature(int.from_bytes(raw[:48], "big"), int.from_bytes(raw[48:], "big"))
            public.verify(der, hashed(SHA384(), b"a form"), ec.ECDSA(Prehashed(SHA384())))


@pytest.mark.parametrize("length", [0, 47, 49, 246])
def test_what_is_not_a_digest_is_not_signed(terminal: CardTerminal, length: int) -> None:
    terminal.verify(Pin.AUTHENTICATION, PINS[Pin.AUTHENTICATION])
    with pytest.raises(Problem) as refused:
        terminal.sign(Key.AUTHENTICATION, bytes(length))
    assert refused.value.code == "card.refused"


def test_a_signature_that_came_out_wrong_never_leaves_the_card(card: Card, terminal: CardTerminal) -> None:
    terminal.verify(Pin.AUTHENTICATION, PINS[Pin.AUTHENTICATION])
    inside = card._inside
    assert isinstance(inside, Inside)
    good = inside.signing_key("key/0017")
    flawed = replace(good, compute=lambda data: good.compute(data)[:-1] + b"\x00")
    inside._loaded["key/0017"] = (inside.state.contents["key/0017"], flawed)
    with pytest.raises(Problem) as refused:
        terminal.sign(Key.AUTHENTICATION, bytes(48))
    assert refused.value.code == "card.failed"


def test_a_counter_without_a_network_knows_that_number_and_four_items_are_true(
    terminal: CardTerminal, country: CardCountry
) -> None:
    terminal.verify(Pin.TEXT, PINS[Pin.TEXT])
    proof = terminal.text_proof()
    challenge = secrets.token_bytes(32)
    assert proof.check(country.authority.public_key) == "011002"
    assert (proof.number, proof.four_items) == (NUMBER, ITEMS)
    assert terminal.internal_authenticate(challenge).check(country.authority.public_key, challenge) == proof.card_serial
    assert terminal.number() == NUMBER  # asking for the proof has not left the application
    assert terminal.card_serial() == proof.card_serial


@pytest.mark.parametrize("what", ["number", "items", "serial", "day"])
def test_a_proof_about_anything_else_does_not_hold(terminal: CardTerminal, country: CardCountry, what: str) -> None:
    terminal.verify(Pin.TEXT, PINS[Pin.TEXT])
    proof = terminal.text_proof()
    forged: dict[str, TextProof] = {
        "number": replace(proof, number_file=b"\x10\x0c" + b"0" * 12),
        "items": replace(proof, items_file=replace(ITEMS, name="別人").to_bytes()),
        "serial": replace(proof, card_serial="CARD99999999"),
        "day": replace(proof, made_on=date(2026, 11, 22)),
    }
    with pytest.raises(Problem) as refused:
        forged[what].check(country.authority.public_key)
    assert refused.value.code == "card.not_genuine"


def test_a_proof_under_another_authority_does_not_hold(terminal: CardTerminal) -> None:
    terminal.verify(Pin.TEXT, PINS[Pin.TEXT])
    with pytest.raises(Problem, match="card-management CA"):
        terminal.text_proof().check(SpecimenAuthority().public_key)


def test_a_copied_card_cannot_answer_a_new_challenge(terminal: CardTerminal, country: CardCountry) -> None:
    heard = terminal.internal_authenticate(bytes(32))
    assert heard.check(country.authority.public_key, bytes(32))
    with pytest.raises(Problem, match="it is a copy"):
        heard.check(country.authority.public_key, secrets.token_bytes(32))


@pytest.mark.parametrize("length", [0, 15, 65])
def test_a_challenge_must_be_long_enough_to_be_new(terminal: CardTerminal, length: int) -> None:
    with pytest.raises(Problem):
        terminal.internal_authenticate(bytes(length))


def test_a_child_has_a_card_without_signatures(country: CardCountry) -> None:
    child = Applicant(Algorithm.P_384, adult=False)
    card = country.authority.issued(PowerDisk(), country.x_city, child)
    terminal = CardTerminal(card.transmit)
    assert terminal.tries_left(Pin.SIGNATURE) == 0
    assert refusal(lambda: terminal.verify(Pin.SIGNATURE, "ABC123")) == "card.state"
    terminal.verify(Pin.AUTHENTICATION, PINS[Pin.AUTHENTICATION])
    assert terminal.sign(Key.AUTHENTICATION, bytes(48))
    session = OfficeSession(card.transmit, country.x_city)
    grown = country.authority.certificate("GROWN", session.generate_key(Key.SIGNATURE, Algorithm.P_384))
    session.renew_certificates(signature=grown, signature_pin="SIXTEEN15")
    assert terminal.signature_certificate("SIXTEEN15") == grown
    assert terminal.sign(Key.SIGNATURE, bytes(48))


def test_the_four_items_of_the_registry_are_written_in_one_line_each() -> None:
    registered = FourItems(
        PersonName("総務", "花子", "ソウム", "ハナコ"),
        Address("甲県", "X市", "中央1-2-3"),
        date(1990, 5, 6),
        Sex.FEMALE,
    )
    written = FourItemsOnCard.of(registered)
    assert written.name == "総務　花子"
    assert FourItemsOnCard.from_bytes(written.to_bytes()) == written
    assert "総務" not in repr(written)


@pytest.mark.parametrize("raw", [b"", b"\xff\x20\x00", ITEMS.to_bytes()[:-1], ITEMS.to_bytes() + b"\x00\x00"])
def test_texts_that_cannot_be_read_are_a_problem(raw: bytes) -> None:
    with pytest.raises(Problem):
        FourItemsOnCard.from_bytes(raw)
    with pytest.raises(Problem):
        VisualEntries.from_bytes(raw)


def test_the_proof_is_of_the_day_it_was_written(terminal: CardTerminal) -> None:
    terminal.verify(Pin.TEXT, PINS[Pin.TEXT])
    assert terminal.text_proof().made_on == WRITTEN_ON


def refusal(do: object) -> str:
    assert callable(do)
    with pytest.raises(Problem) as refused:
        do()
    return refused.value.code


def hashed(algorithm: SHA256 | SHA384, data: bytes) -> bytes:
    digest = Hash(algorithm)
    digest.update(data)
    return digest.finalize()
