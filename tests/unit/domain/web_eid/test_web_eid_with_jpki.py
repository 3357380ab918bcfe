"""A site believes what the authorities of the country issue and their responder answers, of both kinds of key."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from jpki_parts import NOW, authorities, key, pem
from kumihimo.domain.documents import prepare
from kumihimo.domain.jpki import (
    GOOD,
    UNKNOWN,
    Algorithm,
    CaName,
    Profile,
    Reason,
    State,
    Status,
    Times,
    answer,
    parse_request,
)
from kumihimo.domain.kernel import Problem, SeededRandomness
from kumihimo.domain.web_eid import (
    Authenticated,
    CertificateStatus,
    StatusRequest,
    Token,
    TrustedIssuers,
    challenge_digest,
    validate,
)
from kumihimo.domain.web_eid.token import Algorithm as TokenAlgorithm
from small_jpki import card_signature

SITE, NONCE = "https://portal.example.jp", "n" * 44
LATER = NOW + timedelta(hours=1)
KINDS: dict[Algorithm, TokenAlgorithm] = {Algorithm.RSA_2048: "RS256", Algorithm.P_384: "ES384"}
REVOKED = Status(State.REVOKED, NOW, Reason.KEY_COMPROMISE)


def log_in(algorithm: Algorithm, profile: Profile = Profile.AUTHENTICATION, status: Status = GOOD) -> Authenticated:
    def ask(certificate: x509.Certificate, issuer: x509.Certificate) -> CertificateStatus:
        request = StatusRequest.about(certificate, issuer, SeededRandomness("nonce"))
        times = Times(LATER, LATER - timedelta(seconds=2))
        answered = answer(
            authorities(algorithm).responder(profile), parse_request(request.der), lambda _: status, times
        )
        return request.read(answered, LATER)

    kind = KINDS[algorithm]
    issuers = tuple(
        authorities(algorithm).issuing[name].certificate for name in (CaName.AUTHENTICATION, CaName.SIGNATURE)
    )
    certificate = authorities(algorithm).certificate(profile)
    signature = card_signature(key(f"resident {profile}", algorithm), challenge_digest(kind, SITE, NONCE))
    token = Token(certificate.public_bytes(Encoding.DER), kind, signature, "test/1.0")
    return validate(token, SITE, NONCE, TrustedIssuers(issuers), ask, LATER)


@pytest.mark.parametrize("algorithm", KINDS)
def test_a_resident_of_the_country_logs_in(algorithm: Algorithm) -> None:
    assert log_in(algorithm).status.as_of == LATER - timedelta(seconds=2)


@pytest.mark.parametrize("algorithm", KINDS)
@pytest.mark.parametrize(("status", "code"), [(REVOKED, "login.revoked"), (UNKNOWN, "login.status_unknown")])
def test_a_certificate_the_responder_does_not_call_good_does_not(
    algorithm: Algorithm, status: Status, code: str
) -> None:
    with pytest.raises(Problem) as caught:
        log_in(algorithm, status=status)
    assert caught.value.code == code


def test_a_signature_certificate_of_the_country_does_not_log_in() -> None:
    with pytest.raises(Problem) as caught:
        log_in(Algorithm.RSA_2048, Profile.SIGNATURE)
    assert caught.value.code == "login.purpose"


@pytest.mark.parametrize("algorithm", KINDS)
def test_openssl_verifies_a_document_up_to_the_countrys_root(algorithm: Algorithm, tmp_path: Path) -> None:
    ours = authorities(algorithm)
    issuing = ours.issuing[CaName.SIGNATURE].certificate
    prepared = prepare(b"text", ours.certificate(Profile.SIGNATURE).public_bytes(Encoding.DER), LATER)
    cms = prepared.finish(card_signature(key("resident signature", algorithm), prepared.digest), [issuing])
    (tmp_path / "text").write_bytes(b"text")
    (tmp_path / "cms").write_bytes(cms)
    root = pem(tmp_path / "root.pem", ours.root.certificate)
    command = f"openssl cms -verify -binary -cades -inform DER -in cms -content text -CAfile {root} -purpose any"
    command += f" -attime {int(LATER.timestamp())} -out out"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
