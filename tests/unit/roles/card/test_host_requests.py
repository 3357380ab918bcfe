"""A web page asks the host in one way only; whatever else it sends is one clear error in Web eID's shape."""

from __future__ import annotations

import base64
import io
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kumihimo.domain.kernel import Problem
from kumihimo.roles.card.host.answers import VERSION, failure
from kumihimo.roles.card.host.framing import MAX_REQUEST_BYTES, read_message, write_message
from kumihimo.roles.card.host.person import StandIn
from kumihimo.roles.card.host.requests import (
    Authenticate,
    GetSigningCertificate,
    Sign,
    check_origin,
    parse_request,
)
from kumihimo.roles.card.host.settings import HostSettings

SITE = "https://portal.example.jp"
NONCE = "n" * 44
LOG_IN: dict[str, Any] = {"challengeNonce": NONCE, "origin": SITE, "lang": "ja"}
SIGNING: dict[str, Any] = {
    "hash": base64.b64encode(bytes(32)).decode(), "hashFunction": "SHA-256", "certificate": "MAA=", "origin": SITE,
}  # fmt: skip


def framed(message: object) -> bytes:
    body = json.dumps(message).encode()
    return struct.pack("=I", len(body)) + body


def answers(sent: bytes, *more: str) -> list[dict[str, Any]]:
    """What the host's real program says to these bytes."""
    source = Path(__file__).parents[4] / "src"
    done = subprocess.run(
        [sys.executable, "-m", "kumihimo.roles.card.host", *more, "chrome-extension://abc/"],
        input=sent, capture_output=True, timeout=20, check=True, env={**os.environ, "PYTHONPATH": str(source), "DISPLAY": ""},
    )  # fmt: skip
    stream, found = io.BytesIO(done.stdout), []
    while (message := read_message(stream)) is not None:
        found.append(message)
    return found


def test_the_host_speaks_first_and_ends_when_nobody_asks() -> None:
    assert answers(b"") == [{"version": VERSION}]
    assert answers(framed({"command": "quit", "arguments": {}})) == [{"version": VERSION}]


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack("=I", 0),
        struct.pack("=I", MAX_REQUEST_BYTES + 1),
        struct.pack("=I", 2**32 - 1) + b"{}",
        struct.pack("=I", 10) + b"{",
        struct.pack("=I", 4) + b"\xff\xff\xff\xff",
        framed([1, 2]),
        framed({"command": "format-the-disk"}),
        framed({"command": "authenticate", "arguments": LOG_IN | {"challengeNonce": "short"}}),
    ],
)
def test_every_bad_input_is_one_clear_error(sent: bytes) -> None:
    version, error = answers(sent)
    assert version == {"version": VERSION}
    assert error["error"]["code"] == "ERR_WEBEID_NATIVE_INVALID_ARGUMENT"
    assert error["error"]["message"]


def test_a_site_without_https_is_refused_by_the_program() -> None:
    sent = framed({"command": "authenticate", "arguments": LOG_IN | {"origin": "http://portal.example.jp"}})
    _, error = answers(sent)
    assert error["error"]["code"] == "ERR_WEBEID_CONTEXT_INSECURE"


def test_without_a_screen_the_host_says_so() -> None:
    _, error = answers(framed({"command": "authenticate", "arguments": LOG_IN}))
    assert error["error"] == error["error"] | {"code": "ERR_WEBEID_NATIVE_FATAL", "problem": "host.no_window"}


