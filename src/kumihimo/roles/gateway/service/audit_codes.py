"""Codes of closed epochs (監査用の旧符号): kept sealed for opening audits after a rotation; they match nothing any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from kumihimo.domain.sealing import open_kept, seal_to_keep
from kumihimo.roles.gateway.store.rotations import RotationStore

_PURPOSE: Final = b"kumihimo/audit-code/v1"


@dataclass(frozen=True)
class AuditCodes:
    """Codes and public keys of closed epochs. `audit_key` is the secret of opening audits, 32 bytes."""

    store: RotationStore
    audit_key: bytes = field(repr=False)

    def seal_for(self, epoch: int) -> Callable[[str, bytes], bytes]:
        """How the code of an addressee in that epoch is sealed."""

        def seal(addressee_number: str, code: bytes) -> bytes:
            return seal_to_keep(code, self.audit_key, _PURPOSE, _about(addressee_number, epoch))

        return seal

    def code(self, addressee_number: str, epoch: int) -> bytes | None:
        """The code of an addressee in a closed epoch. Raises Problem(sealing.cannot_open)."""
        sealed = self.store.audit_code(addressee_number, epoch)
        if sealed is None:
            return None
        return open_kept(sealed, self.audit_key, _PURPOSE, _about(addressee_number, epoch))


def _about(addressee_number: str, epoch: int) -> bytes:
    return f"{addressee_number}\n{epoch}".encode()
