"""A responder's answer is believed when it is signed, fresh, about this certificate, and an answer to this question."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime, timedelta

import pytest

from kumihimo.domain.kernel import Problem, SeededRandomness, SystemClock, SystemRandomness
from kumihimo.domain.web_eid import Standing, StatusRequest
from kumihimo.plumbing.wire.ocsp_client import OcspClient, post
from small_jpki import NOW, UNITS, SmallJpki, make_ca, rsa_key

CARD = rsa_key("Hanako")


def question(jpki: SmallJpki) -> StatusRequest:
    issuer = jpki.cas["authentication"].certificate
    return StatusRequest.about(jpki.issue("authentication", CARD), issuer, SeededRandomness("nonce"))


def unbelieved(request: StatusRequest, answer: bytes, now: datetime = NOW) -> str:
    with pytest.raises(Problem) as caught:
        request.read(answer, now)
    assert caught.value.code == "login.status_unknown"
    return caught.value.detail


def test_a_good_answer_is_believed() -> None:
    jpki = SmallJpki()
    request = question(jpki)
    assert request.read(jpki.answer(request.der), NOW).standing is Standing.GOOD


def test_an_answer_to_an_earlier_question_is_not_believed() -> None:
    jpki = SmallJpki()
    request = question(jpki)
    assert "another question" in unbelieved(request, jpki.answer(request.der, nonce=bytes(32)))


def test_an_old_answer_is_not_believed() -> None:
    jpki = SmallJpki()
    request = question(jpki)
    assert "another time" in unbelieved(request, jpki.answer(request.der), NOW + timedelta(hours=1))
    assert "another time" in unbelieved(request, jpki.answer(request.der), NOW - timedelta(hours=1))


def test_an_answer_about_another_certificate_is_not_believed() -> None:
    jpki = SmallJpki()
    assert "another certificate" in unbelieved(question(jpki), jpki.answer(question(jpki).der))


def test_an_answer_somebody_else_signed_is_not_believed() -> None:
    jpki = SmallJpki()
    request = question(jpki)
    pretender = make_ca(UNITS["authentication"][0], owner="pretender")
    assert "signature" in unbelieved(request, jpki.answer(request.der, signer=pretender))


@pytest.mark.parametrize("answer", [b"", b"\x30\x03\x0a\x01\x06", b"<html>"])
def test_what_is_no_answer_is_not_believed(answer: bytes) -> None:
    assert unbelieved(question(SmallJpki()), answer)


def test_the_responder_is_asked_over_http() -> None:
    jpki = SmallJpki(now=datetime.now(UTC))
    with jpki.responder():
        certificate = jpki.issue("authentication", CARD)
        ask = OcspClient(SystemRandomness(), SystemClock())
        assert ask(certificate, jpki.cas["authentication"].certificate).standing is Standing.GOOD
        jpki.revoke(certificate)
        assert ask(certificate, jpki.cas["authentication"].certificate).standing is Standing.REVOKED


def test_a_responder_that_does_not_answer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(Problem) as caught:
            post(address, b"?", timeout=0.05)
    assert caught.value.code == "login.status_unknown"


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/", "file:///etc/passwd", "https://x/", "http://", "http://a:b/"]
)
def test_an_address_that_is_none_is_one_clear_problem(address: str) -> None:
    with pytest.raises(Problem) as caught:
        post(address, b"?", timeout=0.2)
    assert caught.value.code == "login.status_unknown"


def test_a_responder_that_sends_without_end_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def flood() -> None:
            line, _ = server.accept()
            with line:
                line.recv(65536)
                try:
                    line.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(10_000_000))
                except OSError:
                    return

        thread = threading.Thread(target=flood)
        thread.start()
        with pytest.raises(Problem) as caught:
            post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"?", timeout=2)
        thread.join()
    assert caught.value.code == "login.status_unknown"
