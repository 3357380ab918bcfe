"""Lists and answers about the status of certificates: the public learns what it needs, in bytes others accept."""

from __future__ import annotations

import subprocess
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp as read_by_others
from hypothesis import given, settings
from hypothesis import strategies as st

from jpki_parts import NOW, PLACES, authorities, hanako, key, listed, pem, serial
from jpki_parts import question as asked_about
from kumihimo.domain.jpki import (
    GOOD,
    UNKNOWN,
    Algorithm,
    CaName,
    CertificationAuthority,
    Entry,
    Holder,
    Period,
    Profile,
    Reason,
    Refusal,
    Responder,
    State,
    Status,
    Times,
    Wanted,
    answer,
    delta_list,
    full_list,
    issue,
    parse_request,
    refuse,
    root_list,
)
from kumihimo.domain.kernel import Problem, SeededRandomness
from kumihimo.domain.web_eid import TrustedIssuers, require_authentication
from kumihimo.domain.web_eid.ocsp import StatusRequest, responder_of
from kumihimo.domain.web_eid.status import Standing

BOTH = (Algorithm.RSA_2048, Algorithm.P_384)
HASHES: dict[str, hashes.HashAlgorithm] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}  # noqa: S303
REVOKED = Status(State.REVOKED, NOW - timedelta(hours=1), Reason.KEY_COMPROMISE)
TIMES = Times(NOW, NOW - timedelta(seconds=2))
NONCE = b"n" * 32
DAY = Period(NOW, NOW + timedelta(days=1))


def ca_of(
    profile: Profile = Profile.AUTHENTICATION, algorithm: Algorithm = Algorithm.RSA_2048
) -> CertificationAuthority:
    return authorities(algorithm).issuing[profile.ca]


def question() -> StatusRequest:
    """What a site asks about somebody's certificate."""
    return asked_about(authorities().certificate(), ca_of().certificate)


def request(certificate: x509.Certificate, issuer: x509.Certificate, hash_name: str = "sha1") -> bytes:
    """A question by either hash, which others than our sites still ask."""
    builder = read_by_others.OCSPRequestBuilder().add_certificate(certificate, issuer, HASHES[hash_name])
    built = builder.add_extension(x509.OCSPNonce(NONCE), critical=False).build()
    return built.public_bytes(serialization.Encoding.DER)


def unbelieved(asked: StatusRequest, answered: bytes, now: datetime = NOW) -> str:
    """Why a site does not believe an answer."""
    with pytest.raises(Problem) as caught:
        asked.read(answered, now)
    assert caught.value.code == "login.status_unknown"
    return caught.value.detail


def sequence(content: bytes) -> bytes:
    return bytes([0x30, len(content)]) + content


def openssl(*arguments: str) -> str:
    """What openssl says, whether it is content or not."""
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


# --- OCSP ---


@pytest.mark.parametrize("algorithm", BOTH)
@pytest.mark.parametrize("hash_name", HASHES)
@pytest.mark.parametrize("status", [GOOD, UNKNOWN, REVOKED])
def test_what_the_responder_knows_is_what_others_read(
    algorithm: Algorithm, hash_name: str, status: Status, tmp_path: Path
) -> None:
    ours, issuer = authorities(algorithm), ca_of(algorithm=algorithm).certificate
    certificate = ours.certificate()
    query = parse_request(request(certificate, issuer, hash_name))
    der = answer(ours.responder(), query, lambda _serial: status, TIMES)
    others = read_by_others.load_der_ocsp_response(der)
    assert others.certificate_status.name == status.state.name
    assert others.serial_number == certificate.serial_number
    assert others.hash_algorithm.name == hash_name
    assert (others.this_update_utc, others.revocation_time_utc) == (TIMES.known, status.at)
    assert others.revocation_reason is (status.reason.flag if status.reason else None)
    assert others.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == NONCE
    (tmp_path / "answer").write_bytes(der)
    said = openssl(
        "ocsp", "-respin", str(tmp_path / "answer"), f"-{hash_name}", "-no_nonce", "-issuer",
        pem(tmp_path / "ca.pem", issuer), "-cert", pem(tmp_path / "end.pem", certificate), "-CAfile",
        pem(tmp_path / "chain.pem", issuer, ours.root.certificate), "-attime", str(int(NOW.timestamp())),
        "-validity_period", str(10**9),  # it compares with the clock of the machine, which is another than the test's
    )  # fmt: skip
    assert "Response verify OK" in said
    assert f"end.pem: {status.state}\n" in said
    assert ("Reason: keyCompromise" in said) is (status is REVOKED)