def test_the_three_commands_are_understood() -> None:
    def parsed(command: str, arguments: dict[str, Any]) -> object:
        return parse_request({"command": command, "arguments": arguments}, localhost_too=False)

    assert parsed("authenticate", LOG_IN) == Authenticate(SITE, "ja", NONCE)
    assert parsed("get-signing-certificate", {"origin": SITE, "lang": "et"}) == GetSigningCertificate(SITE, "en")
    assert parsed("sign", SIGNING) == Sign(SITE, "ja", bytes(32), "SHA-256", b"0\x00")
    assert parse_request({"command": "quit"}, localhost_too=False) is None


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("authenticate", {}),
        ("authenticate", LOG_IN | {"challengeNonce": "n" * 43}),
        ("authenticate", LOG_IN | {"challengeNonce": "n" * 129}),
        ("authenticate", LOG_IN | {"challengeNonce": "n" * 43 + "\n"}),
        ("authenticate", LOG_IN | {"challengeNonce": 5}),
        ("sign", SIGNING | {"hashFunction": "MD5"}),
        ("sign", SIGNING | {"hashFunction": "SHA-384"}),
        ("sign", SIGNING | {"hash": "not base64 at all"}),
        ("sign", SIGNING | {"certificate": "A" * 9000}),
        ("sign", {**SIGNING, "certificate": None}),
        (None, LOG_IN),
        (["authenticate"], LOG_IN),
    ],
)
def test_what_is_missing_or_wrong_is_named(command: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(Problem) as caught:
        parse_request({"command": command, "arguments": arguments}, localhost_too=False)
    assert caught.value.code == "host.request"
    assert caught.value.where


@pytest.mark.parametrize(
    "origin",
    [
        "https://portal.example.jp",
        "https://localhost:8443",
        "https://127.0.0.1:8443",
        "https://[::1]:8443",
        "https://xn--wgv71a.jp",
    ],
)
def test_an_origin_is_one_with_https(origin: str) -> None:
    assert check_origin(origin, localhost_too=False) == origin


@pytest.mark.parametrize(
    "origin",
    [
        "", "null", "portal.example.jp", "http://portal.example.jp", "https://", "https://portal.example.jp/",
        "https://portal.example.jp/path", "https://user@portal.example.jp", "https://Portal.example.jp", "https://portal.example.jp:443",
        "https://portal.example.jp:0", "https://portal.example.jp:99999", "https://portal.example.jp#x", "file:///etc/passwd",
        "https://日本.jp", "https://a b", "https://-a.jp", "chrome-extension://abc", "javascript:alert(1)", "https://[::1", "https://a..jp",
    ],
)  # fmt: skip
def test_anything_else_is_not(origin: str) -> None:
    for development in (False, True):
        with pytest.raises(Problem) as caught:
            check_origin(origin, localhost_too=development)
        assert caught.value.code == "host.origin"


def test_localhost_without_https_is_for_development_only() -> None:
    for origin in ("http://localhost:8000", "http://127.0.0.1:8000", "http://app.localhost"):
        assert check_origin(origin, localhost_too=True) == origin
        with pytest.raises(Problem):
            check_origin(origin, localhost_too=False)
    for origin in ("http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://192.168.1.1"):
        with pytest.raises(Problem):
            check_origin(origin, localhost_too=True)


def problem_of(does: Callable[[], object]) -> str | None:
    """The code of the problem there was, if there was one; its answer to the browser can be made."""
    try:
        does()
    except Problem as problem:
        return failure(problem)["error"]["problem"]  # type: ignore[no-any-return]
    return None


@settings(max_examples=100)
@given(st.binary(max_size=64))
def test_no_bytes_bring_the_framing_down(sent: bytes) -> None:
    code = problem_of(lambda: read_message(io.BytesIO(sent)))
    assert code in {None, "host.request"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("origin", "challengeNonce", "lang", "hash", "hashFunction", "certificate")


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["authenticate", "sign", "get-signing-certificate"]),
    st.dictionaries(st.sampled_from(NAMES), json_values),
)
def test_no_arguments_bring_the_requests_down(command: str, arguments: dict[str, Any]) -> None:
    code = problem_of(lambda: parse_request({"command": command, "arguments": arguments}, localhost_too=True))
    assert code in {None, "host.request", "host.origin"}


def test_messages_are_framed_as_they_are_read() -> None:
    line = io.BytesIO()
    write_message(line, {"version": "組紐"})
    line.seek(0)
    assert read_message(line) == {"version": "組紐"}
    assert read_message(line) is None


def test_settings_are_read_as_they_are_written(tmp_path: Path) -> None:
    wanted = HostSettings(True, tmp_path / "pcscd.comm", tmp_path / "log", tmp_path / "pins.toml")
    (tmp_path / "host.toml").write_text(wanted.text())
    assert HostSettings.load(tmp_path / "host.toml") == wanted
    for wrong in ("developement = true", "development = 1", "log = 3", "="):
        (tmp_path / "host.toml").write_text(wrong)
        with pytest.raises(Problem) as caught:
            HostSettings.load(tmp_path / "host.toml")
        assert caught.value.code == "host.settings"


def test_a_stand_in_announces_itself_and_keeps_its_pins_secret(tmp_path: Path, capfd: Any) -> None:
    pins = tmp_path / "pins.toml"
    pins.write_text('authentication = "1234"\nsignature = "ABC123"\n')
    pins.chmod(0o644)
    with pytest.raises(Problem) as caught:
        StandIn.from_file(pins)
    assert caught.value.code == "host.settings"
    pins.chmod(0o600)
    assert "1234" not in repr(StandIn.from_file(pins))
    assert "STAND-IN" in capfd.readouterr().err
