"""Every connection shows two certificates: who is no party, or not the one that was meant, gets no word through."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from small_country import (
    DESK,
    EXCHANGE,
    LEDGER,
    OTHER,
    STRANGER,
    Answer,
    Question,
    SmallCountry,
    echoing,
    free_port,
    port_of,
    running,
)

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.wire.client import CAPTURE, PeerClient
from kumihimo.plumbing.wire.connections import MAX_ANSWER
from kumihimo.plumbing.wire.directory import Directory
from kumihimo.plumbing.wire.edge import Background, Edge, application
from kumihimo.plumbing.wire.envelope import parse_envelope
from kumihimo.plumbing.wire.listening import listen
from kumihimo.plumbing.wire.server import serve
from kumihimo.plumbing.wire.tls import client_context, host_name, party_of_certificate

Run = Callable[[FastAPI, Edge], None]


@pytest.fixture
def exchange(country: SmallCountry, run: Run) -> Edge:
    """The exchange of X City, answering."""
    edge = country.edge(EXCHANGE)
    run(echoing(edge), edge)
    return edge


def ask(edge: Edge, audience: PartyId, text: str = "誰ですか") -> Answer:
    client = PeerClient(edge)
    try:
        return client.send("/questions", edge.message(Question, audience, text=text), Answer).value
    finally:
        client.close()


def with_address(edge: Edge, party: PartyId, url: str) -> Edge:
    """The same edge, with another address for a party in its directory."""
    document = edge.directory.document
    parties = tuple(
        entry.model_copy(update={"url": url}) if entry.party == party else entry for entry in document.parties
    )
    return replace(edge, directory=Directory(document.model_copy(update={"parties": parties})))


def test_a_party_is_known_by_its_certificate(country: SmallCountry, exchange: Edge) -> None:
    answer = ask(country.edge(LEDGER), EXCHANGE)
    assert (answer.peer, answer.text) == (LEDGER, "誰ですか")


def test_who_shows_no_certificate_is_not_heard(country: SmallCountry, exchange: Edge) -> None:
    context = ssl.create_default_context(cafile=str(country.identity(LEDGER).root_file))
    with httpx.Client(verify=context, trust_env=False) as nobody, pytest.raises(httpx.TransportError):
        nobody.get(f"https://127.0.0.1:{port_of(exchange)}/health", extensions={"sni_hostname": host_name(EXCHANGE)})


def test_a_certificate_of_another_country_is_worth_nothing(
    country: SmallCountry, foreign_country: SmallCountry, exchange: Edge
) -> None:
    context = client_context(foreign_country.identity(LEDGER))
    context.load_verify_locations(country.identity(LEDGER).root_file)  # the foreigner trusts us; we do not trust back
    with httpx.Client(verify=context, trust_env=False) as foreigner, pytest.raises(httpx.TransportError):
        foreigner.get(f"https://127.0.0.1:{port_of(exchange)}/health", extensions={"sni_hostname": host_name(EXCHANGE)})


def test_a_server_of_another_country_is_not_told_anything(
    country: SmallCountry, foreign_country: SmallCountry, run: Run
) -> None:
    impostor = foreign_country.edge(EXCHANGE)
    run(echoing(impostor), impostor)
    caller = with_address(country.edge(LEDGER), EXCHANGE, f"https://127.0.0.1:{port_of(impostor)}")
    with pytest.raises(Problem) as caught:
        ask(caller, EXCHANGE)
    assert caught.value.code == "peer.unreachable"
    assert "CERTIFICATE_VERIFY_FAILED" in caught.value.detail


def test_a_party_of_the_same_country_cannot_stand_in_for_another(country: SmallCountry, exchange: Edge) -> None:
    caller = with_address(country.edge(LEDGER), OTHER, f"https://127.0.0.1:{port_of(exchange)}")
    with pytest.raises(Problem) as caught:
        ask(caller, OTHER)
    assert caught.value.code == "peer.unreachable"
    assert "CERTIFICATE_VERIFY_FAILED" in caught.value.detail


def test_an_open_connection_is_not_reused_for_another_party_at_the_same_address(
    country: SmallCountry, exchange: Edge
) -> None:
    edge = with_address(country.edge(LEDGER), OTHER, f"https://127.0.0.1:{port_of(exchange)}")
    client = PeerClient(edge)
    assert client.get(EXCHANGE, "/health")
    with pytest.raises(Problem) as caught:
        client.get(OTHER, "/health")
    client.close()
    assert caught.value.code == "peer.unreachable"


def test_a_party_taken_out_of_the_directory_is_refused_though_its_certificate_still_holds(
    country: SmallCountry, exchange: Edge
) -> None:
    with pytest.raises(Problem) as caught:
        ask(country.edge(STRANGER), EXCHANGE)
    assert caught.value.code == "peer.unknown"


def test_the_handler_decides_who_may_send_what(country: SmallCountry, exchange: Edge) -> None:
    with pytest.raises(Problem) as caught:
        ask(country.edge(DESK), EXCHANGE)
    assert caught.value.code == "peer.not_allowed"
    assert caught.value.detail == "x-city/desk may not send question.v1 to x-city/exchange"


def test_nobody_relays_a_message_that_another_party_signed(country: SmallCountry, exchange: Edge) -> None:
    ledger = country.edge(LEDGER)
    message = ledger.answer(ledger.message(Question, EXCHANGE, text="私はX市です"))
    other = PeerClient(country.edge(OTHER))
    response = other.post(EXCHANGE, "/questions", message.model_dump_json().encode())
    other.close()
    assert response.status_code == 403
    assert json.loads(response.content)["type"] == "urn:kumihimo:problem:message.wrong_signer"


def test_only_tls_1_3_is_spoken(country: SmallCountry, exchange: Edge) -> None:
    context = client_context(country.identity(LEDGER))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", port_of(exchange))) as line, pytest.raises(ssl.SSLError):
        context.wrap_socket(line, server_hostname=host_name(EXCHANGE))


def test_a_service_that_does_not_run_is_unreachable(country: SmallCountry) -> None:
    with pytest.raises(Problem) as caught:
        ask(country.edge(LEDGER), OTHER)
    assert caught.value.code == "peer.unreachable"
    assert OTHER in caught.value.detail
    assert caught.value.advice


def test_a_client_party_has_no_address(country: SmallCountry) -> None:
    with pytest.raises(Problem) as caught:
        ask(country.edge(LEDGER), DESK)
    assert caught.value.code == "peer.unreachable"


def test_a_reply_to_another_message_is_refused(country: SmallCountry, run: Run) -> None:
    exchange = country.edge(EXCHANGE)
    app = application("forgetful")

    @app.post("/questions")
    def always_the_same() -> dict[str, object]:
        return exchange.answer(Answer(in_reply_to="0" * 32, peer=LEDGER, text="昨日の答え")).model_dump()

    run(app, exchange)
    with pytest.raises(Problem) as caught:
        ask(country.edge(LEDGER), EXCHANGE)
    assert caught.value.code == "message.replayed"


def test_a_reply_signed_by_another_party_is_refused(country: SmallCountry, run: Run) -> None:
    exchange, other = country.edge(EXCHANGE), country.edge(OTHER)
    app = application("puppet")

    @app.post("/questions")
    def in_another_s_name(envelope: dict[str, object]) -> dict[str, object]:
        return other.answer(Answer(in_reply_to="0" * 32, peer=LEDGER, text="Y市の答え")).model_dump()

    run(app, exchange)
    with pytest.raises(Problem) as caught:
        ask(country.edge(LEDGER), EXCHANGE)
    assert caught.value.code == "message.wrong_signer"


def asked_of_a_strange_service(
    country: SmallCountry, run: Run, body: AsyncIterator[bytes], patience: float = 1.0, **headers: str
) -> Problem:
    """What a caller with so many seconds of patience says of a service that answers `body`."""
    exchange = country.edge(EXCHANGE)
    app = application("strange")

    @app.get("/strange")
    async def strange() -> StreamingResponse:
        return StreamingResponse(body, headers={name.replace("_", "-"): value for name, value in headers.items()})

    run(app, exchange)
    client = PeerClient(country.edge(LEDGER), timeout=patience)
    with pytest.raises(Problem) as caught:
        parse_envelope(client.get(EXCHANGE, "/strange"))
    client.close()
    return caught.value


def test_an_answer_that_is_too_large_is_cut_off(country: SmallCountry, run: Run) -> None:
    async def much() -> AsyncIterator[bytes]:
        for _ in range(MAX_ANSWER // 1024**2 + 1):
            yield bytes(1024**2)

    assert asked_of_a_strange_service(country, run, much(), patience=60.0).code == "message.too_large"


def test_an_answer_that_comes_a_byte_at_a_time_is_not_waited_for(country: SmallCountry, run: Run) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b" "
            await asyncio.sleep(0.1)

    assert asked_of_a_strange_service(country, run, dripping()).code == "peer.unreachable"


def test_an_answer_is_not_decompressed(country: SmallCountry, run: Run) -> None:
    """A few kilobytes could become gigabytes."""

    async def bomb() -> AsyncIterator[bytes]:
        yield gzip.compress(bytes(1024 * 1024))

    problem = asked_of_a_strange_service(country, run, bomb(), content_encoding="gzip")
    assert (problem.code, problem.detail) == ("message.malformed", "not JSON")


def test_captured_messages_are_for_their_owner_only(
    country: SmallCountry, exchange: Edge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CAPTURE, str(tmp_path))
    ask(country.edge(LEDGER), EXCHANGE)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_certificate_without_a_name_of_ours_names_nobody() -> None:
    assert party_of_certificate(None) is None
    assert party_of_certificate({"subjectAltName": (("IP Address", "127.0.0.1"),)}) is None
    assert party_of_certificate({"subjectAltName": (("DNS", "ledger.x-city.example.jp"),)}) is None
    assert party_of_certificate({"subjectAltName": (("DNS", "LEDGER.x-city.kumihimo.internal"),)}) is None
    assert party_of_certificate({"subjectAltName": (("DNS", "ledger.x-city.kumihimo.internal"),)}) == LEDGER


SERVICE = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], str(Path(sys.argv[1]).parents[2])]
from small_country import EXCHANGE, SmallCountry, echoing, port_of
from kumihimo.plumbing.wire.listening import listen
from kumihimo.plumbing.wire.server import serve
country = SmallCountry(Path(sys.argv[2]))
edge = country.edge(EXCHANGE)
serve(echoing(edge), edge.identity, listen("127.0.0.1", int(sys.argv[3])), lambda: print("ready", flush=True))
"""


