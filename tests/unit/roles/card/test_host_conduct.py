"""At the card: what a person can put right is told and tried again, what they cannot ends it, and a "no" is a no."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from kumihimo.domain.documents import prepare
from kumihimo.domain.kernel import Problem
from kumihimo.domain.web_eid import CertificateStatus, Standing, parse_token, validate
from kumihimo.roles.card.chip import Card, FolderDisk
from kumihimo.roles.card.host.conduct import conduct
from kumihimo.roles.card.host.person import Prompt
from kumihimo.roles.card.host.requests import Authenticate, GetSigningCertificate, Sign
from kumihimo.roles.card.terminal import Algorithm, CardTerminal, Pin
from residents_card import PINS, residents_card
from small_jpki import NOW, SmallJpki

SITE, NONCE, PROGRAM = "https://portal.example.jp", "n" * 44, "test/1.0"
LOG_IN = Authenticate(SITE, "ja", NONCE)


@dataclass
class AtTheKeyboard:
    """A person who types these PINs one after the other, then says no; and puts things right when told what is missing."""

    types: list[str] = field(default_factory=list)
    puts_right: list[Callable[[], None]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def pin(self, prompt: Prompt) -> str:
        notice = f" after {prompt.notice.code}" if prompt.notice else ""
        self.seen.append(f"{prompt.pin} PIN, {prompt.tries_left} left{notice}")
        if not self.types:
            raise Problem("host.cancelled", "the window was closed")
        return self.types.pop(0)

    def working(self) -> None:
        """Sees that the card is at work."""

    def wait(self, problem: Problem) -> None:
        self.seen.append(f"wait: {problem.code}")
        if not self.puts_right:
            raise Problem("host.cancelled", "the window was closed")
        self.puts_right.pop(0)()

    def told(self, problem: Problem) -> None:
        self.seen.append(f"end: {problem.code}")


@pytest.fixture
def jpki() -> SmallJpki:
    return SmallJpki()


@pytest.fixture
def card(tmp_path: Path, jpki: SmallJpki) -> Card:
    return residents_card(FolderDisk(tmp_path), jpki)


@contextmanager
def in_reader(card: Card) -> Iterator[CardTerminal]:
    card.reset()
    yield CardTerminal(card.transmit)
    card.reset()


def good(certificate: x509.Certificate, issuer: x509.Certificate) -> CertificateStatus:
    return CertificateStatus(Standing.GOOD, NOW)


@pytest.mark.parametrize("algorithm", [Algorithm.RSA_2048, Algorithm.P_384])
def test_a_person_logs_in(tmp_path: Path, jpki: SmallJpki, algorithm: Algorithm) -> None:
    card = residents_card(FolderDisk(tmp_path), jpki, algorithm)
    person = AtTheKeyboard([PINS["authentication"]])
    answer = conduct(LOG_IN, lambda: in_reader(card), person, PROGRAM)
    token = parse_token(json.dumps(answer).encode())
    assert validate(token, SITE, NONCE, jpki.trusted(), good, NOW).app_version == PROGRAM
    assert person.seen == ["authentication PIN, 3 left"]


def test_a_wrong_pin_is_asked_for_again_with_the_tries_left(card: Card) -> None:
    person = AtTheKeyboard(["0000", "12", PINS["authentication"]])
    assert conduct(LOG_IN, lambda: in_reader(card), person, PROGRAM)["format"] == "web-eid:1.0"
    assert person.seen == [
        "authentication PIN, 3 left",
        "authentication PIN, 2 left after card.pin_wrong",
        "authentication PIN, 2 left after card.pin_format",
    ]


def test_three_wrong_pins_lock_it_and_the_person_is_told(card: Card) -> None:
    person = AtTheKeyboard(["0000", "0001", "0002", PINS["authentication"]])
    with pytest.raises(Problem) as caught:
        conduct(LOG_IN, lambda: in_reader(card), person, PROGRAM)
    assert caught.value.code == "card.pin_blocked"
    assert person.seen[-1] == "end: card.pin_blocked"
    assert len(person.types) == 1


def test_a_locked_pin_is_said_before_one_is_asked_for(card: Card) -> None:
    for wrong in ("0000", "0001", "0002"):
        with in_reader(card) as terminal, pytest.raises(Problem):
            terminal.verify(Pin.AUTHENTICATION, wrong)
    person = AtTheKeyboard(["1234"])
    with pytest.raises(Problem):
        conduct(LOG_IN, lambda: in_reader(card), person, PROGRAM)
    assert person.seen == ["end: card.pin_blocked"]


def test_saying_no_is_one_error_and_uses_no_try(card: Card) -> None:
    with pytest.raises(Problem) as caught:
        conduct(LOG_IN, lambda: in_reader(card), AtTheKeyboard(), PROGRAM)
    assert caught.value.code == "host.cancelled"
    with in_reader(card) as terminal:
        assert terminal.tries_left(Pin.AUTHENTICATION) == 3


@pytest.mark.parametrize("code", ["card.unavailable", "card.no_reader", "card.none", "card.wrong", "card.busy"])
def test_what_is_missing_is_waited_for(card: Card, code: str) -> None:
    missing = [code, code]

    @contextmanager
    def reader() -> Iterator[CardTerminal]:
        if missing:
            raise Problem(missing[0], "not yet")
        with in_reader(card) as terminal:
            yield terminal

    person = AtTheKeyboard([PINS["authentication"]], [missing.pop, missing.pop])
    conduct(LOG_IN, reader, person, PROGRAM)
    assert person.seen == [f"wait: {code}", f"wait: {code}", "authentication PIN, 3 left"]


def test_a_card_pulled_out_during_signing_is_asked_for_again_and_so_is_the_pin(card: Card) -> None:
    pulled = [True]

    @contextmanager
    def reader() -> Iterator[CardTerminal]:
        def transmit(command: bytes) -> bytes:
            if pulled and command[:2] == b"\x80\x2a":
                raise Problem("card.gone", "the card was pulled out")
            return card.transmit(command)

        card.reset()
        yield CardTerminal(transmit)

    person = AtTheKeyboard([PINS["authentication"]] * 2, [pulled.pop])
    conduct(LOG_IN, reader, person, PROGRAM)
    assert person.seen == ["authentication PIN, 3 left", "wait: card.gone", "authentication PIN, 3 left"]


def test_a_card_of_another_kind_is_not_used(card: Card) -> None:
    @contextmanager
    def another_card() -> Iterator[CardTerminal]:
        yield CardTerminal(lambda _: b"\x6a\x82")

    person = AtTheKeyboard()
    with pytest.raises(Problem):
        conduct(LOG_IN, another_card, person, PROGRAM)
    assert person.seen == ["wait: card.wrong"]


def test_a_document_is_signed_with_the_certificate_that_was_shown(tmp_path: Path, jpki: SmallJpki) -> None:
    card = residents_card(FolderDisk(tmp_path), jpki, Algorithm.RSA_2048)
    person = AtTheKeyboard([PINS["signature"], PINS["signature"]])
    shown = conduct(GetSigningCertificate(SITE, "ja"), lambda: in_reader(card), person, PROGRAM)
    certificate = base64.b64decode(shown["certificate"])
    assert {"cryptoAlgorithm": "RSA", "paddingScheme": "PKCS1.5", "hashFunction": "SHA-256"} in shown[
        "supportedSignatureAlgorithms"
    ]
    prepared = prepare(b"text", certificate, NOW)
    answer = conduct(
        Sign(SITE, "ja", prepared.digest, "SHA-256", certificate), lambda: in_reader(card), person, PROGRAM
    )
    assert prepared.finish(base64.b64decode(answer["signature"]))
    assert person.seen == ["signature PIN, 5 left"] * 2


@pytest.mark.parametrize(("name", "kind"), [("SHA-384", hashes.SHA384()), ("SHA-512", hashes.SHA512())])
def test_rsa_signs_the_longer_hashes_too(
    tmp_path: Path, jpki: SmallJpki, name: str, kind: hashes.HashAlgorithm
) -> None:
    card = residents_card(FolderDisk(tmp_path), jpki, Algorithm.RSA_2048)
    with in_reader(card) as terminal:
        certificate = terminal.signature_certificate(PINS["signature"])
    request = Sign(SITE, "ja", hashlib.new(kind.name, b"text").digest(), name, certificate)
    answer = conduct(request, lambda: in_reader(card), AtTheKeyboard([PINS["signature"]]), PROGRAM)
    key = x509.load_der_x509_certificate(certificate).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(base64.b64decode(answer["signature"]), b"text", padding.PKCS1v15(), kind)


def test_another_card_than_the_one_shown_does_not_sign(card: Card) -> None:
    person = AtTheKeyboard([PINS["signature"]])
    with pytest.raises(Problem) as caught:
        conduct(Sign(SITE, "ja", bytes(48), "SHA-384", b"another"), lambda: in_reader(card), person, PROGRAM)
    assert caught.value.code == "host.certificate_differs"
    assert person.seen[-1] == "end: host.certificate_differs"
