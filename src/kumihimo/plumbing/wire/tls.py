"""Mutual TLS (相互認証TLS): every connection shows a certificate on both sides, and the certificate names a party.

The name is a DNS name under `kumihimo.internal` (`exchange.x-city.kumihimo.internal` for the party `x-city/exchange`), so
that the TLS library itself checks whom the client reached; the server reads the peer's name from the same place.

A process takes a new certificate for the connections it opens or accepts from then on, while those that are open go on. A
certificate that the directory ends is refused by the other side from that instant: by a server at every request, by a
client before it has sent anything. Until then a server answers and closes, so that its peer comes back with the new one.
"""

from __future__ import annotations

import hashlib
import ssl
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Protocol

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, party_id
from kumihimo.plumbing.wire.identity import Identity

DOMAIN = "kumihimo.internal"
FAREWELL_SECONDS = 0.05
PEER = "kumihimo.peer"
HEAD_SECONDS = 20.0
MAX_HEAD = 64 * 1024
LINGER_SECONDS = 10.0
CERTIFICATE = "kumihimo.certificate"  # SHA-256 of the peer's certificate, as hex
LINE = "kumihimo.line"  # what can be done to the connection: `protocol.Line`
_REPLACING_SECONDS: Final = 0.5  # a certificate and its key are two files: how long they may not fit while replaced
_TRY_SECONDS: Final = 0.02
_LOOK_SECONDS: Final = 0.1


def host_name(party: PartyId) -> str:
    """The DNS name that a party's certificate carries."""
    institution, _, service = party.partition("/")
    return f"{service}.{institution}.{DOMAIN}"


def party_of_certificate(certificate: dict[str, Any] | None) -> PartyId | None:
    """The party named by a verified certificate as the ssl module describes it; None when it names none."""
    for kind, name in (certificate or {}).get("subjectAltName", ()):
        service, _, rest = name.partition(".")
        institution, _, domain = rest.partition(".")
        if kind == "DNS" and domain == DOMAIN:
            try:
                return party_id(institution, service)
            except Problem:
                return None
    return None


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a certificate in DER, as hex: how the directory names one."""
    return hashlib.sha256(certificate).hexdigest()


def server_context(identity: Identity, patience: float = _REPLACING_SECONDS) -> ssl.SSLContext:
    """TLS 1.3 only, own certificate, a certificate of the country's root demanded of every client."""
    context = _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), identity, patience)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(identity: Identity, patience: float = _REPLACING_SECONDS) -> ssl.SSLContext:
    """TLS 1.3 only, own certificate, only the country's root trusted, the server's name checked."""
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), identity, patience)


def _loaded(context: ssl.SSLContext, identity: Identity, patience: float) -> ssl.SSLContext:
    """Tries for `patience` seconds, while somebody may be replacing the files.

    Raises Problem(key.not_a_pair, key.missing, key.permissions).
    """
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    until = time.monotonic() + patience
    while True:
        try:
            context.load_cert_chain(identity.certificate_file, identity.key_file)
            context.load_verify_locations(identity.root_file)
            return context
        except ssl.SSLError as error:
            if time.monotonic() >= until:
                raise Problem(
                    "key.not_a_pair", error.reason or "they cannot be read", where=str(identity.folder),
                    expected="tls.pem for the key in tls.key, and root.pem",
                    advice="Put both files of one certificate there, or make a new one.",
                ) from None  # fmt: skip
            time.sleep(_TRY_SECONDS)


Make = Callable[[Identity, float], ssl.SSLContext]


class Endings(Protocol):
    """Whatever knows until when a certificate is accepted at most: the directory."""

    def certificate_ends(self, party: str, sha256: str) -> datetime | None: ...


class LiveContext(ssl.SSLContext):
    """A context for uvicorn and httpx that makes every new connection with the files as they are then.

    Files that cannot be used leave it at those it has; `/ready` tells. Safe for many threads.
    """

    def __new__(cls, make: Make, _identity: Identity) -> LiveContext:
        side = ssl.PROTOCOL_TLS_SERVER if make is server_context else ssl.PROTOCOL_TLS_CLIENT
        return super().__new__(cls, side)

    def __init__(self, make: Make, identity: Identity) -> None:
        self._make = make
        self._identity = identity
        self._lock = threading.Lock()
        self._files = _state_of(identity)
        self._looked = time.monotonic()
        self._present = make(identity, _REPLACING_SECONDS)

    def present(self) -> ssl.SSLContext:
        """The context of the files as they are now, or were a moment ago."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return self._present
        with self._lock:
            self._looked = time.monotonic()
            files = _state_of(self._identity)
            if files != self._files:
                try:
                    self._present = self._make(self._identity, 0.0)
                    self._files = files
                except (Problem, OSError):
                    return self._present
        return self._present

    def made(self, sock: object) -> bool:
        """Whether a connection was made with the files as they are now; one that was not should not be used again."""
        return isinstance(sock, ssl.SSLSocket) and sock.context is self.present()

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return self.present().wrap_bio(*args, **kwargs)

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        return self.present().wrap_socket(*args, **kwargs)


class CallingContext(LiveContext):
    """The client's: it also closes a connection to a server whose certificate has ended, before anything is sent."""

    def __new__(cls, identity: Identity, _endings: Endings, _now: Callable[[], datetime]) -> CallingContext:
        return super().__new__(cls, client_context, identity)  # type: ignore[return-value]

    def __init__(self, identity: Identity, endings: Endings, now: Callable[[], datetime]) -> None:
        super().__init__(client_context, identity)
        self._endings = endings
        self._now = now

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        secured = super().wrap_socket(*args, **kwargs)
        certificate = secured.getpeercert(binary_form=True)
        party = party_of_certificate(secured.getpeercert())
        if certificate is not None and party is not None:
            ends = self._endings.certificate_ends(party, fingerprint(certificate))
            if ends is not None and ends <= self._now():
                secured.close()
                ended = ssl.SSLCertVerificationError(f"the certificate of {party} is not accepted any more")
                ended.reason = "CERTIFICATE_ENDED"  # where the library would say why
                raise ended
        return secured


def _state_of(identity: Identity) -> tuple[tuple[int, int], ...]:
    """What changes when a certificate, its key or the root is replaced."""
    found = []
    for name in ("tls.pem", "tls.key", "root.pem"):
        try:
            status = (identity.folder / name).stat()
            found.append((status.st_ino, status.st_mtime_ns))
        except OSError:
            found.append((0, 0))
    return tuple(found)
