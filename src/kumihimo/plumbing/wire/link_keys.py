"""The decryption key of an own link-code domain (符号の復号鍵): assembled here from one share of each operator.

Nobody else ever holds the whole key. Each share comes sealed to the asker; the assembled key is kept in the key folder.
"""

from __future__ import annotations

from pathlib import Path

from kumihimo.domain.codes import assemble_key
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.domain.sealing import open_sealed
from kumihimo.plumbing.storage import read_secret, write_secret
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import from_b64
from kumihimo.plumbing.wire.messages.codes import KeyShare, ShareOfKey

OPERATORS = (PartyId("hub-1/operator"), PartyId("hub-2/operator"))


def share_binding(party: str, label: str, operator: str) -> bytes:
    """What a sealed share is bound to: who may open it, for which domain, from which operator."""
    return f"kumihimo/key-share/v1\n{party}\n{label}\n{operator}\n".encode()


class LinkKeys:
    """An institution's link-code keys by domain label; fetched on first use and kept in the key folder.

    Instances may be shared by threads: a key fetched twice at once is the same key.
    """

    def __init__(self, edge: Edge, client: PeerClient) -> None:
        self._edge = edge
        self._client = client
        self._known: dict[str, bytes] = {}

    def secret(self, label: str) -> bytes:
        """The 32-byte decryption key of a domain. Raises Problem(operator.unreachable, sealing.cannot_open)."""
        if label not in self._known:
            self._known[label] = self._stored(label) or self._fetch(label)
        return self._known[label]

    def newest_epoch(self, institution: str) -> int | None:
        """The newest epoch of which the key is in the key folder."""
        names = (path.name for path in self._edge.identity.folder.glob(f"link-{institution}#*.key"))
        return max((int(name.removesuffix(".key").rpartition("#")[2]) for name in names), default=None)

    def destroy(self, label: str) -> None:
        """Forget the key of a domain that is closed: file and memory. Once more changes nothing."""
        self._file(label).unlink(missing_ok=True)
        self._known.pop(label, None)

    def _file(self, label: str) -> Path:
        return self._edge.identity.folder / f"link-{label}.key"

    def _stored(self, label: str) -> bytes | None:
        return read_secret(self._file(label)) if self._file(label).exists() else None

    def _fetch(self, label: str) -> bytes:
        shares = [self._share(operator, label) for operator in OPERATORS]
        key = assemble_key(shares[0], shares[1])
        try:
            write_secret(self._file(label), key)
        except Problem as problem:
            if problem.code != "key.exists":  # somebody fetched the same key at the same time
                raise
            return read_secret(self._file(label))
        return key

    def _share(self, operator: PartyId, label: str) -> bytes:
        message = self._edge.message(ShareOfKey, operator, label=label)
        try:
            reply = self._client.send("/key-shares", message, KeyShare).value
        except Problem as problem:
            if problem.code == "peer.unreachable":
                raise Problem("operator.unreachable", problem.detail, advice=problem.advice) from None
            raise
        binding = share_binding(self._edge.party, label, operator)
        return open_sealed(from_b64(reply.sealed, "sealed"), self._edge.identity.sealing_key, binding)
