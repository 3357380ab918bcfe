"""Keys of authorities in files and in a hardware module: the same certificates, and openssl cannot tell them apart."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from jpki_running import LEDGER, RESPONDER, small_country, until

from card_programs import needs
from jpki_parts import NOW, hanako, is_current, key, learnt, pem
from kumihimo.domain.jpki import (
    GOOD,
    Algorithm,
    CaName,
    Holder,
    Period,
    Places,
    Profile,
    Reason,
    Responder,
    State,
    Status,
    Times,
    Wanted,
    answer,
    card_end,
    certify_responder,
    full_list,
    issue,
    parse_request,
)
from kumihimo.domain.kernel import FixedClock, Problem, SeededRandomness, legal_day
from kumihimo.plumbing.storage import write_secret
from kumihimo.roles.jpki.authorities import Authorities, AuthoritiesVital, keys_of
from kumihimo.roles.jpki.ceremony import Ceremony, hold_ceremony, renew_root_list
from kumihimo.roles.jpki.keystore import FileKeys, KeyStore
from kumihimo.roles.jpki.settings import ResponderSettings, Settings, TokenSettings

URL = "http://127.0.0.1:8080"
MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "1234-5678"


def ceremony(folder: Path, keys: KeyStore, algorithm: Algorithm = Algorithm.RSA_2048) -> Ceremony:
    return Ceremony(folder / "ca", keys, FileKeys(folder / "root"), URL, algorithm)


def refusal(act: object, *arguments: object) -> str:
    with pytest.raises(Problem) as caught:
        act(*arguments)  # type: ignore[operator]
    return caught.value.code


def use(ours: Authorities, folder: Path) -> None:
    """Issue, list and answer with these authorities, and have openssl look at it."""
    ca = ours.issuing[CaName.AUTHENTICATION]
    holder, places = Holder.of(hanako()), Places(URL)
    own = key("resident").public_key()
    wanted = Wanted(Profile.AUTHENTICATION, holder, own, card_end(holder.birth, legal_day(NOW)))
    made = issue(ca, wanted, 99, NOW, places)
    root, issuing = pem(folder / "root.pem", ours.root), pem(folder / "issuing.pem", ca.certificate)
    crl = pem(folder / "crl.pem", full_list(ca, [], 1, Period(NOW, NOW.replace(day=2)), places), ours.root_list)
    arguments = [
        "openssl", "verify", "-crl_check_all", "-attime", str(int(NOW.timestamp())), "-CAfile", root, "-untrusted", issuing,
        "-CRLfile", crl, pem(folder / "end.pem", made),
    ]  # fmt: skip
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("OK\n"), done.stderr
    responder = Responder(
        ca.certificate, certify_responder(ca, key("responder").public_key(), 7, NOW), key("responder")
    )
    status = Status(State.REVOKED, NOW, Reason.SUPERSEDED)

    def ask(request: bytes) -> bytes:
        return answer(responder, parse_request(request), lambda _serial: status, Times(NOW, NOW))

    assert learnt(made, ca.certificate, ask, NOW) == status


@pytest.mark.parametrize("algorithm", [Algorithm.RSA_2048, Algorithm.P_384])
def test_authorities_made_at_the_ceremony_are_there_afterwards(tmp_path: Path, algorithm: Algorithm) -> None:
    keys = FileKeys(tmp_path / "ca")
    made = hold_ceremony(ceremony(tmp_path, keys, algorithm), SeededRandomness(1), NOW)
    loaded = Authorities.load(tmp_path / "ca", keys)
    assert loaded.root == made.root
    assert {ca: one.certificate for ca, one in loaded.issuing.items()} == {
        ca: one.certificate for ca, one in made.issuing.items()
    }
    assert Algorithm.of(loaded.issuing[CaName.CARD].key) is Algorithm.P_256
    use(loaded, tmp_path)
    for path in tmp_path.rglob("*.key"):
        assert path.stat().st_mode & 0o077 == 0
    assert not list((tmp_path / "ca").glob("*root*.key"))


def test_a_ceremony_is_held_once_and_its_keys_are_a_pair_with_their_certificates(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path / "ca")
    held = ceremony(tmp_path, keys)
    hold_ceremony(held, SeededRandomness(1), NOW)
    assert refusal(hold_ceremony, held, SeededRandomness(1), NOW) == "key.exists"
    (tmp_path / "ca" / "signature.pem").write_bytes((tmp_path / "ca" / "card.pem").read_bytes())
    assert refusal(Authorities.load, tmp_path / "ca", keys) == "key.not_a_pair"
    (tmp_path / "ca" / "root.pem").write_bytes(b"?")
    (tmp_path / "ca" / "jpki-card.key").unlink()
    assert refusal(keys.open, "jpki-card") == "key.missing"


def test_the_root_signs_another_list_when_the_old_one_ends(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path / "ca")
    hold_ceremony(ceremony(tmp_path, keys), SeededRandomness(1), NOW)
    renewed = renew_root_list(tmp_path / "ca", FileKeys(tmp_path / "root"), NOW.replace(year=2027))
    assert Authorities.load(tmp_path / "ca", keys).root_list == renewed
    assert renewed.next_update_utc is not None
    assert renewed.next_update_utc.year == 2028


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, TokenSettings]]:
    """Throw-away tokens. The module reads its configuration once for each process, hence one folder for all tests."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    write_secret(folder / "token.pin", f"{PIN}\n".encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(configuration))
        for label in ("jpki", "country"):
            subprocess.run(
                ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "so-pin-00", "--pin", PIN],
                check=True, capture_output=True,
            )  # fmt: skip
        yield {one: TokenSettings(module=MODULE, label=one, pin=folder / "token.pin") for one in ("jpki", "country")}


