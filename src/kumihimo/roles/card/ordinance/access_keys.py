"""Access keys on the card (アクセスキー方式): sixteen random bytes that open one entry of one database, and mean nothing else.

A key that anybody can read could be carried about by a copy; so the municipality signs it for the one card it was written
to, and a counter believes it only from that card (`readers.proved_card`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from kumihimo.domain.kernel import Problem, RandomSource, legal_day
from kumihimo.roles.card.chip import handshake
from kumihimo.roles.card.chip.tlv import one_each, tlv
from kumihimo.roles.card.ordinance.issuers import Issuer, TrustedIssuers, issuer_name

KEY_BYTES: Final = 16
_STATEMENT: Final = b"kumihimo/card/ordinance-access-key/v1"
_KEY, _DAY, _KID, _SIGNATURE = 0x80, 0x81, 0x82, 0x9E


@dataclass(frozen=True)
class AccessKey:
    """A key with the municipality's word that it belongs to `aid` on the card with the key of thumbprint `card`."""

    key: bytes = field(repr=False)
    content: bytes = field(repr=False)

    @classmethod
    def new(cls, issuer: Issuer, aid: bytes, card: str, now: datetime, randomness: RandomSource) -> AccessKey:
        """A new key for a card."""
        key, day = randomness.token_bytes(KEY_BYTES), legal_day(now).isoformat()
        signature = handshake.sign(issuer.key, _statement(aid, card, day, key))
        content = tlv(_KEY, key) + tlv(_DAY, day.encode()) + tlv(_KID, issuer.kid.encode()) + tlv(_SIGNATURE, signature)
        return cls(key, content)

    @classmethod
    def read(cls, content: bytes, municipality: str, aid: bytes, card: str, trusted: TrustedIssuers) -> AccessKey:
        """The key out of an application's content, believed. Raises Problem(ordinance.malformed, ordinance.untrusted)."""
        try:
            found = one_each(content)
            key, day, kid = found[_KEY], found[_DAY].decode("ascii"), found[_KID].decode("ascii")
            signed_on = date.fromisoformat(day)
            signature = found[_SIGNATURE]
        except (ValueError, KeyError) as error:
            raise Problem("ordinance.malformed", "the access key on the card cannot be read", aid.hex()) from error
        issuing = trusted.key(issuer_name(municipality), kid, signed_on)
        if not handshake.holds(issuing, _statement(aid, card, day, key), signature):
            raise Problem(
                "ordinance.untrusted",
                "the access key was not written for the card in the reader",
                aid.hex(),
                "the card it was written for",
                "Do not rely on this card; report it to the municipality.",
            )
        return cls(key, content)


def _statement(aid: bytes, card: str, day: str, key: bytes) -> bytes:
    return handshake.framed(_STATEMENT, aid, card.encode(), day.encode(), key)
