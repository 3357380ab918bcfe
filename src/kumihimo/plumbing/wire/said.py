"""Words between a resident and a body (やり取りの文): a SaidText sealed for one party and bound to what it is about."""

from __future__ import annotations

from pydantic import ValidationError

from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.domain.sealing import canonical_json, open_sealed, seal
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import b64, from_b64, malformed
from kumihimo.plumbing.wire.messages.information import SaidText


def seal_said(edge: Edge, says: str, receiver: PartyId, binding: bytes) -> str:
    """Words sealed for a party (HPKE, base64). Raises Problem(peer.unknown)."""
    plain = canonical_json(SaidText(says=says).model_dump(mode="json"))
    return b64(seal(plain, edge.directory.seal_key(receiver), binding))


def open_said(edge: Edge, sealed: str, binding: bytes) -> str:
    """Words that were sealed for us. Raises Problem: message.malformed, sealing.cannot_open."""
    plain = open_sealed(from_b64(sealed, "sealed"), edge.identity.sealing_key, binding)
    try:
        return SaidText.model_validate_json(plain).says
    except ValidationError as error:
        raise malformed(error, "SaidText") from None
