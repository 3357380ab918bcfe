"""The directory is believed only with both operators' signatures; a role speaks only with keys that are whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from small_country import DESK, EXCHANGE, HUB_1, HUB_2, LEDGER, SmallCountry

from kumihimo.domain.codes import assemble_key, random_scalar
from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.domain.sealing import seal
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.directory import Directory, DirectoryDocument
from kumihimo.plumbing.wire.edge import Edge, application
from kumihimo.plumbing.wire.envelope import Envelope, add_signature, b64, from_b64, parse_envelope, seal_envelope
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.link_keys import LinkKeys, share_binding
from kumihimo.plumbing.wire.messages.codes import KeyShare, ShareOfKey
from kumihimo.plumbing.wire.routes import Peer

Run = Callable[[FastAPI, Edge], None]


def load(country: SmallCountry, path: Path) -> Directory:
    return Directory.load(path, country.identity(LEDGER).anchors())


def written(path: Path, envelope: Envelope) -> Path:
    path.write_text(envelope.model_dump_json())
    return path


@pytest.fixture
def envelope(country: SmallCountry) -> Envelope:
    return parse_envelope(country.directory_file.read_bytes())


def test_the_directory_names_every_party_its_address_and_its_keys(country: SmallCountry) -> None:
    directory = load(country, country.directory_file)
    assert directory.party(EXCHANGE).url is not None
    assert directory.party(DESK).url is None
    assert directory.verify_key(LEDGER) == country.identity(LEDGER).signing_key.verify_key
    assert directory.seal_key(LEDGER) == country.identity(LEDGER).sealing_key.public_bytes
    assert directory.institution_of(LEDGER).id == "x-city"
    assert directory.label("x-city") == "x-city#1"
    assert {one.id for one in directory.institutions()} == {"x-city", "y-city", "hub-1", "hub-2"}


def test_who_is_not_in_the_directory_is_unknown(country: SmallCountry) -> None:
    directory = load(country, country.directory_file)
    for ask in (directory.party, directory.verify_key, directory.seal_key):
        with pytest.raises(Problem) as caught:
            ask(PartyId("w-city/ledger"))
        assert caught.value.code == "peer.unknown"
    with pytest.raises(Problem) as caught:
        directory.label("w-city")
    assert caught.value.code == "institution.unknown"
    assert "x-city" in str(caught.value.expected)


def test_a_directory_with_one_address_changed_is_refused(
    country: SmallCountry, envelope: Envelope, tmp_path: Path
) -> None:
    changed = from_b64(envelope.payload, "payload").replace(b"https://127.0.0.1", b"https://127.0.0.2", 1)
    path = written(tmp_path / "d.json", envelope.model_copy(update={"payload": b64(changed)}))
    with pytest.raises(Problem) as caught:
        load(country, path)
    assert caught.value.code == "message.signature_invalid"


@pytest.mark.parametrize("left", [0, 1])
def test_a_directory_of_one_operator_is_refused(
    country: SmallCountry, envelope: Envelope, tmp_path: Path, left: int
) -> None:
    alone = envelope.model_copy(update={"signatures": (envelope.signatures[left],)})
    with pytest.raises(Problem) as caught:
        load(country, written(tmp_path / "d.json", alone))
    assert caught.value.code == "message.wrong_signer"


def test_a_directory_of_another_country_is_refused(country: SmallCountry, foreign_country: SmallCountry) -> None:
    with pytest.raises(Problem) as caught:
        load(country, foreign_country.directory_file)
    assert caught.value.code == "message.signature_invalid"


def test_nobody_but_the_operators_speaks_for_the_directory(
    country: SmallCountry, envelope: Envelope, tmp_path: Path
) -> None:
    with pytest.raises(Problem) as caught:
        load(country, written(tmp_path / "d.json", add_signature(envelope, country.identity(LEDGER))))
    assert caught.value.code == "peer.unknown"
    own = seal_envelope(load(country, country.directory_file).document, country.identity(LEDGER))
    with pytest.raises(Problem) as caught:
        load(country, written(tmp_path / "own.json", own))
    assert caught.value.code == "message.wrong_signer"


@pytest.mark.parametrize(
    "changes",
    [
        lambda one: {"parties": (*one.parties, one.parties[0])},
        lambda one: {"institutions": (*one.institutions, one.institutions[0])},
        lambda one: {"parties": (one.parties[0].model_copy(update={"party": "nowhere/exchange"}),)},
        lambda one: {"parties": (one.parties[0].model_copy(update={"party": "x-city"}),)},
        lambda one: {"parties": (one.parties[0].model_copy(update={"url": "http://127.0.0.1:80"}),)},
    ],
    ids=["a party twice", "an institution twice", "of no institution", "without a service", "without TLS"],
)
def test_a_directory_that_does_not_make_sense_is_refused_though_both_operators_signed_it(
    country: SmallCountry, changes: Callable[[DirectoryDocument], dict[str, object]]
) -> None:
    document = country.edge(LEDGER).directory.document
    with pytest.raises(Problem) as caught:
        Directory(document.model_copy(update=changes(document)))
    assert (caught.value.code, caught.value.where) == ("value.invalid", "directory")


def test_without_anchors_no_directory_is_believed(country: SmallCountry) -> None:
    with pytest.raises(Problem) as caught:
        Directory.load(country.directory_file, {})
    assert caught.value.code == "peer.unknown"


def test_a_directory_that_is_not_there_or_no_json_is_a_problem(country: SmallCountry, tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        load(country, tmp_path / "none.json")
    assert caught.value.code == "file.unreadable"
    (tmp_path / "text.json").write_text("機関名簿")
    with pytest.raises(Problem) as caught:
        load(country, tmp_path / "text.json")
    assert caught.value.code == "message.malformed"


def test_a_directory_with_a_key_that_is_none_is_refused(country: SmallCountry, tmp_path: Path) -> None:
    document = load(country, country.directory_file).document
    spoiled = (document.parties[0].model_copy(update={"verify_key": b64(b"\x00" * 32)}), *document.parties[1:])
    wrong = DirectoryDocument(version=2, institutions=document.institutions, parties=spoiled)
    path = written(tmp_path / "d.json", seal_envelope(wrong, country.identity(HUB_1), country.identity(HUB_2)))
    with pytest.raises(Problem) as caught:
        load(country, path)
    assert caught.value.code == "value.invalid"


@pytest.fixture
def own_keys(country: SmallCountry, tmp_path: Path) -> Identity:
    """A copy of the ledger's key folder, to be spoiled."""
    return Identity(LEDGER, Path(shutil.copytree(country.identity(LEDGER).folder, tmp_path / "keys")))


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("sign.key", lambda own: own.signing_key),
        ("seal.key", lambda own: own.sealing_key),
        ("tls.key", lambda own: own.key_file),
        ("tls.pem", lambda own: own.certificate_file),
        ("root.pem", lambda own: own.root_file),
        ("anchors.json", lambda own: own.anchors()),
    ],
)
def test_a_missing_key_is_named(own_keys: Identity, name: str, use: Callable[[Identity], object]) -> None:
    assert use(own_keys)
    spoiled = Identity(LEDGER, own_keys.folder)
    (own_keys.folder / name).unlink()
    with pytest.raises(Problem) as caught:
        use(spoiled)
    assert caught.value.code == "key.missing"
    assert caught.value.where == str(own_keys.folder / name)


