"""A newer directory reaches every service while it runs, from its own file or from a peer; an older one never does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from fastapi import FastAPI
from small_country import EXCHANGE, HUB_1, HUB_2, LEDGER, OTHER, SmallCountry, until

from kumihimo.domain.kernel import PartyId, Problem, SystemClock
from kumihimo.plumbing.storage import write_public
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.directory import Directory, DirectoryDocument
from kumihimo.plumbing.wire.directory_updates import keep_directory, sources_of
from kumihimo.plumbing.wire.edge import Edge, application
from kumihimo.plumbing.wire.envelope import Envelope, add_signature, seal_envelope

Run = Callable[[FastAPI, Edge], None]


@pytest.fixture
def apart(country: SmallCountry, tmp_path: Path) -> Callable[[PartyId], Edge]:
    """The edge of a party with a directory file of its own, as on a machine of its own."""

    def edge_of(party: PartyId) -> Edge:
        file = tmp_path / party.replace("/", ".") / "directory.json"
        if not file.exists():
            file.parent.mkdir()
            shutil.copy(country.directory_file, file)
        identity = country.identity(party)
        return Edge(identity, Directory.load(file, identity.anchors()), SystemClock())

    return edge_of


@pytest.fixture
def serve(run: Run) -> Callable[[Edge], None]:
    """Run a service that keeps its directory new."""

    def start(edge: Edge) -> None:
        app = application(edge.party)
        app.state.edge = edge
        keep_directory(app, edge)
        run(app, edge)

    return start


def next_of(document: DirectoryDocument, by: int = 1) -> DirectoryDocument:
    """The same directory as another version, with a party that did not exist."""
    newcomer = document.parties[0].model_copy(update={"party": f"y-city/new{'x' * by}", "url": None})
    parties = (*document.parties, newcomer)
    return document.model_copy(update={"version": document.version + by, "parties": parties})


def signed(country: SmallCountry, document: DirectoryDocument) -> Envelope:
    return seal_envelope(document, country.identity(HUB_1), country.identity(HUB_2))


def _has_in_file(edge: Edge, version: int) -> bool:
    assert edge.directory.file is not None
    return Directory.load(edge.directory.file, edge.identity.anchors()).version == version


def put(envelope: Envelope, edge: Edge) -> None:
    assert edge.directory.file is not None
    write_public(edge.directory.file, envelope.model_dump_json().encode())


def test_what_is_put_into_one_operators_file_reaches_everybody(
    country: SmallCountry, apart: Callable[[PartyId], Edge], serve: Callable[[Edge], None]
) -> None:
    edges = [apart(party) for party in (HUB_1, HUB_2, EXCHANGE, OTHER)]
    for edge in edges:
        serve(edge)
    put(signed(country, next_of(edges[0].directory.document)), edges[0])
    until(lambda: all(edge.directory.version == 2 for edge in edges))
    for edge in edges:
        assert edge.directory.party(PartyId("y-city/newx"))
        until(partial(_has_in_file, edge, 2))  # it would begin with the old one otherwise


def test_a_service_that_was_down_meanwhile_takes_it_at_its_start(
    country: SmallCountry, apart: Callable[[PartyId], Edge], serve: Callable[[Edge], None]
) -> None:
    first, late = apart(HUB_1), apart(EXCHANGE)
    put(signed(country, next_of(first.directory.document, 3)), first)
    serve(apart(HUB_1))
    serve(late)
    until(lambda: late.directory.version == 4)


@pytest.mark.parametrize("fault", ["older", "same version", "one signature", "not JSON", "nobody is in it"])
def test_what_is_not_newer_and_signed_by_both_changes_nothing(
    country: SmallCountry, apart: Callable[[PartyId], Edge], serve: Callable[[Edge], None], fault: str
) -> None:
    edge = apart(EXCHANGE)
    present = edge.directory.document
    assert edge.directory.take(signed(country, next_of(present)))
    serve(edge)
    assert edge.directory.file is not None
    wrong = {
        "older": signed(country, present).model_dump_json(),
        "same version": signed(country, present.model_copy(update={"version": 2})).model_dump_json(),
        "one signature": seal_envelope(next_of(present, 5), country.identity(HUB_1)).model_dump_json(),
        "not JSON": "[",
        "nobody is in it": signed(
            country, next_of(present, 5).model_copy(update={"institutions": ()})
        ).model_dump_json(),
    }
    write_public(edge.directory.file, wrong[fault].encode())
    put_right = signed(country, next_of(present, 2))
    with pytest.raises(Problem):
        edge.directory.take(
            Envelope.model_validate_json(wrong[fault]) if fault != "not JSON" else signed(country, present)
        )
    assert edge.directory.version == 2
    write_public(edge.directory.file, put_right.model_dump_json().encode())
    until(lambda: edge.directory.version == 3)  # the wrong one was passed over, and did not stop anything


def test_an_operator_adds_its_signature_to_what_the_other_signed(
    country: SmallCountry, apart: Callable[[PartyId], Edge]
) -> None:
    directory = apart(EXCHANGE).directory
    half = seal_envelope(next_of(directory.document), country.identity(HUB_2))
    with pytest.raises(Problem) as caught:
        directory.take(half)
    assert caught.value.code == "message.wrong_signer"
    assert directory.take(add_signature(half, country.identity(HUB_1)))


def test_any_party_is_told_the_directory_in_use_and_waits_for_a_newer_one(
    country: SmallCountry, apart: Callable[[PartyId], Edge], serve: Callable[[Edge], None]
) -> None:
    edge = apart(HUB_1)
    serve(edge)
    with closing(PeerClient(country.edge(LEDGER))) as client:
        assert b"directory.v1" in client.get(HUB_1, "/directory")
        assert client.get(HUB_1, "/directory", {"after": edge.directory.version}) == b""
        assert client.look(HUB_1, "/directory?after=-1").status_code == 400
        put(signed(country, next_of(edge.directory.document)), edge)
        assert client.get(HUB_1, "/directory", {"after": 1, "wait": "20"}, timeout=25.0)


def test_everybody_asks_somebody_whom_it_calls_anyway() -> None:
    assert sources_of(HUB_1) == (HUB_2,)
    assert sources_of(LEDGER) == (PartyId("registry/network"),)
    assert sources_of(PartyId("numbering/authority")) == (PartyId("registry/network"),)
    assert sources_of(EXCHANGE) == (HUB_1, HUB_2)
