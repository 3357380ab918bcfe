"""A site believes a card's token only for itself, only once, only now, and only from a certificate that is good."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from kumihimo.domain.kernel import FixedClock, Problem, SeededRandomness
from kumihimo.domain.web_eid import (
    MAX_TOKEN_BYTES,
    Authenticated,
    CertificateStatus,
    Challenges,
    MemoryChallenges,
    Standing,
    StatusRequest,
    Token,
    challenge_digest,
    parse_token,
    validate,
)
from kumihimo.domain.web_eid.token import Algorithm
from small_jpki import NOW, UNITS, Key, SmallJpki, card_signature, der, make_ca, p384_key, rsa_key

SITE, OTHER_SITE = "https://portal.example.jp", "https://portal.example.jp.evil.example"
HANAKO = rsa_key("Hanako")


@pytest.fixture
def jpki() -> SmallJpki:
    return SmallJpki()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def challenges(clock: FixedClock) -> Challenges:
    return Challenges(MemoryChallenges(), SeededRandomness("challenges"), clock)


def token_of(certificate: x509.Certificate, key: Key, origin: str, nonce: str) -> Token:
    """What the card program makes of a challenge."""
    algorithm: Algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES384"
    signature = card_signature(key, challenge_digest(algorithm, origin, nonce))
    return Token(der(certificate), algorithm, signature, "test/1.0")


def log_in(
    jpki: SmallJpki, token: Token, nonce: str, *, origin: str = SITE, now: datetime = NOW, kind: str = "authentication"
) -> Authenticated:
    def status(certificate: x509.Certificate, issuer: x509.Certificate) -> CertificateStatus:
        request = StatusRequest.about(certificate, issuer, SeededRandomness("ocsp"))
        return request.read(jpki.answer(request.der, now=now), now)

    return validate(parse_token(json.dumps(token.document()).encode()), origin, nonce, jpki.trusted(kind), status, now)


def refused(code: str, *args: object, **more: object) -> Problem:
    with pytest.raises(Problem) as caught:
        log_in(*args, **more)  # type: ignore[arg-type]
    assert caught.value.code == code, caught.value
    return caught.value


@pytest.mark.parametrize("key", [HANAKO, p384_key("Hanako")], ids=["RS256", "ES384"])
def test_the_holder_of_a_card_logs_in(jpki: SmallJpki, challenges: Challenges, key: Key) -> None:
    certificate = jpki.issue("authentication", key)
    nonce = challenges.issue("session")
    who = log_in(jpki, token_of(certificate, key, SITE, nonce), challenges.use("session"))
    assert who.serial == certificate.serial_number
    assert who.status.standing is Standing.GOOD
    assert jpki.asked == [certificate.serial_number]


def test_a_token_for_another_origin_is_refused(jpki: SmallJpki, challenges: Challenges) -> None:
    nonce = challenges.issue("session")
    token = token_of(jpki.issue("authentication", HANAKO), HANAKO, OTHER_SITE, nonce)
    refused("login.signature", jpki, token, nonce)
    assert jpki.asked == []  # nobody is asked about the certificate of a token that is not for us


def test_a_challenge_is_used_once_whatever_comes_of_it(jpki: SmallJpki, challenges: Challenges) -> None:
    nonce = challenges.issue("session")
    token = token_of(jpki.issue("authentication", HANAKO), HANAKO, SITE, nonce)
    log_in(jpki, token, challenges.use("session"))
    with pytest.raises(Problem) as caught:
        challenges.use("session")
    assert caught.value.code == "login.nonce"


def test_a_token_of_an_earlier_challenge_is_refused(jpki: SmallJpki, challenges: Challenges) -> None:
    token = token_of(jpki.issue("authentication", HANAKO), HANAKO, SITE, challenges.issue("session"))
    challenges.issue("session")
    refused("login.signature", jpki, token, challenges.use("session"))


def test_a_challenge_of_another_session_is_refused(challenges: Challenges) -> None:
    challenges.issue("mine")
    with pytest.raises(Problem) as caught:
        challenges.use("another's")
    assert caught.value.code == "login.nonce"


def test_an_expired_challenge_is_refused(challenges: Challenges, clock: FixedClock) -> None:
    challenges.issue("session")
    clock.at = NOW + timedelta(minutes=5)
    with pytest.raises(Problem) as caught:
        challenges.use("session")
    assert caught.value.code == "login.stale"


def test_old_challenges_make_room() -> None:
    challenges = Challenges(MemoryChallenges(most=2), SeededRandomness("room"), FixedClock(NOW))
    for session in ("first", "second", "third"):
        challenges.issue(session)
    with pytest.raises(Problem):
        challenges.use("first")
    assert len(challenges.use("third")) == 44


def test_a_certificate_for_digital_signatures_does_not_log_in(jpki: SmallJpki, challenges: Challenges) -> None:
    """It carries name, address, birth date and sex, and its signatures mean consent."""
    nonce = challenges.issue("session")
    token = token_of(jpki.issue("signature", HANAKO), HANAKO, SITE, nonce)
    problem = refused("login.purpose", jpki, token, nonce, kind="signature")
    assert "1.2.392.200149.8.5.1.1.20" in str(problem)


def test_an_authentication_policy_of_the_signature_ca_does_not_log_in(jpki: SmallJpki, challenges: Challenges) -> None:
    nonce = challenges.issue("session")
    certificate = jpki.issue("authentication", HANAKO, ca=jpki.cas["signature"])
    refused("login.untrusted", jpki, token_of(certificate, HANAKO, SITE, nonce), nonce)


def test_a_ca_of_the_same_name_is_not_trusted(jpki: SmallJpki, challenges: Challenges) -> None:
    nonce = challenges.issue("session")
    pretender = make_ca(UNITS["authentication"][0], owner="pretender")
    certificate = jpki.issue("authentication", HANAKO, ca=pretender)
    refused("login.untrusted", jpki, token_of(certificate, HANAKO, SITE, nonce), nonce)


def test_a_revoked_certificate_is_refused(jpki: SmallJpki, challenges: Challenges) -> None:
    nonce = challenges.issue("session")
    certificate = jpki.issue("authentication", HANAKO)
    jpki.revoke(certificate)
    refused("login.revoked", jpki, token_of(certificate, HANAKO, SITE, nonce), nonce)


@pytest.mark.parametrize("days", [-2, 400 * 5])
def test_a_certificate_is_good_in_its_time_only(jpki: SmallJpki, challenges: Challenges, days: int) -> None:
    nonce = challenges.issue("session")
    token = token_of(jpki.issue("authentication", HANAKO), HANAKO, SITE, nonce)
    refused("login.not_valid_now", jpki, token, nonce, now=NOW + timedelta(days=days))


@pytest.mark.parametrize("position", [0, 17, 255])
def test_an_altered_signature_is_refused(jpki: SmallJpki, challenges: Challenges, position: int) -> None:
    nonce = challenges.issue("session")
    token = token_of(jpki.issue("authentication", HANAKO), HANAKO, SITE, nonce)
    altered = bytearray(token.signature)
    altered[position] ^= 1
    refused("login.signature", jpki, Token(token.certificate, "RS256", bytes(altered), "t"), nonce)


def test_another_persons_certificate_is_refused(jpki: SmallJpki, challenges: Challenges) -> None:
    nonce = challenges.issue("session")
    token = token_of(jpki.issue("authentication", HANAKO), HANAKO, SITE, nonce)
    others = jpki.issue("authentication", rsa_key("Taro"))
    refused("login.signature", jpki, Token(der(others), "RS256", token.signature, "t"), nonce)


def test_the_algorithm_must_fit_the_key(jpki: SmallJpki, challenges: Challenges) -> None:
    nonce = challenges.issue("session")
    token = token_of(jpki.issue("authentication", HANAKO), HANAKO, SITE, nonce)
    refused("login.algorithm", jpki, Token(token.certificate, "ES384", token.signature, "t"), nonce)
    curve = p384_key("Hanako")
    token = token_of(jpki.issue("authentication", curve), curve, SITE, nonce)
    refused("login.signature", jpki, Token(token.certificate, "ES384", token.signature[:-1], "t"), nonce)


def test_a_site_cannot_be_set_up_without_https(jpki: SmallJpki, challenges: Challenges) -> None:
    nonce = challenges.issue("session")
    token = token_of(jpki.issue("authentication", HANAKO), HANAKO, "http://portal.example.jp", nonce)
    for origin in ("http://portal.example.jp", "https://portal.example.jp/", "https://Portal.example.jp"):
        refused("login.origin", jpki, token, nonce, origin=origin)


GOOD = {
    "unverifiedCertificate": "MAA=", "algorithm": "RS256", "signature": "AAAA", "format": "web-eid:1.0", "appVersion": "a",
}  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "login.token_format"),
        (b"[]", "login.token_format"),
        (b"\xff", "login.token_format"),
        (b"[" * 10_000, "login.token_format"),
        (b" " * (MAX_TOKEN_BYTES + 1), "login.too_large"),
        ({"format": "web-eid:2.0"}, "login.token_format"),
        ({"format": None}, "login.token_format"),
        ({"algorithm": "none"}, "login.algorithm"),
        ({"algorithm": "HS256"}, "login.algorithm"),
        ({"signature": "###"}, "login.token_format"),
        ({"signature": 7}, "login.token_format"),
        ({"signature": base64.b64encode(bytes(2000)).decode()}, "login.too_large"),
        ({"appVersion": "x" * 300}, "login.too_large"),
        ({"unverifiedCertificate": ""}, "login.token_format"),
    ],
)
def test_what_is_not_a_token_is_refused(raw: bytes | dict[str, object], code: str) -> None:
    if isinstance(raw, dict):
        raw = json.dumps(GOOD | raw).encode()
    with pytest.raises(Problem) as caught:
        parse_token(raw)
    assert caught.value.code == code


def test_a_certificate_that_is_none_is_refused(jpki: SmallJpki) -> None:
    refused("login.certificate", jpki, Token(b"0\x00", "RS256", b"x", "t"), "n" * 44)
