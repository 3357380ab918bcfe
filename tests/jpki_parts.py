"""Authorities, holders and cards of public personal authentication for tests of several rooms; keys are made once a run."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import ocsp

from kumihimo.domain.jpki import (
    Algorithm,
    CaKey,
    CaName,
    CertificationAuthority,
    Holder,
    Places,
    Profile,
    Reason,
    Responder,
    State,
    Status,
    Wanted,
    card_end,
    certify_responder,
    issue,
    make_issuing,
    make_root,
    serial_from,
)
from kumihimo.domain.kernel import Address, FourItems, PersonName, SeededRandomness, Sex, legal_day
from kumihimo.domain.web_eid import StatusRequest

NOW = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)  # noon in Japan
PLACES = Places("http://127.0.0.1:8080")
BORN = date(1975, 1, 1)
_randomness = SeededRandomness("serials")
_numbers = itertools.count(1)


def hanako(given: str = "花子", lines: str = "中央1丁目2番3号", birth: date = BORN) -> FourItems:
    """総務花子, of X市."""
    address = Address("甲県", "X市", lines, "コーポ組紐101")
    return FourItems(PersonName("総務", given, "ソウム", "ハナコ"), address, birth, Sex.FEMALE)


@cache
def key(label: str, algorithm: Algorithm = Algorithm.RSA_2048) -> Any:
    """The key of this label, made once: it takes up to half a second."""
    return algorithm.generate()


def serial() -> int:
    return serial_from(_randomness.token_bytes(16))


@dataclass
class Authorities:
    """A root with all its authorities, by one algorithm."""

    algorithm: Algorithm = Algorithm.RSA_2048
    places: Places = PLACES
    now: datetime = NOW
    root: CertificationAuthority = field(init=False)
    issuing: dict[CaName, CertificationAuthority] = field(init=False)

    def __post_init__(self) -> None:
        self.root = make_root(self._key(CaName.ROOT), serial(), self.now)
        self.issuing = {
            name: make_issuing(self.root, name, self._key(name), serial(), self.now, self.places)
            for name in (CaName.AUTHENTICATION, CaName.SIGNATURE, CaName.CARD)
        }

    def _key(self, name: CaName) -> CaKey:
        made: CaKey = key(name, Algorithm.P_256 if name is CaName.CARD else self.algorithm)
        return made

    def certificate(
        self, profile: Profile = Profile.AUTHENTICATION, items: FourItems | None = None, label: str | None = None
    ) -> x509.Certificate:
        """A resident's certificate, issued now."""
        holder = Holder.of(items or hanako())
        public = key(label or f"resident {profile}", self.algorithm).public_key()
        wanted = Wanted(profile, holder, public, card_end(holder.birth, legal_day(self.now)))
        return issue(self.issuing[profile.ca], wanted, serial(), self.now, self.places)

    def responder(self, profile: Profile = Profile.AUTHENTICATION) -> Responder:
        ca = self.issuing[profile.ca]
        own = key("responder", self.algorithm)
        return Responder(ca.certificate, certify_responder(ca, own.public_key(), serial(), self.now), own)


@cache
def authorities(algorithm: Algorithm = Algorithm.RSA_2048) -> Authorities:
    """The authorities of this algorithm, made once."""
    return Authorities(algorithm)


def question(certificate: x509.Certificate, issuer: x509.Certificate) -> StatusRequest:
    """What a relying party asks about a certificate, with another nonce each time."""
    return StatusRequest.about(certificate, issuer, _randomness)


def learnt(
    certificate: x509.Certificate, issuer: x509.Certificate, ask: Callable[[bytes], bytes], now: datetime
) -> Status:
    """What a relying party believes of the responder that `ask` reaches, with the reason, which it has no use for."""
    asked = question(certificate, issuer)
    answered = ask(asked.der)
    believed = asked.read(answered, now)
    flag = ocsp.load_der_ocsp_response(answered).revocation_reason
    reason = next((one for one in Reason if one.flag is flag), None)
    return Status(State(believed.standing.value), believed.revoked_at, reason)


def listed(serial: int, crl: x509.CertificateRevocationList) -> x509.ReasonFlags | None:
    """Why a certificate is on a list; None where it is not on it."""
    found = crl.get_revoked_certificate_by_serial_number(serial)
    return None if found is None else found.extensions.get_extension_for_class(x509.CRLReason).value.reason


def is_current(crl: x509.CertificateRevocationList, issuer: x509.Certificate, now: datetime) -> bool:
    """Whether the issuer made a list, and it is of these days."""
    following = crl.next_update_utc
    assert following is not None
    signed = crl.issuer == issuer.subject and crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    return signed and crl.last_update_utc <= now <= following


def pem(path: Path, *certificates: x509.Certificate | x509.CertificateRevocationList) -> str:
    """Write certificates or lists into a file for openssl; its name."""
    path.write_bytes(b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates))
    return str(path)