@pytest.mark.parametrize("algorithm", BOTH)
def test_a_log_in_believes_the_responder(algorithm: Algorithm) -> None:
    ours = authorities(algorithm)
    issuer = ca_of(algorithm=algorithm).certificate
    for status, standing in ((GOOD, Standing.GOOD), (REVOKED, Standing.REVOKED), (UNKNOWN, Standing.UNKNOWN)):
        asked = StatusRequest.about(ours.certificate(), issuer, SeededRandomness(1))
        der = answer(
            ours.responder(), parse_request(asked.der), {asked.certificate.serial_number: status}.__getitem__, TIMES
        )
        read = asked.read(der, NOW)
        assert (read.standing, read.as_of, read.revoked_at) == (standing, TIMES.known, status.at)
    assert responder_of(asked.certificate) == PLACES.ocsp


def test_the_certid_is_echoed_byte_by_byte_with_and_without_null_parameters() -> None:
    with_parameters = request(authorities().certificate(), ca_of().certificate, "sha256")
    with_null = parse_request(with_parameters).asked[0].der
    assert b"\x05\x00" in with_null
    cert_id = sequence(with_null[2:].replace(b"\x30\x0d", b"\x30\x0b", 1).replace(b"\x05\x00", b"", 1))
    bare = sequence(sequence(sequence(sequence(cert_id))))
    assert parse_request(bare).asked[0].der != with_null
    for der in (with_parameters, bare):
        query = parse_request(der)
        made = answer(authorities().responder(), query, lambda _serial: GOOD, TIMES)
        assert query.asked[0].der in der
        assert query.asked[0].der in made
        assert read_by_others.load_der_ocsp_response(made).certificate_status.name == "GOOD"


def test_an_answer_without_a_nonce_is_given_to_who_sent_none_and_refused_by_who_did() -> None:
    asked = question()
    query = parse_request(asked.der)
    assert query.nonce is not None
    without = answer(authorities().responder(), type(query)(query.asked, None), lambda _serial: GOOD, TIMES)
    assert "without the nonce" in unbelieved(asked, without)
    other = parse_request(asked_about(asked.certificate, asked.issuer).der)
    assert other.nonce != query.nonce
    given = answer(authorities().responder(), other, lambda _serial: GOOD, TIMES)
    assert "another question" in unbelieved(asked, given)


def test_an_answer_is_believed_of_the_issuer_and_its_delegate_only() -> None:
    asked = question()
    query, ours = parse_request(asked.der), authorities()
    good = ours.responder()

    def made(responder: Responder) -> bytes:
        return answer(responder, query, lambda _serial: GOOD, TIMES)

    for genuine in (good, Responder(asked.issuer, asked.issuer, ca_of().key)):
        assert asked.read(made(genuine), NOW).standing is Standing.GOOD
    resident = Responder(asked.issuer, ours.certificate(label="a clever resident"), key("a clever resident"))
    other_ca = Responder(asked.issuer, ours.responder(Profile.SIGNATURE).certificate, good.key)
    wrong_key = Responder(asked.issuer, good.certificate, key("stranger"))
    for impostor in (resident, other_ca, wrong_key):
        assert "signature" in unbelieved(asked, made(impostor))
    changed = bytearray(made(good))
    changed[len(changed) // 3] ^= 1
    assert unbelieved(asked, bytes(changed))


def test_an_answer_about_somebody_else_or_of_yesterday_is_refused() -> None:
    asked = question()
    foreign = parse_request(question().der)
    given = answer(authorities().responder(), foreign, lambda _serial: GOOD, TIMES)
    assert "another certificate" in unbelieved(asked, given)
    der = answer(authorities().responder(), parse_request(asked.der), lambda _serial: GOOD, TIMES)
    for at in (NOW + timedelta(minutes=63), NOW - timedelta(minutes=3)):
        assert "another time" in unbelieved(asked, der, at)
    assert "try_later" in unbelieved(asked, refuse(Refusal.TRY_LATER))


def test_certificates_of_another_authority_are_unknown_to_a_responder() -> None:
    asked = question()
    der = answer(authorities().responder(Profile.SIGNATURE), parse_request(asked.der), lambda _serial: GOOD, TIMES)
    assert read_by_others.load_der_ocsp_response(der).certificate_status.name == "UNKNOWN"


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.tuples(st.integers(0, 10_000), st.integers(1, 255))))
def test_bytes_that_are_no_request_are_refused_as_such(garbage: bytes | tuple[int, int]) -> None:
    if isinstance(garbage, tuple):
        whole = bytearray(_REQUEST)
        whole[garbage[0] % len(whole)] ^= garbage[1]
        garbage = bytes(whole)
    try:
        query = parse_request(garbage)
    except Problem:  # anything else would be a fault
        return
    answer(_RESPONDER, query, lambda _serial: GOOD, TIMES)


