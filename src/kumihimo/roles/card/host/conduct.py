"""Carrying out a request with the card (カード操作): ask for the PIN, let the card sign, give the answer.

Whatever the person can put right is told in the window and tried again: a reader not plugged in, no card, another card, a card
pulled out, a wrong PIN. What they cannot (a locked PIN) ends it. The card is held alone from before the PIN is asked
for until the answer is there, so that no other program can use what the PIN unlocked.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.web_eid.token import Algorithm, Token, challenge_digest
from kumihimo.roles.card.host.answers import document_signature, signing_certificate
from kumihimo.roles.card.host.person import Person, Prompt, WhichPin
from kumihimo.roles.card.host.requests import Authenticate, GetSigningCertificate, Request, Sign
from kumihimo.roles.card.terminal import CardTerminal, Key, Pin

T = TypeVar("T")
OpenCard = Callable[[], AbstractContextManager[CardTerminal]]

_MENDABLE: Final = {"card.unavailable", "card.no_reader", "card.none", "card.gone", "card.wrong", "card.busy"}
_NOT_THAT_CARD: Final = "card.unknown"  # no such application: a card, but not one of these
_AGAIN: Final = {"card.pin_wrong", "card.pin_format"}
_PINS: Final[dict[WhichPin, Pin]] = {"authentication": Pin.AUTHENTICATION, "signature": Pin.SIGNATURE}
# What PKCS#1 v1.5 puts before a digest (RFC 8017 §9.2, notes).
_DIGEST_INFO: Final = {
    "SHA-256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "SHA-384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "SHA-512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


def conduct(request: Request, open_card: OpenCard, person: Person, program: str) -> dict[str, Any]:
    """The answer to a request. `program` names this host in tokens.

    Raises Problem(host.cancelled, host.certificate_differs, card.pin_blocked) and what the card raises.
    """
    while True:
        try:
            with open_card() as card:
                return _answered(request, card, person, program)
        except Problem as found:
            problem = _wrong_card(found) if found.code == _NOT_THAT_CARD else found
            if problem.code in _MENDABLE:
                person.wait(problem)
                continue
            if problem.code != "host.cancelled":
                person.told(problem)
            raise problem from None


def _answered(request: Request, card: CardTerminal, person: Person, program: str) -> dict[str, Any]:
    match request:
        case Authenticate():
            return _authenticate(request, card, person, program)
        case GetSigningCertificate():
            certificate = _signature_certificate(card, person)
            return signing_certificate(certificate, _crypto_algorithm(certificate))
        case Sign():
            return _sign(request, card, person)


def _authenticate(request: Authenticate, card: CardTerminal, person: Person, program: str) -> dict[str, Any]:
    certificate = card.authentication_certificate()
    algorithm: Algorithm = "RS256" if _crypto_algorithm(certificate) == "RSA" else "ES384"
    digest = challenge_digest(algorithm, request.origin, request.nonce)
    _with_pin(card, person, "authentication", lambda pin: card.verify(Pin.AUTHENTICATION, pin))
    signature = card.sign(Key.AUTHENTICATION, _for_card(certificate, "SHA-256", digest))
    return Token(certificate, algorithm, signature, program).document()


def _sign(request: Sign, card: CardTerminal, person: Person) -> dict[str, Any]:
    certificate = _signature_certificate(card, person)
    if certificate != request.certificate:
        raise Problem(
            "host.certificate_differs",
            "another card than when the certificate was shown to the site",
            "certificate",
            advice="Put the first card back and start again.",
        )
    algorithm = _crypto_algorithm(certificate)
    if algorithm == "ECC" and request.hash_function != "SHA-384":
        raise Problem("host.request", f"{request.hash_function} for a key on P-384", "hashFunction", "SHA-384")
    signature = card.sign(Key.SIGNATURE, _for_card(certificate, request.hash_function, request.digest))
    return document_signature(signature, algorithm, request.hash_function)


def _signature_certificate(card: CardTerminal, person: Person) -> bytes:
    return _with_pin(card, person, "signature", card.signature_certificate)


def _with_pin(card: CardTerminal, person: Person, which: WhichPin, use: Callable[[str], T]) -> T:
    """Ask until a PIN was right. Raises Problem(host.cancelled, card.pin_blocked) and what `use` raises."""
    notice: Problem | None = None
    while True:
        tries = card.tries_left(_PINS[which])
        if tries == 0:
            raise Problem(
                "card.pin_blocked",
                "too many wrong tries",
                which,
                advice="Have it unlocked at your municipality's office.",
            )
        typed = person.pin(Prompt(which, tries, notice))
        person.working()
        try:
            return use(typed)
        except Problem as problem:
            if problem.code not in _AGAIN:
                raise
            notice = problem


def _wrong_card(found: Problem) -> Problem:
    return Problem(
        "card.wrong", found.detail, found.where, "an Individual Number card (個人番号カード)", "Put in that card."
    )


def _crypto_algorithm(certificate: bytes) -> str:
    """`RSA` or `ECC`, from a certificate on the card. Raises Problem(card.wrong)."""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except Exception as error:  # the parser's errors are of many kinds; all mean the same here
        raise Problem("card.wrong", f"a certificate that cannot be read ({type(error).__name__})") from None
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA"
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1):
        return "ECC"
    raise Problem("card.wrong", "a key of an unknown kind", expected="RSA or P-384")


def _for_card(certificate: bytes, hash_function: str, digest: bytes) -> bytes:
    """What the card's signing command takes: DigestInfo with RSA, the digest itself on P-384."""
    return digest if _crypto_algorithm(certificate) == "ECC" else _DIGEST_INFO[hash_function] + digest
