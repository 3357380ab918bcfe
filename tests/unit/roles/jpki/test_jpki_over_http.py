"""The real openssl asks the responder over plain HTTP, while windows, authority and registry talk over mutual TLS."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from jpki_running import (
    AUTHORITY,
    LEDGER,
    OVERSIGHT,
    PENSION,
    PORTAL,
    REGISTRY,
    RESPONDER,
    Running,
    asked,
    refusal,
    small_country,
    until,
)

from jpki_parts import hanako, key, learnt
from kumihimo.domain.jpki import (
    GOOD,
    OFFICE_USAGE,
    Algorithm,
    CaName,
    Document,
    Profile,
    Status,
    possession_statement,
    public_bytes,
    sign,
)
from kumihimo.domain.kernel import PartyId, SystemClock
from kumihimo.plumbing.wire.envelope import b64, from_b64
from kumihimo.plumbing.wire.messages.cards import (
    ApplyForCertificates,
    CardEvent,
    CardsShown,
    CertificateByCardAuthority,
    CertificatesIssued,
    CertifyResponder,
    FindResidentCode,
    HolderFound,
    IdentityCheck,
    ListsMade,
    LookUpHolder,
    MakeLists,
    ReportCard,
    RequestCardCertificate,
    RequestOfficeCertificate,
    ResidentCodeFound,
    ResponderCertified,
    ShowCertificates,
)
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with small_country(tmp_path_factory.mktemp("country")) as made:
        until(lambda: made.look(LEDGER, RESPONDER, "/ready")[0] == 200)
        yield made


def openssl(*arguments: str | Path) -> str:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def ocsp(country: Running, certificate: Path, profile: Profile, *more: str) -> str:
    issuer, root = country.authority_file(profile.ca), country.authority_file(CaName.ROOT)
    chain = country.folder / f"{profile}-chain.pem"
    chain.write_text(openssl("x509", "-in", issuer) + openssl("x509", "-in", root))
    said = openssl(
        "ocsp", *more, "-issuer", issuer, "-cert", certificate, "-url", f"{country.public}/ocsp", "-CAfile", chain
    )
    assert "Response verify OK" in said, said
    return said


def status(country: Running, certificate: Path, profile: Profile) -> Status:
    """The same as a site learns it."""
    read = x509.load_der_x509_certificate(certificate.read_bytes())
    issuer = x509.load_der_x509_certificate(country.get(f"/ca/{profile.ca}.cer"))
    return learnt(read, issuer, country.ocsp, SystemClock().now())


def report(country: Running, card: str, event: CardEvent, **fields: object) -> CardsShown:
    shown = country.say(
        LEDGER,
        AUTHORITY,
        "/reports",
        ReportCard,
        CardsShown,
        card_serial=card,
        event=event,
        reported_by="窓口 2",
        **fields,
    )
    assert isinstance(shown, CardsShown)
    return shown


@pytest.mark.parametrize("profile", list(Profile))
def test_openssl_learns_good_and_within_a_second_revoked(country: Running, profile: Profile) -> None:
    card = f"KC-{profile}"
    _, files = country.issued(card, f"一{profile}")
    until(lambda: status(country, files[profile], profile) == GOOD)
    for digest in ("-sha1", "-sha256"):
        assert f"{files[profile]}: good" in ocsp(country, files[profile], profile, digest)
    assert f"{files[profile]}: good" in ocsp(country, files[profile], profile, "-no_nonce")
    report(country, card, CardEvent.STOLEN)
    assert until(lambda: status(country, files[profile], profile) != GOOD) < 1.0
    said = ocsp(country, files[profile], profile)
    assert f"{files[profile]}: revoked" in said
    assert "Reason: keyCompromise" in said


def test_a_lost_card_is_suspended_and_good_again_when_found(country: Running) -> None:
    _, files = country.issued("KC-lost", "二")
    certificate = files[Profile.AUTHENTICATION]
    report(country, "KC-lost", CardEvent.LOST)
    until(lambda: "certificateHold" in ocsp(country, certificate, Profile.AUTHENTICATION))
    checked = IdentityCheck(documents=(Document.PASSPORT,), checked_by="窓口 1", checked_at=SystemClock().now())
    report(country, "KC-lost", CardEvent.FOUND, identity=checked)
    until(lambda: f"{certificate}: good" in ocsp(country, certificate, Profile.AUTHENTICATION))


def test_a_death_in_the_register_reaches_openssl(country: Running) -> None:
    code, files = country.issued("KC-death", "三")
    until(lambda: status(country, files[Profile.SIGNATURE], Profile.SIGNATURE) == GOOD)
    country.happens(RegisterEventKind.DEATH, code)
    assert until(lambda: status(country, files[Profile.SIGNATURE], Profile.SIGNATURE) != GOOD) < 2.0
    for profile, file in files.items():
        assert "Reason: cessationOfOperation" in ocsp(country, file, profile)


def test_a_move_ends_the_signature_certificate_alone(country: Running) -> None:
    code, files = country.issued("KC-move", "四")
    country.happens(RegisterEventKind.MOVE, code, hanako("四", "東2番"))
    until(lambda: "affiliationChanged" in ocsp(country, files[Profile.SIGNATURE], Profile.SIGNATURE))
    assert ": good" in ocsp(country, files[Profile.AUTHENTICATION], Profile.AUTHENTICATION)


def test_openssl_verifies_with_full_and_delta_lists_from_the_public_door(country: Running) -> None:
    profile = Profile.AUTHENTICATION
    _, files = country.issued("KC-list", "五")
    folder, certificate = country.folder, files[profile]
    root = folder / "list-root.pem"
    root.write_text(openssl("x509", "-in", country.authority_file(CaName.ROOT)))
    issuing = folder / "list-issuing.pem"
    issuing.write_text(openssl("x509", "-in", country.authority_file(profile.ca)))

    def fetch(name: str) -> str:
        path = folder / f"{name}.crl"
        path.write_bytes(country.get(f"/crl/{name}.crl"))
        return openssl("crl", "-inform", "DER", "-in", path)

    def verify() -> str:
        lists = folder / "lists.pem"
        lists.write_text("".join(map(fetch, ("root", "authentication", "authentication-delta"))))
        return openssl(
            "verify", "-crl_check_all", "-use_deltas", "-extended_crl", "-CAfile", root, "-untrusted", issuing,
            "-CRLfile", lists, certificate,
        )  # fmt: skip

    before = verify()
    assert before.endswith("OK\n"), before
    report(country, "KC-list", CardEvent.ENDED)
    assert country.say(OVERSIGHT, AUTHORITY, "/lists", MakeLists, ListsMade).count == 4
    until(lambda: "certificate revoked" in verify())
    for party in (LEDGER, PENSION):
        code = refusal(partial(country.say, party, AUTHORITY, "/lists", MakeLists, ListsMade))
        assert code == "peer.not_allowed"


def test_whose_a_certificate_is_is_told_to_the_entitled_only(country: Running) -> None:
    code, files = country.issued("KC-whose", "六")
    serial = f"{x509.load_der_x509_certificate(files[Profile.AUTHENTICATION].read_bytes()).serial_number:x}"
    fields = {"profile": Profile.AUTHENTICATION, "serial": serial, "basis": "公的個人認証法第十八条"}

    def ask(party: PartyId) -> ResidentCodeFound:
        found = country.say(party, AUTHORITY, "/resident-codes", FindResidentCode, ResidentCodeFound, **fields)
        assert isinstance(found, ResidentCodeFound)
        return found

    assert ask(PORTAL).resident_code == code
    for party in (LEDGER, PENSION, REGISTRY):
        assert refusal(partial(ask, party)) == "jpki.not_entitled"


def test_municipalities_apply_and_show_and_nobody_else(country: Running) -> None:
    code, _ = country.issued("KC-who", "七")
    fields = asked(code, "KC-who")

    def attempts(party: PartyId) -> set[str]:
        say = partial(country.say, party)
        return {
            refusal(partial(say, AUTHORITY, "/certificates", ApplyForCertificates, CertificatesIssued, **fields)),
            refusal(partial(say, AUTHORITY, "/shown-certificates", ShowCertificates, CardsShown)),
            refusal(partial(say, REGISTRY, "/holders", LookUpHolder, HolderFound, resident_code=code)),
        }

    assert attempts(PENSION) | attempts(PORTAL) == {"peer.not_allowed"}
    shown = country.say(LEDGER, AUTHORITY, "/shown-certificates", ShowCertificates, CardsShown, resident_code=code)
    assert [one.card_serial for one in shown.cards] == ["KC-who"]


def test_an_office_and_a_card_are_certified_by_the_card_authority(country: Running) -> None:
    own = key("office", Algorithm.P_256)
    public = b64(public_bytes(own.public_key()))

    def shown(name: str, purpose: str) -> dict[str, str]:
        return {"public_key": public, "proof": b64(sign(own, possession_statement(name, purpose, own.public_key())))}

    reply = country.say(
        LEDGER, AUTHORITY, "/office-certificates", RequestOfficeCertificate, CertificateByCardAuthority,
        **shown("x-city", "office"),
    )  # fmt: skip
    certificate = x509.load_der_x509_certificate(from_b64(reply.certificate, "certificate"))
    certificate.verify_directly_issued_by(x509.load_der_x509_certificate(from_b64(reply.authority, "authority")))
    assert "2.5.4.5=992011" in certificate.subject.rfc4514_string()
    assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [OFFICE_USAGE]
    card = country.say(
        LEDGER, AUTHORITY, "/card-certificates", RequestCardCertificate, CertificateByCardAuthority,
        card_serial="KC-blank", **shown("KC-blank", "card"),
    )  # fmt: skip
    assert card.authority == reply.authority
    refused = refusal(
        lambda: country.say(
            PENSION, AUTHORITY, "/card-certificates", RequestCardCertificate, CertificateByCardAuthority,
            card_serial="KC-blank", **shown("KC-blank", "card"),
        )
    )  # fmt: skip
    assert refused == "peer.not_allowed"


def test_nobody_but_the_responder_becomes_one(country: Running) -> None:
    own = key("office", Algorithm.P_384)
    proof = b64(sign(own, possession_statement(PORTAL, "responder", own.public_key())))
    fields = {"public_key": b64(public_bytes(own.public_key())), "proof": proof}
    refused = refusal(
        lambda: country.say(PORTAL, AUTHORITY, "/responders", CertifyResponder, ResponderCertified, **fields)
    )
    assert refused == "peer.not_allowed"


def test_the_public_door_answers_what_is_public_and_nothing_else(country: Running) -> None:
    for path in (
        "/feed",
        "/metrics",
        "/health",
        "/ca/../keys",
        "/crl/card.crl",
        "/crl/authentication-x.crl",
        "/ca/x.cer",
    ):
        with pytest.raises(urllib.error.HTTPError) as caught:
            country.get(path)
        assert caught.value.code == 404
        caught.value.close()
    malformed = country.get("/ocsp/AAAA")
    assert malformed == b"\x30\x03\x0a\x01\x01"
    assert country.get("/ocsp/%25%25") == malformed
    for body in (b"", b"\x30" * 17_000):
        request = urllib.request.Request(f"{country.public}/ocsp", body, {"Content-Type": "application/ocsp-request"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - our own address
            assert response.read() == malformed


def test_the_responder_goes_on_while_the_authority_is_away_and_after_its_own_restart(country: Running) -> None:
    _, files = country.issued("KC-away", "八")
    certificate = files[Profile.AUTHENTICATION]
    until(lambda: status(country, certificate, Profile.AUTHENTICATION) == GOOD)
    country.stop(AUTHORITY)
    try:
        assert ": good" in ocsp(country, certificate, Profile.AUTHENTICATION)
        country.stop(RESPONDER)
        country.start(RESPONDER)
        assert ": good" in ocsp(country, certificate, Profile.AUTHENTICATION)
        assert country.look(LEDGER, RESPONDER, "/health")[0] == 200
    finally:
        country.start(AUTHORITY)
    until(lambda: country.look(LEDGER, RESPONDER, "/ready")[0] == 200)
    assert ": good" in ocsp(country, certificate, Profile.AUTHENTICATION)
    ready = json.loads(country.look(LEDGER, AUTHORITY, "/ready")[1])
    assert {check["name"] for check in ready["checks"]} >= {"store", "keys", "feed of registry/network"}