_REQUEST = request(authorities().certificate(), ca_of().certificate)
_RESPONDER = authorities().responder()


# --- lists ---


def entries(*serials: int, reason: Reason = Reason.SUPERSEDED) -> list[Entry]:
    return [Entry(one, NOW - timedelta(hours=2), reason) for one in serials]


@pytest.mark.parametrize("algorithm", BOTH)
def test_openssl_finds_a_revoked_certificate_in_the_list(algorithm: Algorithm, tmp_path: Path) -> None:
    ours = authorities(algorithm)
    certificate, other = ours.certificate(), ours.certificate()
    crl = full_list(ca_of(algorithm=algorithm), entries(certificate.serial_number), 7, DAY, PLACES)
    files = [
        pem(tmp_path / "root.pem", ours.root.certificate),
        pem(tmp_path / "ca.pem", ca_of(algorithm=algorithm).certificate),
        pem(tmp_path / "lists.pem", crl, root_list(ours.root, 1, DAY)),
    ]

    def verify(one: x509.Certificate, check: str) -> str:
        return openssl(
            "verify", check, "-attime", str(int(NOW.timestamp()) + 1), "-CAfile", files[0], "-untrusted", files[1],
            "-CRLfile", files[2], pem(tmp_path / "end.pem", one),
        )  # fmt: skip

    for check in ("-crl_check", "-crl_check_all"):
        assert verify(other, check).endswith("OK\n")
        assert "certificate revoked" in verify(certificate, check)
    shown = openssl("crl", "-in", files[2], "-noout", "-text")
    for said in (
        "X509v3 CRL Number",
        "X509v3 Issuing Distribution Point: critical",
        "X509v3 Freshest CRL",
        "Superseded",
    ):
        assert said in shown


@pytest.mark.parametrize("algorithm", BOTH)
def test_openssl_takes_from_a_delta_what_it_adds_and_takes_back(algorithm: Algorithm, tmp_path: Path) -> None:
    ours, ca = authorities(algorithm), ca_of(algorithm=algorithm)
    ended, suspended, late, other = (ours.certificate() for _ in range(4))
    held = entries(suspended.serial_number, reason=Reason.CERTIFICATE_HOLD)
    full = full_list(ca, [*entries(ended.serial_number), *held], 7, DAY, PLACES)
    found = entries(suspended.serial_number, reason=Reason.REMOVE_FROM_CRL)
    delta = delta_list(ca, [*entries(late.serial_number), *found], 9, 7, DAY, PLACES)
    assert listed(suspended.serial_number, full) is x509.ReasonFlags.certificate_hold
    assert delta.extensions.get_extension_for_class(x509.DeltaCRLIndicator).critical
    root = pem(tmp_path / "root.pem", ours.root.certificate)
    issuing = pem(tmp_path / "ca.pem", ca.certificate)

    def revoked(one: x509.Certificate, *deltas: x509.CertificateRevocationList) -> bool:
        said = openssl(
            "verify", "-crl_check", "-use_deltas", "-extended_crl", "-attime", str(int(NOW.timestamp()) + 1), "-CAfile", root,
            "-untrusted", issuing, "-CRLfile", pem(tmp_path / "lists.pem", full, *deltas), pem(tmp_path / "end.pem", one),
        )  # fmt: skip
        assert said.endswith("OK\n") or "certificate revoked" in said, said
        return "certificate revoked" in said

    assert [revoked(one) for one in (ended, suspended, late, other)] == [True, True, False, False]
    assert [revoked(one, delta) for one in (ended, suspended, late, other)] == [True, False, True, False]
    later = delta_list(ca, entries(other.serial_number), 9, 8, DAY, PLACES)
    foreign = delta_list(ca_of(Profile.SIGNATURE, algorithm), entries(other.serial_number), 9, 7, DAY, PLACES)
    for wrong in (later, foreign):
        assert not revoked(other, wrong)