@pytest.mark.parametrize("name", ["sign.key", "seal.key", "tls.key"])
def test_a_key_that_others_may_read_is_refused(own_keys: Identity, name: str) -> None:
    (own_keys.folder / name).chmod(0o640)
    with pytest.raises(Problem) as caught:
        _ = own_keys.signing_key, own_keys.sealing_key, own_keys.key_file
    assert caught.value.code == "key.permissions"


@pytest.mark.parametrize("text", ["", "[]", "[1]", '{"hub-1/operator":1}', '{"hub-1/operator":"AAAA"}', "\ud800"])
def test_anchors_that_cannot_be_read_are_a_problem(own_keys: Identity, text: str) -> None:
    (own_keys.folder / "anchors.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(Problem) as caught:
        own_keys.anchors()
    assert caught.value.code == "file.unreadable"


SHARES = {HUB_1: random_scalar(os.urandom), HUB_2: random_scalar(os.urandom)}


def key_desk(edge: Edge, asked: list[PartyId], bound_to: str | None = None) -> FastAPI:
    """An operator that hands out its share of a key, sealed to who asks."""
    app = application("operator")

    @app.post("/key-shares")
    def hand_out(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, ShareOfKey, peer, lambda _party: True).value
        asked.append(edge.party)
        binding = share_binding(bound_to or peer, message.label, edge.party)
        sealed = seal(SHARES[edge.party], edge.directory.seal_key(peer), binding)
        return edge.answer(KeyShare(in_reply_to=message.message_id, label=message.label, sealed=b64(sealed)))

    return app


@pytest.fixture
def asker(country: SmallCountry, own_keys: Identity) -> Edge:
    edge = country.edge(LEDGER)
    return Edge(own_keys, edge.directory, edge.clock)


def test_a_key_is_assembled_from_both_shares_and_kept(country: SmallCountry, asker: Edge, run: Run) -> None:
    asked: list[PartyId] = []
    for operator in (HUB_1, HUB_2):
        run(key_desk(country.edge(operator), asked), country.edge(operator))
    client = PeerClient(asker)
    key = LinkKeys(asker, client).secret("x-city#1")
    assert key == assemble_key(SHARES[HUB_1], SHARES[HUB_2])
    kept = asker.identity.folder / "link-x-city#1.key"
    assert kept.read_bytes() == key
    assert kept.stat().st_mode & 0o777 == 0o600
    assert LinkKeys(asker, client).secret("x-city#1") == key
    assert asked == [HUB_1, HUB_2]
    client.close()


def test_one_operator_alone_gives_no_key(country: SmallCountry, asker: Edge, run: Run) -> None:
    run(key_desk(country.edge(HUB_1), []), country.edge(HUB_1))
    client = PeerClient(asker)
    with pytest.raises(Problem) as caught:
        LinkKeys(asker, client).secret("x-city#1")
    assert caught.value.code == "operator.unreachable"
    assert not list(asker.identity.folder.glob("link-*"))
    client.close()


def test_a_share_that_was_sealed_for_somebody_else_does_not_open(country: SmallCountry, asker: Edge, run: Run) -> None:
    for operator in (HUB_1, HUB_2):
        run(key_desk(country.edge(operator), [], bound_to="y-city/exchange"), country.edge(operator))
    client = PeerClient(asker)
    with pytest.raises(Problem) as caught:
        LinkKeys(asker, client).secret("x-city#1")
    assert caught.value.code == "sealing.cannot_open"
    client.close()


def test_a_kept_key_that_others_may_read_is_not_used(country: SmallCountry, asker: Edge) -> None:
    kept = asker.identity.folder / "link-x-city#1.key"
    kept.write_bytes(b"1" * 32)
    kept.chmod(0o644)
    client = PeerClient(asker)
    with pytest.raises(Problem) as caught:
        LinkKeys(asker, client).secret("x-city#1")
    assert caught.value.code == "key.permissions"
    client.close()


def test_the_directory_file_holds_no_secret(country: SmallCountry, envelope: Envelope) -> None:
    published = envelope.payload_bytes().decode()
    for party in (LEDGER, EXCHANGE, HUB_1, HUB_2):
        own = country.identity(party)
        assert b64(own.signing_key.verify_key.to_bytes()) in published
        assert b64(own.signing_key.to_bytes()) not in published
        assert b64(own.sealing_key.to_bytes()) not in published
