"""Certificates are what the law and the cards of today want them to be, and the real openssl reads them."""

from __future__ import annotations

import subprocess
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from jpki_parts import BORN, NOW, PLACES, authorities, hanako, key, pem, serial
from kumihimo.domain.jpki import (
    CARD_USAGE,
    OFFICE_USAGE,
    Algorithm,
    CaName,
    Holder,
    Profile,
    Wanted,
    card_end,
    certificate_end,
    end_of_day,
    issue,
    issue_card_certificate,
    issue_office_certificate,
    possession_digest,
    possession_statement,
    read_public_key,
    require_possession,
    serial_text,
    sign,
    with_substitutes,
)
from kumihimo.domain.kernel import LocalGovernmentCode, Problem

BOTH = (Algorithm.RSA_2048, Algorithm.P_384)
TODAY = date(2026, 6, 1)


def openssl(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.parametrize("algorithm", BOTH)
@pytest.mark.parametrize("profile", list(Profile))
def test_a_certificate_has_the_profile_of_its_kind(algorithm: Algorithm, profile: Profile) -> None:
    certificate = authorities(algorithm).certificate(profile)
    names = certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    assert names[0].value == f"JPKI for {'user authentication' if profile == 'authentication' else 'digital signature'}"
    policies = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    ends = {"authentication": "1.3.30", "signature": "1.1.20"}
    assert [one.policy_identifier.dotted_string for one in policies] == [f"1.2.392.200149.8.5.{ends[profile]}"]
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.content_commitment is (profile is Profile.SIGNATURE)
    assert Algorithm.of(certificate.public_key()) is algorithm
    assert certificate.public_bytes(serialization.Encoding.DER)[:2] == b"\x30\x82"


def test_the_authentication_certificate_says_nothing_about_its_holder() -> None:
    certificate = authorities().certificate(Profile.AUTHENTICATION)
    der = certificate.public_bytes(serialization.Encoding.DER)
    for told in ("総務", "花子", "中央", "19750101"):
        assert told.encode() not in der
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    assert common == serial_text(certificate.serial_number)
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_the_signature_certificate_names_the_four_items(tmp_path: Path) -> None:
    certificate = authorities().certificate(Profile.SIGNATURE)
    holder = Holder.read(certificate)
    assert holder == Holder.of(hanako())
    assert (holder.name, holder.birth, holder.address) == ("総務　花子", BORN, "甲県X市中央1丁目2番3号　コーポ組紐101")
    shown = openssl("x509", "-in", pem(tmp_path / "c.pem", certificate), "-noout", "-text")
    assert "1.2.392.200149.8.5.5.5.4::319750101" in shown
    assert "1.2.392.200149.8.5.5.5.3::2" in shown
    parsed = openssl("asn1parse", "-in", str(tmp_path / "c.pem"))
    assert "X509v3 Subject Alternative Name" in parsed
    assert "花子" not in repr(holder)


def test_a_character_that_the_set_lacks_is_written_as_a_substitute_and_marked() -> None:
    assert with_substitutes("山田") == ("山田", "00")
    assert with_substitutes("𠮷田") == ("〓田", "10")
    assert with_substitutes("葛\U000e0100飾") == ("葛飾", "10")


def test_openssl_accepts_the_chain_of_both_algorithms(tmp_path: Path) -> None:
    for algorithm in BOTH:
        ours = authorities(algorithm)
        for profile in Profile:
            root = pem(tmp_path / "root.pem", ours.root.certificate)
            issuing = pem(tmp_path / "ca.pem", ours.issuing[profile.ca].certificate)
            end = pem(tmp_path / "end.pem", ours.certificate(profile))
            at = str(int(NOW.timestamp()))
            said = openssl("verify", "-x509_strict", "-attime", at, "-CAfile", root, "-untrusted", issuing, end)
            assert said.endswith("OK\n")


@pytest.mark.parametrize(
    ("birth", "issued", "card", "certificate"),
    [
        (date(1975, 1, 1), TODAY, date(2036, 1, 1), date(2031, 1, 1)),
        (date(1975, 12, 31), TODAY, date(2035, 12, 31), date(2030, 12, 31)),
        (date(1975, 6, 1), TODAY, date(2036, 6, 1), date(2031, 6, 1)),  # issued on the birthday itself
        (date(2008, 6, 1), TODAY, date(2036, 6, 1), date(2031, 6, 1)),  # eighteen today
        (date(2008, 6, 2), TODAY, date(2030, 6, 2), date(2030, 6, 2)),  # eighteen tomorrow
        (date(2000, 2, 29), date(2026, 2, 28), date(2036, 2, 28), date(2031, 2, 28)),
        (date(2000, 2, 29), date(2026, 2, 27), date(2035, 2, 28), date(2030, 2, 28)),
    ],
)
def test_cards_and_certificates_last_to_birthdays(birth: date, issued: date, card: date, certificate: date) -> None:
    assert card_end(birth, issued) == card
    assert certificate_end(birth, issued, card) == certificate


def test_a_certificate_ends_with_the_last_second_of_its_day_in_japan_and_with_its_card() -> None:
    assert end_of_day(TODAY) == datetime(2026, 6, 1, 14, 59, 59, tzinfo=UTC)
    assert certificate_end(BORN, date(2033, 3, 3), date(2036, 1, 1)) == date(2036, 1, 1)
    assert authorities().certificate().not_valid_after_utc == end_of_day(date(2031, 1, 1))


def test_a_child_gets_an_authentication_certificate_only() -> None:
    child = hanako(birth=date(2011, 6, 2))
    assert authorities().certificate(Profile.AUTHENTICATION, child).not_valid_after_utc.year == 2030
    with pytest.raises(Problem) as refused:
        authorities().certificate(Profile.SIGNATURE, child)
    assert refused.value.code == "jpki.underage"
    authorities().certificate(Profile.SIGNATURE, hanako(birth=date(2011, 6, 1)))


def test_a_key_that_no_card_has_is_not_certified() -> None:
    ca = authorities().issuing[CaName.AUTHENTICATION]
    for public in (
        ec.generate_private_key(ec.SECP256R1()).public_key(),
        rsa.generate_private_key(3, 2048).public_key(),
    ):
        wanted = Wanted(Profile.AUTHENTICATION, Holder.of(hanako()), public, date(2036, 1, 1))
        with pytest.raises(Problem) as refused:
            issue(ca, wanted, serial(), NOW, PLACES)
        assert refused.value.code == "jpki.key_refused"
    with pytest.raises(Problem, match="SubjectPublicKeyInfo"):
        read_public_key(b"\x30\x00", *BOTH)


def test_nothing_is_issued_for_a_card_that_has_ended_or_by_the_wrong_authority() -> None:
    wanted = Wanted(Profile.AUTHENTICATION, Holder.of(hanako()), key("resident").public_key(), date(2026, 5, 31))
    with pytest.raises(Problem) as refused:
        issue(authorities().issuing[CaName.AUTHENTICATION], wanted, serial(), NOW, PLACES)
    assert refused.value.code == "jpki.card_ended"
    with pytest.raises(Problem, match="authority signature"):
        issue(authorities().issuing[CaName.SIGNATURE], wanted, serial(), NOW, PLACES)


def test_offices_and_cards_are_certified_for_one_another_only(tmp_path: Path) -> None:
    ca, own = authorities().issuing[CaName.CARD], key("office", Algorithm.P_256).public_key()
    office = issue_office_certificate(ca, own, LocalGovernmentCode("992011"), "x-city", serial(), NOW)
    card = issue_card_certificate(ca, own, "KC-0001", serial(), NOW)
    for certificate, number, usage in ((office, "992011", OFFICE_USAGE), (card, "KC-0001", CARD_USAGE)):
        certificate.verify_directly_issued_by(ca.certificate)
        assert certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)[0].value == number
        assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
    assert usage.dotted_string == "1.2.392.200149.8.5.9.2"
    with pytest.raises(Problem, match="p-256"):
        issue_card_certificate(ca, key("resident").public_key(), "KC-0001", serial(), NOW)
    with pytest.raises(Problem, match="authority signature"):
        issue_card_certificate(authorities().issuing[CaName.SIGNATURE], own, "KC-0001", serial(), NOW)


@pytest.mark.parametrize("algorithm", BOTH)
def test_a_proof_of_possession_holds_for_its_card_and_purpose_only(algorithm: Algorithm) -> None:
    own = key("resident", algorithm)
    proof = sign(own, possession_statement("KC-0001", "signature", own.public_key()))
    require_possession("KC-0001", "signature", own.public_key(), proof)
    for card, purpose in (("KC-0002", "signature"), ("KC-0001", "authentication")):
        with pytest.raises(Problem) as refused:
            require_possession(card, purpose, own.public_key(), proof)
        assert refused.value.code == "jpki.no_possession"
    digest = possession_digest("KC-0001", Profile.SIGNATURE, own.public_key())
    assert len(digest) == (51 if algorithm is Algorithm.RSA_2048 else 48)
