"""A certificate is replaced while a service runs, and the old one is refused on both sides once the directory ends it."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from fastapi import FastAPI
from small_country import EXCHANGE, HUB_1, HUB_2, LEDGER, OTHER, SmallCountry, echoing, port_of, until

from kumihimo.country.keys import Root
from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.storage import write_public
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.directory import Directory, EndingCertificate
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import seal_envelope
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.tls import client_context, fingerprint, host_name
from kumihimo.plumbing.wire.vitals import KeysVital, examine

Run = Callable[[FastAPI, Edge], None]


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def service(country: SmallCountry, tmp_path: Path) -> Edge:
    """The exchange with a key folder of its own."""
    folder = tmp_path / "keys"
    shutil.copytree(country.identity(EXCHANGE).folder, folder)
    return replace(country.edge(EXCHANGE, Watch()), identity=Identity(EXCHANGE, folder))


def certify(country: SmallCountry, edge: Edge) -> None:
    Root.open(country.folder / "root", datetime.now(UTC)).certify(edge.party, edge.identity.folder)


def shown_by(country: SmallCountry, edge: Edge) -> str:
    """The fingerprint of the certificate that a service shows to a new connection."""
    with (
        socket.create_connection(("127.0.0.1", port_of(edge))) as plain,
        client_context(country.identity(LEDGER)).wrap_socket(plain, server_hostname=host_name(edge.party)) as secured,
    ):
        return fingerprint(secured.getpeercert(binary_form=True) or b"")


def in_folder(identity: Identity) -> str:
    certificate = x509.load_pem_x509_certificate(identity.certificate_file.read_bytes())
    return fingerprint(certificate.public_bytes(serialization.Encoding.DER))


def end(country: SmallCountry, directory: Directory, party: PartyId, sha256: str, until: datetime) -> None:
    """Have a directory end a certificate of a party."""
    document = directory.document
    ending = EndingCertificate(sha256=sha256, until=until)
    parties = tuple(
        one.model_copy(update={"ending": (ending,)}) if one.party == party else one for one in document.parties
    )
    newer = document.model_copy(update={"version": document.version + 1, "parties": parties})
    assert directory.take(seal_envelope(newer, country.identity(HUB_1), country.identity(HUB_2)))


def test_new_connections_are_made_with_the_pair_that_lies_there_then(
    country: SmallCountry, service: Edge, run: Run
) -> None:
    run(echoing(service), service)
    with closing(PeerClient(country.edge(LEDGER))) as open_before:
        assert open_before.get(EXCHANGE, "/health")
        before = shown_by(country, service)
        certify(country, service)
        until(lambda: shown_by(country, service) != before)
        assert shown_by(country, service) == in_folder(service.identity)
        assert open_before.get(EXCHANGE, "/health")


def test_a_certificate_without_its_key_is_not_used_and_the_service_is_not_ready(
    country: SmallCountry, service: Edge, run: Run
) -> None:
    run(echoing(service), service)
    before = shown_by(country, service)
    write_public(service.identity.folder / "tls.pem", country.identity(OTHER).certificate_file.read_bytes())
    assert examine(EXCHANGE, [KeysVital(service)]).checks[0].says == "key.not_a_pair"
    assert shown_by(country, service) == before
    with pytest.raises(Problem) as caught:
        client_context(service.identity)
    assert caught.value.code == "key.not_a_pair"


def test_a_peer_with_an_ended_certificate_is_refused_also_on_a_connection_that_is_open(
    country: SmallCountry, service: Edge, run: Run
) -> None:
    app = echoing(service)
    app.state.edge = service
    run(app, service)
    caller = country.identity(LEDGER)
    ends = service.clock.now() + timedelta(minutes=1)
    with closing(PeerClient(country.edge(LEDGER))) as client:
        assert client.look(EXCHANGE, "/health").status_code == 200
        assert client.look(EXCHANGE, "/questions").status_code == 405
        end(country, service.directory, LEDGER, in_folder(caller), ends)
        assert asked(client).status_code == 401  # answered (nobody signed it), and the connection is closed after it
        assert isinstance(service.clock, Watch)
        service.clock.at = ends
        refused = asked(client)
    assert (refused.status_code, b"peer.certificate_ended" in refused.content) == (403, True)


def asked(client: PeerClient) -> Any:
    return client.post(EXCHANGE, "/questions", b"{}")


def test_a_server_with_an_ended_certificate_is_told_nothing(country: SmallCountry, service: Edge, run: Run) -> None:
    run(echoing(service), service)
    edge = country.edge(LEDGER)
    end(country, edge.directory, EXCHANGE, in_folder(service.identity), edge.clock.now())
    with closing(PeerClient(edge)) as client, pytest.raises(Problem) as caught:
        client.look(EXCHANGE, "/health")
    assert (caught.value.code, "CERTIFICATE_ENDED" in caught.value.detail) == ("peer.unreachable", True)


def test_a_certificate_that_ends_soon_is_told_before_it_has_ended(country: SmallCountry, service: Edge) -> None:
    vital, clock = KeysVital(service), service.clock
    assert isinstance(clock, Watch)
    assert examine(EXCHANGE, [vital]).checks[0].says is None
    clock.at += timedelta(days=3 * 365 - 20)
    soon = examine(EXCHANGE, [vital])
    assert soon.ready
    assert "in 19 days" in str(soon.checks[0].says)
    end(country, service.directory, EXCHANGE, in_folder(service.identity), clock.at)
    assert not examine(EXCHANGE, [vital]).ready
