"""Opening audit (開示監査): showing an auditor with an order whom an inquiry was really about.

The randomness of every request follows from the exchange's audit key and the transaction number, so that (code, randomness) can
be recomputed and held against the logged hash of the ciphertext; another person's code would not give it. After a rotation the
code of that time is kept sealed under the audit key, and matches nothing any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from kumihimo.domain.codes import encrypt, request_randomness
from kumihimo.domain.kernel import AddresseeNumber, Problem
from kumihimo.domain.sealing import open_kept, seal_to_keep
from kumihimo.roles.gateway.service.link_codes import LinkCodes
from kumihimo.roles.gateway.store.inquiries import InquiryStore, OpenInquiry
from kumihimo.roles.gateway.store.rotations import RotationStore

_PURPOSE: Final = b"kumihimo/audit-code/v1"


@dataclass(frozen=True)
class Opening:
    """What the auditor is given: with the institution's public key it recomputes the logged `subject_hash`."""

    transaction: str
    addressee_number: AddresseeNumber
    epoch: int
    subject_hash: str
    code: bytes = field(repr=False)
    randomness: bytes = field(repr=False)


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


def open_inquiry(store: InquiryStore, codes: LinkCodes, audits: AuditCodes, transaction: str) -> Opening:
    """Open one of the own inquiries.

    Raises Problem(transaction.unknown), addressee.no_code, and codes.proof_invalid when the stored code is no longer the one
    that was asked about.
    """
    inquiry = store.find(transaction)
    if inquiry is None:
        raise Problem("transaction.unknown", transaction, expected="an inquiry that this institution sent")
    code, public = _of_that_time(inquiry, codes, audits)
    randomness = request_randomness(audits.audit_key, transaction)
    subject = encrypt(code, public, randomness)
    if hashlib.sha256(subject).hexdigest() != inquiry.subject_hash:
        raise Problem(
            "codes.proof_invalid",
            f"transaction {transaction}: code and randomness do not give the ciphertext that was sent",
            expected=f"subject hash {inquiry.subject_hash}",
            advice="The code was changed since; look for it in a backup of that time.",
        )
    return Opening(transaction, inquiry.addressee_number, inquiry.epoch, inquiry.subject_hash, code, randomness)


def _of_that_time(inquiry: OpenInquiry, codes: LinkCodes, audits: AuditCodes) -> tuple[bytes, bytes]:
    """The addressee's code in the epoch of the inquiry, and our public key then."""
    held = codes.store.code_of(inquiry.addressee_number, inquiry.epoch, inquiry.epoch)
    if held is not None:
        return held.code, codes.domain.of_epoch(inquiry.epoch).public
    kept = audits.code(codes.store.stands_for(inquiry.addressee_number) or "", inquiry.epoch)
    public = audits.store.old_public_key(inquiry.epoch)
    if kept is None or public is None:
        raise Problem(
            "addressee.no_code",
            f"addressee {inquiry.addressee_number}",
            where="addressee_number",
            expected=f"a link code of epoch {inquiry.epoch}",
        )
    return kept, public


def _about(addressee_number: str, epoch: int) -> bytes:
    return f"{addressee_number}\n{epoch}".encode()
