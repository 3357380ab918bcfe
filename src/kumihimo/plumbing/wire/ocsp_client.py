"""OCSP over HTTP (失効確認の通信): a short POST to the responder, with a deadline and no redirects (RFC 6960, appendix A).

The question is asked over a plain connection, as everywhere: the answer is signed. Only its time and size are guarded here.
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from kumihimo.domain.kernel.clock import Clock
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.randomness import RandomSource
from kumihimo.domain.web_eid.certificates import TrustedIssuers
from kumihimo.domain.web_eid.ocsp import MAX_ANSWER_BYTES, StatusRequest, responder_of
from kumihimo.domain.web_eid.status import CertificateStatus

TIMEOUT_SECONDS: Final = 5.0
_QUESTION: Final = "application/ocsp-request"
_ANSWER: Final = "application/ocsp-response"


@dataclass(frozen=True)
class OcspClient:
    """Asks for a certificate's status: at `responder`, or where the certificate says when there is none.

    `timeout` in seconds is for connecting and for each read; it is no limit on how long a slow responder may drip.
    """

    randomness: RandomSource
    clock: Clock
    responder: str | None = None
    timeout: float = TIMEOUT_SECONDS

    def __call__(self, certificate: x509.Certificate, issuer: x509.Certificate) -> CertificateStatus:
        """A `StatusOf`. Raises Problem(login.status_unknown)."""
        request = StatusRequest.about(certificate, issuer, self.randomness)
        answer = post(self.responder or responder_of(certificate), request.der, self.timeout)
        return request.read(answer, self.clock.now())


def post(address: str, question: bytes, timeout: float) -> bytes:
    """The responder's answer, at most 64 KiB. Raises Problem(login.status_unknown)."""
    url = urlsplit(address)
    if url.scheme != "http" or not url.hostname:
        raise Problem("login.status_unknown", f"“{address}” is no address of a responder", expected="http://…")
    try:
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)
        try:
            connection.request("POST", url.path or "/", question, {"Content-Type": _QUESTION, "Accept": _ANSWER})
            with connection.getresponse() as response:
                body = response.read(MAX_ANSWER_BYTES + 1)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Problem(
            "login.status_unknown",
            f"the responder cannot be asked ({type(error).__name__})",
            url.netloc,
            advice="Try again in a few minutes.",
        ) from None
    if response.status != 200 or len(body) > MAX_ANSWER_BYTES:
        raise Problem(
            "login.status_unknown", f"the responder answered {response.status}, {len(body)} bytes", url.netloc
        )
    return body


def trusted_issuers(path: Path) -> TrustedIssuers:
    """Issuers from a PEM file. Raises Problem(file.unreadable, value.invalid)."""
    try:
        return TrustedIssuers.from_pem(path.read_bytes())
    except OSError as error:
        raise Problem("file.unreadable", error.strerror or "cannot be read", str(path)) from None
