"""Attributes on the card (属性方式): an SD-JWT (RFC 9901) of the municipality, of which a reader shows on only what is needed.

Every declared field is disclosed or held back by itself. The token names the card's own key (`cnf.jkt`, RFC 7638): a reader
asks the card to prove that key, so a copied token is worth nothing. The card signs its own challenges with it and never a
token, so there is no key-binding JWT. `jti` is what a revocation list names.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from jwcrypto.common import JWException, json_decode
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS
from sd_jwt.common import SDObj
from sd_jwt.holder import SDJWTHolder
from sd_jwt.issuer import SDJWTIssuer
from sd_jwt.verifier import SDJWTVerifier

from kumihimo.domain.kernel import Problem, RandomSource, legal_day
from kumihimo.roles.card.ordinance.catalogue import OrdinanceApplication, Value
from kumihimo.roles.card.ordinance.issuers import Issuer, TrustedIssuers

TYPE: Final = "dc+sd-jwt"
LONGEST: Final = 16_384  # characters
_ALGORITHM: Final = "ES256"
_KINDS: Final = "urn:kumihimo:ordinance:"
_FIXED: Final = frozenset({"iss", "vct", "iat", "exp", "jti", "cnf"})
_JTI_BYTES: Final = 12
_AHEAD: Final = timedelta(minutes=5)  # clocks of terminals without a network
UNREADABLE: Final = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    RecursionError,
    OverflowError,
    OSError,
    JWException,
)

# The library tells what it discloses at the level of debugging.
logging.getLogger("sd_jwt").disabled = True


@dataclass(frozen=True, repr=False)
class Attribute:
    """What a token says, once it was checked: only the fields that were disclosed. Prints none of them."""

    application: str
    issuer: str
    id: str
    issued_at: datetime
    expires_at: datetime
    card: str
    values: Mapping[str, Value]

    def __repr__(self) -> str:
        return f"Attribute({self.application}, {self.issuer}, fields {', '.join(self.values)})"


def issue(
    issuer: Issuer,
    application: OrdinanceApplication,
    values: Mapping[str, Value],
    card: str,
    now: datetime,
    randomness: RandomSource,
) -> tuple[str, str]:
    """A token for the card with the key of thumbprint `card`, and its id. Raises Problem(value.invalid) for other fields.

    The salts of the disclosures are the library's own random ones.
    """
    application.require(values)
    name = randomness.token_bytes(_JTI_BYTES).hex()
    claims: dict[Any, Any] = {
        "iss": issuer.name,
        "vct": _KINDS + application.id,
        "iat": int(now.timestamp()),
        "exp": int((now + application.valid).timestamp()),
        "jti": name,
        "cnf": {"jkt": card},
        **{SDObj(field): value for field, value in values.items()},
    }
    made = SDJWTIssuer(
        claims,
        JWK.from_pyca(issuer.key),
        sign_alg=_ALGORITHM,
        extra_header_parameters={"typ": TYPE, "kid": issuer.kid},
    )
    return str(made.sd_jwt_issuance), name


def disclose(token: str, fields: Collection[str]) -> str:
    """The token with these fields only: what may be passed on. Raises Problem(ordinance.malformed)."""
    try:
        holder = SDJWTHolder(token)
        holder.create_presentation(dict.fromkeys(fields, True))
    except UNREADABLE as error:
        raise _malformed(error) from error
    return str(holder.sd_jwt_presentation)


def check(token: str, application: OrdinanceApplication, trusted: TrustedIssuers, now: datetime) -> Attribute:
    """What a token says, signed by a trusted issuer and not over.

    Raises Problem(ordinance.malformed, ordinance.untrusted, ordinance.expired).
    """
    if len(token) > LONGEST:
        raise _malformed(ValueError(f"{len(token)} characters"))

    def key_of(unverified_issuer: str, header: Mapping[str, Any]) -> JWK:
        if header.get("typ") != TYPE or header.get("alg") != _ALGORITHM:
            raise ValueError(f"not of type {TYPE}, signed with {_ALGORITHM}")
        return JWK.from_pyca(trusted.key(unverified_issuer, str(header.get("kid")), _signed_on(token)))

    try:
        verifier = SDJWTVerifier(token, key_of)
        claims = verifier.get_verified_payload()
        disclosed = {name: value for name, value in claims.items() if name not in _FIXED}
        if len(disclosed) != token.count("~") - 1 or not token.endswith("~"):
            raise ValueError("disclosures that nobody signed")
        found = Attribute(
            application=str(claims["vct"]).removeprefix(_KINDS),
            issuer=str(claims["iss"]),
            id=str(claims["jti"]),
            issued_at=datetime.fromtimestamp(claims["iat"], UTC),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            card=str(claims["cnf"]["jkt"]),
            values=disclosed,
        )
    except UNREADABLE as error:
        raise _malformed(error) from error
    if found.application != application.id:
        raise _malformed(ValueError(f"it is a {found.application}, not a {application.id}"))
    if found.expires_at <= now or found.issued_at > now + _AHEAD:
        raise Problem(
            "ordinance.expired",
            f"it counts from {legal_day(found.issued_at)} to {legal_day(found.expires_at)}",
            application.id,
            f"one that counts on {legal_day(now)}",
            "Have it written anew at the municipal office.",
        )
    return found


def _signed_on(token: str) -> Any:
    """The legal day on which a token says it was signed: which of the issuer's keys must have signed it."""
    signed = JWS()
    signed.deserialize(token.partition("~")[0])
    return legal_day(datetime.fromtimestamp(json_decode(signed.objects["payload"])["iat"], UTC))


def _malformed(error: Exception) -> Problem:
    return Problem(
        "ordinance.malformed",
        f"what stands on the card cannot be relied on: {type(error).__name__}: {error}"[:200],
        expected="an SD-JWT as the municipality wrote it",
        advice="Have it written anew at the municipal office.",
    )
