"""Opening audit (開示監査): showing an auditor with an order whom an inquiry was really about.

The randomness of every request follows from the exchange's audit key and the transaction number, so that (code, randomness) can
be recomputed and held against the logged hash of the ciphertext; another person's code would not give it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from kumihimo.domain.codes import encrypt, request_randomness
from kumihimo.domain.kernel import AddresseeNumber, Problem
from kumihimo.roles.gateway.service.link_codes import LinkCodes
from kumihimo.roles.gateway.store.inquiries import InquiryStore


@dataclass(frozen=True)
class Opening:
    """What the auditor is given: with the institution's public key it recomputes the logged `subject_hash`."""

    transaction: str
    addressee_number: AddresseeNumber
    epoch: int
    subject_hash: str
    code: bytes = field(repr=False)
    randomness: bytes = field(repr=False)


def open_inquiry(store: InquiryStore, codes: LinkCodes, audit_key: bytes, transaction: str) -> Opening:
    """Open one of the own inquiries.

    Raises Problem(transaction.unknown), addressee.no_code, and codes.proof_invalid when the stored code is no longer the one
    that was asked about.
    """
    inquiry = store.find(transaction)
    if inquiry is None:
        raise Problem("transaction.unknown", transaction, expected="an inquiry that this institution sent")
    code = codes.code_of(inquiry.addressee_number)
    randomness = request_randomness(audit_key, transaction)
    subject = encrypt(code, codes.domain.of_epoch(inquiry.epoch).public, randomness)
    if hashlib.sha256(subject).hexdigest() != inquiry.subject_hash:
        raise Problem(
            "codes.proof_invalid",
            f"transaction {transaction}: code and randomness do not give the ciphertext that was sent",
            expected=f"subject hash {inquiry.subject_hash}",
            advice="The code was changed since; look for it in a backup of that time.",
        )
    return Opening(transaction, inquiry.addressee_number, inquiry.epoch, inquiry.subject_hash, code, randomness)
