"""Openings (開示) on the wire: what an audited institution seals to its reader, and to what the seal is bound."""

from __future__ import annotations

from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.domain.sealing import binding
from kumihimo.plumbing.wire.messages.audits import Audited


def opening_binding(inquiry: Audited, institution: str, reader: PartyId, order_hash: str) -> bytes:
    """The HPKE `info`: the inquiry with its place, the institution, the reader, and the digest of the order (hex)."""
    return binding(f"{inquiry.transaction}/{inquiry.position}", institution, reader, bytes.fromhex(order_hash))
