"""Issuers (発行自治体): a municipality's key for what it writes on cards, and how a reader far away comes to trust it.

The key is P-256 and not the office's: that one opens cards, this one signs what stands on them. The office certifies it in
an `IssuerEntry`, and the card-management CA certified the office: so a terminal without a network needs a file of entries
and one public key. Thumbprints are those of RFC 7638.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)
from jwcrypto.jwk import JWK

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.storage.keyfiles import read_secret, replace_secret, write_secret
from kumihimo.roles.card.chip import handshake
from kumihimo.roles.card.chip.certificates import office_of
from kumihimo.roles.card.terminal import OfficeKey

_ENTRY: Final = b"kumihimo/card/ordinance-issuer/v1"


@dataclass(frozen=True)
class Issuer:
    """A municipality (six-digit code) with the key it signs attributes and access keys with."""

    municipality: str
    key: EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def new(cls, municipality: str) -> Self:
        """With a new key."""
        return cls(municipality, generate_private_key(SECP256R1()))

    @classmethod
    def load(cls, municipality: str, path: Path) -> Self:
        """With the key in a file. Raises Problem(key.missing|key.permissions|file.unreadable)."""
        try:
            key = load_der_private_key(read_secret(path), None)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Problem("file.unreadable", "not a key", str(path), "a P-256 key in PKCS #8") from error
        if not isinstance(key, EllipticCurvePrivateKey):
            raise Problem("file.unreadable", "not a P-256 key", str(path), "a P-256 key in PKCS #8")
        return cls(municipality, key)

    def save(self, path: Path) -> None:
        """Write the key to a new file that nobody else can read. Raises Problem(key.exists)."""
        write_secret(path, self._pkcs8())

    def replace(self, path: Path) -> None:
        """Write the key in the place of the one before, in one step."""
        replace_secret(path, self._pkcs8())

    def _pkcs8(self) -> bytes:
        return self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    @property
    def kid(self) -> str:
        """The key's thumbprint."""
        return thumbprint(self.key.public_key())

    @property
    def name(self) -> str:
        """Who signs, as it stands in what is signed."""
        return issuer_name(self.municipality)


@dataclass(frozen=True)
class IssuerEntry:
    """A municipality's issuing key, certified by its office: good for what was signed from `since` to `until` (legal days)."""

    municipality: str
    key: EllipticCurvePublicKey = field(repr=False)
    since: date
    until: date
    office_certificate: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @classmethod
    def of(cls, issuer: Issuer, office: OfficeKey, since: date, until: date) -> Self:
        """The entry that the issuer's office makes."""
        bare = cls(issuer.municipality, issuer.key.public_key(), since, until, office.certificate, b"")
        signature = handshake.sign(office.private_key, bare.statement)
        return cls(bare.municipality, bare.key, since, until, office.certificate, signature)

    @property
    def statement(self) -> bytes:
        """What the office signs."""
        days = f"{self.since.isoformat()}/{self.until.isoformat()}".encode()
        return handshake.framed(_ENTRY, self.municipality.encode(), days, _spki(self.key))

    def require_genuine(self, authority: EllipticCurvePublicKey) -> None:
        """Raises Problem(ordinance.untrusted) unless an office of this municipality, certified by the CA, vouches for it."""
        try:
            office = office_of(self.office_certificate, authority)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _untrusted(self.municipality, f"its office's certificate: {error}") from error
        if office.name != self.municipality or not office.valid_on(self.since):
            raise _untrusted(self.municipality, "its office's certificate is for another municipality or time")
        if not handshake.holds(office.key, self.statement, self.signature):
            raise _untrusted(self.municipality, "its office did not sign this key")

    def to_dict(self) -> dict[str, str]:
        """As it stands in a file."""
        return {
            "municipality": self.municipality,
            "key": _spki(self.key).hex(),
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "office_certificate": self.office_certificate.hex(),
            "signature": self.signature.hex(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Raises ValueError, KeyError or TypeError."""
        key = load_der_public_key(bytes.fromhex(data["key"]))
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            raise ValueError("not a P-256 key")
        return cls(
            str(data["municipality"]),
            key,
            date.fromisoformat(data["since"]),
            date.fromisoformat(data["until"]),
            bytes.fromhex(data["office_certificate"]),
            bytes.fromhex(data["signature"]),
        )


class TrustedIssuers:
    """The municipalities whose word a terminal takes: the file it carries. Every entry was checked when it was read."""

    def __init__(self, entries: Iterable[IssuerEntry], authority: EllipticCurvePublicKey) -> None:
        self._authority = authority
        self._entries = {(one.municipality, thumbprint(one.key)): one for one in entries}
        for one in self._entries.values():
            one.require_genuine(authority)

    @classmethod
    def load(cls, raw: bytes, authority: EllipticCurvePublicKey) -> Self:
        """Out of a file. Raises Problem(file.unreadable, ordinance.untrusted)."""
        try:
            entries = [IssuerEntry.from_dict(one) for one in json.loads(raw)["issuers"]]
        except (ValueError, KeyError, TypeError, RecursionError, UnsupportedAlgorithm) as error:
            raise Problem(
                "file.unreadable", f"no list of issuers: {error}", expected="one made by `to_bytes`"
            ) from error
        return cls(entries, authority)

    def with_those_of(self, other: TrustedIssuers) -> TrustedIssuers:
        """Both lists as one; of one key, the other's entry."""
        return TrustedIssuers({**self._entries, **other._entries}.values(), self._authority)

    def to_bytes(self) -> bytes:
        """The file."""
        entries = [one.to_dict() for one in self._entries.values()]
        return json.dumps({"issuers": entries}, indent=1).encode()

    def key(self, issuer: str, kid: str, day: date) -> EllipticCurvePublicKey:
        """The key of an issuer for what was signed on `day`. Raises Problem(ordinance.untrusted)."""
        for (municipality, thumb), entry in self._entries.items():
            if issuer_name(municipality) == issuer and thumb == kid:
                if not entry.since <= day <= entry.until:
                    raise _untrusted(
                        municipality, f"the key was good from {entry.since} to {entry.until}, not on {day}"
                    )
                return entry.key
        raise _untrusted(issuer, "this terminal does not know the key it was signed with")


def issuer_name(municipality: str) -> str:
    """`urn:kumihimo:municipality:011002`."""
    return f"urn:kumihimo:municipality:{municipality}"


def thumbprint(key: EllipticCurvePublicKey) -> str:
    """RFC 7638, SHA-256, base64url."""
    return str(JWK.from_pyca(key).thumbprint())


def _spki(key: EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _untrusted(who: str, why: str) -> Problem:
    return Problem(
        "ordinance.untrusted",
        why,
        who,
        "a key that a certified office vouches for",
        "Get a newer list of trusted municipalities, or do not rely on this card.",
    )
