"""Revocation lists (失効リスト): ids of tokens that count no more, signed by their municipality, and how old the list is.

A shelter has no network: its list may be days old, and says so. A list that is older than a token cannot name it, and one
that is not there at all is told as such: the person at the terminal decides, knowing it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from jwcrypto.common import json_decode, json_encode
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

from kumihimo.domain.kernel import Problem, legal_day
from kumihimo.roles.card.ordinance.attributes import UNREADABLE
from kumihimo.roles.card.ordinance.issuers import Issuer, TrustedIssuers

TYPE: Final = "ordinance-revocations+jwt"
FRESH: Final = timedelta(days=1)
_ALGORITHM: Final = "ES256"


@dataclass(frozen=True)
class RevocationList:
    """The ids that one issuer has revoked, as of an instant."""

    issuer: str
    made_at: datetime
    ids: frozenset[str]

    @classmethod
    def read(cls, raw: str, trusted: TrustedIssuers) -> RevocationList:
        """Out of its signed form. Raises Problem(ordinance.malformed, ordinance.untrusted)."""
        signed = JWS()
        try:
            signed.deserialize(raw)
            header, said = signed.jose_header, _said(json_decode(signed.objects["payload"]))
            if header.get("typ") != TYPE or header.get("alg") != _ALGORITHM:
                raise ValueError(f"not of type {TYPE}")
            key = trusted.key(said.issuer, str(header.get("kid")), legal_day(said.made_at))
            signed.verify(JWK.from_pyca(key), alg=_ALGORITHM)
        except UNREADABLE as error:
            raise Problem(
                "ordinance.malformed",
                f"not a revocation list: {error}"[:200],
                expected="one as a municipality signed it",
            ) from error
        return said


def revocation_list(issuer: Issuer, ids: Iterable[str], now: datetime) -> str:
    """The signed list of a municipality, for files and sticks."""
    signed = JWS(json_encode({"iss": issuer.name, "iat": int(now.timestamp()), "revoked": sorted(ids)}))
    header = {"alg": _ALGORITHM, "typ": TYPE, "kid": issuer.kid}
    signed.add_signature(JWK.from_pyca(issuer.key), None, json_encode(header))
    return str(signed.serialize(compact=True))


@dataclass(frozen=True)
class Revocations:
    """The lists a terminal carries, the newest of each issuer."""

    lists: tuple[RevocationList, ...] = ()

    def caution(self, issuer: str, token: str, now: datetime) -> str | None:
        """What to know about a token that is not revoked: None with a fresh list. Raises Problem(ordinance.revoked)."""
        theirs = [one for one in self.lists if one.issuer == issuer]
        for one in theirs:
            if token in one.ids:
                raise Problem(
                    "ordinance.revoked",
                    f"revoked, by the list of {legal_day(one.made_at)}",
                    issuer,
                    "one that counts",
                    "Do not rely on it; ask at the municipal office.",
                )
        if not theirs:
            return "no revocation list of this municipality is here: it was not checked whether this was revoked"
        age = now - max(one.made_at for one in theirs)
        if age <= FRESH:
            return None
        return f"the revocation list is {age.days} days and {age.seconds // 3600} hours old"


def _said(data: dict[str, Any]) -> RevocationList:
    made_at = datetime.fromtimestamp(data["iat"], UTC)
    return RevocationList(str(data["iss"]), made_at, frozenset(map(str, data["revoked"])))