def test_openssl_believes_a_list_of_its_issuer_and_on_its_days(tmp_path: Path) -> None:
    ours = authorities()
    root, issuing = pem(tmp_path / "root.pem", ours.root.certificate), pem(tmp_path / "ca.pem", ca_of().certificate)
    end = pem(tmp_path / "end.pem", ours.certificate())

    def verify(ca: CertificationAuthority, at: datetime) -> str:
        crl = pem(tmp_path / "list.pem", full_list(ca, [], 7, DAY, PLACES))
        when = str(int(at.timestamp()))
        return openssl(
            "verify", "-crl_check", "-attime", when, "-CAfile", root, "-untrusted", issuing, "-CRLfile", crl, end
        )

    assert verify(ca_of(), NOW).endswith("OK\n")
    assert "unable to get certificate CRL" in verify(ca_of(Profile.SIGNATURE), NOW)
    pretender = CertificationAuthority(CaName.AUTHENTICATION, ca_of().certificate, key("stranger"))
    assert "CRL signature failure" in verify(pretender, NOW)
    assert "CRL has expired" in verify(ca_of(), NOW + timedelta(days=2))


# --- certificates as a site sees them ---


@pytest.mark.parametrize("algorithm", BOTH)
def test_a_certificate_is_good_on_its_days_only(algorithm: Algorithm) -> None:
    certificate, issuer = authorities(algorithm).certificate(), ca_of(algorithm=algorithm).certificate
    trusted = TrustedIssuers((ca_of(Profile.SIGNATURE, algorithm).certificate, issuer))
    assert trusted.issuer_of(certificate, NOW) == issuer
    for at in (NOW - timedelta(hours=1), datetime(2031, 1, 1, 15, 0, tzinfo=NOW.tzinfo)):
        with pytest.raises(Problem) as refused:
            trusted.issuer_of(certificate, at)
        assert refused.value.code == "login.not_valid_now"


def test_a_certificate_is_good_for_its_purpose_only() -> None:
    require_authentication(authorities().certificate())
    with pytest.raises(Problem) as refused:
        require_authentication(authorities().certificate(Profile.SIGNATURE))
    assert refused.value.code == "login.purpose"


def test_a_certificate_of_a_look_alike_authority_is_refused(tmp_path: Path) -> None:
    stranger = type(authorities())(Algorithm.P_384)
    responder = authorities().responder()
    usurper = CertificationAuthority(CaName.AUTHENTICATION, responder.certificate, responder.key)
    wanted = Wanted(Profile.AUTHENTICATION, Holder.of(hanako()), key("resident").public_key(), date(2036, 1, 1))
    by_responder = issue(usurper, wanted, serial(), NOW, PLACES)
    root = pem(tmp_path / "root.pem", authorities().root.certificate)
    for end, authority in (
        (stranger.certificate(), stranger.issuing[CaName.AUTHENTICATION].certificate),
        (by_responder, responder.certificate),
    ):
        with pytest.raises(Problem) as refused:
            TrustedIssuers((ca_of().certificate, responder.certificate)).issuer_of(end, NOW)
        assert refused.value.code == "login.untrusted"
        chain = pem(tmp_path / "chain.pem", authority, ca_of().certificate)
        said = openssl(
            "verify", "-attime", str(int(NOW.timestamp())), "-CAfile", root, "-untrusted", chain,
            pem(tmp_path / "end.pem", end),
        )  # fmt: skip
        assert "verification failed" in said
