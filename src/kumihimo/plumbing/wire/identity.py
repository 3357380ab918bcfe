"""Identity (自機関の鍵): the keys by which a party speaks: TLS, signing, and where needed sealing.

All of them are files of one folder that only its owner can read; the folder also holds the trust anchors: the TLS root and
the verification keys of the two operators.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.domain.sealing import SealingKey, SigningKey, VerifyKey
from kumihimo.plumbing.storage import read_secret
from kumihimo.plumbing.wire.envelope import from_b64


@dataclass(frozen=True)
class Identity:
    """The key folder of one party: tls.pem, tls.key, sign.key, seal.key, root.pem, anchors.json."""

    party: PartyId
    folder: Path

    @cached_property
    def signing_key(self) -> SigningKey:
        """Raises Problem(key.missing, key.permissions)."""
        return SigningKey.from_bytes(read_secret(self.folder / "sign.key"))

    @cached_property
    def sealing_key(self) -> SealingKey:
        """Raises Problem(key.missing, key.permissions)."""
        return SealingKey.from_bytes(read_secret(self.folder / "seal.key"))

    @property
    def certificate_file(self) -> Path:
        return self._public("tls.pem")

    @property
    def key_file(self) -> Path:
        read_secret(self.folder / "tls.key")  # refuses a key that others could read
        return self.folder / "tls.key"

    @property
    def root_file(self) -> Path:
        return self._public("root.pem")

    def anchors(self) -> dict[PartyId, VerifyKey]:
        """The two operators' verification keys. Raises Problem(key.missing, file.unreadable)."""
        path = self._public("anchors.json")
        try:
            pinned: dict[str, str] = json.loads(path.read_text())
            return {PartyId(party): VerifyKey.from_bytes(from_b64(text, party)) for party, text in pinned.items()}
        except (OSError, ValueError, AttributeError, TypeError, Problem):
            raise Problem(
                "file.unreadable", "not the operators' keys", where=str(path), expected="a JSON object: party to key"
            ) from None

    def _public(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise Problem(
                "key.missing", name, where=str(path), expected="a file", advice="Restore the key folder of this party."
            )
        return path
