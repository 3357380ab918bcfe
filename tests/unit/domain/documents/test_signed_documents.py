"""A document signed with the card is checked by any program that knows CMS, and by nobody if one letter changes."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kumihimo.domain.documents import MAX_DOCUMENT_BYTES, SignedDocument, prepare, sign, verify
from kumihimo.domain.kernel import Problem, SeededRandomness
from kumihimo.domain.web_eid import CertificateStatus, StatusRequest
from small_jpki import NOW, Key, SmallJpki, card_signature, der, p384_key, rsa_key

APPLICATION = "児童手当を申請します。\n".encode()
HANAKO = rsa_key("Hanako signs")
KEYS = pytest.mark.parametrize("key", [HANAKO, p384_key("Hanako signs")], ids=["RSA", "P-384"])


@pytest.fixture
def jpki() -> SmallJpki:
    return SmallJpki()


def signed(jpki: SmallJpki, key: Key = HANAKO, document: bytes = APPLICATION) -> bytes:
    return sign(document, der(jpki.issue("signature", key)), lambda digest: card_signature(key, digest), NOW)


def checked(jpki: SmallJpki, signature: bytes, document: bytes = APPLICATION) -> SignedDocument:
    def status(certificate: x509.Certificate, issuer: x509.Certificate) -> CertificateStatus:
        request = StatusRequest.about(certificate, issuer, SeededRandomness("ocsp"))
        return request.read(jpki.answer(request.der), NOW)

    return verify(document, signature, jpki.trusted("signature"), status, NOW)


def refused(code: str, jpki: SmallJpki, signature: bytes, document: bytes = APPLICATION) -> None:
    with pytest.raises(Problem) as caught:
        checked(jpki, signature, document)
    assert caught.value.code == code, caught.value


@KEYS
def test_openssl_verifies_it(jpki: SmallJpki, key: Key, tmp_path: Path) -> None:
    (tmp_path / "document.txt").write_bytes(APPLICATION)
    (tmp_path / "signature.p7s").write_bytes(signed(jpki, key))
    (tmp_path / "ca.pem").write_bytes(jpki.cas["signature"].certificate.public_bytes(Encoding.PEM))
    command = (
        "openssl cms -verify -binary -cades -inform DER -in signature.p7s -content document.txt -CAfile ca.pem "
        f"-purpose any -attime {int(NOW.timestamp())} -out checked.txt"
    ).split()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "checked.txt").read_bytes() == APPLICATION
    (tmp_path / "document.txt").write_bytes(APPLICATION + b" ")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0


@KEYS
def test_it_is_verified_here_too(jpki: SmallJpki, key: Key) -> None:
    found = checked(jpki, signed(jpki, key))
    assert found.claimed_at == NOW
    assert found.certificate.serial_number == jpki.asked[0]


def test_a_changed_document_is_noticed(jpki: SmallJpki) -> None:
    refused("document.changed", jpki, signed(jpki), APPLICATION.replace("児童".encode(), "老齢".encode()))


def test_no_bit_of_the_signature_can_be_changed(jpki: SmallJpki) -> None:
    whole = signed(jpki)
    codes = set()
    for position in range(0, len(whole), 97):
        altered = bytearray(whole)
        altered[position] ^= 0x10
        with pytest.raises(Problem) as caught:
            checked(jpki, bytes(altered))
        codes.add(caught.value.code)
    assert codes <= {
        "document.format", "document.signature", "document.changed", "document.purpose", "login.untrusted", "login.certificate",
        "login.not_valid_now",
    }  # fmt: skip


def test_an_authentication_certificate_does_not_sign_documents(jpki: SmallJpki) -> None:
    with pytest.raises(Problem) as caught:
        prepare(APPLICATION, der(jpki.issue("authentication", HANAKO)), NOW)
    assert caught.value.code == "document.purpose"


def test_a_card_that_signs_something_else_is_noticed_at_once(jpki: SmallJpki) -> None:
    prepared = prepare(APPLICATION, der(jpki.issue("signature", HANAKO)), NOW)
    with pytest.raises(Problem) as caught:
        prepared.finish(card_signature(HANAKO, bytes(32)))
    assert caught.value.code == "document.signature"


def test_a_revoked_certificate_is_refused(jpki: SmallJpki) -> None:
    certificate = jpki.issue("signature", HANAKO)
    whole = sign(APPLICATION, der(certificate), lambda digest: card_signature(HANAKO, digest), NOW)
    jpki.revoke(certificate)
    refused("login.revoked", jpki, whole)


def test_another_certificate_of_the_same_key_cannot_be_put_beside_it(jpki: SmallJpki) -> None:
    """After a change of name a person could otherwise appear under either name."""
    whole = cms.ContentInfo.load(signed(jpki))
    other = cms.Certificate.load(der(jpki.issue("signature", HANAKO)))
    content = whole["content"]
    content["certificates"] = [other]
    info = content["signer_infos"][0]
    info["sid"] = cms.SignerIdentifier(
        {"issuer_and_serial_number": {"issuer": other.issuer, "serial_number": other.serial_number}}
    )
    refused("document.signature", jpki, whole.dump(force=True))


def test_a_certificate_that_has_ended_is_refused(jpki: SmallJpki) -> None:
    certificate = jpki.issue("signature", HANAKO, end=NOW - timedelta(hours=1))
    refused(
        "login.not_valid_now",
        jpki,
        sign(APPLICATION, der(certificate), lambda digest: card_signature(HANAKO, digest), NOW),
    )


@pytest.mark.parametrize("signature", [b"", b"0\x00", b"0" * 300_000, b"0\x80\x06\x09"])
def test_what_is_no_signature_is_one_clear_problem(jpki: SmallJpki, signature: bytes) -> None:
    with pytest.raises(Problem) as caught:
        checked(jpki, signature)
    assert caught.value.code in {"document.format", "document.too_large"}


def test_a_document_too_large_is_refused(jpki: SmallJpki) -> None:
    with pytest.raises(Problem) as caught:
        prepare(bytes(MAX_DOCUMENT_BYTES + 1), der(jpki.issue("signature", HANAKO)), NOW)
    assert caught.value.code == "document.too_large"