def test_a_service_says_when_it_is_ready_and_ends_when_it_is_asked_to(country: SmallCountry) -> None:
    port = free_port()
    command = [sys.executable, "-c", SERVICE, str(Path(__file__).parent), str(country.folder), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        answer = ask(with_address(country.edge(LEDGER), EXCHANGE, f"https://127.0.0.1:{port}"), EXCHANGE)
        assert answer.peer == LEDGER
        os.kill(process.pid, signal.SIGTERM)
        process.wait(30)
    assert process.returncode in (0, -signal.SIGTERM)


def test_a_service_whose_port_is_taken_ends_at_once(country: SmallCountry) -> None:
    edge = country.edge(EXCHANGE)
    with running(echoing(edge), edge):
        command = [sys.executable, "-c", SERVICE, str(Path(__file__).parent), str(country.folder), str(port_of(edge))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "port.taken" in done.stderr
    assert "ready" not in done.stdout


class FailsToStart(Background):
    def start(self) -> None:
        raise OSError("the disk is gone")


class Counting(Background):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def start(self) -> None:
        self.seen.append("start")

    def stop(self) -> None:
        self.seen.append("stop")


def test_background_work_lives_as_long_as_the_service(country: SmallCountry) -> None:
    edge, work = country.edge(EXCHANGE), Counting()
    with running(application("working", [work]), edge):
        assert work.seen == ["start"]
    assert work.seen == ["start", "stop"]


def test_a_service_whose_background_work_cannot_start_does_not_start(country: SmallCountry) -> None:
    edge, work = country.edge(EXCHANGE), Counting()
    ready: list[str] = []
    with pytest.raises(SystemExit) as ended:
        serve(
            application("broken", [work, FailsToStart()]), edge.identity, listen("127.0.0.1", free_port()),
            lambda: ready.append("ready"),
        )  # fmt: skip
    assert ended.value.code == 3
    assert ready == []
    assert work.seen == ["start", "stop"]


def test_a_service_answers_that_it_is_up(country: SmallCountry, exchange: Edge) -> None:
    client = PeerClient(country.edge(DESK))
    assert json.loads(client.get(EXCHANGE, "/health")) == {"role": "echo", "state": "up"}
    client.close()