@needs("softhsm2", "softhsm2-util")
def test_a_country_whose_authorities_keys_are_in_a_token_issues_and_answers(
    tokens: dict[str, TokenSettings], tmp_path: Path
) -> None:
    with small_country(tmp_path, tokens["country"]) as country:
        until(lambda: country.look(LEDGER, RESPONDER, "/ready")[0] == 200)
        _, files = country.issued("KC-token")
        certificate = x509.load_der_x509_certificate(files[Profile.SIGNATURE].read_bytes())
        issuer = x509.load_der_x509_certificate(country.authority_file(CaName.SIGNATURE).read_bytes())
        certificate.verify_directly_issued_by(issuer)
        assert is_current(x509.load_der_x509_crl(country.get("/crl/signature.crl")), issuer, datetime.now(UTC))

        def status() -> Status:
            return learnt(certificate, issuer, country.ocsp, datetime.now(UTC))

        until(lambda: status() == GOOD)
        assert not [*tmp_path.rglob("jpki-signature.key")]


@needs("softhsm2", "softhsm2-util")
def test_authorities_in_a_token_do_all_that_those_in_files_do(tokens: dict[str, TokenSettings], tmp_path: Path) -> None:
    token = tokens["jpki"]
    from kumihimo.roles.jpki.token_keys import TokenKeys

    write_secret(tmp_path / "wrong.pin", b"0000")
    for wrong in ({"pin": tmp_path / "wrong.pin"}, {"label": "another"}, {"module": tmp_path / "none.so"}):
        assert refusal(TokenKeys, token.model_copy(update=wrong)) == "jpki.token"
    keys = TokenKeys(token)
    hold_ceremony(ceremony(tmp_path, keys), SeededRandomness(1), NOW)
    assert not list((tmp_path / "ca").glob("*.key"))
    settings = Settings(
        party="jpki/authority", keys=tmp_path, directory=tmp_path, store="sqlite:////nowhere", port=1, public_url=URL,
        ca=tmp_path / "ca", token=token,
    )  # fmt: skip
    use(Authorities.load(settings.ca, keys_of(settings)), tmp_path)
    for label, algorithm in (("next", Algorithm.P_384), ("jpki-spare", Algorithm.RSA_2048)):
        assert Algorithm.of(keys.make(label, algorithm)) is algorithm
    assert refusal(keys.make, "next", Algorithm.P_384) == "key.exists"
    assert refusal(keys.open, "none") == "key.missing"
    rsa, ec = keys.open("jpki-spare"), keys.open("next")
    assert copy.deepcopy(rsa) is rsa
    rsa.public_key().verify(
        rsa.sign(b"m", padding.PKCS1v15(), hashes.SHA256()), b"m", padding.PKCS1v15(), hashes.SHA256()
    )  # type: ignore[union-attr, call-arg, arg-type]
    keys._session.close()  # as when the module was restarted
    ec.public_key().verify(ec.sign(b"m", ECDSA(hashes.SHA384())), b"m", ECDSA(hashes.SHA384()))  # type: ignore[union-attr, call-arg, arg-type]
    for held in (rsa, ec):
        read = held.private_bytes
        everything = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        assert refusal(read, *everything) == "jpki.token"


def test_what_ends_soon_is_said_before_it_ends(tmp_path: Path) -> None:
    made = hold_ceremony(ceremony(tmp_path, FileKeys(tmp_path / "ca")), SeededRandomness(1), NOW)
    said = {}
    for days in (0, 380, 6 * 365, 11 * 365):
        vital = AuthoritiesVital(made, FixedClock(NOW + timedelta(days=days)))
        said[days] = vital.fault(), vital.remark()
    assert said[0] == (None, None)
    assert said[380] == (None, "the root's list ends on 2027-07-03")
    assert "certificates by the authentication authority are shortened" in (said[6 * 365][1] or "")
    assert said[11 * 365][0] == "the certificate of the authentication authority ended"


def test_settings_are_read_from_a_file_with_paths_beside_it(tmp_path: Path) -> None:
    common = 'keys = "keys"\ndirectory = "d.json"\nstore = "sqlite:///store.db"\nport = 4000\n'
    (tmp_path / "role.toml").write_text(
        f'party = "jpki/authority"\n{common}ca = "ca"\npublic_url = "{URL}"\nentitled = ["portal/portal"]\n'
        'full_list_every = "PT12H"\n[offices]\nx-city = "992011"\n'
        '[token]\nmodule = "/usr/lib/softhsm/libsofthsm2.so"\nlabel = "jpki"\npin = "token.pin"\n'
    )
    settings = Settings.load(tmp_path / "role.toml")
    assert settings.token is not None
    assert (settings.ca, settings.token.pin) == (tmp_path / "ca", tmp_path / "token.pin")
    assert (settings.offices, settings.full_list_every.total_seconds()) == ({"x-city": "992011"}, 12 * 3600)
    (tmp_path / "responder.toml").write_text(f'party = "jpki/responder"\n{common}public_port = 4001\n')
    assert ResponderSettings.load(tmp_path / "responder.toml").algorithm is Algorithm.RSA_2048
